// Package wstest is for tests of WebSocket code: connections without a network, and a suite that any WebSocket server
// or client, in any language, can be held against.
//
// # Without a network
//
// [Pair] gives the two ends of a connection that lives in memory, and [Dial] one to an http.Handler that is served in
// memory. Both end with the test. In a testing/synctest bubble keepalives, timeouts and reconnections take no time:
//
//	func TestSilence(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			conn, err := wstest.Dial(t, chat, "/rooms/7", nil)
//			if err != nil {
//				t.Fatal(err)
//			}
//			_, p, err := conn.Read(t.Context()) // "are you still there?", an hour later, at once
//			...
//		})
//	}
//
// # The suite
//
// [Server] holds a server against RFC 6455, one subtest a case. The server needs an endpoint that echoes:
//
//	func TestServerConforms(t *testing.T) {
//		srv := httptest.NewServer(echo)
//		defer srv.Close()
//		wstest.Server(t, srv.URL, &wstest.ServerOptions{
//			Peer:         wstest.Peer{MessageLimit: 1 << 20, FrameLimit: 10_000},
//			Subprotocols: []string{"chat.v2", "chat"},
//		})
//	}
//
// It need not be a server in Go: a URL will do. [Client] does the same for a client, which it calls with one URL after
// the other; it has to connect, to echo, and to return when the connection has ended:
//
//	func TestClientConforms(t *testing.T) {
//		wstest.Client(t, func(ctx context.Context, url string) error {
//			return exec.CommandContext(ctx, "./echo-client", url).Run()
//		}, nil)
//	}
//
// [RunServer] and [RunClient] return the results instead, for programs and for synctest bubbles. [Cases] is the list:
// an ID, what the peer must do in a line, and where that is said. Cases are about the server's handshake (handshake/),
// the client's (dial/), and for both sides frames/, text/ and close/. Extensions are not negotiated.
//
// # How it judges
//
//  1. The suite's own codec, handshake and connections share no code with package ws or any other implementation.
//  2. It judges by what comes, in which order and how often, never by how soon. When something must come, or a connection
//     must end, it waits for Peer.Patience; when nothing must come, it sends something that is answered, or waits for the
//     end. Two cases look for a moment only (close/client-waits, and frames/cut, which needs pieces to arrive apart): on
//     a machine that is too slow they see less, and blame nobody.
//  3. The linear cases compare a server with itself: a request of twice the size may take less than three times as long.
//     Of each size the quickest of five counts, taken in turns; a ratio that is too large is measured up to five times, and
//     times below 5 ms pass. On fake time they all pass.
//  4. A fault fails one case, as far as that can be: what a case is not about it does not look at. A server that sends
//     wrong pongs fails frames/ping and nothing else. Where the same fault would have to fail another case too, that one
//     is skipped, and says so.
//  5. It is strict. Where the standard says that a connection must be failed, it wants the close frame that says why,
//     with the code that the standard names. Some of that is SHOULD in the standard, and some is prudence that it does not
//     speak of, such as limits; a peer that decides otherwise on purpose names the cases in Peer.Skip.
//  6. Cases run one after the other, each with connections of its own; when one is judged, all it has opened is closed.
//     A run keeps no goroutine, unless a client does not return although its context has ended.
//  7. Whatever the peer does, the run ends, and holds a bounded amount of memory.
//
// The suite's own tests hold it to that: a strict server and a strict client pass every case, and for every case there is
// a twin of theirs with one fault that fails that case and no other.
//
// # What can't be judged from outside
//
// These are for an implementation's own tests:
//
//   - that nothing is allocated ahead of the bytes that came, and that memory is bounded in a flood;
//   - deadlines that an HTTP server has left on the connection, and response writers that are wrapped;
//   - that the body of a refusal can be read, and that line feeds in the caller's own headers are refused;
//   - control frames between the reads of a streaming reader and between the frames of a streaming writer;
//   - which error a caller gets: 1006, an unexpected end inside a frame;
//   - closing that the peer under test begins: with nobody reading, a hundred times at once, against a peer that never
//     reads; and the length of the reasons that it sends then;
//   - whether mask keys can be predicted (that they repeat or follow a pattern is seen);
//   - contexts, concurrency, and what is left behind.
//
// # Security
//
// The suite tries to break its target. Run it against servers of your own. The in-memory server of [Dial] can't be reached
// by anybody else; the listener of [Client] is on loopback, unless another one is given.
package wstest
