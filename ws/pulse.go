package ws

import (
	"os"
	"sync"
	"time"
)

// pulse keeps account of what has been heard from the peer and when, so that one timer can tell silence from
// idleness. Times are a connection's now; 0 means never.
//
// Silence speaks against the peer only while somebody reads, so it is summed up over the reads: a handler that is
// busy for a minute, or that reads with short timeouts, gets the right sum. Bytes of any kind end it.
type pulse struct {
	mu         sync.Mutex    // never held across anything
	heard      time.Duration // last bytes received
	pinged     time.Duration // last ping of the keepalive written
	since      time.Duration // a read is blocked since then
	quiet      time.Duration // sum of blocked reads since heard, without the one under way
	unanswered bool          // nothing was heard since pinged
	quietThen  time.Duration // the sum of quiet when the first unanswered ping was written
	midFrame   bool          // the blocked read is inside a frame
	writing    time.Duration // a write is blocked since then
}

// silence is the sum of quiet at the moment. Called with mu held.
func (p *pulse) silence(now time.Duration) time.Duration {
	if p.since == 0 {
		return p.quiet
	}
	return p.quiet + now - p.since
}

// readBegins is called by the reader before it blocks.
func (c *Conn) readBegins() {
	now, p := c.now(), &c.pulse
	var due time.Duration
	p.mu.Lock()
	p.since, p.midFrame = now, c.parser.midFrame()
	if p.unanswered && c.cfg.pongTimeout > 0 {
		due = now + c.cfg.pongTimeout - (p.quiet - p.quietThen)
	}
	if p.midFrame && c.cfg.frameTimeout > 0 {
		due = earliest(due, now+c.cfg.frameTimeout-p.quiet)
	}
	p.mu.Unlock()
	c.arm(due)
}

// readEnds is called by the reader afterwards.
func (c *Conn) readEnds(received bool) {
	now, p := c.now(), &c.pulse
	p.mu.Lock()
	defer p.mu.Unlock()
	if received {
		p.heard, p.quiet, p.unanswered = now, 0, false
	} else {
		p.quiet = p.silence(now)
	}
	p.since = 0
}

// pingWritten is called when a ping of the keepalive has gone out, which began at that time. The answer may have been
// quicker than this call.
func (c *Conn) pingWritten(began time.Duration) {
	now, p := c.now(), &c.pulse
	var due time.Duration
	p.mu.Lock()
	p.pinged = now
	if !p.unanswered && p.heard < began {
		p.unanswered, p.quietThen = true, p.silence(now)
	}
	if p.unanswered && p.since != 0 && c.cfg.pongTimeout > 0 {
		due = now + c.cfg.pongTimeout - (p.silence(now) - p.quietThen)
	}
	p.mu.Unlock()
	c.arm(due)
}

// writeBegins and writeEnds are called around each write to the stream.
func (c *Conn) writeBegins() {
	if c.cfg.writeTimeout == 0 {
		return
	}
	now := c.now()
	c.pulse.mu.Lock()
	c.pulse.writing = now
	c.pulse.mu.Unlock()
	c.arm(now + c.cfg.writeTimeout)
}

func (c *Conn) writeEnds() {
	c.pulse.mu.Lock()
	c.pulse.writing = 0
	c.pulse.mu.Unlock()
}

// earliest of the times that are not 0.
func earliest(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// verdict is what the timer finds: the peer is dead, the peer has stalled, a ping is due, or nothing; and when to look
// again. Called when the connection is not closing.
func (c *Conn) verdict(now time.Duration) (dead, stalled *LimitError, ping bool, due time.Duration) {
	p := &c.pulse
	p.mu.Lock()
	defer p.mu.Unlock()
	look := func(at time.Duration) bool {
		if at <= now {
			return true
		}
		due = earliest(due, at)
		return false
	}
	if t := c.cfg.writeTimeout; t > 0 && p.writing != 0 && look(p.writing+t) {
		return timeLimit("time that a write makes no progress", "WriteTimeout", t, CloseAbnormal), nil, false, 0
	}
	if t := c.cfg.pongTimeout; t > 0 && p.unanswered && p.since != 0 && look(now+t-(p.silence(now)-p.quietThen)) {
		return timeLimit("time for the answer to a ping", "PongTimeout", t, CloseAbnormal), nil, false, 0
	}
	if t := c.cfg.frameTimeout; t > 0 && p.midFrame && p.since != 0 && look(now+t-p.silence(now)) {
		return nil, timeLimit("time that a frame makes no progress", "FrameTimeout", t, ClosePolicyViolation), false, 0
	}
	if t := c.cfg.pingInterval; t > 0 && look(max(p.heard, p.pinged)+t) {
		ping = true
		look(now + t) // again, should this one never get its turn
	}
	return nil, nil, ping, due
}

func timeLimit(limit, option string, d time.Duration, code CloseCode) *LimitError {
	return &LimitError{Limit: limit, Max: int64(d), Option: option, Code: code, Err: os.ErrDeadlineExceeded}
}
