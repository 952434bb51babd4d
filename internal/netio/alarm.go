package netio

import "time"

// alarm is a connection's one timer: an entry of the shared wheel, or slow.timer.
//
// The wheel is for what sockets do all the time, keepalives of many seconds. It was chosen by measurement: at 10,000
// connections an alarm takes 22 bytes of memory and 65 ns to set anew on the wheel, 136 bytes and 189 ns with a time.AfterFunc
// for each connection (BenchmarkAlarms, medians of seven runs, on one core). The wheel is coarse, so a shorter alarm gets a
// timer. In-memory connections always do: a testing/synctest bubble has its own time, and can't wait for a goroutine that
// serves others too.
type alarm struct {
	// Guarded by the wheel's lock, as Conn.due and onWheel are, which are there to leave no gap.
	next, prev *Conn // in a slot's ring; nil if in none
}

// wheelFrom is the shortest alarm for which the wheel is fine enough.
const wheelFrom = 10 * wheelTick

// SetAlarm calls Protocol.Alarm once after d, instead of at the time that was set before; 0 or less: not at all. It may
// come up to a tenth of d late, and once more if it was under way already.
func (c *Conn) SetAlarm(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life >= closing {
		return
	}
	if d >= wheelFrom && c.wire != plain && !c.cfg.Timers {
		c.stopTimer()
		setOnWheel(c, d)
		return
	}
	takeOffWheel(c, false)
	if d <= 0 {
		c.stopTimer()
		return
	}
	if s := c.slowly(); s.timer == nil {
		s.timer = time.AfterFunc(d, c.ring)
	} else {
		s.timer.Reset(d)
	}
}

// stopTimer is called with c.mu held.
func (c *Conn) stopTimer() {
	if c.slow != nil && c.slow.timer != nil {
		c.slow.timer.Stop()
	}
}

// ring is the end of the alarm's time.
func (c *Conn) ring() {
	c.mu.Lock()
	over := c.life >= closing
	c.mu.Unlock()
	if !over {
		c.proto.Alarm()
	}
}

// stopAlarm is release's. No alarm is set any more, because life is over.
func (c *Conn) stopAlarm() {
	c.mu.Lock()
	c.stopTimer()
	c.mu.Unlock()
	takeOffWheel(c, true)
}
