package ws

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/netio"
)

// Write sends a message, as one frame and in most cases with one system call. It returns when the network has taken the
// message or the outgoing queue has, which keeps up to QueueLimit for a peer that reads slowly; while there is no room
// in the queue it waits. p is not changed and not kept.
//
// When ctx ends before the frame's turn has come, nothing was written and the connection lives on; when it ends in the
// middle of the frame, so does the connection. Text that is not UTF-8 is refused with ErrInvalidUTF8.
func (c *Conn) Write(ctx context.Context, typ MessageType, p []byte) error {
	if err := checkMessage(typ, p); err != nil {
		return err
	}
	if err := c.beginWrite(ctx, false); err != nil {
		return err
	}
	var err error
	if c.server { // as writeFrame, but less deep: see makeRoom
		var room [maxHeader]byte
		if err = c.net.Write(ctx, appendHeader(room[:0], header{opcode: opcode(typ), fin: true, length: int64(len(p))}), p); err != nil {
			err = c.writeFailed(ctx, err)
		}
	} else {
		err = c.writeFrame(ctx, opcode(typ), true, p)
	}
	c.endWrite()
	if err == nil {
		c.tellSent(typ, int64(len(p)))
	}
	return err
}

func checkType(typ MessageType) error {
	if typ != Text && typ != Binary {
		return fmt.Errorf("ws: write: %v is neither text nor binary", typ)
	}
	return nil
}

func checkMessage(typ MessageType, p []byte) error {
	if typ == Text && !utf8.Valid(p) {
		return ErrInvalidUTF8
	}
	return checkType(typ)
}

// beginWrite waits for the turn to write: alone for a message in pieces, beside others for whole ones.
func (c *Conn) beginWrite(ctx context.Context, alone bool) error {
	switch {
	case c.net == nil:
		return errNoConn
	case ctx == nil:
		return errNilContext
	case ctx.Err() != nil:
		if err := c.ended(); err != nil {
			return err
		}
		return contextError(ctx, "write")
	}
	c.mu.Lock()
	if err := c.why(); err != nil {
		c.mu.Unlock()
		return err
	}
	if c.writes.enter(alone) {
		c.mu.Unlock()
		return nil
	}
	return c.queueUp(ctx, &c.writes, alone, "write")
}

// tryWrite is beginWrite beside others for those who never wait. It reports false if they would have to.
func (c *Conn) tryWrite() (bool, error) {
	if c.net == nil {
		return false, errNoConn
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.why(); err != nil {
		return false, err
	}
	return c.writes.enter(false), nil
}

func (c *Conn) endWrite() {
	c.mu.Lock()
	c.writes.leave()
	c.mu.Unlock()
}

// writeFrame writes one data frame. The caller has the turn.
func (c *Conn) writeFrame(ctx context.Context, op opcode, fin bool, p []byte) error {
	h := c.frameHeader(op, fin)
	h.length = int64(len(p))
	var err error
	if h.masked {
		b := appendFrame(getBuffer(maxHeader+len(p)), h, p)
		err = c.net.Write(ctx, nil, b)
		putBuffer(b)
	} else {
		var room [maxHeader]byte
		err = c.net.Write(ctx, appendHeader(room[:0], h), p)
	}
	if err != nil {
		return c.writeFailed(ctx, err)
	}
	return nil
}

// Send is Write that never waits, for those who send to many: a peer that reads slowly delays nobody. If the outgoing
// queue has no room for the message, it is not sent, QueueFull decides what becomes of the connection, and the error is a
// *LimitError that names QueueLimit and matches ErrFull. The same error, and nothing more, comes while a message of
// Writer is under way. There is never room for a message that is larger than QueueLimit, so with CloseWhenFull it is the
// connection's end, however fast the peer reads: Write can send that.
func (c *Conn) Send(typ MessageType, p []byte) error {
	if err := checkMessage(typ, p); err != nil {
		return err
	}
	if ok, err := c.tryWrite(); err != nil {
		return err
	} else if !ok {
		return c.drop()
	}
	h := c.frameHeader(opcode(typ), true)
	h.length = int64(len(p))
	var err error
	if h.masked {
		b := appendFrame(getBuffer(maxHeader+len(p)), h, p)
		err = c.net.Send(b, nil)
		putBuffer(b)
	} else {
		var room [maxHeader]byte
		err = c.net.Send(appendHeader(room[:0], h), p)
	}
	return c.sent(typ, len(p), err)
}

// sent is the end of a Send.
func (c *Conn) sent(typ MessageType, size int, err error) error {
	c.endWrite()
	switch err.(type) {
	case nil:
		c.tellSent(typ, int64(size))
		return nil
	case *netio.FullError:
		return c.overflow()
	}
	return c.refused(err)
}
