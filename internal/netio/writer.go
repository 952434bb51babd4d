package netio

import "context"

// SetMore tells whether the protocol has a further whole message at hand. Data calls it before it hands a message to
// user code, or pauses: while there is more, what is written is collected, and sent together after the last message. A
// handler that blocks in between does not hold it back: the first piece has started a flusher. It is false again when
// the reader goes to wait.
func (c *Conn) SetMore(is bool) {
	switch { // a load is cheaper than a store that changes nothing
	case is == c.is(flagMore):
	case is:
		c.flags.Or(flagMore)
	default:
		c.flags.And(^flagMore)
	}
}

// idleOut says that nothing is queued or being sent. c.mu is held.
func (c *Conn) idleOut() bool { return !c.sending && c.queue == nil }

// Write sends head and body as one, and neither is used after it returns. It waits while the queue is full, for its
// turn and for ctx: a Write that is cancelled while waiting has sent nothing. One that is cancelled after some of its
// bytes have left ends the connection with ErrCut; that can only happen to what is larger than the queue, or on the
// portable wire. An error tells that the connection has ended, or that ctx has.
func (c *Conn) Write(ctx context.Context, head, body []byte) error {
	n := len(head) + len(body)
	c.mu.Lock()
	if c.refuses() {
		err := c.refusal()
		c.mu.Unlock()
		return err
	}
	waiting := c.slow != nil && len(c.slow.waiters) > 0
	fits := c.out+n <= c.cfg.queueLimit() && !waiting
	switch {
	case n == 0:
		c.mu.Unlock()
		return nil
	case !c.sending && c.queue == nil && !(c.is(flagMore) && fits):
		c.sending = true
		c.out += c.share(n)
		c.mu.Unlock()
		if c.wire != fast {
			return c.direct(ctx, head, body)
		}
		k, err := c.try(head, body)
		if err == nil && k == n {
			c.sent(c.share(n))
			return nil
		}
		return c.goOn(ctx, head, body, k, err)
	case fits:
		c.enqueue(head, body)
		return nil
	}
	return c.waitForRoom(ctx, head, body)
}

// Send is Write that never waits: what does not fit into the queue is refused whole, by the policy, with a *FullError.
func (c *Conn) Send(head, body []byte) error {
	return c.send(head, body, 0)
}

// SendUrgent is Send with a little more room than the others have, so that a last word gets through.
func (c *Conn) SendUrgent(p []byte) error {
	return c.send(p, nil, urgentReserve)
}

func (c *Conn) send(head, body []byte, reserve int) error {
	n := len(head) + len(body)
	c.mu.Lock()
	if c.refuses() {
		err := c.refusal()
		c.mu.Unlock()
		return err
	}
	if limit := c.cfg.queueLimit(); c.out+n-reserve > limit { // the limit may be the largest int
		err := &FullError{Queued: c.out, Size: n, Limit: limit}
		var do todo
		if c.cfg.Policy == Refuse || reserve > 0 {
			c.dropped.Add(1)
		} else {
			do = c.end(evClose, err)
		}
		c.mu.Unlock()
		c.apply(do)
		return err
	}
	if n == 0 {
		c.mu.Unlock()
		return nil
	}
	return c.put(head, body)
}

// put accepts what has room. It never waits. c.mu is held, and released.
func (c *Conn) put(head, body []byte) error {
	if c.wire != fast || c.sending || c.queue != nil || c.is(flagMore) {
		c.enqueue(head, body)
		return nil
	}
	c.sending = true
	c.out += len(head) + len(body)
	c.mu.Unlock()
	k, err := c.try(head, body)
	c.tried(head, body, k, err)
	return nil
}

// share is what a write of n bytes counts against the limit: nothing if it is larger than the queue, because then it is
// never copied, and written from the caller's memory.
func (c *Conn) share(n int) int {
	if n > c.cfg.queueLimit() {
		return 0
	}
	return n
}

// enqueue adds to the queue, which has room, and lets somebody send it. c.mu is held, and released.
func (c *Conn) enqueue(head, body []byte) {
	c.queue = appended(c.queue, head, body)
	c.out += len(head) + len(body)
	switch {
	case c.sending: // who does will find it
		c.mu.Unlock()
		return
	case c.is(flagMore):
		c.flags.Or(flagCorked)
	case c.wire == fast: // the last reply of a batch
		b := c.takeQueue()
		c.mu.Unlock()
		n, err := c.try(nil, b.bytes())
		c.triedQueue(b, n, err)
		return
	}
	start := !c.flusherDue
	c.flusherDue = true
	c.mu.Unlock()
	if start {
		go c.flusher()
	}
}
