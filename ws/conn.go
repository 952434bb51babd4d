package ws

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/internal/netio"
)

// Conn is a WebSocket connection, made by Accept, Handler or Dial.
//
// Any goroutine may call any method at any time. Contexts are honoured while waiting, also for a turn. The end of a
// context never ends the connection, with two exceptions: it ends while a frame of that call is being written, or
// while a message of Writer is half sent; in both cases the peer could not make sense of what would follow.
//
// Once the connection has ended, every call returns the error that it ended with: a *CloseError, a *ProtocolError or
// a *LimitError.
type Conn struct {
	// Immutable after newConn.
	net     *netio.Conn // nil only in a Conn that was made by nobody; guards itself
	cfg     *shared
	events  *Events // of a connection of Handler, else nil; written before the core is told to read
	server  bool
	onWheel bool // the alarm is as coarse as the wheel

	// The reading side, owned by who holds the network's reader role: Data and Room run there. msg is prepared by the
	// goroutine that is about to pump, which is inside reads.
	deaf    bool         // nothing further is parsed: the peer has closed, or broken the protocol
	fed     uint32       // net.Activity of the last Data
	heardAt atomic.Int64 // of the pulse: when that was; not kept where nothing depends on it
	parser  parser
	msg     incoming

	flags atomic.Uint32 // read without the lock, and changed under mu

	mu         sync.Mutex // never held across I/O, a wait, or foreign code. It comes before the network's own
	peerClosed bool       // the peer's close frame has come
	saidClose  bool       // ours was accepted by the network
	over       bool       // the stream is closed, nobody waits any more
	told       bool       // gone has run
	running    bool       // of a connection of Handler: Open has returned, or there is none
	midFrame   bool       // of the pulse: what was heard last ends inside a frame
	pingAt     uint32     // of the pulse: net.Position of the first unanswered ping
	reads      turnstile
	writes     turnstile
	pulse      pulse
	due        time.Duration // when the alarm rings, 0 when it is not set
	pings      pings
	ending     *ending // nil until somebody asks, or it ends
	group      *Group  // that it is in
	value      any
}

// The flags of a Conn.
const (
	flagClosing    uint32 = 1 << iota // ending.why is set
	flagDrained                       // messages are thrown away: a goroutine of this package reads in the place of a user's
	flagUnanswered                    // of the pulse: nothing was heard since pinged
	flagCounting                      // of the pulse: since or quiet may be set
)

// is reports whether the flag is set.
func (c *Conn) is(flag uint32) bool { return c.flags.Load()&flag != 0 }

// ending is what a connection needs at its end, and what few need before.
type ending struct {
	why     error         // why the connection is ending or has ended; set once
	dropped int           // messages that Send had no room for
	err     error         // what kept the two sides from exchanging close frames
	closeBy time.Duration // when it is cut
	cut     bool          // it has been
	done    chan struct{} // closed when it has ended; nil until somebody asks
	ctx     context.Context
	cancel  context.CancelCauseFunc // of ctx; nil until somebody asks

	undetach func() bool // keeps the end of the handler from closing the connection
}

// atEnd returns c.ending. Called with mu held.
func (c *Conn) atEnd() *ending {
	if c.ending == nil {
		c.ending = new(ending)
	}
	return c.ending
}

// newConn takes the stream over. early is what it has already sent.
func newConn(nc net.Conn, server bool, subprotocol string, early []byte, cfg config) *Conn {
	cfg.subprotocol = subprotocol
	c := &Conn{server: server, cfg: cfg.share()}
	if cfg.handled {
		c.events = new(Events)
	}
	c.parser.fromClient, c.parser.limits = server, &c.cfg.parse
	c.net = netio.New(nc, (*protocol)(c), &c.cfg.net, early)
	c.tellOpened()
	if t := c.cfg.pingInterval; t > 0 {
		now := c.now()
		c.heardAt.Store(int64(now)) // the handshake was a sign of life
		c.mu.Lock()
		c.arm(now + t)
		c.mu.Unlock()
		c.onWheel = c.net.OnWheel()
	}
	return c
}

// errNoConn is what a Conn that nobody made returns.
var errNoConn = fmt.Errorf("ws: this Conn was made by none of Accept, Handler and Dial: %w", net.ErrClosed)

// Subprotocol is the application protocol that was agreed on, or "".
func (c *Conn) Subprotocol() string {
	if c.cfg == nil {
		return ""
	}
	return c.cfg.subprotocol
}

// LocalAddr is this side's network address.
func (c *Conn) LocalAddr() net.Addr {
	if c.net == nil {
		return nil
	}
	return c.net.LocalAddr()
}

// RemoteAddr is the network address of the peer, or of the proxy before it.
func (c *Conn) RemoteAddr() net.Addr {
	if c.net == nil {
		return nil
	}
	return c.net.RemoteAddr()
}

// SetValue keeps v with the connection for Value: a user, a session.
func (c *Conn) SetValue(v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value = v
}

// Value is what SetValue set last, or nil.
func (c *Conn) Value() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

// Context returns a context that ends when the connection has ended, or has been cut off by CloseNow, a limit or a failed
// write; its cause is the error that it ended with. It is made for the first caller, and all get the same one.
//
// While an event of Handler is under way, or nobody reads, nothing is heard of a peer that leaves. So what waits for something
// else, there, needs a limit of its own.
func (c *Conn) Context() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.atEnd()
	if e.ctx == nil {
		e.ctx, e.cancel = context.WithCancelCause(context.Background())
		if c.net == nil {
			e.cancel(errNoConn)
		} else if c.over || e.cut {
			e.cancel(e.why)
		}
	}
	return e.ctx
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// now is a time by the monotonic clock.
func (c *Conn) now() time.Duration { return netio.Now() }

// ended returns the error that the connection is ending or has ended with, or nil.
func (c *Conn) ended() error {
	if !c.is(flagClosing) {
		if c.net == nil {
			return errNoConn
		}
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why()
}

// why is what ended returns for a connection that somebody has made. Called with mu held.
func (c *Conn) why() error {
	if c.ending == nil {
		return nil
	}
	return c.ending.why
}

// dead reports whether the connection has ended. Called with mu held.
func (c *Conn) dead() bool { return c.over || c.net == nil }

// whenDone returns a channel that is closed when the connection has ended.
func (c *Conn) whenDone() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.doneLocked()
}

// doneLocked is whenDone with mu held.
func (c *Conn) doneLocked() <-chan struct{} {
	e := c.atEnd()
	if e.done == nil {
		e.done = make(chan struct{})
		if c.told || c.net == nil {
			close(e.done)
		}
	}
	return e.done
}
