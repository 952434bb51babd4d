// Package gateway serves the topics of a hub to clients: over event streams and
// over WebSockets, with one envelope and one position on both. A client may come
// back by whichever transport gets through, as often as it is cut, and loses and
// repeats nothing.
//
//	h := hub.New(nil)
//	g := gateway.New(h, &gateway.Options{Authorize: func(a *gateway.Access) (gateway.Grant, error) {
//		user, err := userOf(a.Request) // a cookie, a header, a query
//		if err != nil {
//			return gateway.Grant{}, &gateway.RefusedError{Status: http.StatusUnauthorized, Err: err}
//		}
//		if !mayRead(user, a.Topic) {
//			return gateway.Grant{}, &gateway.RefusedError{Status: http.StatusForbidden}
//		}
//		return gateway.Grant{User: user}, nil
//	}})
//	mux := http.NewServeMux()
//	mux.Handle("GET /topics/{topic}", g)
//	...
//	h.Topic("news").Publish(ctx, data) // from anywhere in the program
//
// A page that follows it, and is brought back by the browser with all that it has
// missed:
//
//	const news = new EventSource("/topics/news")
//	news.onmessage = (m) => show(JSON.parse(m.data).data)                   // events without a name
//	news.addEventListener("story", (m) => show(JSON.parse(m.data).data))    // those with hub.Name("story")
//	news.addEventListener("gap", () => reload())
//
// Events named error or open would come to the handlers of an EventSource's own
// events: take other names.
//
// The same over a WebSocket, where coming back is up to the page:
//
//	let after = ""
//	function follow() {
//		const news = new WebSocket("/topics/news" + (after && "?after=" + after))
//		let wait = 1000 + 2000 * Math.random()
//		news.onmessage = (m) => {
//			const event = JSON.parse(m.data)
//			if (event.pos) after = event.pos
//			if (event.name == "bye") wait = event.bye.retry ?? wait
//			else if (event.name == "gap") reload()
//			else if ("data" in event) show(event.data)
//		}
//		news.onclose = () => setTimeout(follow, wait)
//	}
//	follow()
//
// With a keyed topic there are two cases more, on either transport: the event reset,
// at which to forget all keys, for the table follows; and one that has deleted, at
// which to forget its key.
//
// # Requests
//
// [Handler] itself serves both transports at one URL: a request to upgrade gets a
// WebSocket, one with Accept: text/event-stream a stream. EventStream and
// WebSocket are handlers for one of them. Where to begin is in the request, see
// [FromRequest]:
//
//	/topics/news                  from now on; a keyed topic: its table, and then what changes
//	/topics/news?from=start       with all that is retained
//	/topics/news?from=last.50     with the last 50
//	/topics/news?after=POS        behind that position, or Last-Event-ID: POS
//
// # What a client gets
//
// Each event is one envelope, see [AppendEvent] and, for readers in Go,
// [ParseEnvelope]. It is JSON in one line and the same for everybody, so that it
// is made once for all connections of a transport. Over a WebSocket it is one text
// message. In an event stream it is the data of an event whose id is the position
// and whose name is that of the event ("message" to a browser if it has none).
//
// The hub's markers come in their place in the stream, as events with a reserved
// name:
//
//	live    everything up to the head at the time of subscribing has been sent
//	gap     events are missing here, and the stream goes on behind them
//	reset   a snapshot of the table follows: forget what it does not name
//	bye     the connection ends, and when to come back; see [Bye]
//
// A client remembers the pos of the last event that has one (an EventSource does,
// by the id) and asks for what comes after it. Neither reset nor the rows of a
// snapshot have one: whoever is cut in the middle of a snapshot comes back with
// what they had before it and gets the snapshot again. A gap has one, that of the
// place behind it, so that nobody hears of it twice.
//
// Publish JSON for pages; a [hub.TopicOf] does by default. Data that happens to
// look like JSON arrives as JSON: a program that publishes plain text, of which
// some is "42", finds that in data and the rest in text. In Go, Envelope.Data is
// the bytes in any case.
//
// # How a connection ends
//
// When the server ends a connection it says why. Over a WebSocket a close code
// says it too, also when there was no room for the bye:
//
//	drain        1012   the server goes away
//	age          -      sse.Options.MaxAge
//	slow         1013   the client was slower than the log is long (hub.Disconnect)
//	unavailable  1013   the topic can't be read for the moment
//	kicked       1008   hub.Hub.Kick; asked again, Authorize should refuse
//	closed       1001   the hub was closed
//	failed       1011   a fault of the program's, such as a Filter that panics: Options.Logger has it
//
// In an event stream bye carries retry, which is when an EventSource comes back.
// It gives up for ever on a status that is not 200. So what will pass (a drain, a
// broker that is away, an Authorize that fails, an id of another server) is told in
// the stream, and only what is for good by a status: 400 a malformed from or after,
// what Authorize chooses in a RefusedError, 404 a topic that Options.Configure of
// the hub refuses, 405, 406, and 500 where the program has set up the Handler
// wrongly: without a hub, without Authorize, under a pattern without {topic}, with
// hub.Coalesce for a log, with a topic that the hub's broker has as another kind.
// Then the body says which, and the log, once.
//
// To end the server, drain, and then shut down:
//
//	g.Drain(ctx)        // each client at its own moment, with its own time to stay away
//	server.Shutdown(ctx)
//	h.Close()
//
// # The contract
//
// After each statement, in brackets, the tests that hold it.
//
//  1. What a client gets is what a reader in the process gets, from every start,
//     of every kind, over every transport. [TestEveryStart, TestDataOfEverySort]
//  2. After resumes exactly, by every way to say it.
//     [TestEveryPositionResumesExactly, TestFromRequest]
//  3. A client that changes transport in mid-stream loses nothing and gets
//     nothing twice; with a keyed topic, its table is the topic's.
//     [TestChangeOfTransportLosesAndRepeatsNothing, TestChangeOfTransportKeepsTheTable,
//     TestClientsComeBackByThemselves]
//  4. The id of an event stream is the position, and there is none where there is
//     none. [TestWhichEventsCarryIDs, TestEventStreamFrames]
//  5. Whoever is cut in mid-snapshot gets it again. [TestCutInMidSnapshotGetsItAgain]
//  6. Data that is JSON arrives as JSON, white space aside; all other data arrives
//     byte for byte. [TestEnvelopeText, TestDeepJSONArrives, FuzzEnvelope]
//  7. An event is encoded once for each transport, and the envelope costs no
//     allocation. [TestEncodedOncePerEventAndTransport, TestEncodingDoesNotAllocate]
//  8. A client that is slow loses nothing that the log still has, and is told of
//     the rest: by the Policy's gap or reset, or by bye, and a gap when it comes
//     back. [TestSlowClientWithinTheLogLosesNothing, TestBurstsToASlowClient,
//     TestSlowClientIsTold, TestSlowClientOfATableGetsTheLatest]
//  9. A client that does not read costs the others nothing. [TestOneStalledOfAThousand]
//  10. Nobody gets in without Authorize's leave, which is asked for each
//     connection. [TestAuthorizeDecides, TestNobodyGetsInWithoutAuthorize,
//     TestGrantFiltersAndNames]
//  11. Each end that is the server's is told, with a time to stay away that is
//     the client's own, and nothing comes behind it. [TestEndsAreTold,
//     TestNothingComesBehindTheLastWord, TestGroupsOfTheTransports,
//     TestUnavailableIsToldInTheStream]
//  12. Drain ends each client at a moment of its own, returns when all have gone,
//     and lets nobody in. [TestDrainSpreadsTheClients, TestDrainInAHurry]
//  13. A connection that has ended, in whatever way, leaves nothing behind.
//     [TestClientsThatVanishLeaveNothing, TestEndsAreTold]
//  14. What is malformed is refused with a status and a text.
//     [TestBadRequestsAreRefused, TestTopicOfTheRequest, TestNegotiation,
//     TestMessagesAreRefused, TestParseEnvelopeRefuses]
//  15. A mistake in the set-up is told in each answer, and once in the log.
//     [TestMistakesAreTold, TestDefaultLogger]
//  16. An Authorize that fails without a RefusedError refuses nobody for good, and
//     lets nobody in. [TestAuthorizeThatFails]
//  17. A Filter that panics ends its own client, which is told, and is logged with
//     its stack. [TestFilterThatPanics]
//
// # Concurrency, speed and memory
//
// Everything may be called from any goroutine. Authorize and Topic run in the
// request's handler; a Filter in a worker of the hub, where it must not block.
// Events go from the hub to the connection, and what a connection can't take stays
// in the log, see [hub.Sink]: no queue grows with the number of slow clients. What
// an EventStreamEncoder or WebSocketEncoder makes is shared by all.
//
// An envelope takes up to six times the event's data and some 300 bytes (text that
// is all control characters), as a rule little more than the data: clients with a limit on messages, such as
// ws.DialOptions.MessageLimit, have to know hub.Options.MaxEventBytes.
//
// # Not promised
//
// That a client has got an event only the client can say, by coming back with its
// position. The response to a request of an event stream may begin before the
// topic is followed; live says since when it is. Publishing, several topics on one connection, long
// poll and a client in Go are not here yet.
//
// # Security
//
// A position is a hint where to read; it authorises nothing. Names of topics come
// from the request: Options.Configure of the hub can refuse those that are not the
// program's. Errors of the program are not shown to clients, but for the Text of a
// RefusedError and what is wrong with the set-up. Check the Origin in Authorize where event streams are for certain
// pages only and users are known by cookies: any page can open one, though it can
// read it only with CORS. Over a WebSocket other origins are refused by default.
// What a client sends on a WebSocket is refused with 1003.
package gateway
