package netio

import (
	"slices"
	"sync"
)

// Framing is what each frame of TrySendFramed gets around it on the wire, such as a chunk's size line and its line end.
// Nil is nothing.
type Framing struct {
	Head func(dst []byte, size int) []byte // appends what goes before a frame of so many bytes
	Tail []byte                            // goes behind it; it must never change
}

// framesPerSend is how many frames go out with one system call, of three slices each.
const framesPerSend = 16

// framing is what TrySendFramed needs for one call of the system.
type framing struct {
	parts [3 * framesPerSend][]byte
	heads []byte
}

var framings = sync.Pool{New: func() any { return &framing{heads: make([]byte, 0, 32*framesPerSend)} }}

func (f *framing) free() {
	clear(f.parts[:])
	framings.Put(f)
}

// around returns the slices of one frame, the last ones of parts.
func (f *framing) around(parts [][]byte, around *Framing, frame []byte) [][]byte {
	if around == nil {
		return append(parts, frame)
	}
	n := len(f.heads)
	f.heads = around.Head(f.heads, len(frame))
	return append(parts, f.heads[n:len(f.heads):len(f.heads)], frame, around.Tail)
}

// TrySendFramed is TrySend where each frame is given a head and a tail of its own, and leaves together with them or not at
// all: the frame at which the socket was full counts as accepted, and of it nothing is copied but the rest of its head.
// Empty frames count as accepted, and nothing is sent for them. Where the queue is used, it takes one frame that is
// larger than its limit while it is empty, so that whoever comes again after NotifyWritable always gets on.
func (c *Conn) TrySendFramed(around *Framing, frames [][]byte) (whole int, err error) {
	c.mu.Lock()
	if c.refuses() {
		err := c.refusal()
		c.mu.Unlock()
		return 0, err
	}
	if c.wire != fast || c.sending || c.queue != nil {
		return c.queueFramed(around, frames)
	}
	c.sending = true
	c.mu.Unlock()
	for whole < len(frames) {
		n, err := c.tryFramed(around, frames[whole:min(len(frames), whole+framesPerSend)])
		whole += n
		if err != nil {
			if err != ErrFull { // then the rest of a frame is on its way, and the role with it
				c.failed(err)
				return whole, c.sendErr()
			}
			if whole == len(frames) {
				err = nil
			}
			return whole, err
		}
	}
	c.sent(0)
	return whole, nil
}

// tryFramed sends what the socket has room for of the frames, and says how many it is done with. ErrFull: the last one
// of them went to a flusher, which has the writer role now.
func (c *Conn) tryFramed(around *Framing, frames [][]byte) (whole int, err error) {
	f := framings.Get().(*framing)
	defer f.free()
	f.heads = f.heads[:0]
	parts := f.parts[:0]
	for _, frame := range frames {
		if len(frame) > 0 {
			parts = f.around(parts, around, frame)
		}
	}
	n, size := 0, 0
	for _, p := range parts {
		size += len(p)
	}
	if size > 0 {
		if n, err = c.tryFrames(parts); err != nil {
			return 0, err
		}
	}
	if n == size {
		return len(frames), nil
	}
	each := 3
	if around == nil {
		each = 1
	}
	for ; ; whole++ {
		if len(frames[whole]) == 0 {
			continue
		}
		unit := parts[:each]
		size := 0
		for _, p := range unit {
			size += len(p)
		}
		if n < size {
			c.finishFrame(unit, n)
			return whole + 1, ErrFull
		}
		n -= size
		parts = parts[each:]
	}
}

// finishFrame has the slices of one frame sent, but for n bytes of them that are sent already.
func (c *Conn) finishFrame(unit [][]byte, n int) {
	var rest [3][]byte
	size := 0
	for i, p := range unit {
		k := min(n, len(p))
		n -= k
		rest[i] = p[k:]
		size += len(rest[i])
	}
	if len(unit) == 3 {
		rest[0] = slices.Clone(rest[0]) // its memory is pooled
	}
	c.mu.Lock()
	c.stalled = true
	c.out += size
	c.mu.Unlock()
	go func() { // ends when the frame is sent, or the connection has ended
		for _, p := range rest {
			if _, err := c.writeAll(p); err != nil {
				c.failed(err)
				return
			}
		}
		c.sent(size)
	}()
}

// queueFramed is TrySendFramed where the socket can't be tried. c.mu is held, and released.
func (c *Conn) queueFramed(around *Framing, frames [][]byte) (whole int, err error) {
	limit := c.cfg.queueLimit()
	if c.stalled && c.wire == fast {
		limit = 0
	}
	f := framings.Get().(*framing)
	defer f.free()
	added := false
	for _, frame := range frames {
		if len(frame) > 0 {
			f.heads = f.heads[:0]
			parts, size := f.around(f.parts[:0], around, frame), 0
			for _, p := range parts {
				size += len(p)
			}
			if c.out > 0 && c.out+size > limit {
				err = ErrFull
				break
			}
			for _, p := range parts {
				c.queue = appended(c.queue, p, nil)
			}
			c.out += size
			added = true
		}
		whole++
	}
	if added {
		c.enqueue(nil, nil)
	} else {
		c.mu.Unlock()
	}
	return whole, err
}
