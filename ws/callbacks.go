package ws

import (
	"net"
	"net/http"
	"runtime/debug"
	"slices"
)

// The events of a connection of Handler.
//
// Open runs on a goroutine of its own, before anything is read. Message and Pong run in Data, on the goroutine that the
// core reads with: a message that has come whole is lent from the core's buffer, without a copy. Close runs in gone, when
// the last of them has returned, and waits for Open.

// open is called when the HTTP handler has its events.
func (c *Conn) open() {
	if c.events.Open == nil {
		c.run()
		return
	}
	go func() { // ends when Open returns, and Close, if the connection has ended by then
		defer c.run() // also after runtime.Goexit
		returned := false
		defer c.guard(&returned)
		c.events.Open(c)
		returned = true
	}()
}

// run lets the core read, and Close be told.
func (c *Conn) run() {
	c.mu.Lock()
	c.running = true
	told := c.told
	c.mu.Unlock()
	if told {
		c.tellClose()
		return
	}
	c.net.Serve()
}

// tellWhole tells a message that b begins with if it has come whole, in one frame, and reports how much of b that was.
func (c *Conn) tellWhole(b []byte) (n int) {
	h, head := c.parser.whole(b)
	if head == 0 {
		return 0
	}
	n = head + int(h.length)
	if err := c.parser.takeWhole(h, b[head:n]); err != nil {
		c.deaf = true
		c.refuse(err)
		return n
	}
	c.tellReceived()
	c.net.SetMore(c.parser.ahead(b[n:]))
	c.tellMessage(MessageType(h.opcode), b[head:n:n])
	return n
}

// gather takes what the parser came to. A message that has not come whole is put together in a buffer, of which an idle
// connection has none. rest is what stands behind the piece.
func (c *Conn) gather(ev event, rest []byte) {
	m := &c.msg
	data := ev.data
	if !ev.last || m.dst != nil {
		if n := len(data); n > 0 && cap(m.dst) > len(m.dst) && &data[0] == &m.dst[:len(m.dst)+1][len(m.dst)] {
			m.dst = m.dst[:len(m.dst)+n] // it was received there
		} else {
			m.dst = append(growBuffer(m.dst, n), data...)
		}
		if !ev.last {
			return
		}
		data = m.dst
	}
	c.tellReceived()
	c.net.SetMore(c.parser.ahead(rest))
	c.tellMessage(ev.typ, slices.Clip(data)) // who appends to it must not hit what stands behind
	if m.dst != nil {
		putBuffer(m.dst)
		m.dst = nil
	}
}

func (c *Conn) tellMessage(typ MessageType, data []byte) {
	if c.events.Message == nil {
		return
	}
	returned := false
	defer c.guard(&returned)
	c.events.Message(c, typ, data)
	returned = true
}

func (c *Conn) tellPonged() {
	if c.events.Pong == nil {
		return
	}
	returned := false
	defer c.guard(&returned)
	c.events.Pong(c, c.RTT())
	returned = true
}

func (c *Conn) tellClose() {
	if c.events.Close == nil {
		return
	}
	returned := false
	defer c.guard(&returned)
	c.events.Close(c, c.ended())
	returned = true
}

// guard is deferred around each event, and takes care of one that did not return.
func (c *Conn) guard(returned *bool) {
	if *returned {
		return
	}
	v := recover() // nil: runtime.Goexit
	c.closeInternal()
	if v == nil {
		return
	}
	stack := debug.Stack()
	if o := c.cfg.observer; o != nil && o.Panic != nil {
		o.Panic(c, v, stack)
	} else if v != http.ErrAbortHandler {
		c.logger().Printf("ws: panic serving %v: %v\n%s", c.RemoteAddr(), v, stack)
	}
}

// closeInternal closes the connection because code of this side's user went wrong. It does not wait.
func (c *Conn) closeInternal() {
	c.startClose(&CloseError{Code: CloseInternalError, Local: true, Err: net.ErrClosed}, CloseInternalError, "")
}
