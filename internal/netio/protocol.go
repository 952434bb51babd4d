package netio

import "time"

// Protocol is what a Conn carries. The Conn calls it and it calls the Conn; it does no input of its own.
//
// Room and Data are called by one goroutine at a time, the one that has the reader role, and may call any method of
// the Conn but Pump and Serve. In the callback form they may run user code and may block: only this connection waits. What
// they do to their goroutine, which then serves other connections, they have to undo.
type Protocol interface {
	// Room may say where the next bytes belong, so that they need no copy: they are received into the slice and then
	// given to Data as its front part. It is asked only while nothing is left over. Empty means no wish.
	Room() []byte

	// Data consumes bytes from the front of b and says how many, and how to go on. b is valid until it returns, and
	// may be changed. What is left over with [More] or [Quiet] comes again once further bytes have been received
	// behind it; what is left over with [Pause] comes again as it is.
	Data(b []byte) (n int, next Next)

	// Alarm is called when the time given to SetAlarm is over. It must not block; it may overlap any other call.
	Alarm()

	// Cut is called, once, when the connection has been ended while Data may be under way, so that Closed has to wait for
	// that: what Data waits for can be told. It runs on a goroutine of its own, and may come late, after Closed even.
	Cut()

	// Closed is the last call but perhaps for Cut, after Data has returned for the last time, and runs on no goroutine of
	// the caller that ended the connection. The error is never nil: io.EOF if the peer ended its direction, a network error, or the
	// reason given to Finish or CloseNow.
	Closed(err error)
}

// Next says how reading goes on after Data.
type Next uint8

const (
	// More goes on reading.
	More Next = iota
	// Quiet goes on reading, too, but these bytes were not worth staying awake for: a connection over TLS that they woke from
	// its park goes back there at once, as others always do. For answers to a keepalive.
	Quiet
	// Pause gives the reader role back: nothing is received until Serve or Pump, so the peer will feel it.
	Pause
)

// Policy says what Send does when the queue is full. Write waits instead, and TrySend only says so.
type Policy uint8

const (
	// Disconnect ends the connection with the *FullError.
	Disconnect Policy = iota
	// Refuse drops what was to be sent and counts it (see Conn.Dropped).
	Refuse
)

// Config is shared by many connections and must not change while any of them lives. The zero value is good.
type Config struct {
	// QueueLimit is how many bytes wait in memory for a peer that reads slowly. 0 or less: 256 KiB.
	QueueLimit int
	// Policy is applied by Send when the queue is full.
	Policy Policy
	// WriteTimeout ends a connection whose peer takes no byte for so long. 0: 2 minutes; negative: never.
	WriteTimeout time.Duration
	// Linger is how long a peer's end of input leaves for what is still queued. 0: 5 s; negative: nothing is sent.
	Linger time.Duration
	// HearOut is for how long what the peer has said is still received after a send has failed because it is gone: such a
	// connection refuses to send, and ends with its input. 0: not at all.
	HearOut time.Duration
	// InputLimit bounds the bytes that a Protocol leaves over. 0 or less: 64 KiB.
	InputLimit int
	// ParkAfter is the silence after which a connection over TLS gives up its goroutine. A bare socket has none. 0: 2 s;
	// negative: each keeps one.
	ParkAfter time.Duration
	// Portable chooses the portable twin where the fast path would be taken.
	Portable bool
	// Timers gives each connection its own timer where the shared wheel would be taken.
	Timers bool

	// faults stands between the fast path and the system in tests; nil otherwise.
	faults faultFunc
}

const (
	defaultQueue        = 256 << 10
	defaultInput        = 64 << 10
	defaultPark         = 2 * time.Second
	defaultLinger       = 5 * time.Second
	defaultWriteTimeout = 2 * time.Minute

	// urgentReserve is what SendUrgent may use beyond the limit: the longest control frames, a few times.
	urgentReserve = 4 << 10
)

var defaults Config

func orDefault[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

func (g *Config) queueLimit() int {
	if g.QueueLimit <= 0 {
		return defaultQueue
	}
	return g.QueueLimit
}

func (g *Config) inputLimit() int {
	if g.InputLimit <= 0 {
		return defaultInput
	}
	return g.InputLimit
}

func (g *Config) parkAfter() time.Duration { return orDefault(g.ParkAfter, defaultPark) }
func (g *Config) linger() time.Duration    { return max(0, orDefault(g.Linger, defaultLinger)) }

// writeBy is the deadline of a write that begins now.
func (g *Config) writeBy() time.Time {
	if d := orDefault(g.WriteTimeout, defaultWriteTimeout); d > 0 {
		return time.Now().Add(d)
	}
	return time.Time{}
}
