// Package sse serves and reads event streams, the server-sent events of the
// HTML standard (section 9.2).
package sse
