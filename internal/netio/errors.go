package netio

import (
	"context"
	"errors"
	"fmt"
	"net"
)

var (
	// ErrFull is TrySend's answer when not all frames were taken. It is matched by *FullError too.
	ErrFull = errors.New("netio: outgoing queue is full")
	// ErrReading is Pump's answer while another goroutine, or the core, has the reader role.
	ErrReading = errors.New("netio: somebody else is reading")
	// ErrStalled ends a connection whose peer took no byte for Config.WriteTimeout.
	ErrStalled = errors.New("netio: the peer takes no bytes (Config.WriteTimeout)")
	// ErrCut ends a connection whose Write was cancelled after some of its bytes had left.
	ErrCut = errors.New("netio: a write was cancelled after some of its bytes had been sent")
	// ErrSealed refuses what comes to be sent after SendLast.
	ErrSealed = errors.New("netio: the last word was sent")
	// ErrInput ends a connection whose protocol left over more than Config.InputLimit.
	ErrInput = errors.New("netio: more input left over than allowed (Config.InputLimit)")
	// ErrAbandoned ends a connection whose protocol ended its goroutine or panicked.
	ErrAbandoned = errors.New("netio: the goroutine that was reading has ended")
)

// FullError says that a queue has no room for what was to be sent; nothing of it was.
type FullError struct {
	Queued int // bytes that wait already
	Size   int // bytes that came on top
	Limit  int // Config.QueueLimit
}

func (e *FullError) Error() string {
	return fmt.Sprintf("%v: %d bytes wait, %d more pass the limit of %d (Config.QueueLimit)", ErrFull, e.Queued, e.Size, e.Limit)
}

func (e *FullError) Unwrap() error { return ErrFull }

// ClosedError is what every call on an ended connection returns. It matches net.ErrClosed and the reason.
type ClosedError struct {
	Err error // the reason, as Protocol.Closed gets it
}

func (e *ClosedError) Error() string {
	if e.Err == net.ErrClosed {
		return "netio: connection closed"
	}
	return "netio: connection closed: " + e.Err.Error()
}

func (e *ClosedError) Unwrap() []error { return []error{net.ErrClosed, e.Err} }

// ctxErr keeps both the context's error and its cause visible to errors.Is.
func ctxErr(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == cause {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}
