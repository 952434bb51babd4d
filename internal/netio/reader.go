package netio

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// stay is one goroutine's hold of the reader role. It is used again, so that its bound methods are made once.
type stay struct {
	c *Conn

	drainInside func(fd uintptr)
	readInside  func(fd uintptr) bool
	peek        func(fd uintptr) bool
	one         [1]byte // for peek

	parks   bool   // the silence of this stay ends in the park
	discard bool   // the connection is finishing: input is thrown away
	next    Next   // the protocol's last word
	more    bool   // the wire may hold more: the last receive did not empty it
	room    []byte // the protocol's own memory, filled by the last receive
	err     error  // of the last receive

	// Over TLS.
	quiet  bool   // nothing but quiet input so far
	fed    bool   // there was input
	window uint8  // how long a silence has to be: parkAfter >> window
	seen   uint32 // Activity that the idle deadline shall find, for a park

	// Of a Pump of the fast wire.
	taken   *buffer // where the next bytes go
	takenAt []byte
}

// firstWindow makes the first silence that a stay ends with a sixteenth of Config.ParkAfter. It doubles whenever there
// was input, up to the whole: a connection that said a word goes back to its park soon, so that a crowd of them does not
// have its goroutines all at once (the runtime never gives back the memory of a goroutine's descriptor, some 450 bytes),
// and one that is in the middle of a conversation stays.
const firstWindow = 4

var stays sync.Pool

func (c *Conn) newStay(parks bool) *stay {
	s, ok := stays.Get().(*stay)
	if !ok {
		s = new(stay)
		s.bind()
	}
	s.c, s.parks, s.quiet, s.window = c, parks, true, firstWindow
	return s
}

func (s *stay) free() {
	s.reset()
	stays.Put(s)
}

func (s *stay) reset() {
	*s = stay{drainInside: s.drainInside, readInside: s.readInside, peek: s.peek}
}

// Serve is the callback form: from now on the core reads, on goroutines of its own, of which none belongs to a connection whose
// peer is silent, where the system allows it. After a pause it goes on. It does nothing while somebody reads, and never waits.
func (c *Conn) Serve() {
	c.mu.Lock()
	do := c.step(evServe)
	c.mu.Unlock()
	if do&refused != 0 {
		return
	}
	if c.canPark() && c.in == nil && !c.tlsMore && c.park() {
		return // a new connection needs no goroutine before its first bytes
	}
	c.apply(do)
}

// serve is the core's own reader. It ends when the connection parks, pauses or ends.
func (c *Conn) serve() {
	s := c.newStay(c.canPark())
	orderly := false
	defer func() {
		if !orderly { // the protocol panicked, or ended the goroutine: the role must not be lost
			c.abandon()
		}
	}()
	if c.in != nil {
		s.feed()
	}
	for c.visit(s) {
	}
	orderly = true
	s.free()
}

// abandon ends a connection whose reader is gone, the core's or a caller of Pump. If the protocol has said its last word,
// that is still sent, and another goroutine sees the rest of it through.
func (c *Conn) abandon() {
	c.flags.And(^flagFeeding)
	c.in = nil // not pooled: the protocol has not given it back
	c.mu.Lock()
	c.inWire = false
	sealed := c.sealed && c.life < closing
	c.mu.Unlock()
	if sealed {
		c.Finish(ErrAbandoned, c.cfg.linger())
		go c.serve()
		return
	}
	c.CloseNow(ErrAbandoned)
	c.leave()
}

// visit goes into the wire once and acts on what it came out with. It reports whether the role is still held.
func (c *Conn) visit(s *stay) bool {
	if s.next == Pause {
		s.next = More
		c.mu.Lock()
		do := c.step(evPause)
		c.mu.Unlock()
		if do&refused == 0 {
			return false
		}
	}
	if !c.admit(s) {
		c.leave()
		return false
	}
	if c.wire == fast && s.parks {
		return c.attend(s)
	}
	if c.wire == fast {
		err := c.raw.Read(s.readInside)
		if err == nil {
			err = s.err
		}
		return c.back(s, err)
	}
	if err := c.receive(s); err != nil || s.discard {
		return c.back(s, err)
	}
	s.feed()
	c.uncork()
	return !s.sleepy() || c.back(s, nil)
}

