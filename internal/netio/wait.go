package netio

import (
	"context"
	"os"
	"slices"
	"time"
)

// waiter is a Write for which the queue had no room. Waiters are served in their order. One that fits is let in by
// whoever made the room; one that is larger than the whole queue gets the writer role when all before it is sent.
type waiter struct {
	head, body []byte
	role       bool // the writer role comes with it; set before ready is
	ready      chan error
}

func (w *waiter) size() int { return len(w.head) + len(w.body) }

// give ends the wait; it never blocks, because it is called once.
func (w *waiter) give(err error) { w.ready <- err }

// waitForRoom is the rest of a Write. c.mu is held, and released.
func (c *Conn) waitForRoom(ctx context.Context, head, body []byte) error {
	w := &waiter{head: slices.Clone(head), body: body, ready: make(chan error, 1)}
	s := c.slowly()
	s.waiters = append(s.waiters, w)
	c.mu.Unlock()
	select {
	case err := <-w.ready:
		if err != nil || !w.role {
			return err
		}
		return c.direct(ctx, w.head, body)
	case <-ctx.Done():
	}
	c.mu.Lock()
	if i := slices.Index(s.waiters, w); i >= 0 {
		s.waiters = slices.Delete(s.waiters, i, i+1)
		c.mu.Unlock()
		return ctxErr(ctx)
	}
	c.mu.Unlock()
	err := <-w.ready
	if err == nil && w.role { // too late for a cancelled one: the turn goes on
		c.sent(0)
		return ctxErr(ctx)
	}
	return err
}

// letIn moves waiters to the queue as far as there is room. c.mu is held; somebody has the writer role.
func (c *Conn) letIn() {
	s := c.slow
	limit := c.cfg.queueLimit()
	for len(s.waiters) > 0 && c.out+s.waiters[0].size() <= limit {
		w := s.pop()
		c.queue = appended(c.queue, w.head, w.body)
		c.out += w.size()
		w.give(nil)
	}
}

// giveRole passes the writer role to the first waiter. c.mu is held, the queue is empty and so is what was accepted, so
// whoever still waits is larger than the queue.
func (c *Conn) giveRole() bool {
	if len(c.slow.waiters) == 0 {
		return false
	}
	w := c.slow.pop()
	c.sending, w.role = true, true
	w.give(nil)
	return true
}

func (s *slow) pop() *waiter {
	w := s.waiters[0]
	s.waiters = slices.Delete(s.waiters, 0, 1)
	if len(s.waiters) == 0 {
		s.waiters = nil
	}
	return w
}

// refuseWaiters tells them why nothing is sent any more. c.mu is held.
func (c *Conn) refuseWaiters(err error) {
	if c.slow == nil {
		return
	}
	for _, w := range c.slow.waiters {
		w.give(err)
	}
	c.slow.waiters = nil
}

// Flush waits until all that was accepted has been sent, and returns nil, the context's error or the connection's.
func (c *Conn) Flush(ctx context.Context) error {
	for {
		c.mu.Lock()
		idle, err := c.idleOut(), c.errLocked()
		gone := c.life >= closing
		c.mu.Unlock()
		if idle || gone {
			return err
		}
		done := make(chan struct{})
		c.NotifyWritable(func() { close(done) })
		select {
		case <-done:
		case <-ctx.Done():
			return ctxErr(ctx)
		}
	}
}

// direct sends head and body on the caller's goroutine. It has the writer role and gives it away. What it counts as sent in
// the end is what was counted as accepted: the share.
func (c *Conn) direct(ctx context.Context, head, body []byte) error {
	if c.wire != fast {
		// One piece, so that TLS makes one record of it.
		size := len(head) + len(body)
		b := newBuffer(max(len(head), min(size, writePiece)))
		b.w = copy(b.b, head)
		k := copy(b.b[b.w:], body)
		b.w += k
		return c.directly(ctx, b, body[k:], c.share(size), false)
	}
	n, err := c.try(head, body)
	return c.goOn(ctx, head, body, n, err)
}

// goOn is the rest of direct on the fast wire after an attempt.
func (c *Conn) goOn(ctx context.Context, head, body []byte, n int, err error) error {
	size := len(head) + len(body)
	share := c.share(size)
	switch {
	case err != nil:
		c.failed(err)
		return c.sendErr()
	case n == size:
		c.sent(share)
		return nil
	case share > 0:
		c.tried(head, body, n, nil)
		return nil
	case n < len(head):
		return c.directly(ctx, remainder(head, nil, n), body, share, n > 0)
	default:
		return c.directly(ctx, nil, body[n-len(head):], share, n > 0)
	}
}

// directly writes b, if any, and then body, waiting for the peer and for ctx. cut says that bytes of the message have
// left already.
func (c *Conn) directly(ctx context.Context, b *buffer, body []byte, share int, cut bool) error {
	w := c.watchWrite(ctx)
	var n, k int
	var err error
	if b != nil {
		n, err = c.writeAll(b.bytes())
		b.free()
	}
	if err == nil {
		k, err = c.writeAll(body)
	}
	c.endWatch(w)
	switch {
	case err == nil:
		c.sent(share)
		return nil
	case err != os.ErrDeadlineExceeded: // writeAll's word for having been stopped
		c.failed(err)
		return c.sendErr()
	case cut || n+k > 0 || c.wire == overTLS: // crypto/tls writes nothing more after a timeout
		c.failed(ErrCut)
	default:
		c.sent(share)
	}
	return ctxErr(ctx)
}

// armWrite sets the deadline of a write that may wait, unless the writer was stopped.
func (c *Conn) armWrite() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writeStop {
		return false
	}
	c.stalled = true // perhaps; turn clears it
	_ = c.nc.SetWriteDeadline(c.cfg.writeBy())
	return true
}

// writePiece is what is written under one deadline over a wire that can't tell how it gets on.
const writePiece = 64 << 10

// writeAll writes p, waiting for the peer as long as it takes some of it. The caller has the writer role.
func (c *Conn) writeAll(p []byte) (n int, err error) {
	if c.wire == fast && len(p) > 0 {
		if n, err = c.try(nil, p); err != nil {
			return n, err
		}
	}
	armed := false
	for n < len(p) {
		if armed = true; !c.armWrite() {
			return n, os.ErrDeadlineExceeded
		}
		var k int
		if c.wire == fast {
			k, err = c.writeFast(p[n:])
		} else {
			k, err = c.nc.Write(p[n:min(len(p), n+writePiece)])
		}
		n += k
		if err != nil && isTimeout(err) {
			err = ErrStalled
			if !c.armWrite() {
				err = os.ErrDeadlineExceeded
			}
		}
		if err != nil {
			return n, err
		}
	}
	if armed && c.wire != fast {
		c.disarmWrite()
	}
	return n, nil
}

// disarmWrite lifts the deadline of a write that has ended: TLS may have to answer its peer from the reader's goroutine,
// at any later time.
func (c *Conn) disarmWrite() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.writeStop {
		_ = c.nc.SetWriteDeadline(time.Time{})
	}
}
