package ws

import "time"

// A connection has one timer for everything: the keepalive's pings and pongs, frames and writes that stall, the end
// of a closing. It is armed for the earliest of them, and what happens often (bytes come, a read begins) only takes
// notes, in pulse; the timer reads the notes when it fires and goes to sleep again.

// arm sees to it that the timer fires at that time, or earlier. 0 is never.
func (c *Conn) arm(at time.Duration) {
	if due := time.Duration(c.due.Load()); at == 0 || due != 0 && due <= at {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armLocked(at)
}

func (c *Conn) armLocked(at time.Duration) {
	if due := time.Duration(c.due.Load()); at == 0 || due != 0 && due <= at || c.dead() {
		return
	}
	c.due.Store(int64(at))
	wait := max(0, at-c.now())
	if c.timer == nil {
		c.timer = time.AfterFunc(wait, c.tick)
	} else {
		c.timer.Reset(wait)
	}
}

func (c *Conn) armKeepalive() {
	c.pulse.heard = c.now() // the handshake was a sign of life
	if c.cfg.pingInterval > 0 {
		c.arm(c.pulse.heard + c.cfg.pingInterval)
	}
}

// tick runs in the timer's own goroutine and does not block.
func (c *Conn) tick() {
	c.mu.Lock()
	now, due := c.now(), time.Duration(c.due.Load())
	if c.dead() || due == 0 {
		c.mu.Unlock()
		return
	}
	if due > now { // armed anew while this one was starting
		c.timer.Reset(due - now)
		c.mu.Unlock()
		return
	}
	c.due.Store(0)
	if c.err != nil {
		over := now >= c.closeBy
		c.armLocked(c.closeBy)
		c.mu.Unlock()
		if over {
			err := timeLimit("time for closing", "CloseTimeout", c.cfg.closeTimeout, CloseAbnormal)
			c.tellLimit(err)
			c.terminate(err, true)
		}
		return
	}
	c.mu.Unlock()

	dead, stalled, ping, due := c.verdict(now)
	switch {
	case dead != nil:
		c.tellLimit(dead)
		c.terminate(dead, true)
		return
	case stalled != nil:
		c.fail(stalled, stalled.Code, stalled.Limit)
		c.reading.interrupt()
		return
	case ping:
		c.sendPing(true)
	}
	c.arm(due)
}

// RTT is the time between the last ping that was answered and its answer, 0 while there is none. With the defaults
// that is measured only when the peer has been silent; Ping measures it now.
func (c *Conn) RTT() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.control.rtt
}
