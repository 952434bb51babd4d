package ws

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"time"
)

// maxPongs is how many pongs may wait to go out. When they are as many, the peer does not read, and only its latest
// ping is still answered (RFC 6455, section 5.5.3).
const maxPongs = 16

// controlQueue holds the control frames that are to be written. Guarded by Conn.mu. Whoever queues calls kick; a
// goroutine that holds the frameLock writes them out and ends. So neither the reader, which answers pings and closes,
// nor the timer ever waits for a peer that does not read.
type controlQueue struct {
	pongs []pong

	// A ping's payload is its number, so that a pong answers it and all before it.
	ping    bool          // one is queued
	pingID  uint64        // the latest number given
	written uint64        // the latest number written
	times   [8]sentPing   // of the latest pings
	keep    bool          // the keepalive wants to know when the queued ping is written
	waiters []*pingWaiter // callers of Ping
	rtt     time.Duration

	// The one close frame of this connection.
	close       bool // queued
	closeTaken  bool // being written, or written
	closeCode   CloseCode
	closeReason string
}

type pong struct {
	n    uint8
	data [maxControl]byte
}

type sentPing struct {
	id uint64
	at time.Duration
}

type pingWaiter struct {
	id       uint64
	answered chan struct{} // closed under mu when the pong comes
}

func (q *controlQueue) pending() bool {
	return !q.closeTaken && (len(q.pongs) > 0 || q.ping || q.close)
}

// addPong queues the answer to a ping.
func (q *controlQueue) addPong(payload []byte) {
	if len(q.pongs) < maxPongs {
		q.pongs = append(q.pongs, pong{})
	}
	p := &q.pongs[len(q.pongs)-1]
	p.n = uint8(copy(p.data[:], payload))
}

// take appends what is queued, as frames, and empties the queue. After a close frame there is never anything more.
func (q *controlQueue) take(dst []byte, now time.Duration, frame func(dst []byte, op opcode, payload []byte) []byte) []byte {
	if q.closeTaken {
		return dst
	}
	for i := range q.pongs {
		dst = frame(dst, opPong, q.pongs[i].data[:q.pongs[i].n])
	}
	q.pongs = nil // an idle connection keeps nothing
	if q.ping {
		// Noted before it is written: the answer may be quick.
		q.ping, q.written = false, q.pingID
		q.times[q.pingID%uint64(len(q.times))] = sentPing{q.pingID, now}
		dst = frame(dst, opPing, binary.BigEndian.AppendUint64(nil, q.pingID))
	}
	if q.close {
		q.closeTaken = true
		dst = frame(dst, opClose, appendClosePayload(nil, q.closeCode, q.closeReason))
	}
	return dst
}

func (c *Conn) appendControl(dst []byte, op opcode, payload []byte) []byte {
	return appendFrame(dst, c.frameHeader(op, true), payload)
}

// frameHeader is a header without its length. Mask keys come from the runtime's ChaCha8, which the operating system
// seeds: they can't be predicted (RFC 6455, section 10.3).
func (c *Conn) frameHeader(op opcode, fin bool) header {
	h := header{opcode: op, fin: fin}
	if !c.server {
		h.masked, h.key = true, rand.Uint32()
	}
	return h
}

// kick has queued control frames written, if nobody holds the frameLock; who does will kick when it lets go.
func (c *Conn) kick() {
	if c.frameLock.try() {
		c.handOver()
	}
}

// handOver passes the frameLock, which the caller holds, to a goroutine that writes what is queued.
func (c *Conn) handOver() {
	if !c.spawn(c.writeControl) {
		c.frameLock.unlock()
	}
}

// unlockFrame lets go of the frameLock and sees to it that what was queued meanwhile is written. Queuing comes before
// trying the lock, and letting go before looking, so nothing is left lying.
func (c *Conn) unlockFrame() {
	c.frameLock.unlock()
	c.mu.Lock()
	pending := c.control.pending() && !c.dead()
	c.mu.Unlock()
	if pending {
		c.kick()
	}
}

// writeControl writes what is queued, once, and ends. It holds the frameLock. No context breaks into it: half a
// control frame would end the connection.
func (c *Conn) writeControl() {
	_ = withBuffer(smallBuffer, func(b []byte) error {
		c.mu.Lock()
		began := c.now()
		b = c.control.take(b, began, c.appendControl)
		pinged := c.control.keep
		c.control.keep = false
		closes := c.control.closeTaken
		c.mu.Unlock()
		if len(b) == 0 {
			return nil
		}
		err := c.send(b)
		switch {
		case err != nil:
			c.writeFailed(context.Background(), err)
		case closes:
			c.sentClose()
		case pinged:
			c.pingWritten(began)
		}
		return err // told already
	})
	c.unlockFrame()
}

// sendPing queues a ping, or joins the one that is queued, and returns its number.
func (c *Conn) sendPing(keepalive bool) {
	c.mu.Lock()
	if c.err == nil {
		c.queuePing()
		c.control.keep = c.control.keep || keepalive
	}
	c.mu.Unlock()
	c.kick()
}

// queuePing is called with mu held.
func (c *Conn) queuePing() uint64 {
	if !c.control.ping {
		c.control.ping = true
		c.control.pingID++
	}
	return c.control.pingID
}

// gotPong is called by the reader. A pong that answers no ping of ours is ignored (RFC 6455, section 5.5.3).
// The result says whether it does.
func (c *Conn) gotPong(payload []byte) bool {
	if len(payload) != 8 {
		return false
	}
	id := binary.BigEndian.Uint64(payload)
	c.mu.Lock()
	defer c.mu.Unlock()
	q := &c.control
	sent := &q.times[id%uint64(len(q.times))]
	if id == 0 || id > q.written {
		return false
	}
	first := sent.id == id
	if first {
		q.rtt = max(1, c.now()-sent.at)
		sent.id = 0
	}
	q.waiters = slices.DeleteFunc(q.waiters, func(w *pingWaiter) bool {
		if w.id <= id {
			close(w.answered)
			return true
		}
		return false
	})
	return first
}

// Ping sends a ping and waits for its answer. Somebody must be reading meanwhile: Read, Messages or CloseRead in
// another goroutine.
//
// On a connection of Handler, Ping does not wait: the answer comes as Events.Pong.
func (c *Conn) Ping(ctx context.Context) error {
	if err := c.ended(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return contextError(ctx, "ping")
	}
	c.mu.Lock()
	if err := c.err; err != nil {
		c.mu.Unlock()
		return err
	}
	if c.cfg.handled {
		c.queuePing()
		c.mu.Unlock()
		c.kick()
		return nil
	}
	w := &pingWaiter{id: c.queuePing(), answered: make(chan struct{})}
	c.control.waiters = append(c.control.waiters, w)
	c.mu.Unlock()
	c.kick()
	select {
	case <-w.answered:
		return nil
	case <-ctx.Done():
		c.mu.Lock()
		c.control.waiters = slices.DeleteFunc(c.control.waiters, func(o *pingWaiter) bool { return o == w })
		c.mu.Unlock()
		return contextError(ctx, "ping")
	case <-c.done:
		return c.ended()
	}
}
