package netio

import (
	"crypto/tls"
	"time"
)

// CloseNow ends the connection without regard for what is queued. It never waits, also not for a protocol that is in
// Data: the socket is shut down at once, and its descriptor released when the protocol has come back. The peer gets
// a reset if it has sent what was not read.
func (c *Conn) CloseNow(reason error) {
	c.mu.Lock()
	do := c.end(evClose, reason)
	c.mu.Unlock()
	c.apply(do)
}

// Finish ends the connection in order: nothing more is accepted, what is queued is sent, then the direction to the peer
// is ended, and what the peer still sends is read and thrown away until it ends its own, because closing a socket with
// unread input resets it, and the peer may lose what it was sent last. After d it closes in any case. It never waits.
func (c *Conn) Finish(reason error, d time.Duration) {
	c.mu.Lock()
	do := c.end(evFinish, reason)
	if do != 0 {
		c.lingerFor(d)
	}
	c.mu.Unlock()
	c.apply(do)
}

// lingerFor bounds the rest of the connection's life. c.mu is held.
func (c *Conn) lingerFor(d time.Duration) {
	if s := c.slowly(); s.linger == nil {
		s.linger = time.AfterFunc(max(d, 0), func() { c.CloseNow(nil) })
	}
}

// inputEnded is the reader's last act after the peer has ended its direction. What is queued is still sent to it: it
// may have ended only one.
func (c *Conn) inputEnded(err error) {
	c.mu.Lock()
	do := c.end(evEnd, err)
	if do&doFlush != 0 {
		if c.idleOut() {
			do = c.end(evFlushed, nil)
		} else {
			c.lingerFor(c.cfg.linger())
		}
	}
	c.mu.Unlock()
	c.apply(do)
}

// endOut ends the direction to the peer after the last byte. The caller has the writer role, or nobody does and life
// is shut, so nobody writes.
func (c *Conn) endOut() {
	switch c.wire {
	case fast:
		_ = c.raw.Control(shutWrite) // it fails if the peer is gone: the reader learns that too
		return
	case overTLS:
		// An alert, for which tls.Conn waits at most 5 s, and the linger timer ends that earlier if it should.
		_ = c.nc.(*tls.Conn).CloseWrite()
		_ = c.raw.Control(shutWrite)
		return
	}
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		return
	}
	c.CloseNow(nil) // there are no halves
}

// cut throws everybody out of the wire. On the fast path a callback may be running the protocol, and Close would wait
// for it: shutting the socket down does not, and what it does to the peer is the same.
func (c *Conn) cut() {
	if c.wire == fast {
		_ = c.raw.Control(shutBoth)
		return
	}
	c.closeNet()
}

// closeNet releases the descriptor. tls.Conn's Close would first send an alert, and wait for it.
func (c *Conn) closeNet() {
	if t, ok := c.nc.(*tls.Conn); ok {
		_ = t.NetConn().Close()
		return
	}
	_ = c.nc.Close() // there is nobody left to tell
}

// release is the end: it is reached once, by the transition to closed, when no goroutine is in the protocol or will be.
func (c *Conn) release() {
	c.closeNet()
	leaveLot(c)
	c.stopAlarm()
	c.mu.Lock()
	s := *c.slow
	*c.slow = slow{err: s.err}
	c.mu.Unlock()
	if s.linger != nil {
		s.linger.Stop()
	}
	if s.writing != nil {
		s.writing.cancel()
	}
	if c.in != nil {
		c.in.free()
		c.in = nil
	}
	if c.watch != nil {
		c.watch.stop()
		c.watch = nil
	}
}
