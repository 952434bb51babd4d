// Package ws speaks WebSocket (RFC 6455), as server and as client.
package ws
