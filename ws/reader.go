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
	if err := c.skip(ctx); err != nil {
		return 0, nil, err
	}
	if !c.msg.open {
		if err := c.pump(ctx, wantBegin); err != nil {
			return 0, nil, err
		}
	}
	c.msg.streamed = true
	typ, r := MessageType(c.msg.typ), &messageReader{c: c, ctx: ctx, number: c.msg.number}
	c.endRead()
	return typ, r, nil
}

var errStaleReader = errors.New("ws: read from a message that is gone: another read has begun")

// messageReader hands out the message of its number. All its state is the connection's.
type messageReader struct {
	c      *Conn
	ctx    context.Context
	number uint32
}

func (r *messageReader) Read(p []byte) (int, error) {
	c := r.c
	if err := c.beginRead(r.ctx); err != nil {
		return 0, err
	}
	n, err, left := r.read(p)
	if !left {
		c.endRead()
	}
	return n, err
}

// read is Read inside the turn; left says that it was given back.
func (r *messageReader) read(p []byte) (n int, err error, left bool) {
	c := r.c
	m := &c.msg
	switch {
	case m.number != r.number:
		return 0, errStaleReader, false
	case !m.open:
		return 0, io.EOF, false
	case len(p) == 0:
		return 0, nil, false
	case len(m.dst) > 0: // what a cancelled Read had got
		n = copy(p, m.dst)
		if m.dst = m.dst[n:]; len(m.dst) == 0 {
			m.dst = nil
		}
		return n, nil, false
	}
	if !m.ended {
		m.dst = p[:0:len(p)]
		if err := c.pump(r.ctx, wantSome); err != nil {
			return 0, err, true
		}
		n = len(m.dst)
		m.dst = nil
	}
	if m.ended {
		m.open = false
		if n == 0 {
			return 0, io.EOF, false
		}
	}
	return n, nil, false
}
