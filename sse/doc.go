// Package sse writes and reads event streams, the server-sent events of the
// HTML standard (section 9.2): text over plain HTTP from a server to a browser's
// EventSource, to [Client], or to anything else that can follow a response. The
// token streams of language models are event streams too.
//
// A server that remembers:
//
//	events, group := sse.NewLog(nil), sse.NewGroup(nil)
//	http.Handle("/events", events.Handler(&sse.ServeOptions{Stream: sse.Options{Group: group}}))
//
// and somewhere in the program
//
//	id, err := events.Append(ctx, &sse.Event{Name: "price", Data: data})
//
// A client that comes back with the id of its last event gets exactly those
// that it missed and then those to come. Without a log, an event is sent in the
// handler itself:
//
//	func serve(w http.ResponseWriter, r *http.Request) {
//		s, err := sse.NewWriter(w, r, &sse.Options{Group: group})
//		if err != nil {
//			return // the request has been answered
//		}
//		defer s.Close()
//		for text := range answers(s.Context()) {
//			if s.Send(s.Context(), &sse.Event{Data: text}) != nil {
//				return // the client has gone
//			}
//		}
//	}
//
// # The parts
//
//   - [AppendEvent] is the only encoder. Nothing that an event holds can break
//     out of its field. It takes any name; but an EventSource gives an event named
//     error or open to the handlers of its own events of these names, so take others.
//   - [Writer] is one stream in a running handler, over HTTP/1.0, HTTP/1.1 or
//     HTTP/2, with heartbeats, a bound for each write and a maximum age.
//   - [Handler] makes a [Stream] of each request, which has no goroutine and no
//     buffer while it is silent, and which anything in the program can send to.
//   - [Group] limits the streams of a server and ends them in order.
//   - [Log] keeps the newest events, in memory or over a [Store] of yours, and
//     serves them.
//   - [LastEventID] reads a client's cursor from its request.
//   - [Read] parses any event stream.
//   - [Client] follows one over as many connections as it takes.
//
// # Contract
//
//  1. All methods of Writer, Stream, Group, Log and Client may be called from any
//     goroutine at any time. The bytes of two Sends, or of a Send and a
//     heartbeat, never mix. Options are copied.
//  2. A Writer belongs to its handler: defer its Close. When Close has returned,
//     nothing uses the response any more. A handler that forgets it leaks
//     nothing, but what is being written in that moment, a heartbeat too,
//     uses a response that net/http has taken back.
//  3. The events of one Send go out in one write and one flush; if one of them
//     can't be encoded, none does. A Send that waits for its turn ends with its
//     context and has written nothing. A write that fails ends the stream, and
//     the stream returns the same error for ever.
//  4. A Log gives each follower each event after its cursor exactly once and in
//     order, however publishing and following overlap. Where it can't, the
//     follower is told, by an event named "gap" in that place ([ParseGap]): the
//     cursor was too old, of another epoch, or the follower was slower than the
//     log forgets. Serve says it in a header too ([GapHeader]).
//  5. What [Read] and the Client give out belongs to the caller. What a Log
//     gives out is shared by all its followers and must not be changed.
//  6. No goroutine outlives the call that needs it, or the stream; there are no
//     globals but pools of buffers, and what silent streams share to be woken by.
//
// # The two forms
//
// To the client their bodies are the same, byte for byte, and one test suite runs
// over both. (A connection that has left net/http also says Connection: close.)
//
// Take [NewWriter], inside the handler, for a stream that has a course and an
// end: an answer that is written piece by piece, the progress of a job; and
// wherever code from top to bottom reads best. Send waits for the client, for
// WriteTimeout at most. Each stream costs what a handler of net/http costs, some
// 28 KB with its goroutines.
//
// Take [Handler], the callback form, for subscribers that wait: many clients, for
// whom nothing happens most of the time, and events that come from elsewhere in
// the program. A silent stream costs some 1.6 KB, and no goroutine. Whoever has
// the [Stream] sends, in one of three ways:
//
//	Push      never waits; a client that is too slow is disconnected, or does without
//	Send      waits until the queue has room
//	TrySend   never waits; takes shared bytes that are encoded already, and says how far it got
//
// A stream of [Log.Handler] is of the first form: each client costs the goroutine
// of its handler. Where many silent clients are to get what they missed, keep the
// events in a topic of package hub and serve it by package hub/gateway, or connect
// the Stream itself (hub.Hub.Connect): the callback form with replay.
//
// What is underneath depends on the request, and shows in nothing but the cost:
//
//	request                                    the HTTP handler   TrySend
//	HTTP/1.1 or 1.0                            returns            copies nothing
//	HTTP/1.1 or 1.0 over TLS                   returns            copies into the queue
//	HTTP/2; with a body; behind a middleware   stays              copies into the queue
//	with a ResponseWriter of its own
//
// One thing more depends on it: a Stream whose HTTP handler stays ends with the
// request's context, as a Writer does, so with http.Server.Close; one whose
// handler has returned does not. A drain of the Group ends all of them.
//
// No goroutine, and copying nothing, is for Linux on amd64 and arm64. Elsewhere,
// and over a net.Conn that is no socket, a stream that has left net/http keeps a
// goroutine with a small buffer, and TrySend copies.
//
// Of a Stream is promised:
//
//  1. What is sent arrives whole, in the order in which the calls were accepted,
//     also where a socket takes half of it. A heartbeat never comes between.
//  2. No stream waits for another one's client. Memory is bounded by
//     Options.QueueLimit, and one frame of TrySend. What is not sent is told to
//     whoever wanted to send it: by ErrQueueFull, by a *QueueError, or by the
//     error of the stream's end, which stays the same for ever.
//  3. The events come in order, Close exactly once and last, when a client left,
//     vanished, stopped reading or was disconnected, when the group drained, and
//     after a panic, which ends its own stream and nothing else.
//  4. A drain ends all streams at once, and each one's client is told its own
//     time to come back; so is one that was drained while its handler still ran.
//  5. A connection that has left net/http never goes back: it ends with the
//     stream, in order: what was queued, the last events, the last chunk. What a
//     client sends after its request is thrown away, and too much of it ends the
//     stream with ErrInput.
//  6. Nothing of the request is kept, and nothing is left behind: no goroutine,
//     no descriptor, no memory.
//
// # Who waits for whom
//
// A client that stops reading makes its own Send wait, for Options.WriteTimeout
// at most, and the stream ends then. (A Stream's Send has a queue to fill
// before.) It delays no other stream: a Log's
// publisher waits for no client, a follower is only a position, and memory is
// bounded by the log. What would need an unbounded queue, events that somebody
// pushes to a Writer faster than the client reads, waits in that somebody's
// Send. A log's [Store] is waited for by those that append, and by followers
// whose cursor is older than what memory holds; no read of it waits for a client.
//
// Where a middleware's writer hides the connection (no Unwrap method), writes
// have no deadline; the stream then works, a stalled client holds its handler
// until the network gives up, and Options.Logger is told.
//
// # The end of a server
//
// http.Server.Shutdown never ends a stream, and of those that have left net/http
// it does not even know. Drain the group first:
//
//	group.Drain(ctx)    // each client is told its own moment to come back
//	server.Shutdown(ctx)
//
// Each stream is told a random reconnection time when it opens, when its group
// has grown much, and when it is drained, from a window that is large enough to
// take all clients back at GroupOptions.Rate. A constant would bring them back
// together.
//
// # Ids
//
// An id is a cursor: the client hands back the last one that it saw, also one
// that came without data (NoData). Ids of [0-9A-Za-z._-] up to 128 bytes need
// no preflight in cross-origin requests; a Log's are like that, and have an
// epoch, so that a cursor from before a restart is recognised. LastEventID and
// Read take up to 2048 bytes, so that an id may hold the positions of several
// topics. A cursor is hostile input: it proves nothing about its sender.
// Authorise each request, and, where rights can change, each event
// (ServeOptions.Filter).
//
// # Reading
//
// The parser follows the standard to the letter; CASES.md lists the cases with
// their tests. Bytes that are not UTF-8 become U+FFFD, one for each maximal part
// of a bad sequence, as in a browser, and never end a stream. An event that is
// cut off is discarded with its id. Time is linear in the stream's length, and
// memory bounded by ReadOptions.
//
// # Not promised
//
// Delivery is not acknowledged: that a Send succeeded means that the operating
// system has the bytes. A Log in memory forgets everything when the process
// ends. A response that was compressed by a middleware before it reaches this
// package is refused if it says so (Content-Encoding); one that is compressed
// without saying so is delayed by it. A Stream's response is not seen by a
// middleware that looks at it when the handler returns, to log its length, say,
// unless it wraps the ResponseWriter. Cross-origin pages can open a stream with
// the user's cookies as they can send any GET: check the Origin where that
// matters; http.CrossOriginProtection lets every GET pass.
//
// # Tests that hold the promises
//
//	of both forms   TestFormsSendTheSame, TestFormsHaveTheSameHeader, TestFormsRefuse,
//	                TestFormsHeartbeat, TestFormsMaxAge, TestFormsEndWithTheClient,
//	                TestFormsOutliveTheServersWriteTimeout, TestFormsDrainAThousandStreams,
//	                TestFormsTellEarlyClientsOfALargerWindow, TestStreamHeartbeatOnASocket
//	the table       TestHandlerReturnsWhereTheConnectionCanLeave, TestHandlerBodyRule,
//	                TestStreamOnTheWire, TestHandlerWithARecorder, TestTrySendAllocatesNothing
//	1               TestTrySendFrames, TestFormsConcurrentSendersNeverInterleave,
//	                TestStreamCalledFromEverywhere
//	2               TestOneStalledOfAThousand, TestPushToASlowClient, TestStreamSendWaits,
//	                TestNoHeartbeatsForAClientThatReadsNothing
//	3               TestStreamEventsOrder, TestStreamEventsPanic, TestStreamPeerVanishes,
//	                TestStreamFaults, TestHandlerSurvivesAWriterThatPanics, TestNotifyWritableOfAnEndedStream,
//	                TestResidentCutInTheMiddleOfAWrite, TestStreamMisuse, TestZeroStream, TestNilContext
//	4               TestFormsDrainAThousandStreams, TestStreamDrainedBeforeItIsOpen,
//	                TestHandlerShutdown, TestGroupOfBothForms
//	                TestHandlerAndTheServersClose (what ends with the request, and what does not)
//	5               TestStreamOnTheWire, TestStreamClientThatKeepsSending, TestStreamCountsAllInput,
//	                TestStreamHeaderFieldsOfTheConnection, TestHandlerAfterTheHeaderIsWritten
//	6               TestHandlerKeepsNothingOfTheRequest, TestHandlerChurn
//
// CASES.md names those of the parser, and of what others have got wrong.
package sse
