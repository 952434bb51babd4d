// Package presence tells who is here: the members of a topic, with a small state
// each (a name, a colour, "is typing"), and how that changes.
//
//	h := hub.New(&hub.Options{Configure: func(topic string) (hub.TopicConfig, error) {
//		c, _ := presence.Config(topic)
//		return c, nil
//	}})
//	people := presence.New[User](h, nil)
//
//	// for each connection
//	me, err := people.Enter(ctx, "board/main", user.ID, user)
//	defer me.Disconnect() // or me.Leave(ctx), when the user says so
//	for changes, err := range people.Watch(ctx, "board/main") {
//		// first who is there, then who comes, changes and goes
//	}
//
// Members are entries of a keyed topic of the hub, whose name is that of the
// topic behind [DefaultPrefix]; the hub's Configure must say that it is one, which
// is what [Config] is for. Each connection has an entry of its own, and its key
// contains the member, the node (one life of a [Presence]) and a number. So a
// member may have any number of connections on any number of nodes, and no
// connection's end can take another's away.
//
// # Being here
//
// In brackets are the tests that hold a statement.
//
//  1. A member is there from the first Enter of any of its connections until the
//     last of them is over. [TestTwoTabsAreOneMember,
//     TestNodesOnOneHubShareMembers, TestModel]
//  2. The member's state is that of the connection whose Enter or Update was the
//     latest. When that one is over it is the latest of the rest. Between nodes
//     "latest" is by their clocks, set forward where they see a later one, and all
//     come to the same result in whatever order they learn of it.
//     [TestTwoTabsAreOneMember, TestLatestConnectionDecidesInAnyOrder,
//     TestClocksOfNodesNeedNotAgree]
//  3. Handle.Leave is immediate. If it was the member's last open connection on
//     this node, whatever others have left in their grace goes with it.
//     [TestExplicitLeaveIsImmediate, TestOldConnectionThatDiesAfterTheReloadIsNotSeen]
//  4. Handle.Disconnect, and the end of Enter's context, keep the connection's
//     entry for Options.Grace. An Enter of the same member in that time takes the
//     entry over: no leaving and entering is told, at most an update.
//     [TestAbruptDisconnectIsToldAfterTheGrace, TestReloadDoesNotFlap,
//     TestContextIsTheConnection, TestDefaultGraceIsTenSeconds, TestNegativeGraceIsNone]
//     Only one on the same node, though: a member who comes back on another has
//     an entry there, and the old one runs out unseen.
//  5. A handle writes to its own entry alone, and to that only until it left,
//     disconnected or was taken over: then Update answers [ErrLeft] and Leave
//     and Disconnect do nothing. An entry that somebody else removed is not put
//     back. [TestLateOldHandleTouchesNothing, TestRemovedEntryIsNotPutBack,
//     TestUpdateWaitsWithItsContextAndComesBeforeLeave]
//  6. A removal that the hub refuses, or whose context ends first, is tried again
//     each second until it is done. [TestLeaveThatFailsIsTriedAgain,
//     TestRemovalThatTheHubRefusesIsTriedAgain]
//  7. An Enter or Update that fails changes nothing. [TestWhatEnterRefuses,
//     TestFailedReturnLeavesTheGrace, TestPanicOfTheCodecLeavesNothing]
//  8. Close removes the members of this node, for others who watch with cause
//     [NodeDown]. [TestCloseEndsEverything, TestNodesOnOneHubShareMembers,
//     TestCloseWaitsForWhatIsUnderWay, TestCloseWaitsForItsGoroutines]
//
// # Seeing who is here
//
//  9. What has been written when a call of Snapshot, Count, Watch or WatchCount
//     begins is in its (first) answer. [TestOwnEnterIsSeenByWhateverBeginsLater,
//     TestResetOfTheTopicIsReconciled]
//  10. A watch's first batch is the whole state, in no particular order, and is
//     empty if nobody is there. The batches behind it add up, with it, to the
//     state at every moment: no gap, nothing twice, whatever happens while the
//     watch begins. [TestNoGapBetweenStateAndChanges,
//     TestWatchBeginsInABusyTopic, TestModel]
//  11. A batch is the difference between two states: each member is in it at most
//     once. The encodings of states are compared, so an Update that changes nothing
//     is not told. [TestEnterUpdateLeave, TestSlowWatcherGetsTheNetDifferenceAndDelaysNobody,
//     TestStateTellsEachCursorTheNetDifference]
//  12. When the hub's log has gone on without the node (a reset), the difference
//     is worked out, and told like any other; only why somebody left may be
//     [Unknown]. [TestResetOfTheTopicIsReconciled, TestModel]
//  13. Leave changes carry the last state known, and how the last connection
//     ended. [TestNodesOnOneHubShareMembers, TestRemovedEntryIsNotPutBack]
//
// # Who is slow, and who pays
//
// Nobody who writes waits for anybody who watches. A node follows a topic once,
// however many watch it there, in one goroutine that lives from the first of them
// to the last; what it has not read yet waits in the hub's log, which is bounded.
// [TestWatchEnds, TestNothingIsLeftOfTopicsThatAreOver]
//
// The loop over a watch may take its time: its next batch spans more then. That
// holds nobody else up, and what is kept for it is at most the members it was
// told of. So sleeping in the loop is the way to be told once a second.
// [TestSlowWatcherGetsTheNetDifferenceAndDelaysNobody,
// TestStalledCursorKeepsNoMoreThanItWasTold, TestPauseInTheBodyThrottles,
// TestSlowCountGetsTheNewest]
//
// The first batch is copied once for all who come while nothing changes. The copy
// holds up the one goroutine above and those who begin to watch the topic at
// that moment, but nobody who writes or watches already.
// [TestCopyOfTheStateHoldsNobodyUp]
//
// # Memory
//
// States are encoded before Enter and Update return, and decoded once for all who
// watch: those in changes and snapshots are shared and not to be modified. The
// hub's limits hold (TopicConfig.MaxKeys, MaxTableBytes, Options.MaxEventBytes,
// MaxNameBytes for the member and up to 24 bytes more) and come back from Enter as
// *hub.LimitError. A topic that everybody has left is forgotten, by the hub after
// a minute. [TestFullTopicRefusesNewMembersOnly, TestWhatEnterRefuses,
// TestNothingIsLeftOfTopicsThatAreOver]
//
// # Not promised
//
// That everything that happened is told: presence is a state, and what was undone
// before it was read is not. For a journal publish to a log.
//
// That a node that is killed takes its members with it: its Close does, but a
// hub that outlives the process keeps them until they are removed.
//
// High-frequency state, such as cursors: use an ephemeral topic of the hub.
//
// # Security
//
// Whoever may call Enter may enter as anybody: take the member from the session,
// never from the message. Members are told to all who watch the topic; whether
// one may watch is for the caller to decide. Nothing in the hub's topic is
// trusted to be well-formed: what is not an entry ends the watches of its topic
// with *[EntryError] or *hub.DecodeError, and nothing else. [TestForeignEntries]
package presence
