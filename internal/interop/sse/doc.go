// Package sseinterop holds what proves that sse talks to event stream clients and servers that others wrote, and that
// none of them loses an event, or gets one twice, when connections are cut in mid-stream. It has tests only:
//
//	go test ./sse/                            # what this machine has; the rest is skipped, and says why
//	TIDEWIRE_INTEROP=required go test ./sse/  # nothing may be missing
//	go test ./sse/ -update                    # and write TABLE.md
//
// # The suite
//
// Between the two ends stands a relay that the test drives. It counts the bytes of each response and cuts the connection
// behind the k-th, with k from 160 down to 1, one connection after the other, so that in the course of a case the cut falls on
// every byte of what a stream begins with: the chunk's length, the comment, the reconnection time, ids, names, the lines
// of the data and the blank line. What is passed on makes the server publish the next event, so events are live while
// connections are cut, those that fall between two connections are replayed, and no case waits for a clock. At the end
// the client must have given out exactly the events that were published, in order, each with its id and its name.
//
// # The peers
//
// go-sse runs in the test's process. eventsource for Node (node/follow.mjs) and curl are processes, one for each stream
// and one for each connection. Chromium's EventSource, and the two libraries that stand in for it or wrap it, run in a
// page (node/page.html) of another origin than the stream's, so its cursors pass the rules for cross-origin requests. The
// Node server (node/server.mjs) writes streams that are legal and awkward: every kind of line end, a byte order mark,
// fields without a colon, text that is cut anywhere.
package sseinterop
