// Package ws speaks WebSocket (RFC 6455), as server and as client. It is strict on both sides, bounded in memory by
// default, and made so that a careless program leaks nothing.
//
// A server in blocking form is a handler that reads and writes:
//
//	http.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
//		c, err := ws.Accept(w, r, nil)
//		if err != nil {
//			return // the client has its answer
//		}
//		for m, err := range c.Messages(r.Context()) {
//			if err != nil {
//				return
//			}
//			c.Write(r.Context(), m.Type, m.Data)
//		}
//	})
//
// In callback form it says what is to happen, and the library does the reading:
//
//	http.Handle("/ws", ws.Handler(nil, func(c *ws.Conn, r *http.Request) ws.Events {
//		return ws.Events{
//			Message: func(c *ws.Conn, typ ws.MessageType, data []byte) {
//				c.Write(context.Background(), typ, data)
//			},
//		}
//	}))
//
// A client:
//
//	c, err := ws.Dial(ctx, "wss://example.com/ws", nil)
//	…
//	err = c.Write(ctx, ws.Text, []byte("hello"))
//	typ, data, err := c.Read(ctx)
//	err = c.Close(ws.CloseNormal, "")
//
// [Connections] is a client that comes back. [Group] closes a server's connections when it goes away. [Observer] counts
// what happens. [NetConn], [ReadJSON] and [WriteJSON] are what they say. The package ws/wstest has an in-memory pair for
// tests, and a conformance suite for any server and client.
//
// # The two forms
//
// To the peer they are the same, and one test suite runs over both. (TestServerConforms,
// TestServerConformsOnFakeTime, TestEndsLookTheSame, TestEchoAllSizes, TestConcurrentWritersNeverMix and others)
//
// Take the blocking form, [Accept], where the conversation has an order (a login, then a question and an answer), where
// a message is large and read as a stream, and where a goroutine for each connection is no matter. The handler's end is
// the connection's.
//
// Take the callback form, [Handler], for many connections that are silent most of the time, and where whatever comes is
// dealt with by itself. Nobody has to remember to read. The events of a connection come one at a time and in order,
// Close exactly once and last; they may block and may call any method, because Close and Ping do not wait there. An
// event that panics ends its connection alone. Today each connection has a goroutine in this form too; that will go,
// and nothing else will change.
//
// # What is promised
//
// The tests that hold each promise are named with it.
//
//  1. Any goroutine may read, write, ping and close at any time. No misuse panics. Once a connection has ended, every
//     call returns the same error for ever, a *CloseError, a *ProtocolError or a *LimitError. Nothing is left behind:
//     no goroutine, no descriptor, also when a handler just returns, when it panics, and when the peer vanishes.
//     (TestEveryMethodFrom64Goroutines, TestConcurrentWritersNeverMix, TestEveryCallReturnsWhateverFails,
//     TestManyClosesSendOneFrame, TestHandlersEndClosesTheConnection, TestEventsComeInOrderAndCloseLast,
//     TestCloseInAnEventDoesNotWait, TestEventThatPanics, TestChurnLeavesNothingBehind, TestChurnOfThousands)
//  2. When the context of a read ends, the connection does not: the next read goes on where that one was, also in the
//     middle of a frame. A write whose context ends before its turn has written nothing; one that is cut off in the
//     middle of a frame ends the connection, as does a message of Writer that is abandoned halfway. A context that
//     ends late never hits another call. (TestCancelledReadLosesNothing, TestLateCancellationDoesNotHitTheNextRead,
//     TestWriteCancelledBeforeItsTurnHasWrittenNothing, TestWriteCancelledInMidFrameEndsTheConnection,
//     TestLateCancellationDoesNotHitTheNextWrite, TestForgottenWriter)
//  3. A peer that is silent for 30 s is pinged, and dropped when it stays silent for another 15 s, which count only
//     while somebody reads: a handler or an event that is busy for a minute does not kill a healthy peer. There is no
//     goroutine for it, one timer per connection. (TestSilentPeerIsPingedAndThenDropped, TestMissingPongCountsOnlyWhileSomebodyReads,
//     TestBusyEventDoesNotKillAHealthyPeer, TestShortReadsAddUpToAMissingPong, TestIdleConnectionLivesForADay,
//     TestVanishedPeerIsNoticed)
//  4. Both handshakes, frames, text and closes are held against RFC 6455 to the letter, and refused at the first wrong
//     byte. Pages of other origins are refused unless listed. (TestServerHandshake, TestClientHandshake,
//     TestOriginPolicy, TestParserAtEverySplit, TestTextFailsAtTheFirstBadByteAtEverySplit, TestBadCloseFrames,
//     TestViolationIsAnsweredAndDrained)
//  5. Everything is bounded by default, and the error names the limit and the option: see below. A frame that declares
//     too much is refused before its bytes come, memory is allocated for bytes that have come, and pings of a peer that
//     never reads wait sixteen at a time, the latest among them. (TestDeclaredLengthAllocatesNothing,
//     TestPingFloodIsBoundedAndTheLatestIsAnswered, TestWriteWithoutProgressEndsTheConnection,
//     TestStalledFrameIsRefused, TestHandshakeTimeout, TestResponseHeaderIsCapped, FuzzReader)
//  6. A connection stands on any net.Conn: TCP, TLS, what DialOptions.NetDial returns, what a net.Listener of your own
//     accepts. (TestEchoAllSizes, TestHandlersEndClosesTheConnection, TestConcurrentWritersNeverMix and others run over
//     TCP, TLS and memory; TestOneByteAtATime)
//
// # Limits
//
//	what                                   default       option             the peer gets
//	message                                1 MiB         MessageLimit       1009
//	frames in a message                    10,000        FrameLimit         1008
//	request header, on the server          16 KiB        HandshakeLimit     431
//	response header, on the client         64 KiB        HandshakeLimit     the end
//	handshake                              10 s          HandshakeTimeout   the end
//	silence before a ping                  30 s          PingInterval
//	silence after it, while one reads      15 s          PongTimeout        the end
//	silence in a frame, while one reads    30 s          FrameTimeout       1008
//	a write that makes no progress         2 min         WriteTimeout       the end
//	closing, all in all                    5 s           CloseTimeout       the end
//
// # Who waits for whom
//
// Nothing is queued. Write returns when its message was handed to the network, and waits where the peer does not read,
// with its context and for WriteTimeout at most. The messages of other writers wait behind it, each with its own
// goroutine, memory and context; to send to many, give each connection its own goroutine and a bounded channel, so that
// a slow peer delays no other. Control frames wait only for the frame that is being written. Reading never waits for
// writing.
//
// Somebody must read, or pings stay unanswered and the peer gives the connection up: Read in a loop, Messages, or, for
// those who only write, CloseRead. In callback form the library does, except while an event of the connection is under
// way. An event that writes to a peer that does not read waits as anybody does; it holds up its own connection, until
// WriteTimeout ends it, and no other. (TestBlockedEventHarmsNoOther, TestEventThatWritesToAPeerThatDoesNotRead)
//
// # Who owns memory
//
// What Read returns belongs to the caller; ReadAppend uses the caller's. What Events.Message is given is lent until it
// returns. What is given to Write is neither changed nor
// kept. A connection has a buffer of 4 KiB while a read is under way or bytes are left from the last one, and none
// otherwise. The context of the latest read, and that of the latest write, are kept until the next, or until the
// connection ends.
//
// # How connections end
//
// Close sends a close frame, waits for the peer's and for the end of the network connection. When the peer closes, Read
// answers and returns a *CloseError with its code; when the peer breaks the protocol or a limit, Read tells it why and
// returns the error. In both cases Read comes back when that is over, within CloseTimeout, so that a CloseNow behind it
// takes nothing away; when its context ends before, the closing goes on in the background. The server half-closes, and
// throws away what still comes until the client ends: otherwise unread bytes would reset the connection, and the close
// frame might be lost. CloseStatus gives the code of any error.
//
// When the handler of a connection of Accept returns, the connection is closed with 1001. Detach lets it live on; then
// whoever has it must close it. A connection of Handler lives until one side closes it. Accept and Handler have lifted the deadlines of http.Server's timeouts, and http.Server.Shutdown does not know of the
// connection: put connections into a Group, and call Group.Drain before Shutdown.
//
// # Security
//
// Browsers let any page connect anywhere and send the cookies of the server along; the Origin field is what tells
// pages apart, so that is checked by default: none (not a browser) and the same host are allowed. Behind a proxy that
// changes the Host field, name the field it puts the original in, in AcceptOptions.ProxyHostHeader. What a header field
// or a subprotocol is given by the program is checked for line breaks before it is sent. Redirects to other hosts lose
// Authorization and Cookie. Mask keys come from the runtime's ChaCha8 and can't be predicted, so that no page can make
// a client write bytes of its choice to an old proxy (RFC 6455, section 10.3).
//
// # What is not promised
//
// There is no compression yet: an offer of permessage-deflate is declined. There is no WebSocket over HTTP/2 (RFC 8441):
// a request over HTTP/2 is answered 505. A TLS connection allows no half-written record, so a write that is cut off ends
// the connection, however little of it had gone.
package ws
