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
// A client that comes back, goes on behind what it has seen, and takes a fresh ticket each time:
//
//	opts := &ws.DialOptions{Prepare: func(ctx context.Context, a *ws.Attempt) error {
//		ticket, err := fetchTicket(ctx) // an error is tried again, after a wait
//		a.URL.RawQuery = url.Values{"after": {seen}, "ticket": {ticket}}.Encode()
//		return err
//	}}
//	for c, err := range ws.Connections(ctx, "wss://example.com/ws", opts, backoff.Policy{}) {
//		if err != nil {
//			return err // there will be no further one
//		}
//		seen = follow(c) // until the connection ends
//	}
//
// A server that goes away closes its connections first:
//
//	group := &ws.Group{} // in AcceptOptions.Group of every connection
//	…
//	group.Drain(ctx)
//	server.Shutdown(ctx)
//
// [Observer] counts what happens. [NetConn], [ReadJSON] and [WriteJSON] are what they say. The package ws/wstest has an
// in-memory pair for tests, and a conformance suite for any server and client.
//
// # The two forms
//
// To the peer they are the same, and one test suite runs over both.
//
// Take the blocking form, [Accept], where the conversation has an order (a login, then a question and an answer), where
// a message is large and read as a stream, and where a goroutine for each connection is no matter. The handler's end is
// the connection's.
//
// Take the callback form, [Handler], for many connections that are silent most of the time, and where whatever comes is
// dealt with by itself. Nobody has to remember to read. The events of a connection come one at a time and in order,
// Close exactly once and last; they may block and may call any method, because Close and Ping do not wait there. An
// event that panics ends its connection alone.
//
// In this form an idle connection over TCP or TLS has neither a goroutine nor a buffer, on Linux (amd64 and arm64):
// it costs some 1.5 KB of the process's memory, of which what Go has for any socket is half, and over TLS some 9 KB,
// most of it crypto/tls's. Over TCP a busy one has none either: a few goroutines read for all connections and run
// their events, and one more for each event that blocks, which takes some 13 KB. Elsewhere, and where the listener
// wraps its connections in a type of its own (to count or to limit them), a goroutine stays with each. In blocking
// form a goroutine waits in Read, with its stack: some 4.2 KB in all for one of its own (see Detach) that does
// little but read and write, and 14 KB for the handler's, which has net/http's stack and buffers.
//
// # What is promised
//
// The tests that hold each promise are named at the end.
//
//  1. Any goroutine may read, write, ping and close at any time. No misuse panics: whatever is called in a wrong order,
//     too often, at the same time or after the end returns an error, also of a Conn that nobody made. (A nil *Conn
//     panics, as everywhere in Go. Nil options are the defaults; a nil context is an error.) Once a connection has ended, every call returns the same error for ever, a
//     *CloseError, a *ProtocolError or a *LimitError. Nothing is left behind: no goroutine, no descriptor, also when a
//     handler just returns, when it panics, and when the peer vanishes.
//  2. When the context of a read ends, the connection does not: the next read goes on where that one was, also in the
//     middle of a frame. A write whose context ends before its turn has written nothing; one that is cut off in the
//     middle of a frame ends the connection, as does a message of Writer that is abandoned halfway. A context that
//     ends late never hits another call.
//  3. A peer that is silent for 30 s is pinged, and dropped when it stays silent for another 15 s, which count only
//     while somebody reads: a handler or an event that is busy for a minute does not kill a healthy peer. There is
//     neither a goroutine for it nor a timer of its own: one wheel turns for all connections over sockets, so it may be
//     a tenth of a second late.
//  4. Both handshakes, frames, text and closes are held against RFC 6455 to the letter, and refused at the first wrong
//     byte. Pages of other origins are refused unless listed.
//  5. Everything is bounded by default, and the error names the limit and the option: see below. A frame that declares
//     too much is refused before its bytes come, memory is allocated for bytes that have come, and pings of a peer that
//     never reads wait sixteen at a time, the latest among them.
//  6. A connection stands on any net.Conn: TCP, TLS, what DialOptions.NetDial returns, what a net.Listener of your own
//     accepts.
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
//	what waits to be sent                  256 KiB       QueueLimit         1013, or nothing: QueueFull
//	a write that makes no progress         2 min         WriteTimeout       the end
//	closing, all in all                    5 s           CloseTimeout       the end
//
// How soon a request must have come is up to http.Server.ReadHeaderTimeout, which has no limit by default: set it.
//
// Who raises MessageLimit may have to raise FrameLimit too: a client that cuts its messages into frames of 4 KiB, as
// some libraries do, comes to 10,000 of them at 39 MiB.
//
// FrameTimeout is for silence, and begins anew with each byte: a peer that sends one byte every 29 s is not refused. It
// holds no more than a silent peer does, and the bytes that it has sent. Where a message must be there in time, give
// the reads a context, and close the connection when that has ended.
//
// # Errors
//
//	type or value                          what has happened                             what it tells
//	*HandshakeError                        Accept or Dial made no connection             Reason, StatusCode; Header, Body
//	*CloseError                            closed by the peer, by this side, or lost     Code, Reason, Local
//	*ProtocolError                         ended: the peer broke RFC 6455                Code, Reason
//	*LimitError                            ended: a limit was passed, also in the two    Limit, Max, Option, Code
//	                                       handshakes, then inside a *HandshakeError
//	ErrInvalidUTF8                         this text can't be sent; nothing was
//	ErrFull                                this can't be sent now without waiting        the *LimitError of Send matches it
//	ErrNotServer, ErrBadFrame              TrySend can't take this
//	ErrDraining                            the group takes no more
//	ErrReadByHandler                       a connection of Handler reads by itself
//	context.Canceled, DeadlineExceeded     the call has ended; the connection only as promise 2 says
//	and the context's cause
//
// CloseStatus gives the code that an error tells of, 1006 where there was no close frame, 0 where there is no code.
// errors.Is finds io.EOF in the *CloseError of a peer that closed or went between messages, io.ErrUnexpectedEOF inside
// one, net.ErrClosed where this side closed, and the network's own error otherwise.
//
// A refused handshake says in its text, and a server also in the body of its response, what would mend it: the origin and
// the options that would allow it, the middleware that hides http.Hijacker, the proxy that took Upgrade away. Dial's has
// the first line of the response's body. Neither has the URL, which may hold a ticket.
//
// # Who waits for whom
//
// What a peer that reads slowly has not taken waits in a queue of its connection, up to QueueLimit, and leaves in the
// order in which it was accepted. When the queue is full:
//
//	call                   waits?                                  what becomes of the message
//	Write, WritePrepared   for room, with its context, and         it is sent, or of it nothing was
//	                       until WriteTimeout without progress
//	Send, SendPrepared     never                                   QueueFull: the connection is closed with 1013, or the
//	                                                               message is dropped, told and counted (Dropped)
//	TrySend                never                                   it stays with the caller, whom NotifyWritable calls
//
// Write returns when its message was handed to the network or to the queue; a message that is larger than the queue is
// never copied to it, and Write returns when the network has all of it. While a message of Writer is under way other
// messages wait for its end: Write waits, Send and TrySend say ErrFull.
//
// To send one message to many, [Prepare] it once and call SendPrepared on each connection: a slow peer delays no other.
// A hub that keeps its messages anyhow, and knows for each connection how far it has come, needs no copies and no queues:
// it encodes with [AppendFrame] and gives the frames to TrySend.
//
// While further messages of the peer are at hand, what is written is collected, and leaves together with the answer to
// the last of them; who blocks in between does not hold it back. Control frames stand in the same queue, with a room of
// their own, and are never waited for. Reading never waits for writing.
//
// Somebody must read, or pings stay unanswered and the peer gives the connection up: Read in a loop, Messages, or, for
// those who only write, CloseRead. In callback form the library does, except while an event of the connection is under
// way. An event that writes to a peer that does not read waits as anybody does, once the queue is full; it holds up its
// own connection, until WriteTimeout ends it, and no other.
//
// # Who owns memory
//
// What Read returns belongs to the caller; ReadAppend uses the caller's. What Events.Message is given is lent until it
// returns. What is given to Write and Send is neither changed nor kept. Frames given to TrySend must never change again.
// A Prepared is shared by all connections of a server; a client has to mask, so it makes a copy of what it sends.
//
// A connection has a buffer of 8 KiB while it deals with what has come, and none while it waits, unless a part of a
// message is there; where the library does not know the socket (other systems, wrapped connections, pipes), it waits with
// 512 bytes. The context of the latest read, and that of the latest write that had to wait, are kept until the next, or
// until the connection ends.
//
// # How connections end
//
// Close sends a close frame, waits for the peer's and for the end of the network connection. When the peer closes, Read
// answers and returns a *CloseError with its code; when the peer breaks the protocol or a limit, Read tells it why and
// returns the error. In both cases Read comes back when that is over, within CloseTimeout, so that a CloseNow behind it
// takes nothing away; when its context ends before, the closing goes on in the background. The server half-closes, and
// throws away what still comes until the client ends: otherwise unread bytes would reset the connection, and the close
// frame might be lost.
//
// When the handler of a connection of Accept returns, the connection is closed with 1001. Detach lets it live on; then
// whoever has it must close it. A connection of Handler lives until one side closes it. Accept and Handler have lifted
// the deadlines of http.Server's timeouts.
//
// # How servers end
//
// http.Server.Shutdown does not know of the connections: put them into a [Group], and call Group.Drain before it. A
// program that has event streams too (package sse) drains both at the same time, because each takes its time:
//
//	var drains sync.WaitGroup
//	drains.Go(func() { connections.Drain(ctx) }) // a ws.Group
//	drains.Go(func() { streams.Drain(ctx) })     // a sse.Group
//	drains.Wait()
//	server.Shutdown(ctx)
//
// The two groups differ, because the protocols do. An event stream can be told when to come back, so a sse.Group
// ends all streams at once, each with a moment of its own in which to return. A close frame has no such field, so a
// ws.Group spreads the closing itself, over Spread: a drain takes that long, and up to CloseTimeout more, and longer
// only where a Message or Pong of Handler does not return, because the connection ends when it has. Nothing tells such an
// event of the drain but the program: what its events wait for should end with a context of the program's own, cancelled
// before Drain. When ctx ends first, a ws.Group cuts off who is left (a 1006 for their peers) and returns, while an event
// that is under way goes on; a sse.Group returns and says how many streams are left, which it leaves to their handlers
// and to http.Server.Close. Both return an error that wraps the context's cause.
//
// # Security
//
// Browsers let any page connect anywhere and send the cookies of the server along; the Origin field is what tells
// pages apart, so that is checked by default: none (not a browser) and the same host are allowed. Behind a proxy that
// changes the Host field, name the field it puts the original in, in AcceptOptions.ProxyHostHeader; list other origins
// in AcceptOptions.Origins, whose "https://*.example.com" trusts everybody who can put a page below that name.
//
// The same host is the one that the browser asked for, by whatever name. A server on localhost or in a private network
// whose address others can give a name (DNS rebinding) should also hold Request.Host against the names that it has.
//
// What a header field or a subprotocol is given by the program is checked for line breaks before it is sent, and what
// comes from the other side is quoted before it is told. Redirects to other hosts lose Authorization and Cookie, and
// never lead from wss to ws. Mask keys come from the runtime's ChaCha8 and can't be predicted, so that no page can make
// a client write bytes of its choice to an old proxy (RFC 6455, section 10.3).
//
// # What is not promised
//
// There is no compression yet: an offer of permessage-deflate is declined. There is no WebSocket over HTTP/2 (RFC 8441):
// a request over HTTP/2 is answered 505. A TLS connection allows no half-written record, so a write that is cut off ends
// the connection, however little of it had gone.
//
// # Tests that hold the promises
//
// The file CASES.md names a test for each case of the protocol. Those of the promises above:
//
//	1  TestEveryMethodFrom64Goroutines, TestConcurrentWritersNeverMix, TestEveryCallReturnsWhateverFails,
//	   TestManyClosesSendOneFrame, TestHandlersEndClosesTheConnection, TestEventsComeInOrderAndCloseLast,
//	   TestCloseInAnEventDoesNotWait, TestEventThatPanics, TestAcceptOfNothingIsAnError, TestDialOfNothingIsAnError,
//	   TestConnectionsOfNothingIsAnError, TestGroupOfNothing, TestSecondAcceptIsAnError, TestGroupsThatFightForAConnection,
//	   TestConnThatNobodyMade, TestNilContextIsAnError, TestChurnLeavesNothingBehind, TestChurnOfThousands
//	2  TestCancelledReadLosesNothing, TestLateCancellationDoesNotHitTheNextRead,
//	   TestWriteCancelledBeforeItsTurnHasWrittenNothing, TestWriteCancelledInMidFrameEndsTheConnection,
//	   TestLateCancellationDoesNotHitTheNextWrite, TestForgottenWriter
//	3  TestSilentPeerIsPingedAndThenDropped, TestMissingPongCountsOnlyWhileSomebodyReads,
//	   TestBusyEventDoesNotKillAHealthyPeer, TestShortReadsAddUpToAMissingPong, TestIdleConnectionLivesForADay,
//	   TestVanishedPeerIsNoticed, TestFrameThatCameAtOnceIsNotStalled, TestLatePongWaitsForALargeMessage
//	4  TestServerHandshake, TestClientHandshake, TestOriginPolicy, TestOriginsThatCouldNeverMatchAreRefused,
//	   TestParserAtEverySplit, TestTextFailsAtTheFirstBadByteAtEverySplit, TestBadCloseFrames,
//	   TestViolationIsAnsweredAndDrained, TestServerConforms, TestServerConformsOnFakeTime
//	5  TestDeclaredLengthAllocatesNothing, TestPingFloodIsBoundedAndTheLatestIsAnswered,
//	   TestWriteWithoutProgressEndsTheConnection, TestStalledFrameIsRefused, TestHandshakeTimeout,
//	   TestResponseHeaderIsCapped, TestSendDropsWhenTheQueueIsFull, TestSendClosesWhenTheQueueIsFull,
//	   TestWriteWaitsForRoomInTheQueue, TestTrySendTakesWhatThereIsRoomFor, TestIdleCallbackConnectionHasNoGoroutine,
//	   TestBlockedEventHarmsNoOther, TestEventThatWritesToAPeerThatDoesNotRead,
//	   TestLongMessageIsNotMovedForEachPiece, TestNotifyWritableWithAForgottenWriter, FuzzReader
//	6  TestEchoAllSizes, TestEndsLookTheSame and others run over TCP, in the fast and in the portable way, over TLS and in
//	   memory; TestOneByteAtATime
package ws
