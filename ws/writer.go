package ws

import (
	"context"
	"errors"
	"io"
	"net"
)

// fragmentSize is the payload of a frame of a streamed message. Control frames can go between two of them.
const fragmentSize = 32 << 10

// Writer begins a message whose length is not known yet. What is written to it goes out in frames of 32 KiB; Close
// ends the message, and must be called. Until then other messages wait; control frames do not.
//
// ctx is for all of the message. When it ends before any of the message was sent, the message is dropped; when it ends
// later, the connection is closed with 1011, because a message that was begun can't be taken back.
func (c *Conn) Writer(ctx context.Context, typ MessageType) (io.WriteCloser, error) {
	if err := checkType(typ); err != nil {
		return nil, err
	}
	if err := c.beginWrite(ctx, true); err != nil {
		return nil, err
	}
	w := &messageWriter{c: c, ctx: ctx, op: opcode(typ), typ: typ, turn: newLock(), buf: largeBuffers.Get().(*[largeBuffer]byte)}
	w.turn.lock() // ctx may have ended by now, and abandon be quick
	w.forget = context.AfterFunc(ctx, w.abandon)
	w.turn.unlock()
	return w, nil
}

var errWriterClosed = errors.New("ws: write to a message that has ended")

// messageWriter has the turn to write until it is over.
type messageWriter struct {
	// Immutable.
	c      *Conn
	ctx    context.Context
	typ    MessageType
	forget func() bool // unregisters abandon

	turn lock // held for a call; guards the rest

	op    opcode             // of the next frame; opContinuation once there has been one
	buf   *[largeBuffer]byte // nil when it is over
	n     int                // buf[:n] waits, at most fragmentSize
	size  int64              // sent so far
	check textCheck
	err   error // what further calls return
}

func (w *messageWriter) Write(p []byte) (int, error) {
	w.turn.lock()
	defer w.turn.unlock()
	if w.err != nil {
		return 0, w.err
	}
	if w.typ == Text && !w.check.add(p) {
		w.finish(ErrInvalidUTF8)
		return 0, w.err
	}
	done := 0
	for len(p) > 0 {
		if w.n == fragmentSize {
			if err := w.flush(false); err != nil {
				return done, err
			}
		}
		n := copy(w.buf[w.n:fragmentSize], p)
		w.n += n
		done += n
		p = p[n:]
	}
	return done, nil
}

// Close sends what is left, as the last frame. A second Close does nothing.
func (w *messageWriter) Close() error {
	w.turn.lock()
	defer w.turn.unlock()
	if w.err != nil {
		if errors.Is(w.err, errWriterClosed) {
			return nil
		}
		return w.err
	}
	if w.typ == Text && !w.check.done() {
		w.finish(ErrInvalidUTF8)
		return w.err
	}
	if err := w.flush(true); err != nil {
		return err
	}
	w.finish(errWriterClosed)
	w.c.tellSent(w.typ, w.size)
	return nil
}

func (w *messageWriter) flush(fin bool) error {
	if err := w.c.writeFrame(w.ctx, w.op, fin, w.buf[:w.n]); err != nil {
		w.finish(err)
		return err
	}
	w.size += int64(w.n)
	w.op, w.n = opContinuation, 0
	return nil
}

// abandon runs when ctx has ended: whoever forgot to Close must not keep the others waiting. A call that is under way
// ends by itself, having the same ctx.
func (w *messageWriter) abandon() {
	w.turn.lock()
	defer w.turn.unlock()
	if w.err == nil {
		w.finish(contextError(w.ctx, "write"))
	}
}

// finish lets go of the connection. If that leaves half a message behind, the connection is of no more use.
func (w *messageWriter) finish(err error) {
	w.err = err
	largeBuffers.Put(w.buf)
	w.buf = nil
	w.forget()
	if w.op == opContinuation && !errors.Is(err, errWriterClosed) {
		const reason = "a message was abandoned"
		w.c.startClose(&CloseError{Code: CloseInternalError, Reason: reason, Local: true, Err: net.ErrClosed}, CloseInternalError, reason)
	}
	w.c.endWrite()
}
