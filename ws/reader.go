package ws

import (
	"context"
	"errors"
	"io"
)

// Reader waits for the next message and returns a reader of its data, which gives io.EOF where the message ends. ctx
// is for the reader too: when it ends, so does the reader, but the connection does not, and the next message begins
// with the next Read or Reader. So does this one's, if it was not read to its end.
func (c *Conn) Reader(ctx context.Context) (MessageType, io.Reader, error) {
	typ, r, err := c.reader(ctx)
	if err != nil {
		return 0, nil, err
	}
	return typ, r, nil
}

func (c *Conn) reader(ctx context.Context) (MessageType, *messageReader, error) {
	if err := c.beginRead(ctx); err != nil {
		return 0, nil, err
	}
	defer c.endRead()
	if !c.msg.open {
		ev, err := c.next(ctx, nil)
		if err != nil {
			return 0, nil, err
		}
		c.msg.piece = ev
	}
	c.msg.streamed = true
	return c.msg.typ, &messageReader{c: c, ctx: ctx, number: c.msg.number}, nil
}

var errStaleReader = errors.New("ws: read from a message that is gone: another read has begun")

// messageReader hands out the message of its number. All its state is the connection's.
type messageReader struct {
	c      *Conn
	ctx    context.Context
	number uint64
}

func (r *messageReader) Read(p []byte) (int, error) {
	c := r.c
	if err := c.acquire(r.ctx, c.readLock, "read"); err != nil {
		return 0, err
	}
	defer c.endRead()
	m := &c.msg
	switch {
	case m.number != r.number:
		if err := c.ended(); err != nil {
			return 0, err
		}
		return 0, errStaleReader
	case !m.open:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	case len(m.partial) > 0:
		n := copy(p, m.partial)
		m.partial = m.partial[n:]
		return n, nil
	}
	ev := m.piece
	if ev.kind == eventNone || c.closing.Load() {
		var err error
		if ev, err = c.next(r.ctx, p); err != nil {
			return 0, err
		}
	}
	n := 0
	if len(ev.data) > 0 && &ev.data[0] == &p[0] {
		n = len(ev.data) // it was received there
	} else {
		n = copy(p, ev.data)
	}
	if n < len(ev.data) {
		ev.data = ev.data[n:]
		m.piece = ev
		return n, nil
	}
	m.piece = event{}
	if ev.last {
		m.open = false
		if n == 0 {
			return 0, io.EOF
		}
	}
	return n, nil
}
