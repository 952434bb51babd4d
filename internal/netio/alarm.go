package netio

import "time"

// alarm is a connection's one timer.
type alarm struct {
	timer *time.Timer
}

// SetAlarm calls Protocol.Alarm once after d, instead of at the time that was set before; 0 or less: not at all.
func (c *Conn) SetAlarm(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life == closed {
		return
	}
	switch t := c.alarm.timer; {
	case d <= 0:
		if t != nil {
			t.Stop()
		}
	case t == nil:
		c.alarm.timer = time.AfterFunc(d, c.ring)
	default:
		t.Reset(d)
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

func (c *Conn) stopAlarm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.alarm.timer != nil {
		c.alarm.timer.Stop()
	}
}
