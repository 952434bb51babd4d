package sse

import (
	"errors"
	"fmt"

	"github.com/tidewire/tidewire/internal/netio"
)

// QueuePolicy says what [Stream.Push] does when a stream's queue is full.
type QueuePolicy uint8

const (
	// Disconnect ends the stream with the [*QueueError]: the client comes back
	// with its last event's id and can be given what it has missed.
	Disconnect QueuePolicy = iota
	// Refuse sends nothing and leaves the stream as it is: Push's caller has
	// to do without, or to come again (NotifyWritable).
	Refuse
)

// ErrQueueFull comes from [Stream.TrySend] when a client takes no more for the
// moment. It has a method Full() bool that returns true.
var ErrQueueFull error = queueFull{}

type queueFull struct{}

func (queueFull) Error() string { return "sse: the stream's queue is full (Options.QueueLimit)" }

// Full tells whoever feeds a sink to come again.
func (queueFull) Full() bool { return true }

// A QueueError says that events were not sent, because the queue had no room for
// them: the client is slow, or they are larger than the queue (Size > Limit),
// which is for Send. It matches [ErrQueueFull].
type QueueError struct {
	Queued int  // bytes that wait for the client
	Size   int  // bytes that came on top, none of which was accepted
	Limit  int  // Options.QueueLimit
	Ended  bool // the stream has ended for it: Disconnect, or they were its last events
}

func (e *QueueError) Error() string {
	end := ""
	if e.Ended {
		end = "; the stream has ended"
	}
	if e.Size > e.Limit {
		return fmt.Sprintf("sse: %d bytes in one piece are larger than the queue of %d (Options.QueueLimit): use Send, which takes them%s", e.Size, e.Limit, end)
	}
	return fmt.Sprintf("sse: %d bytes wait for a slow client, %d more pass the limit of %d (Options.QueueLimit)%s", e.Queued, e.Size, e.Limit, end)
}

// Full reports whether it is worth coming again: not if the stream has ended or
// the events never have room.
func (e *QueueError) Full() bool { return !e.Ended && e.Size <= e.Limit }

func (e *QueueError) Unwrap() error { return ErrQueueFull }

// TrySend accepts as many of the frames, from the front, as it can without
// waiting, and says how many. A frame is events that [AppendEvent] has encoded,
// one or several, but only whole ones. Frames may be shared by many streams and
// must never change again: over HTTP/1 without TLS a client that stops in the
// middle of a frame leaves the stream with that one frame's remainder, not with
// a copy, and nothing else is queued for it; elsewhere they are copied into the
// queue.
//
// With fewer than all the error says why: [ErrQueueFull], after which
// NotifyWritable tells when to come again, or why the stream has ended.
func (s *Stream) TrySend(frames [][]byte) (whole int, err error) {
	if err := s.ended(); err != nil {
		return 0, err
	}
	var around *netio.Framing
	if s.chunked {
		around = &chunks
	}
	whole, err = s.c.TrySendFramed(around, frames)
	for _, f := range frames[:whole] {
		if len(f) > 0 {
			s.sent(f)
			break
		}
	}
	switch err {
	case nil:
		return whole, nil
	case netio.ErrFull:
		return whole, ErrQueueFull
	}
	return whole, s.failed(err)
}

// NotifyWritable calls f once, on a goroutine of its own, when all that was
// accepted has been sent, or the stream has ended; at once if that is so
// already. f must not block.
func (s *Stream) NotifyWritable(f func()) {
	switch {
	case f == nil:
	case s.ended() != nil:
		go f()
	default:
		s.c.NotifyWritable(f)
	}
}

// failed ends the stream after an error of its connection, and returns why it
// has ended.
func (s *Stream) failed(err error) error {
	s.end(reasonOf(err))
	return s.Err()
}

// reasonOf turns netio's word for the end of a connection into this package's.
func reasonOf(err error) error {
	if closed, ok := errors.AsType[*netio.ClosedError](err); ok {
		err = closed.Err
	}
	switch {
	case errors.Is(err, netio.ErrStalled):
		return errStalled
	case ours(err):
		return err
	}
	return fmt.Errorf("%w: %w", ErrGone, err)
}

// ours reports whether it was this package that gave the reason.
func ours(err error) bool {
	for _, e := range []error{ErrClosed, ErrDraining, ErrMaxAge, ErrGone, ErrInput, ErrQueueFull} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