// errQuiet is receiveTLS's way to say that the stay is sleepy, which it can't know before it has asked for more.
var errQuiet = errors.New("netio: quiet")

// admit is passed before every wait, and is where a reader learns what has happened meanwhile: attention is cleared
// here, with the lock held, and set with the lock held, after which poke moves the deadline. So whoever changes the
// state comes either before admit, and is seen by it, or after it, and throws the reader out of the wire.
func (c *Conn) admit(s *stay) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.looks(s) {
		return false
	}
	if c.wire != fast || !s.parks { // attend does not wait
		c.armDeadline(s)
		c.inWire = true
	}
	return true
}

// looks is admit's look at the state. c.mu is held.
func (c *Conn) looks(s *stay) bool {
	if c.is(flagAttention) {
		c.flags.And(^flagAttention)
	}
	if c.life >= closing {
		return false
	}
	if c.life > open && !s.discard {
		s.discard = true
		if c.in != nil {
			c.in.free()
			c.in = nil
		}
	}
	return true
}

// armDeadline readies the read deadline for a wait. c.mu is held. Errors can be ignored: a connection that can't set
// its deadline can't be read either.
func (c *Conn) armDeadline(s *stay) {
	switch {
	case c.tlsMore:
		// What tls.Conn holds is asked for first, with a deadline that has passed, and rearm comes before the wait.
		if c.deadline == dlPast {
			c.deadline = dlHeld
		}
	case s.parks && (c.deadline != dlIdle || !c.inWire):
		// The deadline is not moved with each message, so silence is noticed after one to two of these.
		c.deadline = dlIdle
		_ = c.nc.SetReadDeadline(time.Now().Add(c.cfg.parkAfter() >> s.window))
		s.seen = c.seen.Load()
		if !s.fed && s.window == firstWindow {
			s.seen++ // what has started this stay is still to come
		}
	case !s.parks && c.deadline != dlNone:
		c.deadline = dlNone
		_ = c.nc.SetReadDeadline(time.Time{})
	}
}

// back acts on what the wire said, and reports whether the role is still held.
func (c *Conn) back(s *stay, err error) bool {
	s.err = nil
	c.mu.Lock()
	c.inWire = false
	poked := c.deadline == dlPast || c.is(flagAttention)
	switch ours := c.ourTimeout(err); {
	case err == nil && !s.sleepy():
		c.mu.Unlock()
		return true
	case err == nil, err == errQuiet, ours && s.parks && !poked && s.seen == c.seen.Load():
		c.mu.Unlock()
		s.settle()
		if c.park() {
			return false
		}
		s.parks = c.canPark()
		return true
	case ours:
		if !poked && s.window > 0 {
			s.window--
		}
		c.mu.Unlock()
		return true
	}
	c.mu.Unlock()
	c.receiveFailed(err)
	return false
}

// receiveFailed is a reader's last act.
func (c *Conn) receiveFailed(err error) {
	if err == io.EOF {
		c.inputEnded(err)
		return
	}
	c.CloseNow(err)
	c.leave()
}

// leave gives the role up for good. It is the last of a core's reader; the protocol hears of the end here.
func (c *Conn) leave() {
	c.mu.Lock()
	do := c.end(evLeave, nil)
	c.mu.Unlock()
	c.apply(do)
}

// ourTimeout says whether err comes from a deadline that the reader or poke has set. c.mu is held.
func (c *Conn) ourTimeout(err error) bool {
	return err != nil && (c.deadline != dlNone || c.is(flagAttention)) && isTimeout(err)
}

// isTimeout says whether a deadline has passed. The system's own ETIMEDOUT, which says that the peer is lost, also calls
// itself a timeout.
func isTimeout(err error) bool {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout() && !errors.Is(err, syscall.ETIMEDOUT)
}

// sleepy says that the silence which ended just now was only interrupted by quiet input.
func (s *stay) sleepy() bool {
	return s.parks && s.quiet && s.fed && !s.more && s.next != Pause && s.c.in == nil
}
