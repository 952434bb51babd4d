package netio

// The writer role is Conn.sending. Whoever finds it free and has something to send takes it, sends without the lock, and
// gives it away by turn: to itself or to a flusher if more was queued meanwhile, else to nobody. So bytes leave in the
// order in which they were accepted, nobody waits for a lock while somebody else is in a system call, and nothing that
// was queued is left lying: it is queued only while somebody has the role, or when a flusher has been started.

// tried acts on what one attempt came to. The caller has the writer role and gives it away.
func (c *Conn) tried(head, body []byte, n int, err error) {
	switch {
	case err != nil:
		c.failed(err)
	case n < len(head)+len(body):
		b := remainder(head, body, n)
		c.mu.Lock()
		c.left += uint32(n)
		c.out -= n
		c.stalled = true
		c.mu.Unlock()
		go c.flush(b, nil)
	default:
		c.sent(n)
	}
}

// triedQueue is tried for b, which comes from the queue.
func (c *Conn) triedQueue(b *buffer, n int, err error) {
	b.r += n
	switch {
	case err != nil:
		b.free()
		c.failed(err)
	case b.len() > 0:
		c.mu.Lock()
		c.left += uint32(n)
		c.out -= n
		c.stalled = true
		c.mu.Unlock()
		go c.flush(b, nil)
	default:
		b.free()
		c.sent(n)
	}
}

// remainder copies what is left of head and body after n bytes.
func remainder(head, body []byte, n int) *buffer {
	if n < len(head) {
		return appended(nil, head[n:], body)
	}
	return appended(nil, nil, body[n-len(head):])
}

// sent ends a turn that has sent n bytes of what was accepted before.
func (c *Conn) sent(n int) {
	c.mu.Lock()
	b, do := c.turn(n)
	c.mu.Unlock()
	if b != nil {
		go c.flush(b, nil)
	}
	c.apply(do)
}

// turn accounts for n sent bytes and takes what is to be sent next. If that is nothing, the role is free, and everybody
// who waited for it is told. c.mu is held.
func (c *Conn) turn(n int) (*buffer, todo) {
	c.left += uint32(n)
	c.out -= n
	c.stalled = false
	if c.life >= closing {
		c.sending = false
		return nil, 0
	}
	if c.slow != nil {
		c.letIn()
	}
	if c.queue != nil {
		return c.takeQueue(), 0
	}
	c.sending = false
	if c.slow != nil {
		if c.giveRole() {
			return nil, 0
		}
		c.notifyAll()
	}
	if c.life == finishing {
		return nil, c.end(evFlushed, nil)
	}
	return nil, 0
}

// takeQueue takes the writer role and what is queued. c.mu is held.
func (c *Conn) takeQueue() *buffer {
	b := c.queue
	c.queue, c.sending = nil, true
	c.flags.And(^flagCorked)
	return b
}

// failed ends the connection after the writer's error, or seals it, and gives the role up.
func (c *Conn) failed(err error) {
	c.mu.Lock()
	c.sending = false
	var do todo
	if !c.hearOut(err) {
		do = c.end(evClose, err)
	}
	c.mu.Unlock()
	c.apply(do)
}

// dropQueue forgets what will never be sent. c.mu is held.
func (c *Conn) dropQueue() {
	if c.queue != nil {
		c.left += uint32(c.queue.len())
		c.out -= c.queue.len()
		c.queue.free()
		c.queue = nil
	}
	c.notifyAll()
}

// uncork sends, before the reader waits, what was collected. Where that could make the reader wait it leaves it to the
// flusher, which has been started.
func (c *Conn) uncork() {
	if c.wire != fast {
		c.SetMore(false)
	} else if b := c.collected(); b != nil {
		n, err := c.try(nil, b.bytes())
		c.triedQueue(b, n, err)
	}
}

// collected takes the writer role and the corked queue, if there is one and nobody else is at it.
func (c *Conn) collected() *buffer {
	c.SetMore(false)
	if !c.is(flagCorked) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sending || c.queue == nil {
		return nil
	}
	return c.takeQueue()
}

// flusher sends what was corked, in case that its reader does not come to it. It ends at once if that has been done.
func (c *Conn) flusher() {
	c.mu.Lock()
	c.flusherDue = false
	if c.sending || c.queue == nil {
		c.mu.Unlock()
		return
	}
	b := c.takeQueue()
	c.mu.Unlock()
	c.flush(b, nil)
}

// flushSoon sees to it that what is queued is sent, and that evFlushed follows.
func (c *Conn) flushSoon() {
	c.mu.Lock()
	if c.sending {
		c.mu.Unlock()
		return
	}
	if c.queue != nil {
		b := c.takeQueue()
		c.mu.Unlock()
		go c.flush(b, nil)
		return
	}
	do := c.end(evFlushed, nil)
	c.mu.Unlock()
	c.apply(do)
}

// flush sends b, or p if b is nil, and then all that is queued. It has the writer role, waits for the peer as long as it
// takes bytes at all, and ends when there is nothing more to send.
func (c *Conn) flush(b *buffer, p []byte) {
	for {
		if b != nil {
			p = b.bytes()
		}
		n, err := c.writeAll(p)
		if b != nil {
			b.free()
		}
		if err != nil {
			c.failed(err)
			return
		}
		c.mu.Lock()
		var do todo
		b, do = c.turn(n)
		c.mu.Unlock()
		if b == nil {
			c.apply(do)
			return
		}
	}
}
