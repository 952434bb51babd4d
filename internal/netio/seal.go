package netio

import (
	"errors"
	"syscall"
	"time"
)

// A connection is sealed when nothing more may be sent on it, while its input goes on: after SendLast, and after a send
// has failed because the peer is gone, if Config.HearOut lets its last words be heard.

// SendLast sends p as the last bytes of all, behind what was accepted before: it needs no room in the queue, and who
// comes later, or waits for room, is refused with ErrSealed. Input goes on: it is for a farewell that is to be answered.
// It never waits.
func (c *Conn) SendLast(p []byte) error {
	c.mu.Lock()
	if c.refuses() {
		err := c.refusal()
		c.mu.Unlock()
		return err
	}
	c.seal(ErrSealed)
	return c.put(p, nil)
}

// refuses says that nothing is accepted for sending. c.mu is held.
func (c *Conn) refuses() bool { return c.life != open || c.sealed }

// refusal says why. c.mu is held.
func (c *Conn) refusal() error {
	if err := c.errLocked(); err != nil {
		return err
	}
	if c.sealed {
		return c.slow.sealErr
	}
	return nil
}

// sendErr is what a call returns whose own send has ended the connection, or sealed it.
func (c *Conn) sendErr() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refusal()
}

// seal is called with c.mu held.
func (c *Conn) seal(err error) {
	s := c.slowly()
	c.sealed, s.sealErr = true, err
	c.refuseWaiters(err)
}

// hearOut seals a connection after a failed send, and reports whether it did. c.mu is held, and nobody has the writer
// role.
func (c *Conn) hearOut(err error) bool {
	d := c.cfg.HearOut
	if d <= 0 || c.life != open || !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		return false
	}
	c.seal(err)
	c.dropQueue()
	if s := c.slow; s.linger == nil {
		s.linger = time.AfterFunc(d, func() { c.CloseNow(err) })
	}
	return true
}

// Position counts the bytes that were ever accepted, and those of them that have left, both from an arbitrary start and
// wrapping around; what was written past the queue counts in neither. What was accepted at a position has left when the
// second number has come to it.
func (c *Conn) Position() (accepted, sent uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left + uint32(c.out), c.left
}
