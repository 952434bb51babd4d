package sse

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Why a stream ended or was not opened.
var (
	// ErrClosed comes from a stream that its handler has closed.
	// errors.Is(ErrClosed, net.ErrClosed) holds.
	ErrClosed = fmt.Errorf("sse: %w", net.ErrClosed)

	// ErrDraining comes from a stream whose [Group] is being drained, and
	// refuses new ones.
	ErrDraining = errors.New("sse: server is draining")

	// ErrMaxAge comes from a stream that reached [Options.MaxAge].
	ErrMaxAge = errors.New("sse: stream reached its maximum age")

	// ErrGone comes from a [Stream] whose client has left or whose connection
	// broke; what the network said is wrapped in it, too.
	ErrGone = errors.New("sse: client is gone")

	// ErrInput comes from a [Stream] whose client kept sending after its
	// request: there is nothing for it to say.
	ErrInput = errors.New("sse: client keeps sending on an event stream")

	// ErrHead says that the request was a HEAD: it got the headers of a
	// stream, and there is nothing more to send.
	ErrHead = errors.New("sse: HEAD request answered with headers only")

	// ErrFull refuses a stream over [GroupOptions.MaxStreams].
	ErrFull = errors.New("sse: too many streams (GroupOptions.MaxStreams)")

	// ErrMethod refuses a request that is neither GET, POST nor HEAD.
	ErrMethod = errors.New("sse: method not allowed")

	// ErrNotAcceptable refuses a request whose Accept header excludes
	// text/event-stream. See [Options.IgnoreAccept].
	ErrNotAcceptable = errors.New("sse: client does not accept text/event-stream")

	// ErrNoFlush refuses a response that can't be flushed: a middleware
	// wraps it and has neither a Flush nor an Unwrap method. Events would
	// stay in a buffer for ever.
	ErrNoFlush = errors.New("sse: response writer can't be flushed")

	// ErrContentEncoding refuses a response that has a Content-Encoding: a
	// compressing middleware holds events back until its buffer is full.
	ErrContentEncoding = errors.New("sse: response has a Content-Encoding")
)

// errNilContext is for a caller that has passed none.
var errNilContext = errors.New("sse: nil context")

// A RefusedError reports a request that got an error response in place of an
// event stream. Err says why, and errors.Is finds it.
type RefusedError struct {
	Status     int           // of the response that was sent
	RetryAfter time.Duration // that the client was told; zero if none
	Err        error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%v (answered %d %s)", e.Err, e.Status, http.StatusText(e.Status))
}

func (e *RefusedError) Unwrap() error { return e.Err }
