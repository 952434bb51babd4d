package ws

import (
	"context"
	"fmt"
	"io"
	"unicode/utf8"
)

// maxWrite is how much of a large payload is handed to the stream at once; WriteTimeout is counted for each part.
const maxWrite = 256 << 10

// Write sends a message, as one frame and in most cases with one write. It returns when all of it was handed to the
// network. p is not changed and not kept.
//
// When ctx ends before the frame's turn has come, nothing was written and the connection lives on; when it ends in the
// middle of the frame, so does the connection. Text that is not UTF-8 is refused with ErrInvalidUTF8.
func (c *Conn) Write(ctx context.Context, typ MessageType, p []byte) error {
	if err := checkType(typ); err != nil {
		return err
	}
	if typ == Text && !utf8.Valid(p) {
		return ErrInvalidUTF8
	}
	if err := c.ended(); err != nil {
		return err
	}
	if err := c.acquire(ctx, c.msgLock, "write"); err != nil {
		return err
	}
	defer c.msgLock.unlock()
	if err := c.writeFrame(ctx, opcode(typ), true, p); err != nil {
		return err
	}
	c.tellSent(typ, int64(len(p)))
	return nil
}

func checkType(typ MessageType) error {
	if typ != Text && typ != Binary {
		return fmt.Errorf("ws: write: %v is neither text nor binary", typ)
	}
	return nil
}

// writeFrame writes one data frame. The caller holds msgLock.
func (c *Conn) writeFrame(ctx context.Context, op opcode, fin bool, p []byte) error {
	if err := c.acquire(ctx, c.frameLock, "write"); err != nil {
		return err
	}
	c.mu.Lock()
	pending := c.control.pending()
	c.mu.Unlock()
	if pending {
		// Control frames go first, but only those of now: a peer that pings without pause must not keep us from writing.
		c.handOver()
		if err := c.acquire(ctx, c.frameLock, "write"); err != nil {
			return err
		}
	}
	defer c.unlockFrame()
	if err := c.ended(); err != nil { // after this, a close frame can only come behind the frame
		return err
	}
	if c.writing.begin(ctx) != unbroken {
		return contextError(ctx, "write")
	}
	err := c.sendFrame(c.frameHeader(op, fin), p)
	if c.writing.end() != unbroken {
		c.writeCancelled()
		return contextError(ctx, "write")
	}
	if err != nil {
		c.writeFailed(ctx, err)
		return c.ended()
	}
	return nil
}

// sendFrame copies header and payload into one buffer where they fit, and writes the rest of a large payload from
// where it stands, or masked, a buffer at a time.
func (c *Conn) sendFrame(h header, p []byte) error {
	h.length = int64(len(p))
	return withBuffer(maxHeader+len(p), func(b []byte) error {
		b = appendHeader(b, h)
		key := h.key
		for {
			n := min(cap(b)-len(b), len(p))
			start := len(b)
			b = append(b, p[:n]...)
			if p = p[n:]; h.masked {
				key = mask(b[start:], key)
			}
			if err := c.send(b); err != nil {
				return err
			}
			b = b[:0]
			if len(p) == 0 {
				return nil
			}
			if h.masked {
				continue
			}
			for len(p) > 0 {
				n := min(len(p), maxWrite)
				if err := c.send(p[:n]); err != nil {
					return err
				}
				p = p[n:]
			}
			return nil
		}
	})
}

// send is one write to the stream. The caller holds frameLock.
func (c *Conn) send(b []byte) error {
	c.writeBegins()
	n, err := c.rw.Write(b)
	c.writeEnds()
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}
