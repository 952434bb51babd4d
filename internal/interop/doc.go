// Package interop holds what proves that ws talks to WebSocket implementations that others wrote. It has tests only:
//
//	go test ./...                            # what this machine has; the rest is skipped, and says why
//	TIDEWIRE_INTEROP=required go test ./...  # nothing may be missing
//	go test ./... -update                    # and write TABLE.md
//
// It is a module of its own, so that users of tidewire download none of the peers.
//
// # The suite
//
// A case is a function over two ends of one connection: ours, a *ws.Conn, and theirs. It is run once per peer and
// direction as TestInterop/<peer>/<direction>/<case>. In the direction "server" the peer listens and ws.Dial connects;
// in "client-blocking" the peer connects to the form of our server that the rest of the name tells. Connections are TCP
// over the loopback device, without anything between but for the cases that look at the frames: they go through a relay
// that reads along. TIDEWIRE_INTEROP_TAP=1 sends all of them through it and prints the frames of what fails.
//
// # The peers
//
// coder/websocket and gorilla/websocket run in the test's process. Node's ws (node/peer.js, after npm ci in node) and
// Python's websockets (python/peer.py, Debian's package python3-websockets) are child processes that are told what to do
// by lines of JSON, one request and one reply each, with the messages as descriptions (a unit of bytes and how often it
// is repeated) and as digests of what came. Chromium's page (chromium/page.html) takes the same requests as function
// calls. A child ends when its standard input does, so none outlives the test.
package interop
