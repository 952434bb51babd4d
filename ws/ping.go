package ws

import (
	"context"
	"encoding/binary"
	"slices"
	"time"
)

// pings are those of this side. A ping's payload is its number, so that a pong answers it and all before it. Guarded by
// Conn.mu.
type pings struct {
	last     uint32 // the latest number given
	answered uint32 // the latest that was answered
	rtt      time.Duration
	under    *underWay // nil while all are answered, theirs too, and nobody waits
}

// begun returns p.under.
func (p *pings) begun() *underWay {
	if p.under == nil {
		p.under = new(underWay)
	}
	return p.under
}

// settle drops p.under if there is nothing in it: an idle connection keeps nothing.
func (p *pings) settle() {
	if u := p.under; u != nil && len(u.sent) == 0 && len(u.waiters) == 0 && u.pongs == nil {
		p.under = nil
	}
}

// pongs are those that wait, or nil.
func (p *pings) pongs() *pongs {
	if p.under == nil {
		return nil
	}
	return p.under.pongs
}

// underWay is what is needed while an answer is awaited.
type underWay struct {
	sent    []sentPing // the latest, at most maxPings
	waiters []*pingWaiter
	at      uint32 // net.Position of the latest
	pongs   *pongs // answers of our own that wait; nil while none does
}

type sentPing struct {
	id uint32
	at time.Duration
}

type pingWaiter struct {
	id       uint32
	answered chan struct{} // closed under mu when the pong comes
}

// maxPings is of how many pings the time is kept.
const maxPings = 8

// ping sends one, or joins the one that still waits to be sent. w may be nil.
func (c *Conn) ping(w *pingWaiter) (at uint32, err error) {
	c.mu.Lock()
	if err := c.why(); err != nil {
		c.mu.Unlock()
		return 0, err
	}
	q := &c.pings
	u := q.begun()
	_, sent := c.net.Position()
	joins := len(u.sent) > 0 && int32(sent-u.at) < 0
	if !joins {
		q.last++
		// Noted before it is sent: the answer may be quick.
		if len(u.sent) == maxPings {
			u.sent = slices.Delete(u.sent, 0, 1)
		}
		u.sent = append(u.sent, sentPing{q.last, c.now()})
	}
	id := q.last
	if w != nil {
		w.id = id
		u.waiters = append(u.waiters, w)
	}
	at = u.at
	c.mu.Unlock()
	if joins {
		return at, nil
	}
	if err := c.sendControl(opPing, binary.BigEndian.AppendUint64(make([]byte, 0, 8), uint64(id))); err != nil {
		c.forgetPing(w)
		return 0, err
	}
	at, _ = c.net.Position()
	c.mu.Lock()
	defer c.mu.Unlock()
	u.at = at
	return at, nil
}

// forgetPing takes the waiter away.
func (c *Conn) forgetPing(w *pingWaiter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if u := c.pings.under; u != nil && w != nil {
		u.waiters = slices.DeleteFunc(u.waiters, func(o *pingWaiter) bool { return o == w })
	}
}

// keepalive sends a ping because the peer was silent. If the queue has no room even for that, the peer does not read,
// and WriteTimeout judges it.
func (c *Conn) keepalive() {
	fed := c.net.Activity()
	if at, err := c.ping(nil); err == nil {
		c.pinged(fed, at)
	}
}

// gotPong is called by the reader. A pong that answers no ping of ours is ignored (RFC 6455, section 5.5.3).
// The result says whether it does.
func (c *Conn) gotPong(payload []byte) bool {
	if len(payload) != 8 {
		return false
	}
	number := binary.BigEndian.Uint64(payload)
	c.mu.Lock()
	defer c.mu.Unlock()
	q := &c.pings
	if number > uint64(q.last) || number <= uint64(q.answered) || q.under == nil {
		return false
	}
	id := uint32(number)
	q.answered = id
	u := q.under
	u.sent = slices.DeleteFunc(u.sent, func(s sentPing) bool {
		if s.id == id {
			q.rtt = max(1, c.now()-s.at)
		}
		return s.id <= id
	})
	u.waiters = slices.DeleteFunc(u.waiters, func(w *pingWaiter) bool {
		if w.id <= id {
			close(w.answered)
			return true
		}
		return false
	})
	q.settle()
	return true
}

// Ping sends a ping and waits for its answer. Somebody must be reading meanwhile: Read, Messages or CloseRead in
// another goroutine.
//
// On a connection of Handler, Ping does not wait: the answer comes as Events.Pong.
func (c *Conn) Ping(ctx context.Context) error {
	if err := c.ended(); err != nil {
		return err
	}
	if ctx == nil {
		return errNilContext
	}
	if ctx.Err() != nil {
		return contextError(ctx, "ping")
	}
	if c.events != nil {
		_, err := c.ping(nil)
		return err
	}
	w := &pingWaiter{answered: make(chan struct{})}
	if _, err := c.ping(w); err != nil {
		return err
	}
	select {
	case <-w.answered:
		return nil
	case <-ctx.Done():
		c.forgetPing(w)
		return contextError(ctx, "ping")
	case <-c.whenDone():
		return c.ended()
	}
}
