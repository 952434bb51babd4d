// Package tidewire is the root of a family of realtime transports for Go.
//
// The packages are used on their own; see backoff, ws, sse, hub and presence.
package tidewire
