package netio

import (
	"context"
	"io"
)

// Pump is the blocking form: the caller reads, until the protocol says Pause or the context ends. The latter does not
// harm the connection: the next Pump goes on where this one was. It returns nil after a pause, the context's error,
// ErrReading, or the *ClosedError of a connection that has ended.
func (c *Conn) Pump(ctx context.Context) error {
	s, err := c.enterPump(ctx)
	if s == nil {
		return err
	}
	// This frame lies under every idle reader's wait and under the protocol, so it is kept small: a stack that once grew past
	// 2 KiB stays large for as long as its goroutine waits.
	if c.in != nil {
		s.feedPump()
	}
	for s.next != Pause {
		c.uncork()
		if !c.admitPump(s) {
			break
		}
		if c.wire == fast {
			s = c.receiveFast(s)
		} else {
			s.err = c.receive(s)
		}
		if s.err == nil {
			s.feedPump()
		} else if c.pumpFailed(s) {
			break
		}
	}
	return c.pumped(ctx, s)
}

// enterPump takes the reader role, or says why not.
func (c *Conn) enterPump(ctx context.Context) (*stay, error) {
	done := ctx.Done()
	if done != nil && ctx.Err() != nil {
		return nil, ctxErr(ctx)
	}
	c.mu.Lock()
	if do := c.step(evEnter); do&refused != 0 {
		err := c.errLocked()
		c.mu.Unlock()
		if err == nil {
			err = ErrReading
		}
		return nil, err
	}
	c.mu.Unlock()
	if done != nil || c.watch != nil {
		c.watchFor(ctx)
	}
	return c.newStay(false), nil
}

// feedPump is feed for a Pump. A protocol that panics there, or ends the goroutine, must not take the role along: the
// caller may recover. It is no frame under the wait.
func (s *stay) feedPump() {
	orderly := false
	defer func() {
		if !orderly {
			s.c.abandon()
		}
	}()
	s.feed()
	orderly = true
}

// admitPump is admit for a Pump, which leaves also when the connection finishes and when its context ends.
func (c *Conn) admitPump(s *stay) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flags.And(^flagAttention)
	if c.life != open {
		return false
	}
	if c.watch != nil && c.watch.fired {
		return false
	}
	c.armDeadline(s)
	c.inWire = true
	return true
}

// pumpFailed reports whether the Pump is over.
func (c *Conn) pumpFailed(s *stay) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ourTimeout(s.err) {
		s.err = nil
		return false // admitPump knows what it was for
	}
	return true
}

// pumped gives the role back, or on to a goroutine of the core if the connection has ended and must be drained.
func (c *Conn) pumped(ctx context.Context, s *stay) error {
	end, next := s.err, s.next
	s.free()
	if end == io.EOF {
		c.leaveWire()
		c.inputEnded(end)
		return c.Err()
	}
	if end != nil {
		c.CloseNow(end)
	}
	c.mu.Lock()
	c.inWire = false
	cancelled := c.watch != nil && c.watch.fired
	do := c.step(evPause)
	if do&refused == 0 {
		c.mu.Unlock()
		if next != Pause && cancelled {
			return ctxErr(ctx)
		}
		return nil
	}
	err := c.errLocked()
	if c.life >= closing {
		do = c.end(evLeave, nil)
	} else {
		do = doServe
	}
	c.mu.Unlock()
	c.apply(do)
	if next == Pause {
		return nil // what was received before the end counts
	}
	return err
}

func (c *Conn) leaveWire() {
	c.mu.Lock()
	c.inWire = false
	c.mu.Unlock()
}
