package ws

import "slices"

// directRead is from how many bytes of payload on they are received where they are wanted, without the buffer
// between.
const directRead = 2 << 10

// maxAhead is how much is allocated for a message ahead of what has come of it.
const maxAhead = 64 << 10

// want is what the goroutine that pumps wants of what comes.
type want uint8

const (
	wantWhole want = iota // a message, appended to dst
	wantBegin             // the beginning of a message, of which nothing is taken yet
	wantSome              // as much of the message under way as dst has room for, if only a byte
	wantRest              // nothing: the message under way is thrown away
)

// incoming is the message under way.
type incoming struct {
	dst      []byte // what has come of it and was not handed out; or the room that a streaming reader has
	number   uint32 // counts messages, so that a Reader knows when its own is gone
	grow     uint32 // how much room dst needs for the message that has come; 0: it has it
	typ      opcode
	want     want
	got      bool // what was wanted is there
	open     bool // it has begun, and was not handed out to its end
	ended    bool // its last byte has come
	streamed bool // parts of it may have been handed out by a Reader
}

// room is how many bytes of payload may be parsed.
func (m *incoming) room() int {
	switch m.want {
	case wantBegin:
		return 0
	case wantSome:
		return cap(m.dst) - len(m.dst)
	}
	return int(^uint(0) >> 1)
}

// take takes what the parser came to, in blocking form, and reports whether that is what was wanted. rest is what stands
// behind it.
func (c *Conn) take(ev event, rest []byte) bool {
	m := &c.msg
	piece := ev.kind == eventPiece
	if !m.open && (c.parser.inMessage || piece && ev.first) {
		m.open, m.ended, m.streamed, m.typ = true, false, false, c.parser.typ
		m.number++
	}
	if piece && len(ev.data) > 0 && m.want != wantRest {
		m.dst = appendOver(m.dst, ev.data)
	}
	if piece && ev.last {
		m.ended = true
		c.tellReceived()
		c.net.SetMore(c.parser.ahead(rest))
	}
	switch m.want {
	case wantBegin:
		m.got = m.open
	case wantSome:
		m.got = m.ended || len(m.dst) == cap(m.dst) || len(m.dst) > 0 && len(rest) == 0
	default:
		m.got = m.open && m.ended
	}
	return m.got
}

// appendOver is append for data that may have been received in the place that it is appended to.
func appendOver(dst, data []byte) []byte {
	if n := len(data); n <= cap(dst)-len(dst) && &data[0] == &dst[:len(dst)+1][len(dst)] {
		return dst[:len(dst)+n]
	}
	return append(dst, data...)
}

// grown is slices.Grow for what has come by the network: the memory doubles with it.
func grown(b []byte, n int) []byte {
	if n <= cap(b)-len(b) {
		return b
	}
	return slices.Grow(b, n)
}

// takeWhole takes a message that has come in one frame, in blocking form, and reports how much of b it has consumed. If dst
// has no room for it, that is nothing, and the reader makes room: what is deep in the stack here is not there.
func (c *Conn) takeWhole(h header, b []byte, head int) (n int) {
	m := &c.msg
	size := int(h.length)
	if size > cap(m.dst)-len(m.dst) {
		m.grow = uint32(size)
		return 0
	}
	n = head + size
	if err := c.parser.takeWhole(h, b[head:n]); err != nil {
		c.deaf = true
		c.refuse(err)
		return n
	}
	m.number++
	m.ended, m.streamed, m.typ, m.got = true, false, h.opcode, true
	m.dst = append(m.dst, b[head:n]...)
	if c.cfg.observer != nil {
		c.tellReceived()
	}
	c.net.SetMore(c.parser.ahead(b[n:]))
	return n
}
