package ws

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/tidewire/tidewire/internal/netio"
)

// beginRead waits for the turn to read. When the connection is closing, it waits until it has ended, and returns the
// error that it ended with.
func (c *Conn) beginRead(ctx context.Context) error {
	if c.events != nil || c.net == nil {
		if err := c.ended(); err != nil {
			return err
		}
		return ErrReadByHandler
	}
	if ctx == nil {
		return errNilContext
	}
	if ctx.Err() != nil {
		if err := c.ended(); err != nil {
			c.net.Serve()
			return err
		}
		return contextError(ctx, "read")
	}
	c.mu.Lock()
	if !c.reads.enter(true) {
		if err := c.queueUp(ctx, &c.reads, true, "read"); err != nil {
			return err
		}
		c.mu.Lock()
	}
	c.readBegins()
	c.mu.Unlock()
	if c.discards() {
		return c.seeOut(ctx)
	}
	return nil
}

func (c *Conn) endRead() {
	c.mu.Lock()
	c.readEnds()
	c.reads.leave()
	c.mu.Unlock()
}

// seeOut is the end of a read of a connection that is ending: it waits until it has, or until ctx has, and gives the turn
// back. The core reads, if nobody else does.
func (c *Conn) seeOut(ctx context.Context) error {
	c.net.Serve()
	select {
	case <-c.whenDone():
	case <-ctx.Done():
	}
	c.endRead()
	if err := c.ended(); err != nil {
		return err
	}
	return contextError(ctx, "read")
}

// pump reads until what is wanted is there. With an error, the turn is given back, and msg belongs to the core if the
// connection is ending.
func (c *Conn) pump(ctx context.Context, w want) error {
	c.msg.want, c.msg.got = w, false
	for !c.msg.got {
		if err := c.net.Pump(ctx); err != nil {
			return c.pumpFailed(ctx, err)
		}
		if c.msg.grow > 0 {
			c.makeRoom()
		}
	}
	return nil
}

// makeRoom is not part of the core's call of Data, so that the stack of a goroutine that only reads and writes stays small:
// one that has grown stays grown, for as long as the goroutine waits.
//
//go:noinline
func (c *Conn) makeRoom() {
	m := &c.msg
	m.dst, m.grow = slices.Grow(m.dst, int(m.grow)), 0
}

func (c *Conn) pumpFailed(ctx context.Context, err error) error {
	if c.lost() || c.discards() || errors.Is(err, netio.ErrReading) {
		return c.seeOut(ctx)
	}
	c.endRead()
	return contextError(ctx, "read")
}

// skip throws away what is left of a message that a Reader has begun to hand out.
func (c *Conn) skip(ctx context.Context) error {
	m := &c.msg
	if !m.open || !m.streamed {
		return nil
	}
	m.number++ // its Reader must not take what follows for its end
	m.dst = nil
	if !m.ended {
		if err := c.pump(ctx, wantRest); err != nil {
			return err
		}
	}
	m.open = false
	return nil
}

// Read returns the next message. Its data belongs to the caller.
//
// When ctx ends, nothing is lost: the next read goes on where this one was, also in the middle of a frame. Reads of
// several goroutines take turns. What is left of a message that Reader has begun is thrown away.
func (c *Conn) Read(ctx context.Context) (MessageType, []byte, error) {
	if err := c.beginRead(ctx); err != nil {
		return 0, nil, err
	}
	if err := c.skip(ctx); err != nil {
		return 0, nil, err
	}
	// What an earlier Read has got stands in dst, and becomes part of what this one returns.
	if err := c.pump(ctx, wantWhole); err != nil {
		return 0, nil, err
	}
	typ, data := MessageType(c.msg.typ), c.msg.dst
	c.msg.dst, c.msg.open = nil, false
	c.endRead()
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
	if err := c.skip(ctx); err != nil {
		return 0, dst, err
	}
	m := &c.msg
	m.dst = append(dst, m.dst...)
	if err := c.pumpAppend(ctx, len(dst)); err != nil {
		return 0, dst, err
	}
	typ, data := MessageType(c.msg.typ), m.dst
	m.dst, m.open = nil, false
	c.endRead()
	return typ, data, nil
}

// pumpAppend is pump for a message, into memory whose first bytes are the caller's.
func (c *Conn) pumpAppend(ctx context.Context, theirs int) error {
	m := &c.msg
	m.want, m.got = wantWhole, false
	for !m.got {
		if err := c.net.Pump(ctx); err != nil {
			return c.appendFailed(ctx, err, theirs)
		}
		if m.grow > 0 {
			c.makeRoom()
		}
	}
	return nil
}

// appendFailed is pumpFailed for a message whose first bytes are the caller's memory.
func (c *Conn) appendFailed(ctx context.Context, err error, theirs int) error {
	c.msg.dst = slices.Clone(c.msg.dst[theirs:])
	return c.pumpFailed(ctx, err)
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
