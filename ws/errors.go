package ws

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

var (
	// ErrInvalidUTF8 is returned for a text message that is not UTF-8. Of Write nothing was sent.
	ErrInvalidUTF8 = errors.New("ws: text message is not valid UTF-8")

	// ErrDraining is returned by Group.Add, and inside the HandshakeError of Accept, once the group drains.
	ErrDraining = errors.New("ws: group is draining")

	// ErrFull is returned by TrySend when a connection takes no more for the moment, and matched by the error of Send. It
	// has a method Full() bool.
	ErrFull error = fullError{}

	// ErrNotServer is returned by TrySend on a client's connection: what a client sends must be masked.
	ErrNotServer = errors.New("ws: TrySend is for servers: a client has to mask its frames")

	// ErrBadFrame is returned by TrySend for what AppendFrame has not made.
	ErrBadFrame = errors.New("ws: TrySend: not whole messages, each in one unmasked frame")

	// ErrReadByHandler is returned by the methods that read, on a connection of Handler: what comes goes to its Events.
	ErrReadByHandler = errors.New("ws: the connection is read by Handler")

	errNotPrepared = errors.New("ws: the message was not made by Prepare")
	errNilContext  = errors.New("ws: the context is nil")
)

// CloseError says that the connection has ended, and how. Every later call returns the same one.
//
// Its text begins with "closed by the peer", "closed by this side" or, where it ended and nobody had closed it,
// "connection lost".
type CloseError struct {
	// Code and Reason of the close frame. CloseNoStatus: the frame had none. CloseAbnormal: there was no close frame.
	Code   CloseCode
	Reason string
	// Local is true when this side closed: by Close or CloseNow, at the end of the handler, by the end of a context
	// while a frame was being written.
	Local bool
	// Err is what errors.Is sees: io.EOF when the peer closed between messages, io.ErrUnexpectedEOF when it vanished
	// inside one, net.ErrClosed when this side closed, else the network's error.
	Err error
}

func (e *CloseError) Error() string {
	var s string
	switch {
	case e.Code == CloseAbnormal && e.Local:
		s = "ws: closed by this side without a close frame (1006)"
	case e.Code == CloseAbnormal: // nobody said that it was to end
		s = "ws: connection lost without a close frame (1006)"
	case e.Local:
		s = fmt.Sprintf("ws: closed by this side: %v", e.Code)
	default:
		s = fmt.Sprintf("ws: closed by the peer: %v", e.Code)
	}
	if e.Reason != "" {
		s += fmt.Sprintf(": %q", e.Reason)
	}
	if e.Code == CloseAbnormal && e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *CloseError) Unwrap() error { return e.Err }

// ProtocolError says that the connection has ended because the peer broke RFC 6455. Code is what it was told.
type ProtocolError struct {
	Code   CloseCode // CloseProtocolError or CloseInvalidPayload
	Reason string
}

func (e *ProtocolError) Error() string { return fmt.Sprintf("ws: %v: %s", e.Code, e.Reason) }

func violation(format string, args ...any) *ProtocolError {
	return &ProtocolError{Code: CloseProtocolError, Reason: fmt.Sprintf(format, args...)}
}

// LimitError says that a limit was passed, and which option sets it.
type LimitError struct {
	Limit  string    // in words, such as "message size in bytes"
	Max    int64     // its value; times are in nanoseconds
	Option string    // the field of AcceptOptions and DialOptions, such as "MessageLimit"
	Code   CloseCode // what the peer was told; CloseAbnormal when it could not be told; 0 in a handshake
	Err    error     // os.ErrDeadlineExceeded where the limit is a time
}

func (e *LimitError) Error() string {
	if errors.Is(e.Err, os.ErrDeadlineExceeded) {
		return fmt.Sprintf("ws: limit reached: %s (%s = %v)", e.Limit, e.Option, time.Duration(e.Max))
	}
	return fmt.Sprintf("ws: limit reached: %s (%s = %d)", e.Limit, e.Option, e.Max)
}

func (e *LimitError) Unwrap() error { return e.Err }

// CloseStatus returns the close code that err tells of: what the peer sent, or what this side sent when it closed or
// failed the connection. It is 0 when err tells of none, also for nil, and CloseAbnormal when there was no close frame.
func CloseStatus(err error) CloseCode {
	if e, ok := errors.AsType[*CloseError](err); ok {
		return e.Code
	}
	if e, ok := errors.AsType[*ProtocolError](err); ok {
		return e.Code
	}
	if e, ok := errors.AsType[*LimitError](err); ok {
		return e.Code
	}
	return 0
}

// contextError is what a call returns when its context ended. Both the cause and ctx.Err() are visible to errors.Is.
func contextError(ctx context.Context, op string) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return fmt.Errorf("ws: %s: %w", op, cause)
	}
	return fmt.Errorf("ws: %s: %w: %w", op, err, cause)
}
