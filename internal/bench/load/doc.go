// Package load is the load generator: one thread, raw system calls, an epoll, and frames that were masked before the
// clock started, so that a message costs it less than any server. It checks every byte that comes back; what is lost,
// changed or out of order is an error and makes the sample void.
//
// It runs in a process of its own, on another core than the server, whose CPU time it reads from the system's clock of
// that process.
package load
