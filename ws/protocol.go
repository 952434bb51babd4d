package ws

import (
	"math"

	"github.com/tidewire/tidewire/internal/netio"
)

// protocol is Conn as the network's core sees it. The core calls Room and Data on the one goroutine that has the reader
// role: in callback form one of its own, in blocking form that of a Read, and once the connection is closing, or has to
// be heard out, again one of its own.
type protocol Conn

// Room says where payload may be received directly: into the message under way, where much of it is still to come.
func (p *protocol) Room() []byte {
	c := (*Conn)(p)
	want := c.parser.want()
	if want < directRead || c.discards() {
		return nil
	}
	m := &c.msg
	// Room for what is declared, but never for much more than has come; and anew only when there is little left: a move
	// for each piece that comes would be one of the whole message.
	little := int64(cap(m.dst)-len(m.dst)) < min(want, 2*directRead)
	switch {
	case c.events != nil && little:
		m.dst = growBuffer(m.dst, int(min(want, max(maxAhead, int64(len(m.dst))/2))))
	case c.events != nil:
	case m.want == wantWhole && little:
		m.dst = grown(m.dst, int(min(want, maxAhead)))
	case m.want == wantWhole, m.want == wantSome:
	default:
		return nil
	}
	return m.dst[len(m.dst):min(int64(cap(m.dst)), int64(len(m.dst))+want)]
}

// discards says that messages are thrown away.
func (c *Conn) discards() bool { return c.is(flagClosing) || c.is(flagDrained) }

// Data parses what has come. What is left over, because its reader has no room for it, stays with the core.
func (p *protocol) Data(b []byte) (int, netio.Next) {
	c := (*Conn)(p)
	c.heard()
	if c.discards() || c.deaf {
		return c.parse(b)
	}
	if c.events != nil { // the short way of the callback form, which is not as deep as the other either
		n := 0
		for n < len(b) {
			k := c.tellWhole(b[n:])
			if n += k; k == 0 || c.deaf || c.discards() {
				break
			}
		}
		switch {
		case n == 0:
			return c.parse(b)
		case n < len(b):
			k, _ := c.parse(b[n:])
			n += k
		default:
			c.waits(netio.More)
		}
		return n, netio.More
	}
	if c.msg.want != wantWhole {
		return c.parse(b)
	}
	// The short way of the blocking form. It does not go deep into the stack: see makeRoom.
	h, k := c.parser.whole(b)
	if k == 0 {
		return c.parse(b)
	}
	n := c.takeWhole(h, b, k)
	if c.deaf {
		return len(b), netio.More
	}
	return n, netio.Pause
}

func (c *Conn) parse(b []byte) (n int, next netio.Next) {
	next = netio.Quiet // unless a message is among it
	for n < len(b) && !c.deaf {
		discards := c.discards()
		if discards {
		} else if c.events != nil {
			if k := c.tellWhole(b[n:]); k > 0 {
				next = netio.More
				n += k
				continue
			}
		} else if m := &c.msg; m.want == wantWhole {
			if h, k := c.parser.whole(b[n:]); k > 0 {
				if n += c.takeWhole(h, b[n:], k); m.got || m.grow > 0 {
					c.waits(netio.Pause)
					return n, netio.Pause
				}
				continue
			}
		}
		room := math.MaxInt
		if c.events == nil && !discards {
			room = c.msg.room()
		}
		k, ev, err := c.parser.step(b[n:], room)
		n += k
		switch {
		case err != nil:
			c.deaf = true
			c.refuse(err)
		case ev.kind == eventControl:
			c.gotControl(ev, n < len(b))
		case discards:
			next = netio.More
		case c.events == nil:
			if c.take(ev, b[n:]) {
				next = netio.Pause
				c.waits(next)
				return n, next
			}
		case ev.kind == eventPiece:
			next = netio.More
			c.gather(ev, b[n:])
		}
	}
	if c.deaf {
		n = len(b)
	}
	if m := &c.msg; c.events == nil && !c.discards() && m.want == wantSome && len(m.dst) > 0 {
		m.got = true // a control frame stood behind it
		next = netio.Pause
	}
	if next == netio.Quiet && (c.deaf || c.parser.midFrame() || c.parser.inMessage) {
		next = netio.More
	}
	c.waits(next)
	return n, next
}

// Alarm is the end of the time that arm has set.
func (p *protocol) Alarm() { (*Conn)(p).tick() }

// Cut tells an event that waits for the end of the connection.
func (p *protocol) Cut() { (*Conn)(p).cutOff() }

// Closed is the end of everything.
func (p *protocol) Closed(error) { (*Conn)(p).gone() }

// gotControl deals with a whole control frame. more says that bytes stand behind it.
func (c *Conn) gotControl(ev event, more bool) {
	switch ev.opcode {
	case opPing:
		c.net.SetMore(more) // the answers to many leave together
		c.answer(ev.data)
	case opPong:
		if c.gotPong(ev.data) {
			c.tellPong()
			if c.events != nil && !c.discards() {
				c.tellPonged()
			}
		}
	case opClose:
		c.deaf = true
		c.gotClose(ev.data)
	}
}
