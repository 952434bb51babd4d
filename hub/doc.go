// Package hub holds topics: ordered sequences of events that are published once
// and followed by any number of readers, each from a position of its own. It
// carries bytes and gives them types at the edge; it knows nothing of
// connections. Whatever writes events to a WebSocket, an event stream or a
// long poll reads them here, and the same position resumes on all of them.
//
//	h := hub.New(nil)
//	defer h.Close()
//	news := hub.TopicOf[Story](h, "news", nil)
//	sub, err := news.Subscribe(ctx, nil) // from now on
//	...
//	news.Publish(ctx, Story{Title: "It works"})
//	for ev, err := range sub.Events() {
//		switch {
//		case err != nil:
//			return err // for good; sub.Position() says where to go on
//		case ev.Gap != nil:
//			reload() // events are missing, and the stream goes on
//		case ev.Deleted:
//			remove(ev.Key) // a tombstone, on topics with keys: it has no Value
//		case ev.Marker == hub.NoMarker:
//			show(ev.Value)
//		}
//	}
//
// # The log is the queue
//
// A topic is a ring of events and a subscriber a cursor in it. Replay and live
// are one read, so there is no hand-off between them to get wrong. Memory is
// bounded by the rings, not by the slowest readers, and publishing costs the
// same whoever lags or sleeps: the publisher appends, and hands the list of
// those who sleep to a dispatcher.
//
// # Kinds
//
// Options.Configure says what a topic is, by its name, and how much it keeps.
//
// A Log keeps the newest events by count, age and bytes.
//
// A Keyed topic is a table, the latest event of each key, and a tail of the log
// in which nothing is compacted. Put and Delete write it, also under a condition
// (IfMatch, Absent) and at most once for an id (Idempotent); that is what state
// shared by several writers stands on. Whoever subscribes gets the table and
// then what changes; whoever comes back within the tail gets what has changed.
//
// An Ephemeral topic (cursors, who is typing) keeps no history and has no
// positions. Of what was Put it keeps the latest of each key for a while, for
// those who subscribe with Start.
//
// A table, from both sides (all of it runs in example_keyed_test.go):
//
//	h := hub.New(&hub.Options{Configure: func(topic string) (hub.TopicConfig, error) {
//		if strings.HasPrefix(topic, "board.") {
//			return hub.TopicConfig{Kind: hub.Keyed}, nil
//		}
//		return hub.TopicConfig{}, nil // a log
//	}})
//	notes := hub.TopicOf[string](h, "board.main", nil)
//
//	rev, err := notes.Put(ctx, "n1", "milk", hub.Absent()) // or *hub.ConflictError: Current is what to match
//	rev, err = notes.Put(ctx, "n1", "milk, two", hub.IfMatch(rev))
//	owner, err := h.Enter(ctx, nil)
//	_, err = notes.Put(ctx, "ada", "is writing", hub.OwnedBy(owner)) // gone when owner is
//
//	sub, err := notes.Subscribe(ctx, nil) // the table, and then what changes
//	table := map[string]string{}
//	for ev, err := range sub.Events() {
//		switch {
//		case err != nil:
//			return table, err
//		case ev.Marker == hub.MarkReset:
//			clear(table) // the snapshot follows
//		case ev.Marker != hub.NoMarker: // hub.MarkLive: the table is complete
//		case ev.Deleted: // and ev.Expired, if its owner's lease has ended
//			delete(table, ev.Key)
//		default:
//			table[ev.Key] = ev.Value
//		}
//	}
//
// # What a subscriber sees
//
// Published events, and three markers. MarkLive says that everything up to the
// head at the time of subscribing has been handed out; it comes once, at once
// if nothing was missed, and carries the position, so that a reader who was cut
// before the first event can come back to that very place. MarkGap says
// which events are missing and that the stream goes on behind them. MarkReset,
// on topics with a table, says that the snapshot follows, and to forget what
// it does not name.
//
//	log    Start, Last(n), After   [gap] events... live events...
//	log    Live                    live events...
//	keyed  Start                   rows... live events...
//	keyed  After, within the tail  events... live events...
//	keyed  After, anything else    reset rows... live events...
//
// Write Event.Pos as the id of what goes to a client and no id where it is zero.
//
// # Pushing to connections
//
// A loop over Events is a goroutine for each subscriber. Where there are thousands,
// each in front of a connection, the hub writes to them instead and they have none.
// Connect makes a connection known as a Sink, with an Encoder for its transport,
// and Follow subscribes it to topics. Close it when the connection ends, not when
// open returns (this one, and that of an event stream, run in
// gateway/example_connect_test.go):
//
//	mux.Handle("GET /news", ws.Handler(nil, func(c *ws.Conn, r *http.Request) ws.Events {
//		bye := func(string, hub.Position, error) { c.Close(ws.CloseTryAgainLater, "") }
//		hc, err := h.Connect(c, hub.ConnOptions{Encoder: gateway.WebSocketEncoder{}, Ended: bye})
//		if err != nil {
//			c.Close(ws.CloseTryAgainLater, "")
//			return ws.Events{}
//		}
//		if err := hc.Follow(r.Context(), "news", &hub.FollowOptions{From: hub.Start()}); err != nil {
//			c.Close(ws.CloseTryAgainLater, "")
//		}
//		return ws.Events{Close: func(*ws.Conn, error) { hc.Close() }}
//	}))
//
// Connections of this module are sinks as they are, and package hub/gateway has
// the encoders:
//
//	*ws.Conn of a server          gateway.WebSocketEncoder, or one's own over ws.AppendFrame
//	*sse.Stream of sse.Handler    gateway.EventStreamEncoder, or one's own over sse.AppendEvent
//
// A program whose clients follow topics by their names needs none of this: that is
// gateway.New. Where a request wants to start says gateway.FromRequest.
//
// A server that ends drains its connections first (ws.Group.Drain, sse.Group.Drain),
// and then calls Hub.Close. Where the hub drains or closes first, Ended tells all
// connections at once, and what it does then (bye, above) is how they end.
//
// A sink of one's own is two methods, both of which return at once:
//
//	func (c *conn) TrySend(frames [][]byte) (whole int, err error) {
//		for i, f := range frames {
//			switch { // without waiting
//			case c.ended():
//				return i, c.err // the hub lets go of it and tells Ended
//			case !c.room(len(f)):
//				return i, hub.ErrFull // or any error with Full() bool
//			}
//			c.queue(f) // may be kept, must not be changed
//		}
//		return len(frames), nil
//	}
//
//	func (c *conn) NotifyWritable(f func()) // calls f once, later, when there is room
//
// An element of frames holds one event's frame or several back to back: the sink
// carries bytes, and it is the Encoder that makes frames which can be told apart
// (see Sink). The example of Hub.Connect, in example_push_test.go, is a whole sink
// over any net.Conn.
//
// A connection that nobody reads is bounded by its own queue; what does not fit
// stays in the log, where it costs nothing. If the log has left it behind, the
// follower's Policy is applied when the sink has room again, and not before. A peer
// that never reads is ended by its transport, at the latest when nothing has left
// for its WriteTimeout (by default 2 min in ws, 10 s in sse). Then Ended gets the
// sink's error, or the *SlowError of a follower that fell behind under Disconnect,
// unless Conn.Close came first. Until then Stats.Full has counted that the sink was
// full, and Conn.Position stands still; nobody is told more.
//
// Connections are spread over as many shards as there are processors, each with
// one worker, which runs while there is something to do. Those of a shard that are
// at one place of a topic stand in a group: for all of them the log is read once,
// the frames are joined once, and each gets one try-send. Whoever is full leaves
// the group, keeps its place in the log and nothing else, and goes on when the
// sink says that it is writable. Filters, Coalesce, snapshots and markers are
// served to each connection by itself.
//
// A frame is made once for each event and Format, by whoever wants it first. It
// counts as bytes of the log, for which the oldest events give way, and goes when
// all shards have passed the event.
//
// # Owners
//
// Enter begins a lease that the hub keeps alive. Keys of keyed topics that are
// Put with OwnedBy end with it, each with one tombstone that is marked Expired:
// when the Owner is closed, and also when its process is gone or was away for
// longer than OwnerOptions.TTL. Then its writes get ErrLeaseLost, and it Enters
// again.
//
// # Brokers
//
// Without Options.Broker a topic is in this process, and its log is what its
// readers read. With one, hubs of several processes share topics. Each hub then
// keeps a copy of the topics that somebody reads here, from the first reader until
// Options.Linger after the last one; a publisher needs none. The copy takes only
// records that follow, by the tag of their predecessor, from what it has. What
// does not fit, or may have been lost, it asks the broker for itself, once,
// however many read; they see nothing of it. Reads are served from the copy, with
// all that this hub has written. Ephemeral topics go from hub to hub at most
// once, and what they keep for those who come late is of this hub.
//
// What a failure comes to, and what shows it:
//
//	the feed was cut, or was too slow  read what is missing, once     TestFeedDropIsRepairedOnce
//	a record came twice or too early   passed over, or asked for      TestBrokenBrokers
//	more was missed than is retained   gap trimmed                    TestModel
//	another node's position is ahead   ask, then decide               TestPositionAheadOfTheFeed
//	the broker can't be reached        ErrUnavailable for writes and  TestPartition
//	                                   new topics; copies are read on
//	an acknowledgement was lost        ErrUncertain; with Idempotent  TestLostAcknowledgement
//	                                   the retry is exact
//	a failover lost writes             gap or reset fork, for those   TestRemote, TestModel,
//	                                   beyond; nothing for others     TestPushOverABroker
//	the broker lost everything         gap or reset epoch             TestRemote, TestPushOverABroker
//	a node died                        its leases end                 TestLateOwnerIsRefused
//	hubs disagree on a topic's Kind    *KindError for the second      TestHubsThatDisagreeOnAKind
//	the broker contradicts itself      not believed, asked again      TestBrokerThatKeepsRecordsBack,
//	                                                                  TestTableThatNeverFitsItsLog
//	the broker hangs                   copies are read on; what waits TestWhatWaitsForARepairIsBounded,
//	                                   is bounded                     TestWhoGivesUpIsForgotten
//
// # The contract
//
// After each statement, in brackets, the tests that hold it.
//
// Order and delivery:
//
//  1. All subscribers of a topic see its events in one order, that of their
//     positions. There is no order between topics. [TestSleepersWake, TestModel]
//  2. From its start a subscription gets every event, exactly once, or is told
//     of those it does not get. No write that comes between any two steps of
//     subscribing or reading is lost or seen twice. [TestPublishBetweenAnySteps]
//  3. After resumes exactly behind the event whose position it is given.
//     [TestEveryPositionResumesExactly, TestCoalesceDeliversSurvivorsInOrder]
//  4. Delivered + filtered + superseded + missed events are those published
//     since the start of the subscription. [TestModel, TestStalledCursorsHoldNothing]
//  5. Delivery is to the reader in this process. That a client has got an event
//     only the client can say, by coming back with its position.
//
// Gaps:
//
//  6. A position that the log has left behind gives a gap with reason Trimmed
//     and the number of missed events; the stream goes on with the oldest
//     event there is. [TestLogStarts, TestRetentionByAge]
//  7. A position of another log (another process, or a topic that was reclaimed
//     after having had events) gives a gap with reason Epoch, and all that the
//     new log retains; so does Lost, for an id that is no position.
//     [TestRestartIsAnotherEpoch, TestReclaimedLogIsAnotherEpoch,
//     TestLostIsToldInTheStream]
//  8. A position that this log never gave out, of an offset it still has, gives
//     a gap with reason Fork. [TestLogStarts]
//  9. A gap carries the position to come back with, so that nobody is told of it
//     for ever. [TestGapMarkerCarriesThePositionToComeBackWith]
//  10. A position of a topic without events resumes exactly at the topic's first
//     event, though nothing is kept for it. It can go stale before that: when
//     another topic is reclaimed that had events, one in 256 of the topics that do
//     not exist gets another epoch, and who comes back there is told of a gap or a
//     reset with reason Epoch though nothing is missing. [TestVirginPositionSurvivesItsTopic]
//
// Keyed topics:
//
//  11. A snapshot is the table at exactly one position, that of the live marker
//     behind it. It is not copied under a lock, and writers get in between its
//     steps. [TestViewsAreExact, TestSnapshotOfManyKeysCopiesChunksOnly,
//     TestWritersGetInBetweenTheStepsOfASnapshot]
//  12. Neither a reset nor a row of a snapshot has a position: whoever is cut
//     before the live marker comes back with what they had before and gets the
//     snapshot again. [TestCutInMidSnapshotLosesNothing]
//  13. A deletion is one tombstone, in the tail; the table does not name the key
//     any more. [TestTombstonesLiveInTheTailOnly]
//  14. The condition, the idempotency key and the write are one step. A repeated
//     id returns the first write's position, also when the condition would fail
//     by now. [TestConditionalWrites, TestReadModifyWriteLosesNoUpdate,
//     TestIdempotentWrites, TestIdempotencyKeysArePerTopicAndConcurrent]
//
// Slow readers:
//
//  15. A slow reader costs others nothing and holds no memory but its cursor,
//     about half a kilobyte. [TestStalledCursorsHoldNothing,
//     TestStalledSnapshotsExpireWithTheTail, TestPublisherDoesConstantWork]
//  16. One that falls behind what is retained meets its Policy when it reads again,
//     or its sink has room or has ended: Disconnect ends it with a *SlowError,
//     SkipWithGap and Coalesce tell it, with reason Dropped, and go on.
//     [TestDisconnectCarriesThePosition, TestSkipWithGap, TestStalledSinkIsToldAtItsEnd]
//  17. Coalesce leaves out events whose key has been written again since. What
//     remains is in order, and each position resumes as exactly as ever.
//     [TestCoalesceDeliversSurvivorsInOrder, TestCoalesceKeepsUpWithAKeyThatNeverRests]
//  18. A Filter runs in the reader; what it leaves out moves the position.
//     [TestModel, TestStalledCursorsHoldNothing]
//
// Ends:
//
//  19. An error of Events or Next is terminal and stays the same, but for
//     ErrBusy and the end of the context given to Next, which loses nothing.
//     [TestEndsOfASubscription, TestCancelOfNextLosesNothing]
//  20. Leaving the loop over Events, Close, the end of Subscribe's context and
//     Hub.Close each leave nothing behind. [TestEarlyBreakLeavesNothing,
//     TestContextForgetsTheSubscription]
//  21. A topic in memory goes when it has no subscriber and retains nothing. Asking about
//     or subscribing to a topic without events leaves nothing behind.
//     [TestIdleTopicsAreSweptAndReclaimed, TestSince]
//  22. Drain lets each subscription finish what there was, and Kick does not.
//     [TestDrainLetsEverybodyFinish, TestDrainGivesUp, TestKick]
//
// Connections:
//
//  23. A sink gets what a reader would get, from every start and under every
//     policy; what it has taken counts as delivered. No write that comes between
//     any two steps of following or sending is lost, sent twice or left lying.
//     It gets bytes that end where a frame ends. [TestPushStarts, TestPushPolicies,
//     TestPushModel, TestPublishBetweenAnyStepsOfAPush, TestElementsAreWholeFrames]
//  24. A sink that is full costs others nothing, holds nothing but its place, and
//     goes on exactly there, when it says that there is room, and not before.
//     [TestFullSinkGoesOnWhereItWas, TestFullSinkIsLeftAlone, TestSinkIsStructural,
//     TestStalledSinksHoldNothing, TestComesBackInTheMiddleOfARound]
//  25. An event is encoded once for each format while sinks keep up, and a
//     delivery costs no allocation; a row of a snapshot is encoded once for all who
//     read it at the same time. [TestEncodedOncePerEventAndFormat,
//     TestSnapshotIsEncodedOnceForACrowd, TestFramesOfASnapshotAreBounded,
//     TestEncodedOnceAfterABreak, TestFramesCountAsBytes, TestPushDeliveryDoesNotAllocate]
//  26. Ended is told of each end that was not asked for, once. When Unfollow or
//     Close has returned, nothing is sent but what is under way. [TestPushEnds,
//     TestUnfollowedGetsNothingMore]
//
// Owners:
//
//  27. When a lease ends, each key whose latest write is the owner's ends with one
//     tombstone, and no other does. [TestLeaseEndIsOneTombstoneEach,
//     TestLeaseEndCannotBeRefused]
//  28. An owner that is late is refused, always. [TestLateOwnerIsRefused, TestModel]
//
// Brokers:
//
//  29. All hubs of a broker see a topic in one order, and a position of one is
//     good at the others. What a hub has written it reads, too. [TestHubsShareABroker,
//     TestMemory, TestRemote, TestOwnWriteIsReadThoughTheTopicWasAttachedMeanwhile]
//  30. Nothing that comes between any two steps of attaching a topic, or of
//     repairing its copy, is lost, seen twice or left lying.
//     [TestPublishBetweenTheStepsOfAttaching, TestFedWhileAttaching,
//     TestPublishBetweenTheStepsOfRepair,
//     TestReadersGetWhatARepairHasReadSoFar]
//  31. Readers are told of what is gone at the broker, under every policy with a
//     gap or a reset, and of nothing else. [TestModel, TestFeedDropIsRepairedOnce,
//     TestPushSurvivesWhatABrokerDoes]
//  32. A topic is attached once for all, kept while it is used and for a while
//     after, and who waits for it can give up. [TestLinger, TestAttachingCanBeLeft]
//  33. The suite of hubtest finds each of its broken brokers by the case that is
//     named for the fault, and only by that. [TestBrokenBrokers]
//
// Misuse:
//
//  34. What can't be done is refused with a typed error that says what to do about
//     it; nothing panics, not even on a nil *Hub or context.
//     [TestKindErrorsSayWhatToDo, TestNilIsRefused, TestLimits, TestNamesAndKeys,
//     TestRefusalsSayWhatIsWrong]
//  35. A panic in a sink, an encoder, a filter of a connection, Ended or Observe ends
//     what it is of and nothing else, also in the middle of a round for many.
//     [TestPanicsEndWhatTheyAreOf, TestPanicsAmongMany, TestPanicsWhileCatchingUp,
//     TestPanicOfASinksError, TestPanicOfObserve]
//
// # Concurrency, speed and memory
//
// Everything may be called from any goroutine; a subscription has one reader at
// a time. No user code (Configure, codecs, filters, loops over Events, sinks,
// encoders, Observe) runs under a lock of the hub, and no call of a broker. A slow
// filter or loop slows its own reader. A slow codec or encoder slows those that want
// the same event, since it is made once for all of them. Sinks, encoders, filters and
// Ended of connections run in the worker of a shard: one that blocks holds up the
// connections of that shard. They, and Observe, may call the hub, but not what waits
// for them: Hub.Close waits for the worker that is calling, and Drain for followers
// that it serves.
//
// A panic in one of these ends what it is of, with a *PanicError that Ended and
// Observe are told, and is counted: that of a sink the connection, that of a filter
// its topic for that connection, that of an encoder the subscriptions that wanted
// the event in that format. After one in Ended or Observe the hub goes on. Code that
// runs in a goroutine of the program's (Configure, codecs, the Filter of a
// subscription) panics there; a Broker is part of the hub and must not. Nothing that
// a worker calls may end its goroutine (runtime.Goexit, and so testing.T.FailNow): the
// connections of its shard would wait for ever.
//
// Events, their Data and their Value are shared by all readers and must not be
// modified. They live as long as somebody holds them; the hub lets go of them
// when they leave the log and the table. Byte limits count Data, names and keys
// and a fixed charge an event, not the decoded values.
//
// A reader sleeps without a goroutine of the hub. The hub has none of its own but,
// while there is work, the dispatcher's, the shards' workers and those that talk to
// the broker; Close waits for all of them. A timer runs while something retained has
// an age, for each owner, and while a topic lingers.
//
// # Not promised
//
// Without a broker topics live in memory: another process is another epoch, and its
// subscribers are told so. There is no order between topics and no write to several
// at once. A position that was handed out under Coalesce stands for what was left
// out before it only as long as the log goes on: whoever comes back with one after a
// failover that lost the newer write of such a key, and not one more, misses that
// key's older one. The rows of a snapshot are encoded once for all connections that
// read it at the same time, but again for each that reads one alone.
//
// Idempotency keys are forgotten after the window, or when there are too many. They
// are limited by number, per topic, and count as no bytes. An age limit is exact for
// readers, and late by up to half a minute for memory that nobody asks about.
//
// There is no way to let go of a topic at once. By default a log has no age limit, so a
// topic that has had an event stays until Close, and when all of them together have
// reached Options.MaxBytes or MaxTopics, writes to a new one are refused with a
// *LimitError. Where names come and go (a room, a document) give them a
// TopicConfig.MaxAge: without subscribers the topic then goes when its last event is
// that old and its last idempotency key has passed IdempotencyWindow, a day by
// default. The keys of a keyed topic do not age; Delete them, or Put them OwnedBy
// somebody whose lease ends, and the topic goes when the tombstones are that old.
// [TestTopicsGoWhenTheirTimeIsOver]
//
// # Security
//
// A position is a hint where to read and can be forged; it is never looked up,
// parsing it takes constant work, and a forged one gets what After would tell
// anybody. Who may read or write a topic is for the caller to decide, each time
// anew. Names of topics that come from outside should pass Configure, which can
// refuse them; sizes and numbers are limited by Options and TopicConfig.
package hub
