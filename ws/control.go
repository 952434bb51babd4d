package ws

import (
	"errors"
	"math/rand/v2"
	"slices"

	"github.com/tidewire/tidewire/internal/netio"
)

// Control frames are never waited for: the network has some room for them beyond what the queue's limit leaves to
// messages. So neither the reader, which answers pings and closes, nor the alarm ever waits for a peer that does not
// read.

func (c *Conn) frameHeader(op opcode, fin bool) header {
	h := header{opcode: op, fin: fin}
	if !c.server {
		h.masked, h.key = true, rand.Uint32()
	}
	return h
}

func (c *Conn) appendControl(dst []byte, op opcode, payload []byte) []byte {
	return appendFrame(dst, c.frameHeader(op, true), payload)
}

// sendControl sends a ping or a pong.
func (c *Conn) sendControl(op opcode, payload []byte) error {
	var room [maxControl + maxHeader]byte
	err := c.net.SendUrgent(c.appendControl(room[:0], op, payload))
	if errors.Is(err, netio.ErrFull) {
		return c.queueFull(0)
	}
	if err != nil {
		return c.refused(err)
	}
	return nil
}

// maxPongs is how many pongs may wait to go out. When they are as many, the peer does not read, and only its latest
// ping is still answered (RFC 6455, section 5.5.3).
const maxPongs = 16

// pongs is what is known of answers that wait. Guarded by Conn.mu.
type pongs struct {
	at       []uint32 // net.Position of each, at most maxPongs
	late     []byte   // the payload of the latest, which was not sent, because there are as many; nil if there is none
	notified bool     // sendLate will be called
	sending  bool     // sendLate is sending
}

// answer is called by the reader for a ping.
func (c *Conn) answer(payload []byte) {
	c.mu.Lock()
	if c.why() != nil { // RFC 6455, section 5.5.2: unless a close frame has come or gone
		c.mu.Unlock()
		return
	}
	q := c.pings.pongs()
	if q != nil {
		_, sent := c.net.Position()
		q.at = slices.DeleteFunc(q.at, func(at uint32) bool { return int32(sent-at) >= 0 })
		if len(q.at) == maxPongs || q.sending {
			c.answerLater(payload)
			c.mu.Unlock()
			return
		}
		q.late = nil
	}
	c.mu.Unlock()
	err := c.sendControl(opPong, payload)
	accepted, sent := c.net.Position()
	if err == nil && accepted == sent && q == nil {
		return // it has left
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.pings.begun()
	if u.pongs == nil {
		u.pongs = new(pongs)
	}
	if err == nil {
		u.pongs.at = append(u.pongs.at, accepted)
	}
	c.answerLater(nil)
	if err != nil && c.why() == nil {
		c.answerLater(payload)
	}
}

// answerLater keeps the payload, if not nil, until all that was accepted has been sent. c.mu is held.
func (c *Conn) answerLater(payload []byte) {
	q := c.pings.pongs()
	if payload != nil {
		q.late = append(q.late[:0], payload...)
		if q.late == nil {
			q.late = []byte{}
		}
	}
	if !q.notified {
		q.notified = true
		c.net.NotifyWritable(c.sendLate)
	}
}

// sendLate runs when all that was accepted has been sent.
func (c *Conn) sendLate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := c.pings.pongs()
	if q == nil {
		return
	}
	q.at, q.sending = nil, true
	for q.late != nil && c.why() == nil {
		late := q.late
		q.late = nil
		c.mu.Unlock()
		err := c.sendControl(opPong, late)
		c.mu.Lock()
		if errors.Is(err, ErrFull) { // a message of TrySend that is larger than the queue was quicker
			if q.late == nil {
				q.late = late
			}
			q.sending = false
			c.net.NotifyWritable(c.sendLate)
			return
		}
	}
	c.pings.under.pongs = nil
	c.pings.settle()
}
