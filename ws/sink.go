package ws

import (
	"errors"

	"github.com/tidewire/tidewire/internal/netio"
)

// TrySend accepts as many of the frames, from the front, as it can without waiting, and says how many. It is for those
// who have one buffer for thousands of connections: nothing is copied but what the network can't be tried for, as with
// TLS. Each element is a whole message as AppendFrame makes it, or several of them back to back, and must never change
// again.
//
// With an error the frames from whole on were not touched. ErrFull: the peer reads slowly, or a message of Writer is under
// way; NotifyWritable tells when to come again. A client's frames have to be masked each with its own key, so there it is
// ErrNotServer; what is no such frame is refused with ErrBadFrame. Otherwise the connection has ended.
func (c *Conn) TrySend(frames [][]byte) (whole int, err error) {
	ok, err := c.tryWrite()
	switch {
	case err != nil:
		return 0, err
	case !ok:
		return 0, ErrFull
	}
	defer c.endWrite()
	if !c.server {
		return 0, ErrNotServer
	}
	good := frames
	for i, f := range frames {
		if !wholeMessages(f) {
			good, err = frames[:i], ErrBadFrame
			break
		}
	}
	whole, tryErr := c.net.TrySend(good)
	if o := c.cfg.observer; o != nil && o.Sent != nil {
		for _, f := range good[:whole] {
			for len(f) > 0 {
				h, n, _ := parseHeader(f)
				c.tellSent(MessageType(h.opcode), h.length)
				f = f[n+int(h.length):]
			}
		}
	}
	switch {
	case tryErr == nil:
		return whole, err
	case errors.Is(tryErr, netio.ErrFull):
		return whole, ErrFull
	}
	return whole, c.refused(tryErr)
}

// wholeMessages reports whether f is one frame or more, a server's, each of a whole message.
func wholeMessages(f []byte) bool {
	if len(f) == 0 {
		return false
	}
	for len(f) > 0 {
		h, n, err := parseHeader(f)
		if err != nil || n == 0 || !h.fin || h.rsv != 0 || h.masked || h.opcode != opText && h.opcode != opBinary || h.length > int64(len(f)-n) {
			return false
		}
		f = f[n+int(h.length):]
	}
	return true
}

// NotifyWritable calls f once, on a goroutine of its own, when TrySend can accept something, or the connection has ended;
// at once if that is so already. f must not block. When more than 64 wait, the first of them is called early.
func (c *Conn) NotifyWritable(f func()) {
	if f == nil {
		return
	}
	if c.net == nil {
		go f()
		return
	}
	c.mu.Lock()
	if !c.over && (c.writes.inside < 0 || c.writes.last != nil) { // what is over has told all, see gone
		c.writes.tell(func() { c.net.NotifyWritable(f) })
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	c.net.NotifyWritable(f)
}
