// Package netio is the connection core that ws and sse stand on. It moves bytes between a net.Conn and a [Protocol] so
// that a silent connection costs neither a goroutine nor a buffer, a message costs one receive and one send, and no peer
// can make another wait.
//
//	type echo struct{ c *netio.Conn }
//
//	func (e *echo) Room() []byte { return nil }
//	func (e *echo) Data(b []byte) (int, netio.Next) {
//		e.c.Write(context.Background(), nil, b)
//		return len(b), netio.More
//	}
//	func (e *echo) Alarm()           {}
//	func (e *echo) Closed(err error) { log.Print(err) }
//
//	e := new(echo)
//	e.c = netio.New(conn, e, nil, nil)
//	e.c.Serve()
//
// # Two forms
//
// In the callback form ([Conn.Serve]) the core reads and calls the protocol, which may run user code, which may block.
// In the blocking form ([Conn.Pump]) whoever calls Pump reads, until the protocol has what the caller wants and says
// [Pause]. The protocol is the same in both, so is everything that sends, and a connection may change from one to the
// other while nobody reads.
//
// # Contract
//
//  1. All methods may be called by any goroutine at any time, also inside Data, but for Pump and Serve, which find there
//     that somebody reads. None panics, and none waits but Write, Pump and Flush, which honour their context.
//  2. Data and Room are never called by two goroutines at once, never after Closed, and after a CloseNow or Finish that
//     was called inside Data not again. Closed is called exactly once, on a goroutine of its own.
//  3. Cancelling a Pump never harms the connection. Cancelling a Write that waits for its turn sends nothing. Only what is
//     larger than the queue, or goes over a wire that can't be tried, can be cut in the middle, and that ends the
//     connection with [ErrCut].
//  4. A dead connection gives the same *[ClosedError] for ever. It matches net.ErrClosed and the reason.
//  5. Bytes leave in the order in which the calls that sent them were accepted, and a call's bytes in one piece.
//  6. Memory: Config.QueueLimit for output, and one frame of TrySend, and 4 KiB for SendUrgent; for input 8 KiB while bytes
//     are being handled, and of what is left over at most four times what has come, up to Config.InputLimit. While a
//     connection is silent it has no buffer at all, unless something is left over, which then lies in one of its size
//     (in a Pump, in the one it was received into). The portable twin waits with 512 bytes.
//  7. When the queue is full, Write waits, Send applies Config.Policy and says so with a *[FullError], and TrySend says
//     [ErrFull]. A peer that takes no byte for Config.WriteTimeout is ended with [ErrStalled].
//     After SendLast nothing is accepted (ErrSealed), and input goes on. After a send that failed because the peer is gone
//     the same holds for Config.HearOut.
//  8. Slices given to Write and Send may be used again when they have returned; frames given to TrySend never.
//  9. Nothing outlives the last connection: the epoll, the wheel and their goroutines end with it.
//
// Not promised: fairness between the messages of one peer, that bytes behind urgent data (MSG_OOB) are noticed before the next
// ones come or the connection parks, that a peer which is reset gets what was sent before, and that
// a net.Conn which somebody else closes is noticed before the next send, if it is parked.
//
// # Wires
//
// There are three, chosen once by the type of the net.Conn:
//
//   - fast: a bare TCP or Unix socket on Linux (amd64, arm64). Raw non-blocking system calls under a RawConn.
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
// and stations may be left out. finishing: nothing is accepted, the queue is sent, input is thrown away. shut: the direction
// to the peer has ended, and its end is awaited, because closing a socket with unread input resets it. closing: the socket
// was shut down, but a goroutine still has the reader role. closed: the descriptor is released. The reader role goes
//
//	still <-> busy <-> parked
//
// and at last to over. A goroutine that has the role (busy) is the only one to receive, to call Data, and to touch the
// input buffer, the watch and the place in the park; parked means that the epoll has it, still that nobody has. A
// connection gets from closing to closed when a busy reader leaves, so a descriptor is never released, and Closed never
// called, while the protocol runs. The writer role (turn.go) is a boolean of the same kind for the other direction.
//
// Conn.mu guards the states. It is never held while anything waits or any foreign code runs: step returns what is to be
// done, and apply does it afterwards.
//
// # Receiving
//
// In the callback form of the fast wire one RawConn.Read spans a whole time of activity, and the protocol runs inside its
// callback. When bytes come it takes a pooled buffer, receives once, lets the protocol consume all it can, and returns
// false to wait again. Leaving RawConn.Read before calling the protocol would cost a receive more for each message, because
// every new RawConn.Read forgets the events before it and so has to begin with a receive that finds nothing: measured with
// 100 connections in ping-pong, 20 % more CPU a message.
//
// Running the protocol inside the callback is safe because nothing that it can call waits for the callback: the descriptor
// is referenced for that long, so net.Conn.Close would wait. So CloseNow does not close but shuts the socket down, which the
// peer and everybody who is blocked on it feel at once, and the reader closes when it is out. That is the state closing.
//
// One receive for a message is enough only if it is known to have emptied the socket. One that comes back short has taken all
// the bytes there were (but for urgent data, see above), but the peer's end may have come along with them, and that one raises
// no event of its own. So the socket is asked to tell with each receive what is left in it (TCP_INQ), and it counts the end as
// one. That costs two thirds of what a receive that finds nothing costs. So a stay that goes on for more than some waits has the
// epoll of the park watch for the peer's end alone, as an edge, and goes on with bare receives. Sockets that can't tell are
// received from until they are empty: a receive from a Unix socket may also stop for other reasons than that.
//
// In the blocking form the caller's goroutine does the same, but each Pump is a RawConn.Read of its own, because the caller
// wants to be out of it. Little lies on its stack while it waits, so that a goroutine which does nothing but read messages
// and answer them keeps to the first 2 KiB that it was given; a stack that has once grown stays grown as long as it waits.
// Nor does it keep more than 32 bytes of the heap meanwhile, and what the protocol has left over: a receive that finds
// nothing gives back, inside the callback, what it was to be received into and all the state of the reader, and the wake-up
// takes them anew.
//
// TLS can't be read inside a callback, since tls.Conn reads the socket by itself. The callback only waits, and tls.Conn is
// read with a buffer taken afterwards. It may then hold further records, of which no event will tell: it is asked for them
// with a read deadline that has passed, which makes it give what it has and fail, harmlessly, before it turns to the socket.
//
// # Why no wake-up is lost
//
// Between the last receive and the wait: the runtime's poller watches the socket edge-triggered, and latches an edge that
// comes when nobody waits. The wait takes it. The latch is only cleared when a RawConn.Read begins, and that begins with a
// receive.
//
// Between the last receive and the park: the state becomes parked first, and then the epoll is armed (EPOLLONESHOT), which
// looks at what is there at that moment, not at what changes. Whatever has come since the last receive is reported
// at once, and whoever is reported is found parked. One event is consumed by one wake-up, which starts with a receive.
//
// Between the last bytes and the end: the epoll, once it watches, reports the end whenever it comes, or had come before. Its
// goroutine notes that (flagEnded), under the lock, and pokes the reader. A reader that receives after that goes on until it
// meets the end; one that has received before is thrown out of its wait, and begins again with a receive.
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
// After Config.ParkAfter of silence the reader hands its role to the epoll and its goroutine ends. With it go the stack and
// whatever it had grown to. The first silence after a wake-up need only be a sixteenth of that, and a wake-up that the
// protocol calls [Quiet] (the answer to a ping) needs none: goroutines that end cost nothing but the memory of their
// descriptors, which the runtime keeps for good, so what counts is how many there are at once. No clock is read for a
// message: the silence is a read deadline that is set once, and when it passes a counter tells whether there was input.
// The epoll is a file that the runtime's own poller waits for: one goroutine, no thread.
//
// # Sending
//
// A send that finds the queue empty and the writer role free tries the socket on the caller's goroutine. What does not fit
// becomes the queue, and a flusher, a goroutine that lives as long as there is something to send, waits for the peer. While
// the protocol says that it has further messages at hand ([Conn.SetMore]), sends are collected and leave together with
// the last one. The first that is collected starts a flusher, which finds nothing to do unless a handler blocks:
// then it sends the earlier answers. So a batch of sixteen messages is one receive, one send and one goroutine that ends
// at once: a ninth of the CPU that a send each takes.
//
// [Conn.TrySend] is for a hub that has one buffer for thousands of connections: it leaves nothing behind but the rest of the
// frame in the middle of which the socket was full, and not a copy of it. The hub keeps its place, and
// [Conn.NotifyWritable] tells it when to go on.
//
// # Alarms
//
// Each connection has one alarm, for keepalives and limits. Alarms of sockets that are a second off or more lie on one
// wheel for all: at 10,000 connections one takes a sixth of the memory of a timer for each, and is set in a third of the time
// (BenchmarkAlarms). [Conn.Activity] and [Conn.Listening] tell what a keepalive needs:
// whether the peer was silent, and whether anybody was there to hear it.
package netio
