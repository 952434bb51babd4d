package netio

import "slices"

// maxNotify bounds the functions that wait for NotifyWritable. One more calls the oldest early.
const maxNotify = 64

// TrySend accepts as many of the frames, from the front, as it can without waiting, and says how many. They must never
// change again: a socket that takes a part of a frame leaves the connection with its remainder, not with a copy. So the
// frame at which the socket was full counts as accepted, and is all that is kept for it: TrySend does not fill the queue
// of a peer that reads slowly. A wire that can't be tried copies into the queue, up to its limit; while it is empty it takes
// one frame that is larger, so that whoever comes again after NotifyWritable always gets on.
//
// With an error the frames from whole on were not touched: ErrFull, after which NotifyWritable tells when to come again,
// or the *ClosedError.
func (c *Conn) TrySend(frames [][]byte) (whole int, err error) {
	c.mu.Lock()
	if c.refuses() {
		err := c.refusal()
		c.mu.Unlock()
		return 0, err
	}
	if c.wire != fast || c.sending || c.queue != nil {
		return c.tryQueue(frames)
	}
	c.sending = true
	c.mu.Unlock()
	for whole < len(frames) {
		batch := frames[whole:min(len(frames), whole+maxParts)]
		n, err := c.tryFrames(batch)
		if err != nil {
			c.failed(err)
			return whole, c.sendErr()
		}
		for len(batch) > 0 && n >= len(batch[0]) {
			n -= len(batch[0])
			batch = batch[1:]
			whole++
		}
		if len(batch) > 0 {
			rest := batch[0][n:]
			whole++
			c.mu.Lock()
			c.stalled = true
			c.out += len(rest)
			c.mu.Unlock()
			go c.flush(nil, rest)
			if whole < len(frames) {
				return whole, ErrFull
			}
			return whole, nil
		}
	}
	c.sent(0)
	return whole, nil
}

// tryQueue is TrySend where the socket can't be tried. c.mu is held, and released.
func (c *Conn) tryQueue(frames [][]byte) (whole int, err error) {
	n, limit := 0, c.cfg.queueLimit()
	if c.stalled && c.wire == fast {
		limit = 0
	}
	for _, f := range frames {
		if c.out+n > 0 && c.out+n+len(f) > limit {
			err = ErrFull
			break
		}
		n += len(f)
		whole++
	}
	if whole == 0 {
		c.mu.Unlock()
		return 0, err
	}
	for _, f := range frames[:whole-1] {
		c.queue = appended(c.queue, f, nil)
	}
	c.out += n - len(frames[whole-1])
	c.enqueue(frames[whole-1], nil)
	return whole, err
}

// NotifyWritable calls f once, on a goroutine of its own, when all that was accepted has been sent, or the connection has
// ended; at once if that is so already. f must not block.
func (c *Conn) NotifyWritable(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idleOut() || c.life >= closing {
		go f()
		return
	}
	s := c.slowly()
	if len(s.notify) == maxNotify {
		go s.notify[0]()
		s.notify = slices.Delete(s.notify, 0, 1)
	}
	s.notify = append(s.notify, f)
}

// notifyAll calls them. c.mu is held.
func (c *Conn) notifyAll() {
	if c.slow == nil {
		return
	}
	for _, f := range c.slow.notify {
		go f()
	}
	c.slow.notify = nil
}
