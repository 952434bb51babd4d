package ws

import "time"

// A connection has one alarm for everything: the keepalive's pings and pongs, frames that stall, the end of a closing.
// It is set for the earliest of them, and what happens often (bytes come, a read begins) only takes notes, in pulse; who
// is woken by the alarm reads the notes and sets it again. Alarms of sockets lie on one wheel for all connections.

// arm sees to it that the alarm rings at that time, or earlier. 0 is never. c.mu is held.
func (c *Conn) arm(at time.Duration) {
	if at == 0 || c.due != 0 && c.due <= at || c.dead() {
		return
	}
	c.due = at
	if wait := at - c.now(); wait > 0 {
		c.net.SetAlarm(wait)
	} else {
		go c.tick()
	}
}

// tick is the alarm. It does not block.
func (c *Conn) tick() {
	c.mu.Lock()
	now := c.now()
	if c.dead() || c.due == 0 {
		c.mu.Unlock()
		return
	}
	if c.due > now { // set anew while this one was starting
		c.net.SetAlarm(c.due - now)
		c.mu.Unlock()
		return
	}
	c.due = 0
	if c.why() != nil {
		closeBy := c.atEnd().closeBy
		over := now >= closeBy
		if !over {
			c.arm(closeBy)
		}
		c.mu.Unlock()
		if over {
			err := timeLimit("time for closing", "CloseTimeout", c.cfg.closeTimeout, CloseAbnormal)
			c.tellLimit(err)
			c.terminate(err)
		}
		return
	}
	dead, stalled, ping, due := c.verdict(now)
	c.arm(due)
	c.mu.Unlock()
	switch {
	case dead != nil:
		c.tellLimit(dead)
		c.terminate(dead)
	case stalled != nil:
		c.fail(stalled, stalled.Code, stalled.Limit)
	case ping:
		c.keepalive()
	}
}

// RTT is the time between the last ping that was answered and its answer, 0 while there is none. With the defaults
// that is measured only when the peer has been silent; Ping measures it now.
func (c *Conn) RTT() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pings.rtt
}
