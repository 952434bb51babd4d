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
//     new log retains. [TestRestartIsAnotherEpoch, TestReclaimedLogIsAnotherEpoch]
//  8. A position that this log never gave out, of an offset it still has, gives
//     a gap with reason Fork. [TestLogStarts]
//  9. A gap carries the position to come back with, so that nobody is told of it
//     for ever. [TestGapMarkerCarriesThePositionToComeBackWith]
//  10. A position of a topic without events stays good until the topic's first
//     event, though nothing is kept for it. [TestVirginPositionSurvivesItsTopic]
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
//  16. One that falls behind what is retained meets its Policy: Disconnect ends
//     it with a *SlowError, SkipWithGap and Coalesce tell it, with reason
//     Dropped, and go on. [TestDisconnectCarriesThePosition, TestSkipWithGap]
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
//  21. A topic goes when it has no subscriber and retains nothing. Asking about
//     or subscribing to a topic without events leaves nothing behind.
//     [TestIdleTopicsAreSweptAndReclaimed, TestSince]
//
// # Concurrency, speed and memory
//
// Everything may be called from any goroutine; a subscription has one reader at
// a time. No user code (Configure, codecs, filters, loops over Events) runs
// under a lock of the hub. A slow filter or loop slows its own reader. A slow
// codec slows the readers that want the same event, since it is decoded once for
// all of them.
//
// Events, their Data and their Value are shared by all readers and must not be
// modified. They live as long as somebody holds them; the hub lets go of them
// when they leave the log and the table. Byte limits count Data, names and keys
// and a fixed charge an event, not the decoded values.
//
// A reader sleeps without a goroutine of the hub. The hub has none of its own
// but, for a moment, the dispatcher's; a timer runs while something retained has
// an age.
//
// # Not promised
//
// Topics live in memory: another process is another epoch, and its subscribers
// are told so. There is no order between topics and no write to several at
// once. Idempotency keys are forgotten after the window, or when there are too
// many. An age limit is exact for readers, and late by up to half a minute for
// memory that nobody asks about.
//
// # Security
//
// A position is a hint where to read and can be forged; it is never looked up,
// parsing it takes constant work, and a forged one gets what After would tell
// anybody. Who may read or write a topic is for the caller to decide, each time
// anew. Names of topics that come from outside should pass Configure, which can
// refuse them; sizes and numbers are limited by Options and TopicConfig.
package hub
