// Package server is the back end of the example board: a page of sticky notes
// that several people change at the same time. PROTOCOL.md, two folders up, is
// what it speaks.
//
// It is built from the public packages of this module alone, each for one thing:
//
//   - a keyed topic of a hub per board holds the notes. Its order is the order of
//     the operations, its snapshot and its tail are what a welcome is made of,
//     its positions are where a client resumes;
//   - a log topic per board holds the notices, which sse streams follow;
//   - presence knows who is there;
//   - ws carries the conversation, backoff spreads the clients' return.
//
// The server in four lines:
//
//	s, err := server.New(server.Options{Files: web.Files()})
//	...
//	defer s.Close()
//	http.ListenAndServe("127.0.0.1:8080", s.Handler())
//
// # How it holds together
//
//  1. An operation takes effect exactly once. Board and client number are looked
//     at, the note is read, changed and written, and the client's number moves on,
//     in one step under the board's lock. The write is conditional as well.
//  2. A connection that ends leaves its client's number behind, for a day. The
//     client sends again what it has no answer for; what was dealt with is
//     answered again and does nothing.
//  3. Every connection pulls the operations from the topic itself, so nobody
//     waits for anybody: a reader that is too slow falls off the topic's tail and
//     is closed with 4002, and comes back for the rest.
//  4. Everything else that a connection is told goes through a bounded queue, in
//     which an answer waits for the echoes of the operations before it. A full
//     queue means 4002 too.
//  5. All memory is bounded: notes and deleted notes of a board, clients, boards,
//     connections, streams; topics nobody uses age away.
//  6. Locks are never held across I/O to a peer. Their order stands at Server.mu.
//
// # What it does not do
//
// There are no accounts: whoever reaches the server may do everything, under any
// name. Boards live in memory; after a restart they are empty and clients are
// told that the board was reset.
package server
