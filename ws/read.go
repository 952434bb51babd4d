package ws

import (
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"slices"
)

// directRead is from how many bytes of payload on they are received where they are wanted, without the buffer
// between.
const directRead = 2 << 10

// maxAhead is how much is allocated for a message ahead of what has come of it.
const maxAhead = 64 << 10

// errInterrupted says that a read was broken into, not by its context: look what has become of the connection.
var errInterrupted = errors.New("ws: read interrupted")

// incoming is the message under way, owned by who holds readLock.
type incoming struct {
	number   uint64 // counts messages, so that a Reader knows when its own is gone
	open     bool   // its last piece has not been handed out
	typ      MessageType
	streamed bool   // parts of it may have been handed out by a Reader
	partial  []byte // what a Read had of it when it was cancelled
	piece    event  // received, and not handed out whole; its data stands in Conn.in
}

// inBuffer is what was received and not parsed. It has memory only while it has bytes, or while a read is under way.
type inBuffer struct {
	early []byte // came with the handshake
	buf   *[smallBuffer]byte
	r, w  int // buf[r:w]
}

func (b *inBuffer) bytes() []byte {
	if len(b.early) > 0 {
		return b.early
	}
	if b.buf == nil {
		return nil
	}
	return b.buf[b.r:b.w]
}

func (b *inBuffer) skip(n int) {
	if len(b.early) > 0 {
		if b.early = b.early[n:]; len(b.early) == 0 {
			b.early = nil
		}
		return
	}
	b.r += n
}

// release gives the memory back when there is nothing in it.
func (b *inBuffer) release() {
	if b.buf != nil && b.r == b.w {
		smallBuffers.Put(b.buf)
		b.buf, b.r, b.w = nil, 0, 0
	}
}

// receive is one read from the stream. An error of the stream ends the connection; the context's does not, and
// neither does errInterrupted.
func (c *Conn) receive(ctx context.Context, b []byte) (int, error) {
	for empty := 0; ; {
		switch c.reading.begin(ctx) {
		case byContext:
			return 0, contextError(ctx, "read")
		case byVerdict:
			return 0, errInterrupted
		}
		c.readBegins()
		n, err := c.rw.Read(b)
		c.readEnds(n > 0)
		breach := c.reading.end()
		switch {
		case n > 0:
			return n, nil // an error will come again
		case errors.Is(err, os.ErrDeadlineExceeded) && breach == byContext:
			return 0, contextError(ctx, "read")
		case errors.Is(err, os.ErrDeadlineExceeded) && breach == byVerdict:
			return 0, errInterrupted
		case err == nil && empty < 100, errors.Is(err, os.ErrDeadlineExceeded) && empty < 100:
			empty++ // a deadline that nobody here has set; it has been lifted, or the stream is no good
			continue
		case err == nil:
			err = io.ErrNoProgress
		case errors.Is(err, io.EOF) && (c.parser.midFrame() || c.parser.inMessage):
			err = io.ErrUnexpectedEOF
		}
		c.broken(err)
		return 0, c.ended()
	}
}

// fill receives into the empty buffer.
func (c *Conn) fill(ctx context.Context) error {
	if c.in.buf == nil {
		c.in.buf = smallBuffers.Get().(*[smallBuffer]byte)
	}
	c.in.r, c.in.w = 0, 0
	n, err := c.receive(ctx, c.in.buf[:])
	c.in.w = n
	return err
}

// step feeds the parser once, receiving first if there is nothing to feed it, and deals with what is not a piece of
// a message.
func (c *Conn) step(ctx context.Context) (event, error) {
	if len(c.in.bytes()) == 0 {
		if err := c.fill(ctx); err != nil {
			return event{}, err
		}
	}
	n, ev, err := c.parser.step(c.in.bytes())
	c.in.skip(n)
	err = c.stepped(&ev, err)
	return ev, err
}

func (c *Conn) stepped(ev *event, err error) error {
	if err != nil {
		reason := err.Error()
		if perr, ok := errors.AsType[*ProtocolError](err); ok {
			reason = perr.Reason
		} else if lerr, ok := errors.AsType[*LimitError](err); ok {
			reason = lerr.Limit
		}
		c.fail(err, CloseStatus(err), reason)
		return err
	}
	switch {
	case ev.kind == eventPiece && ev.last && !c.closing.Load():
		c.tellReceived()
	case ev.kind == eventControl:
		switch ev.opcode {
		case opPing:
			c.mu.Lock()
			if c.err == nil { // RFC 6455, section 5.5.2: unless a close frame has come or gone
				c.control.addPong(ev.data)
			}
			c.mu.Unlock()
			c.kick()
		case opPong:
			if c.gotPong(ev.data) {
				ev.kind = eventPong
				c.tellPong()
			}
		case opClose:
			c.gotClose(ev.data)
		}
	}
	return nil
}

