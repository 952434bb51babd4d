package netio

import (
	"context"
	"time"
)

// WriteQueued is Write for a caller whose bytes must not be cut by its context: what fits into the queue goes there where
// Write might wait for the wire, and the context counts only until it has. What is larger than the queue is sent once all
// before it has been, without regard for the context from then on.
func (c *Conn) WriteQueued(ctx context.Context, p []byte) error {
	limit := c.cfg.queueLimit()
	if len(p) > limit {
		if err := c.Flush(ctx); err != nil {
			return err
		}
		return c.Write(context.WithoutCancel(ctx), nil, p)
	}
	if c.wire == fast {
		return c.Write(ctx, nil, p)
	}
	c.mu.Lock()
	switch waiting := c.slow != nil && len(c.slow.waiters) > 0; {
	case c.refuses():
		err := c.refusal()
		c.mu.Unlock()
		return err
	case len(p) == 0:
		c.mu.Unlock()
		return nil
	case waiting || c.out+len(p) > limit:
		return c.waitForRoom(ctx, nil, p)
	}
	c.enqueue(p, nil)
	return nil
}

// FinishWith is Finish with a last word: nothing gets behind it. word is sent if the queue has room for it; if not, the
// error is a *FullError, and the connection finishes without. end is sent in any case, and should be short. A connection
// that has ended before returns its *ClosedError.
func (c *Conn) FinishWith(word, end []byte, reason error, d time.Duration) (err error) {
	c.mu.Lock()
	if c.life != open {
		err := c.errLocked()
		c.mu.Unlock()
		return err
	}
	if limit := c.cfg.queueLimit(); len(word) > 0 && c.out+len(word) > limit {
		err = &FullError{Queued: c.out, Size: len(word), Limit: limit}
		word = nil
	}
	n := len(word) + len(end)
	c.out += n
	inline := n > 0 && c.wire == fast && !c.sending && c.queue == nil
	switch {
	case inline:
		c.sending = true
	case n > 0:
		c.queue = appended(c.queue, word, end)
	}
	do := c.end(evFinish, reason)
	c.lingerFor(d)
	c.mu.Unlock()
	c.apply(do)
	if inline { // no goroutine for each of a crowd that is sent away
		k, failure := c.try(word, end)
		c.tried(word, end, k, failure)
	}
	return err
}

// Idle reports whether all that was accepted has been sent.
func (c *Conn) Idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.idleOut()
}
