package ws

import (
	"os"
	"time"

	"github.com/tidewire/tidewire/internal/netio"
)

// pulse keeps account of what has been heard from the peer and when, so that one alarm can tell silence from
// idleness. Times are a connection's now; 0 means never. Guarded by Conn.mu, as Conn.pingAt and midFrame are, which
// are there to leave no gap. Conn.heardAt belongs to it, too, and lies where the reader passes anyway.
//
// Silence speaks against the peer only while somebody listens, so it is summed up over the reads: a handler that is
// busy for a minute, or that reads with short timeouts, gets the right sum. Bytes of any kind end it. It is counted only
// while something depends on it, an answer or the rest of a frame, so that a message costs no look at the clock: when it
// came is only noted to the tick of the wheel that the alarm lies on.
type pulse struct {
	pinged    time.Duration // last ping of the keepalive
	since     time.Duration // silence is counted since then
	quiet     time.Duration // what was counted before
	quietThen time.Duration // the sum when the first unanswered ping was sent
}

// silence is the sum at the moment.
func (p *pulse) silence(now time.Duration) time.Duration {
	if p.since == 0 {
		return p.quiet
	}
	return p.quiet + now - p.since
}

// heard is called by the reader when it is given bytes, which may be left over from before.
func (c *Conn) heard() {
	seen := c.net.Activity()
	if seen == c.fed {
		return
	}
	c.fed = seen
	switch {
	case c.onWheel:
		if now := int64(netio.Recently()); c.heardAt.Load() != now {
			c.heardAt.Store(now)
		}
	case c.cfg.pingInterval > 0:
		c.heardAt.Store(int64(c.now()))
	}
	if !c.midFrame && !c.is(flagUnanswered|flagCounting) { // after the activity, see pinged
		return
	}
	c.mu.Lock()
	c.pulse.quiet, c.pulse.since, c.midFrame = 0, 0, false
	c.flags.And(^(flagUnanswered | flagCounting))
	c.mu.Unlock()
}

// waits is called by the reader when it has done with them. Only readers write midFrame, so they may read it without the
// lock. It may be left from a time when part of a frame had been parsed and its rest had come already.
func (c *Conn) waits(next netio.Next) {
	mid := c.parser.midFrame()
	if !mid && !c.midFrame && !c.is(flagUnanswered) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.midFrame = mid
	if next != netio.Pause {
		c.countSilence()
	}
}

// readBegins and readEnds are called around the reads of the blocking form. c.mu is held.
func (c *Conn) readBegins() {
	if c.midFrame || c.is(flagUnanswered) {
		c.countSilence()
	}
}

func (c *Conn) readEnds() {
	if p := &c.pulse; p.since != 0 {
		p.quiet, p.since = p.silence(c.now()), 0
	}
}

// listens says that somebody waits for the peer. c.mu is held.
func (c *Conn) listens() bool {
	if c.events != nil {
		return c.net.Listening()
	}
	return c.reads.inside < 0
}

// countSilence begins to count, and sets the alarm for when it is too much. c.mu is held.
func (c *Conn) countSilence() {
	now, p := c.now(), &c.pulse
	if p.since == 0 {
		p.since = now
		c.flags.Or(flagCounting)
	}
	var due time.Duration
	if c.is(flagUnanswered) && c.cfg.pongTimeout > 0 {
		due = now + c.cfg.pongTimeout - (p.silence(now) - p.quietThen)
	}
	if c.midFrame && c.cfg.frameTimeout > 0 {
		due = earliest(due, now+c.cfg.frameTimeout-p.silence(now))
	}
	c.arm(due)
}

// pinged is called when the network has accepted a ping of the keepalive, before which fed was the network's activity. The
// answer may have been quicker than this call.
func (c *Conn) pinged(fed, at uint32) {
	p := &c.pulse
	c.mu.Lock()
	defer c.mu.Unlock()
	p.pinged = c.now()
	if c.is(flagUnanswered) {
		return
	}
	// The reader counts the activity and then looks at the flag, without the lock; here it is the other way round. So one of
	// the two sees the other.
	c.flags.Or(flagUnanswered)
	if c.net.Activity() != fed {
		c.flags.And(^flagUnanswered)
		return
	}
	p.quietThen, c.pingAt = p.silence(p.pinged), at
	if c.listens() {
		c.countSilence()
	}
}

// earliest of the times that are not 0.
func earliest(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// verdict is what the alarm finds: the peer is dead, the peer has stalled, a ping is due, or nothing; and when to look
// again. Called with mu held, when the connection is not closing.
func (c *Conn) verdict(now time.Duration) (dead, stalled *LimitError, ping bool, due time.Duration) {
	p := &c.pulse
	look := func(at time.Duration) bool {
		if at <= now {
			return true
		}
		due = earliest(due, at)
		return false
	}
	unanswered := c.is(flagUnanswered)
	if p.since == 0 && (unanswered || c.midFrame) && c.listens() {
		p.since = now // a read has begun while the ping was on its way here
		c.flags.Or(flagCounting)
	}
	if _, sent := c.net.Position(); unanswered && int32(sent-c.pingAt) < 0 {
		p.quietThen = p.silence(now) // it still waits behind what the peer does not take
	}
	if t := c.cfg.pongTimeout; t > 0 && unanswered && p.since != 0 && look(now+t-(p.silence(now)-p.quietThen)) {
		return timeLimit("time for the answer to a ping", "PongTimeout", t, CloseAbnormal), nil, false, 0
	}
	if t := c.cfg.frameTimeout; t > 0 && c.midFrame && p.since != 0 && look(now+t-p.silence(now)) {
		return nil, timeLimit("time that a frame makes no progress", "FrameTimeout", t, ClosePolicyViolation), false, 0
	}
	if t := c.cfg.pingInterval; t > 0 && look(max(time.Duration(c.heardAt.Load()), p.pinged)+t) {
		ping = true
		look(now + t) // again, should this one never get its turn
	}
	return nil, nil, ping, due
}

func timeLimit(limit, option string, d time.Duration, code CloseCode) *LimitError {
	return &LimitError{Limit: limit, Max: int64(d), Option: option, Code: code, Err: os.ErrDeadlineExceeded}
}
