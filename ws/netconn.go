package ws

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// NetConn makes a net.Conn of c, for protocols that want a stream of bytes. Each Write is a binary message; Read gives
// the data of binary messages, one after the other, and io.EOF when the peer has closed with 1000 or 1001. A text
// message closes the connection with 1003. Close closes c with 1000.
//
// A read deadline that passes does no harm and can be moved, as the contract of net.Conn has it; a write deadline that
// passes in the middle of a frame ends the connection.
func NetConn(c *Conn) net.Conn {
	return &netConn{c: c, reading: newLock(), read: newDeadline(), write: newDeadline()}
}

type netConn struct {
	c           *Conn
	read, write *deadline

	reading lock           // held for a call of Read; guards the rest
	message *messageReader // of the message under way, or nil
}

// Read gives the message's reader the context of the moment: when a deadline has passed and been moved, it is another.
func (n *netConn) Read(p []byte) (int, error) {
	n.reading.lock()
	defer n.reading.unlock()
	ctx := n.read.context()
	for {
		if n.message == nil {
			typ, r, err := n.c.reader(ctx)
			if err == nil && typ != Binary {
				err = n.c.Close(CloseUnsupportedData, "text message on a binary stream")
				if err == nil {
					err = n.c.ended()
				}
			}
			if err != nil {
				return 0, netError(err)
			}
			n.message = r
		}
		n.message.ctx = ctx
		got, err := n.message.Read(p)
		switch {
		case err == io.EOF: // bare: the message's end, not the connection's
			n.message = nil
			continue
		case err != nil:
			err = netError(err)
		}
		return got, err
	}
}

func (n *netConn) Write(p []byte) (int, error) {
	if err := n.c.Write(n.write.context(), Binary, p); err != nil {
		return 0, netError(err)
	}
	return len(p), nil
}

// netError gives the error the form in which users of net.Conn know it.
func netError(err error) error {
	if e, ok := errors.AsType[*CloseError](err); ok && !e.Local && (e.Code == CloseNormal || e.Code == CloseGoingAway) {
		return io.EOF
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return deadlineError{err}
	}
	return err
}

// deadlineError is a net.Error.
type deadlineError struct{ error }

func (e deadlineError) Unwrap() error { return e.error }
func (deadlineError) Timeout() bool   { return true }
func (deadlineError) Temporary() bool { return true }

func (n *netConn) Close() error         { return n.c.Close(CloseNormal, "") }
func (n *netConn) LocalAddr() net.Addr  { return n.c.LocalAddr() }
func (n *netConn) RemoteAddr() net.Addr { return n.c.RemoteAddr() }

func (n *netConn) SetDeadline(t time.Time) error {
	n.read.set(t)
	n.write.set(t)
	return nil
}

func (n *netConn) SetReadDeadline(t time.Time) error {
	n.read.set(t)
	return nil
}

func (n *netConn) SetWriteDeadline(t time.Time) error {
	n.write.set(t)
	return nil
}

// deadline is a context that ends at a time that can be moved while it is in use. Once it has ended, the next one
// begins when the time is moved.
type deadline struct {
	mu     sync.Mutex
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	turn   int // counts calls of set: a timer of an earlier one does nothing
}

func newDeadline() *deadline {
	d := &deadline{}
	d.ctx, d.cancel = context.WithCancelCause(context.Background())
	return d
}

func (d *deadline) context() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ctx
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.turn++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if d.ctx.Err() != nil {
		d.ctx, d.cancel = context.WithCancelCause(context.Background())
	}
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		d.cancel(os.ErrDeadlineExceeded)
		return
	}
	turn := d.turn
	d.timer = time.AfterFunc(wait, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.turn == turn {
			d.cancel(os.ErrDeadlineExceeded)
		}
	})
}
