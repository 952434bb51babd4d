package sse

import (
	"context"
	"errors"
	"log"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/internal/netio"
)

// A Stream is one event stream of a [Handler]. No goroutine and no buffer
// belongs to it while it is silent, and nothing of the request is kept.
//
// All methods may be called from any goroutine at any time, also from the
// stream's own events. None waits but Send and SendEncoded.
//
// What is sent goes into a queue of Options.QueueLimit bytes, from where it
// leaves as fast as the client takes it, so no Stream ever delays another one.
type Stream struct {
	// Immutable once open is called.
	h       *handler
	c       *netio.Conn
	house   *resident // where the HTTP handler stays; nil if it has returned
	log     *log.Logger
	id      string
	born    time.Time
	maxAge  time.Duration // zero for none
	chunked bool

	last atomic.Int64 // when something was sent last, since born
	over atomic.Bool  // err is set

	// Owned by netio's reader.
	input int // bytes that the client has sent after its request

	closeOnce sync.Once
	closeErr  error // written in closeOnce

	// Guarded by mu; never held while anything else is called.
	mu      sync.Mutex
	err     error // why the stream ended; the first reason stays
	ev      StreamEvents
	running int8            // events that are under way
	opened  bool            // ev is set
	settled bool            // nothing is left to be sent
	ctx     context.Context // made when it is wanted
	cancel  context.CancelCauseFunc
	window  time.Duration // of the group, as of the latest retry field
	value   any
}

// Context returns a context that ends when the stream does; [context.Cause]
// tells why, as Err does. It has no values: the request's is kept by nobody.
func (s *Stream) Context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil {
		s.ctx, s.cancel = context.WithCancelCause(context.Background())
		if err := s.errLocked(); err != nil {
			s.cancel(err)
		}
	}
	return s.ctx
}

// Done is closed when the stream ends; it is Context().Done().
func (s *Stream) Done() <-chan struct{} { return s.Context().Done() }

// Err returns nil while the stream is open and then, for ever, why it ended:
// [ErrClosed], [ErrDraining], [ErrMaxAge], [ErrGone] with what the network
// said, [ErrInput], a [*QueueError], or an error that matches
// os.ErrDeadlineExceeded (Options.WriteTimeout).
func (s *Stream) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.errLocked()
}

func (s *Stream) errLocked() error {
	if s.err == nil && s.h == nil { // no Handler has made it
		return ErrClosed
	}
	return s.err
}

// ended is Err for those that are about to send, without the lock.
func (s *Stream) ended() error {
	if s.over.Load() || s.h == nil {
		return s.Err()
	}
	return nil
}

// LastEventID is the client's cursor: that of its request, see [LastEventID].
func (s *Stream) LastEventID() string { return s.id }

// RemoteAddr is the client's address as the server has it.
func (s *Stream) RemoteAddr() net.Addr {
	if s.c == nil {
		return nil
	}
	return s.c.RemoteAddr()
}

// SetValue keeps a value for the program, such as who the client is.
func (s *Stream) SetValue(v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value = v
}

// Value returns what SetValue was given last, nil if nothing.
func (s *Stream) Value() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.value
}

// Send sends the events, in one piece. If the queue has no room for them it
// waits until it has, or the context ends, and then nothing was sent. Events
// that together are larger than the queue are sent when all before them was.
//
// The errors are as [Writer.Send]'s. Unlike there, nil says that the stream has
// accepted the events, not that the connection has.
func (s *Stream) Send(ctx context.Context, events ...*Event) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	buf := getBuffer()
	defer putBuffer(buf)
	var err error
	if *buf, err = appendEvents(s.beginBatch(*buf), events); err != nil {
		return err
	}
	return s.wait(ctx, s.endBatch(buf))
}

// SendEncoded is Send for events that are encoded already, see
// [Writer.SendEncoded].
func (s *Stream) SendEncoded(ctx context.Context, frames ...[]byte) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	buf := getBuffer()
	defer putBuffer(buf)
	*buf = joinFrames(s.beginBatch(*buf), frames)
	return s.wait(ctx, s.endBatch(buf))
}

// Push sends the events as Send does, but never waits: if the queue has no room
// for them nothing is sent, and the error is a [*QueueError]. By
// Options.QueuePolicy that ends the stream, because its client is too slow, or
// leaves it as it is.
//
// Events that together are larger than the queue never have room, not even when
// it is empty. [Disconnect] then ends the stream though its client is not slow;
// with [Refuse] it goes on, and the same Push fails again however long one
// waits. The error's Size is more than its Limit. Give such events to Send, or
// raise Options.QueueLimit.
func (s *Stream) Push(events ...*Event) error {
	if err := s.ended(); err != nil {
		return err
	}
	buf := getBuffer()
	defer putBuffer(buf)
	var err error
	if *buf, err = appendEvents(s.beginBatch(*buf), events); err != nil {
		return err
	}
	return s.push(s.endBatch(buf))
}

func (s *Stream) push(p []byte) error {
	err := s.c.Send(nil, p)
	switch full, ok := errors.AsType[*netio.FullError](err); {
	case ok:
		e := &QueueError{Queued: full.Queued, Size: full.Size, Limit: full.Limit}
		if s.h.opts.QueuePolicy == Disconnect {
			e.Ended = true
			s.abort(e)
		}
		return e
	case err != nil:
		return s.failed(err)
	}
	s.sent(p)
	return nil
}

// wait sends what Send was given.
func (s *Stream) wait(ctx context.Context, p []byte) error {
	if err := s.c.WriteQueued(ctx, p); err != nil {
		if _, ended := errors.AsType[*netio.ClosedError](err); !ended {
			return context.Cause(ctx)
		}
		return s.failed(err)
	}
	s.sent(p)
	return nil
}

// ready is what a Send begins with.
func (s *Stream) ready(ctx context.Context) error {
	if err := s.ended(); err != nil {
		return err
	}
	return ctxErr(ctx)
}

// ctxErr returns why the context has ended, nil if it has not.
func ctxErr(ctx context.Context) error {
	switch {
	case ctx == nil:
		return errNilContext
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return nil
}

// sent puts the next heartbeat off, if there was something to send.
func (s *Stream) sent(p []byte) {
	if len(p) > 0 {
		s.last.Store(int64(time.Since(s.born)))
	}
}
