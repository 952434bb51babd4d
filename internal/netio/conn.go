package netio

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// wire is the way to a connection's bytes. It is chosen once.
type wire uint8

const (
	plain   wire = iota // net.Conn's Read and Write: the portable twin
	fast                // raw system calls on a socket
	overTLS             // tls.Conn's Read and Write, waiting on the socket below
)

// Conn carries one Protocol over one net.Conn. All methods may be called at any time by any goroutine, except where
// Protocol says otherwise; none panics on a connection that has ended. See the package comment for how it works.
type Conn struct {
	// Immutable after New.
	nc    net.Conn
	raw   syscall.RawConn // of the socket, also of the one below TLS; nil if the wire is plain
	proto Protocol
	cfg   *Config
	wire  wire

	// As the last group, and here because there is room: a crowd of idle connections has little but these structs.
	tlsMore bool // tls.Conn may hold further records
	noPark  bool // the epoll refused the socket
	tcp     bool // a receive that comes back short has emptied the socket

	// Guarded by mu, which is never held across a call that can wait, nor across one of the Protocol.
	mu sync.Mutex
	life
	reader
	inWire     bool // the reader waits, or is about to, or is inside the fast path's callback
	deadline   deadline
	sending    bool   // a goroutine has the writer role
	stalled    bool   // who has it waits for the peer
	writeStop  bool   // who has it shall come out of the wire
	flusherDue bool   // a flusher was started for a corked queue and has not looked yet
	sealed     bool   // nothing more is accepted for sending; slow says why
	added      bool   // the epoll knows the descriptor; it belongs to place
	onWheel    bool   // of the alarm
	left       uint32 // bytes that were in out and have left; wraps
	due        uint32 // of the alarm
	alarm      alarm
	queue      *buffer // accepted and not yet with the holder of the writer role; nil if empty
	out        int     // bytes accepted and not yet sent: the queue's and those the writer has in hand
	slow       *slow   // what only a connection needs that is slow, ends or has ended; nil otherwise

	// Read without the lock.
	flags   atomic.Uint32 // what is
	seen    atomic.Uint32
	dropped atomic.Uint32

	// Owned by the holder of the reader role; while nobody has it, by whoever takes it.
	place int32   // in the epoll, from 1; 0 is none
	in    *buffer // received and not consumed
	watch *watch
}

// The flags of a Conn.
const (
	flagAttention uint32 = 1 << iota // the reader shall come out of the wire; set with mu held
	flagMore                         // the protocol has further input at hand: replies are corked
	flagCorked                       // something was queued because of more
	flagFeeding                      // the protocol is in Data
	flagEnded                        // the epoll has told that a receive that comes back short need not have emptied the socket: see found.ended
)

// is reports whether any of the flags is set.
func (c *Conn) is(flag uint32) bool { return c.flags.Load()&flag != 0 }

// New makes a Conn of nc, which nobody else may use from now on: not even its deadlines, which must work and be
// movable. early is what was read of it already. Nothing runs before Serve or Pump. cfg may be nil.
func New(nc net.Conn, p Protocol, cfg *Config, early []byte) *Conn {
	if cfg == nil {
		cfg = &defaults
	}
	c := &Conn{nc: nc, proto: p, cfg: cfg}
	if canFast && !cfg.Portable {
		c.chooseWire()
	}
	if len(early) > 0 {
		c.in = appended(nil, early, nil)
	}
	_ = nc.SetDeadline(time.Time{}) // an error will come back from the first read
	return c
}

// chooseWire takes the fast ways for what is known to be a bare socket. A type that embeds one may do more in its
// Read and Write than the socket does, so it gets the plain way.
func (c *Conn) chooseWire() {
	under, w := c.nc, fast
	if t, ok := c.nc.(*tls.Conn); ok {
		under, w = t.NetConn(), overTLS
	}
	var raw syscall.RawConn
	var err error
	switch s := under.(type) {
	case *net.TCPConn:
		raw, err = s.SyscallConn()
		c.tcp = true
	case *net.UnixConn:
		raw, err = s.SyscallConn()
	default:
		return
	}
	if err != nil {
		return
	}
	c.raw, c.wire = raw, w
	c.tlsMore = w == overTLS // the handshake may have brought the first records
}

// LocalAddr is that of the net.Conn.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr is that of the net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// Err is nil while the connection is open, and then for ever the same *ClosedError.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.errLocked()
}

func (c *Conn) errLocked() error {
	if c.slow == nil || c.slow.err == nil {
		return nil
	}
	return c.slow.err
}

// Activity counts the times that bytes have come. Two equal answers mean that the peer was silent in between.
func (c *Conn) Activity() uint32 { return c.seen.Load() }

// Listening reports whether somebody waits for the peer: only then does its silence mean anything. It is false between
// Pumps, after a pause, and while the protocol is busy with what has come.
func (c *Conn) Listening() bool {
	if c.is(flagFeeding) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life < closing && (c.reader == parked || c.reader == busy)
}

// Queued is how many bytes were accepted and not yet sent.
func (c *Conn) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out
}

// Dropped counts what Send threw away by the policy Refuse.
func (c *Conn) Dropped() int { return int(c.dropped.Load()) }

// slow is what a connection needs that is slow, ends, or does not use the wheel.
type slow struct {
	err     *ClosedError // why the connection ends or has ended; set once
	waiters []*waiter    // Writes that wait for room, in their order
	notify  []func()     // of NotifyWritable
	linger  *time.Timer  // ends the connection when the peer takes too long to
	timer   *time.Timer  // the alarm's, where the wheel is not used
	writing *writeWatch  // of the latest Write that had to wait for the wire
	sealErr error        // why nothing more is accepted, if the connection is sealed
}

func (c *Conn) slowly() *slow {
	if c.slow == nil {
		c.slow = new(slow)
	}
	return c.slow
}
