// Package tidewire is the map of a family of packages for pages and programs that must be live. It holds no code; import
// what you need:
//
//   - [github.com/tidewire/tidewire/ws]: WebSocket (RFC 6455), server and client.
//   - [github.com/tidewire/tidewire/sse]: event streams (HTML standard, section 9.2), writer, reader, client and replay.
//   - [github.com/tidewire/tidewire/hub]: topics, published once and followed from any position.
//   - [github.com/tidewire/tidewire/hub/gateway]: topics for clients, over both transports from one position.
//   - [github.com/tidewire/tidewire/presence]: who is here; a typed layer over a topic.
//   - [github.com/tidewire/tidewire/backoff]: delays and retries that do not come back as a herd.
//
// # Which transport
//
// Take ws when the page talks back often. Take sse when the server tells and the page listens: it passes every proxy that
// knows HTTP, and browsers resume it by themselves. Put hub behind either when several parts of a program, or several
// transports, follow the same events; a position is the same text on both.
//
// # What is promised
//
//  1. No loss is silent. Where events are missing the reader is told so in band, and how many if that can be known.
//  2. No queue is unbounded; each says what happens when it is full. A slow peer never delays another.
//  3. Bad input gets a clear, typed error, and leaves everybody else untouched. No sequence of calls on a value that these
//     packages made panics; contexts and receivers must not be nil.
//  4. Nothing leaks: what was closed or cancelled leaves no goroutine, timer or descriptor behind.
//  5. ws, sse and hub do not import one another, and none needs anything outside the standard library.
//
// Each package says in its documentation, or in the CASES.md beside it, which of its tests hold its share of these
// promises.
//
// # What is not promised
//
// Authentication, authorisation and TLS are the program's own. Topics live in the memory of one process, unless the program
// gives the hub a Broker of its own: a restart begins a new log, and whoever comes back with an old position is told.
//
// The reference program is examples/board, a collaborative board of notes.
package tidewire
