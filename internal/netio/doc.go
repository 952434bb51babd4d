// Package netio is the connection core that ws and sse stand on. It moves bytes between a net.Conn and a [Protocol] so that
// a silent connection costs neither a goroutine nor a buffer, a message costs one receive and one send, and no peer can
// make another wait.
//
//	type echo struct{ c *netio.Conn }
//
//	func (e *echo) Room() []byte { return nil }
//	func (e *echo) Data(b []byte) (int, netio.Next) {
//		e.c.Write(context.Background(), nil, b)
//		return len(b), netio.More
//	}
//	func (e *echo) Alarm()           {}
//	func (e *echo) Cut()             {}
//	func (e *echo) Closed(err error) { log.Print(err) }
//
//	e := new(echo)
//	e.c = netio.New(conn, e, nil, nil)
//	e.c.Serve()
//
// # Two forms
//
// In the callback form ([Conn.Serve]) the core reads and calls the protocol, which may run user code, which may block. In
// the blocking form ([Conn.Pump]) whoever calls Pump reads, until the protocol has what the caller wants and says [Pause].
// The protocol is the same in both, so is everything that sends, and a connection may change from one to the other while
// nobody reads.
//
// # Contract
//
//  1. All methods may be called by any goroutine at any time, also inside Data, but for Pump and Serve, which find there
//     that somebody reads. None panics, and none waits but Write, Pump and Flush, which honour their context.
//  2. Data and Room are never called by two goroutines at once, never after Closed, and after a CloseNow or Finish that
//     was called inside Data not again. Closed is called exactly once, on a goroutine of its own. Where Data may be
//     keeping it from coming, Cut is called too, once.
//  3. Cancelling a Pump never harms the connection. Cancelling a Write that waits for its turn sends nothing. Only what is
//     larger than the queue, or goes over a wire that can't be tried, can be cut in the middle, and that ends the
//     connection with [ErrCut].
//  4. A dead connection gives the same *[ClosedError] for ever. It matches net.ErrClosed and the reason.
//  5. Bytes leave in the order in which the calls that sent them were accepted, and a call's bytes in one piece.
//  6. Memory: Config.QueueLimit for output, and one frame of TrySend, and 4 KiB for SendUrgent; for input 8 KiB while bytes
//     are being handled, and of what is left over at most four times what has come, up to Config.InputLimit. While a
//     connection is silent it has no buffer at all, unless something is left over, which then lies in one of its size
//     (in the one it was received into after a Pump, over TLS, and where a goroutine stays). The portable twin waits with
//     512 bytes.
//  7. When the queue is full, Write waits, Send applies Config.Policy and says so with a *[FullError], and TrySend says
//     [ErrFull]. A peer that takes no byte for Config.WriteTimeout is ended with [ErrStalled].
//     After SendLast nothing is accepted (ErrSealed), and input goes on. After a send that failed because the peer is gone
//     the same holds for Config.HearOut.
//  8. Slices given to Write and Send may be used again when they have returned; frames given to TrySend never.
//  9. Nothing outlives the last connection: the epoll with its crew, and the wheel with its goroutine, end with it.
//
// Not promised: fairness between the messages of one peer, that a peer which is reset gets what was sent before, and that a
// net.Conn which somebody else closes is noticed before the next send.
//
// # Wires
//
// There are three, chosen once by the type of the net.Conn:
//
//   - fast: a bare TCP or Unix socket on Linux (amd64, arm64). Raw non-blocking system calls under a RawConn. In
//     callback form it has no goroutine.
//   - TLS over such a socket: waiting and parking are the socket's, reading and writing are tls.Conn's.
//   - plain, the portable twin: net.Conn's Read and Write on a goroutine that stays. For every other system, for pipes
//     and streams, and everywhere with Config.Portable. The same tests run over all of them.
//
// # The states of a connection
//
// Two variables, changed only by Conn.step, say it all. The life goes one way:
//
//	open -> finishing -> shut -> closing -> closed
//
// and stations may be left out. finishing: nothing is accepted, the queue is sent, input is thrown away. shut: the
// direction to the peer has ended, and its end is awaited, because closing a socket with unread input resets it. closing:
// the socket was shut down, but a goroutine still has the reader role. closed: the descriptor is released. The reader role
// goes
//
//	still <-> busy <-> parked
//
// and at last to over. A goroutine that has the role (busy) is the only one to receive, to call Data, and to touch the
// input buffer, the watch and the place in the park; parked means that whoever is told by the epoll may take it, still that
// nobody may but Serve, Pump and Finish. A connection gets from closing to closed when a busy reader leaves, so a
// descriptor is never released, and Closed never called, while the protocol runs. The writer role (turn.go) is a boolean of
// the same kind for the other direction.
//
// Conn.mu guards the states. It is never held while anything waits or any foreign code runs: step returns what is to be
// done, and apply does it afterwards.
//
// # Receiving
//
// In the callback form of the fast wire no goroutine waits for a connection: it is parked whenever the protocol has done
// with what has come. The sockets lie in one epoll. A few goroutines, the crew (crew_linux.go), ask it what has come and
// give each connection that it names a turn: take the reader role, take a pooled buffer, receive once, let the protocol
// consume all it can, give the role back. So all connections share a stack that was in use just now. With a goroutine for
// each, what a message costs grows with the number of connections, because each has its own stack and descriptor to be
// fetched from memory: in row ws-echo of internal/bench the blocking form, where that is so, takes a sixth more CPU a
// message with 100 connections, and a quarter more with 1,000.
//
// A turn may run user code, and user code may block. So before each turn somebody is called who goes on in its place:
// another of the crew, or a new one. If the turn blocks, the scheduler gets to that one at once; if there are idle cores,
// it takes the next connection while this turn runs, and calls another in turn; else it finds, when its time comes, that
// there is nothing left to do, and waits to be called again. At most one has been called and not looked yet, so a burst
// costs one such call, and a thousand handlers that block cost a thousand goroutines, as anywhere. One who looks takes a
// connection that nobody has taken; or asks the epoll, if nobody does; or waits to be called; or, if there are enough who
// do, ends. Before one who was called takes a connection it lets those in who wait for the processor: on a single core they
// would wait until all that was reported is done. It does not if that was done in the last 10 ms, or with each turn that
// blocks the next would wait for all of them. Whoever asks the epoll and finds something time and again makes a detour
// through the runtime's own poller now and then: on a core that always has something to run that one is asked only every
// 10 ms what has come for accept loops and connections in other forms (parkingLot.poll).
//
// A turn is one RawConn.Control, which references the descriptor as long as it takes. Running the protocol inside its
// callback is safe because nothing that it can call waits for the callback: net.Conn.Close would, so CloseNow does not
// close but shuts the socket down, which the peer and everybody who is blocked on it feel at once, and the reader closes
// when it is out. That is the state closing.
//
// One receive for a message is enough only if it is known to have emptied the socket. From TCP one that comes back short
// has taken all the bytes there were, unless there was urgent data (MSG_OOB) among them, where it stops; and the peer's end
// may have come along with them. Of both the epoll tells separately, and a reader that was told goes on until there is
// nothing. A receive from a Unix socket may also stop for other reasons, so there it goes on until one finds nothing.
//
// Where the epoll takes no more sockets, or Config.ParkAfter is negative, a goroutine stays with the connection, in one
// RawConn.Read for a whole time of activity, and receives until there is nothing.
//
// In the blocking form the caller's goroutine waits, inside a RawConn.Read, and receives and runs the protocol itself.
// Little lies on its stack while it waits, so that a goroutine which does nothing but read messages and answer them keeps
// to the first 2 KiB that it was given; a stack that has once grown is at most halved with each collection, and not below 4
// KiB, as long as it waits. Nor does it keep more than 32 bytes of the heap meanwhile, and what the protocol has left over:
// a receive that finds nothing gives back, inside the callback, what it was to be received into and all the state of the
// reader, and the wake-up takes them anew.
//
// TLS can't be read inside a callback, since tls.Conn reads the socket by itself. The callback only waits, and tls.Conn is
// read with a buffer taken afterwards. It may then hold further records, of which no event will tell: it is asked for them
// with a read deadline that has passed, which makes it give what it has and fail, harmlessly, before it turns to the
// socket.
//
// # Why no wake-up is lost
//
// Between the last receive of a turn and the park: the epoll reports every edge, to a crew that sets the connection's
// attention, under the lock, if it does not find it parked. The reader clears attention before it receives, and can't park
// while it is set. So what comes before the receive is received, and what comes after it makes the reader look again, or
// finds it parked. While nobody reads, after a Pause, attention stays set, and Serve begins with a receive; or there was
// none, and Serve arms anew, which looks.
//
// Between arming and the state, at the first park and when it is served anew: the state becomes parked first, and then the
// epoll is armed, which looks at what is there at that moment, not at what changes. Whatever has come since the last
// receive is reported at once, and whoever is reported is found parked. Over TLS that is so each time (EPOLLONESHOT), and
// one event is consumed by one wake-up.
//
// Between a report and its turn: what was reported is nobody's until one of the crew has taken it under the crew's lock,
// and while there is any, or a turn under way, somebody has been called or is at the epoll. A call is noted under the same
// lock, and the note is cleared only by the one who was called, when it looks.
//
// Between the last receive and a wait in RawConn.Read: the runtime's poller watches the socket edge-triggered, and latches
// an edge that comes when nobody waits. The wait takes it. The latch is only cleared when a RawConn.Read begins, and that
// begins with a receive, or with asking the epoll, or with ringing its bell, which makes an edge that comes after the
// clearing.
//
// Between the last bytes and the end: the epoll reports the end whenever it comes. Whoever is told notes that (flagEnded),
// under the lock, and wakes the reader or has it look again: from then on it receives until there is nothing.
//
// Between a change of state and a wait: a reader passes Conn.admit, under the lock, before each wait. Who wants it out sets
// attention and moves the read deadline to the past, under the same lock. So either admit sees the change, or the deadline
// throws the reader out of its wait; being inside the callback makes no difference, since the wait that follows looks at
// the deadline first. The deadline has one owner for all purposes: contexts, silence and ends. A context that ends late
// makes a reader look, and look only: each asks its own watch.
//
// Between queueing and sending: something is queued only while a goroutine has the writer role, which looks at the queue
// before it gives the role up, or after a flusher has been started.
//
// # Why a reused descriptor can't be hit
//
// A descriptor number means another connection as soon as ours is closed, and anybody who has the net.Conn might close it.
// So there is no system call on a number that was written down: each one runs inside a callback of RawConn.Read, Write or
// Control, in which the runtime holds a reference, and they fail if it is closed. That includes arming the epoll, whose own
// descriptor is referenced in the same way. The epoll's events do not carry the number either, but a place in a table and
// its generation: an event that is under way while its connection ends finds the generation changed, and leads to nobody.
//
// # Parking
//
// A bare socket is armed for edges, and stays armed until it is closed: to park after a turn is a change of state. What is
// left over is moved to a buffer of its size, and all else goes back to the pools.
//
// Over TLS a receive may have to wait for the rest of a record, so a connection that is awake has a goroutine, and hands
// its role to the epoll after Config.ParkAfter of silence. With the goroutine go the stack and whatever it had grown to.
// The first silence after a wake-up need only be a sixteenth of that, and a wake-up that the protocol calls [Quiet] (the
// answer to a ping) needs none: goroutines that end cost nothing but the memory of their descriptors, which the runtime
// keeps for good, so what counts is how many there are at once. No clock is read for a message: the silence is a read
// deadline that is set once, and when it passes a counter tells whether there was input.
//
// The epoll is a file that the runtime's own poller waits for: it takes no thread.
//
// # Sending
//
// A send that finds the queue empty and the writer role free tries the socket on the caller's goroutine. What does not fit
// becomes the queue, and a flusher, a goroutine that lives as long as there is something to send, waits for the peer. While
// the protocol says that it has further messages at hand ([Conn.SetMore]), sends are collected and leave together with the
// last one. The first that is collected starts a flusher, which finds nothing to do unless a handler blocks: then it sends
// the earlier answers. So a batch of sixteen messages is one receive, one send and one goroutine that ends at once: a ninth
// of the CPU that a send each takes.
//
// [Conn.TrySend] is for a hub that has one buffer for thousands of connections: it leaves nothing behind but the rest of
// the frame in the middle of which the socket was full, and not a copy of it. The hub keeps its place, and
// [Conn.NotifyWritable] tells it when to go on.
//
// # Alarms
//
// Each connection has one alarm, for keepalives and limits. Alarms of sockets that are a second off or more lie on one
// wheel for all: at 10,000 connections one takes a sixth of the memory of a timer for each, and is set in a third of the
// time (BenchmarkAlarms). [Conn.Activity] and [Conn.Listening] tell what a keepalive needs: whether the peer was silent,
// and whether anybody was there to hear it.
package netio