// next returns the next piece of a message, with at least a byte in it unless it is the last. When the connection is
// ending, it waits until it has, and returns the error that it ended with.
//
// into, if not nil, is where payload may be received directly; the piece's data then begins there. On a connection of
// Handler, an answered ping is returned as well.
func (c *Conn) next(ctx context.Context, into []byte) (event, error) {
	for {
		if c.closing.Load() {
			c.finish(ctx)
			c.msg, c.in = incoming{number: c.msg.number + 1}, inBuffer{}
			return event{}, c.ended()
		}
		var ev event
		var err error
		if want := c.parser.want(); want >= directRead && len(into) >= directRead && len(c.in.bytes()) == 0 {
			c.in.release()
			into = into[:min(int64(len(into)), want)]
			var n int
			if n, err = c.receive(ctx, into); err == nil {
				_, ev, err = c.parser.step(into[:n])
				err = c.stepped(&ev, err)
			}
		} else {
			ev, err = c.step(ctx)
		}
		if c.closing.Load() || errors.Is(err, errInterrupted) {
			continue
		}
		if err != nil {
			return event{}, err
		}
		switch ev.kind {
		case eventPong:
			if c.cfg.handled {
				return ev, nil
			}
		case eventPiece:
			if ev.first {
				c.msg = incoming{number: c.msg.number + 1, open: true, typ: ev.typ}
			}
			if len(ev.data) > 0 || ev.last {
				return ev, nil
			}
		}
	}
}

// beginRead takes the readLock and throws away what is left of a message that a Reader has begun to hand out.
func (c *Conn) beginRead(ctx context.Context) error {
	if c.cfg.handled {
		if err := c.ended(); err != nil {
			return err
		}
		return ErrReadByHandler
	}
	if err := c.acquire(ctx, c.readLock, "read"); err != nil {
		return err
	}
	if c.msg.open && c.msg.streamed {
		c.msg.number++ // its Reader must not take what follows for its end
		c.msg.partial = nil
	}
	for c.msg.open && c.msg.streamed {
		if c.msg.piece.kind == eventPiece {
			c.msg.open, c.msg.piece = !c.msg.piece.last, event{}
			continue
		}
		ev, err := c.next(ctx, nil)
		if err != nil {
			c.endRead()
			return err
		}
		c.msg.open = !ev.last
	}
	return nil
}

func (c *Conn) endRead() {
	if c.msg.piece.kind == eventNone {
		c.in.release()
	}
	c.readLock.unlock()
}

// Read returns the next message. Its data belongs to the caller.
//
// When ctx ends, nothing is lost: the next read goes on where this one was, also in the middle of a frame. Reads of
// several goroutines take turns. What is left of a message that Reader has begun is thrown away.
func (c *Conn) Read(ctx context.Context) (MessageType, []byte, error) {
	if err := c.beginRead(ctx); err != nil {
		return 0, nil, err
	}
	defer c.endRead()
	// What an earlier Read had got becomes part of what this one returns.
	p := c.msg.partial
	c.msg.partial = nil
	typ, data, err := c.readMessage(ctx, p)
	if err != nil {
		if c.msg.open {
			c.msg.partial = data
		}
		return 0, nil, err
	}
	if data == nil {
		data = []byte{}
	}
	return typ, data, nil
}

// ReadAppend is Read for callers that bring the memory: it appends the message to dst and returns the longer slice.
// With an error, that is dst as it was.
func (c *Conn) ReadAppend(ctx context.Context, dst []byte) (MessageType, []byte, error) {
	if err := c.beginRead(ctx); err != nil {
		return 0, dst, err
	}
	defer c.endRead()
	start := len(dst)
	p := append(dst, c.msg.partial...)
	c.msg.partial = nil
	typ, data, err := c.readMessage(ctx, p)
	if err != nil {
		if c.msg.open {
			c.msg.partial = slices.Clone(data[start:])
		}
		return 0, dst, err
	}
	return typ, data, nil
}

// readMessage appends what is left of the message under way, or the next, to dst. With an error it returns what it
// has got.
func (c *Conn) readMessage(ctx context.Context, dst []byte) (MessageType, []byte, error) {
	for {
		if want := c.parser.want(); want >= directRead && len(c.in.bytes()) == 0 {
			// Room for what is declared, but never for much more than has come.
			dst = slices.Grow(dst, int(min(want, maxAhead)))
		}
		ev, err := c.next(ctx, dst[len(dst):cap(dst)])
		if err != nil {
			return 0, dst, err
		}
		if n := len(ev.data); n > 0 && n <= cap(dst)-len(dst) && &ev.data[0] == &dst[:len(dst)+1][len(dst)] {
			dst = dst[:len(dst)+n] // it was received there
		} else {
			dst = append(dst, ev.data...)
		}
		if ev.last {
			c.msg.open = false
			return ev.typ, dst, nil
		}
	}
}

// Messages yields the messages that come, until the connection ends or ctx does; the error that says so is the last
// thing it yields. Breaking out of the loop leaves the connection as it is.
func (c *Conn) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			typ, data, err := c.Read(ctx)
			if !yield(Message{Type: typ, Data: data}, err) || err != nil {
				return
			}
		}
	}
}
