package ws

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
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
	rw          stream
	server      bool
	subprotocol string
	cfg         config
	epoch       time.Time     // what now counts from
	done        chan struct{} // closed by terminate: the stream is closed, nobody waits any more
	ending      chan struct{} // closed when err is set
	closeSent   chan struct{} // closed when our close frame is written, or never will be; see sentClose

	// The reading side, owned by who holds readLock. It is held for one call of Read, never between calls.
	readLock   lock
	parser     parser
	in         inBuffer
	msg        incoming
	reading    watch
	halfClosed bool // the sending side of the stream is closed
	seen       bool // a goroutine sees the closing through

	// The writing side. Lock order: msgLock, then frameLock. msgLock is held for a message, frameLock for a frame, so
	// that control frames can go between the frames of a message.
	msgLock   lock
	frameLock lock
	writing   watch

	pulse pulse

	// closing is set, under mu, together with err; it is for those who only want to look.
	closing atomic.Bool
	// due is when timer fires, 0 when it is not armed; it is set under mu.
	due atomic.Int64

	mu       sync.Mutex // never held across I/O or a wait
	err      error      // why the connection is ending or has ended; set once
	endErr   error      // what kept the two sides from exchanging close frames
	failed   bool       // by a violation of the peer's: nothing further is parsed
	peerDone bool       // the peer's close frame has come
	sentDone bool       // closeSent is closed
	control  controlQueue
	undetach func() bool // keeps the end of the handler from closing the connection
	group    *Group      // that it is in
	value    any
	timer    *time.Timer
	closeBy  time.Duration // when a connection that is closing is cut

	// The goroutines that a connection needs now and then. Added to under mu, while not done.
	wg sync.WaitGroup
}

// newConn takes the stream over. early is what it has already sent.
func newConn(rw stream, server bool, subprotocol string, early []byte, cfg config) *Conn {
	c := &Conn{
		rw:          rw,
		server:      server,
		subprotocol: subprotocol,
		cfg:         cfg,
		epoch:       time.Now(),
		done:        make(chan struct{}),
		ending:      make(chan struct{}),
		closeSent:   make(chan struct{}),
		readLock:    newLock(),
		msgLock:     newLock(),
		frameLock:   newLock(),
	}
	c.parser.init(server, cfg.messageLimit, cfg.frameLimit)
	c.in.early = early
	c.reading.expire = rw.SetReadDeadline
	c.writing.kill = c.writeCancelled
	c.tellOpened()
	c.armKeepalive()
	return c
}

// Subprotocol is the application protocol that was agreed on, or "".
func (c *Conn) Subprotocol() string { return c.subprotocol }

// LocalAddr is this side's network address.
func (c *Conn) LocalAddr() net.Addr { return c.rw.LocalAddr() }

// RemoteAddr is the network address of the peer, or of the proxy before it.
func (c *Conn) RemoteAddr() net.Addr { return c.rw.RemoteAddr() }

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

// now is the connection's age, never 0.
func (c *Conn) now() time.Duration { return time.Since(c.epoch) + 1 }

// ended returns the error that the connection is ending or has ended with, or nil.
func (c *Conn) ended() error {
	if !c.closing.Load() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// dead reports whether terminate has run. Called with mu held.
func (c *Conn) dead() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

func (c *Conn) alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.dead()
}

// spawn runs f in a goroutine that Close and CloseNow wait for. f must end when the connection does. It is not run on
// a connection that has ended.
func (c *Conn) spawn(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead() {
		return false
	}
	c.wg.Go(f)
	return true
}

// acquire waits for the lock, as long as ctx and the connection last. The connection's error goes before the context's.
func (c *Conn) acquire(ctx context.Context, l lock, op string) error {
	if ctx.Err() == nil {
		if l.try() {
			return nil
		}
		select {
		case l <- struct{}{}:
			return nil
		case <-ctx.Done():
		case <-c.done:
		}
	}
	if err := c.ended(); err != nil {
		return err
	}
	return contextError(ctx, op)
}
