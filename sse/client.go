package sse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/backoff"
)

// defaultIdle is Client.IdleTimeout by default: three heartbeats.
const defaultIdle = 45 * time.Second

// A Client follows an event stream over as many connections as it takes. Only
// URL is needed. A Client holds no state and is not changed by its methods, so
// it may be used by several goroutines, and each call of [Client.Events] is a
// stream of its own.
type Client struct {
	// URL of the event stream, with the scheme http or https.
	URL string

	// Method is GET if empty.
	Method string

	// GetBody, if not nil, gives the request's body for each attempt and each
	// redirect that keeps the method. Prepare may set ContentLength for it;
	// without, it is sent in chunks.
	GetBody func() (io.ReadCloser, error)

	// Header is sent with each attempt, in place of what the Client would
	// send under the same name. Last-Event-ID is the Client's own: to begin
	// with one, set Read.LastEventID.
	Header http.Header

	// Prepare, if not nil, may change the request of each attempt before it
	// is sent, for example to give it a new token. An error is like that of a
	// failed connection: marked by [backoff.Permanent] it ends the stream.
	Prepare func(*http.Request) error

	// HTTP sends the requests; nil means [http.DefaultClient]. Its Timeout,
	// if set, ends each connection after that time: leave it zero.
	HTTP *http.Client

	// TrustRedirects sends headers and the last event ID also to other
	// origins that the server redirects to. By default they get neither,
	// though a status that keeps the method (307, 308) takes the body there,
	// and a redirect to an origin that did not give the id, when there is one, is
	// an [ErrForeignRedirect]: to go on without it would skip events.
	TrustRedirects bool

	// Policy paces the attempts. Its MaxAttempts is the only way, besides the
	// context, to give up on a server that can't be reached.
	Policy backoff.Policy

	// OnOpen, if not nil, is told of each response that is an event stream.
	// It must not touch the body.
	OnOpen func(*http.Response)

	// OnWait, if not nil, is told of each wait as it begins: how many
	// attempts have failed in a row, how long the wait is, and why the last
	// connection ended ([io.EOF] if the server ended it in order).
	OnWait func(failed int, d time.Duration, last error)

	// IdleTimeout ends a connection on which nothing arrives, not even a
	// heartbeat, and one that is not answered. The time that the caller takes
	// for an event does not count. Zero means 45 s, negative no timeout.
	IdleTimeout time.Duration

	// Read says what is accepted. Its LastEventID is the cursor of the first
	// request: an id that was kept, or, for a server of this package's [Log],
	// also [Start] (all that the log keeps) or [Live] (what comes from now on).
	// If it is empty the server decides: a Log begins as [ServeOptions].From
	// says, which is Live by default.
	Read ReadOptions
}

// Why a Client's connection failed.
var (
	// ErrIdle ends a connection after [Client.IdleTimeout]; another one
	// follows.
	ErrIdle = errors.New("sse: nothing arrived in time (Client.IdleTimeout)")

	// ErrForeignRedirect ends a stream. See [Client.TrustRedirects].
	ErrForeignRedirect = errors.New("sse: redirect to an origin that did not give the last event ID (Client.TrustRedirects)")
)

// A ResponseError reports a response that is no event stream. It ends a
// client's stream, unless the status is 429, or 500 and more, which another attempt
// may mend.
type ResponseError struct {
	Status int
	Header http.Header
	Body   []byte // the beginning, at most 4 KiB, of what came within 5 s
	place  string // the URL that gave it, without what may be secret
	reason string
}

// Error is one line that is fit for a log. It has the URL, after redirects, but
// neither its userinfo nor its query, and the body's first line, up to 256 bytes.
func (e *ResponseError) Error() string {
	s := "sse: no event stream"
	if e.place != "" {
		s += fmt.Sprintf(" at %q", e.place)
	}
	s += ": " + e.reason
	if line := firstLine(e.Body); line != "" && !encoded(e.Header) {
		s += fmt.Sprintf(": %q", line)
	}
	return s
}

// Events returns the events of the stream. When a connection ends, for
// whatever reason, it makes another one, paced by the policy, and goes on after
// the last event ID; the server's own wishes (retry, Retry-After) come on top.
// An event that arrived is given out exactly once. Whether one is missing is
// for the server to know: see [ParseGap] for a [Log].
//
// The sequence ends without an error when the server answers 204, by which it
// tells clients to stay away. It ends with an error when
//   - the context ends: the error wraps its cause;
//   - the response will never be an event stream: a [*ResponseError];
//   - an event exceeds a limit: a [*LimitError]. The next connection would meet
//     it again, so there is none;
//   - no request can be made: a URL without a host or of another scheme than
//     http and https, a header or a last event ID (then a [*FieldError]) with
//     control characters;
//   - the policy's attempts are used up: a [*backoff.Error].
//
// Breaking out of the loop closes the connection.
func (c *Client) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if ctx == nil {
			yield(Event{}, errNilContext)
			return
		}
		s := newSession(c.withHTTPOnly())
		var last error
		for {
			if err := s.loop.Wait(ctx, last); err != nil {
				yield(Event{}, err)
				return
			}
			err := s.connect(ctx, yield)
			if err == errStopped {
				return
			}
			if ctx.Err() != nil {
				yield(Event{}, context.Cause(ctx))
				return
			}
			last = s.pace(err)
		}
	}
}

// withHTTPOnly returns a copy whose Prepare refuses, after the caller's own, a
// URL that no attempt can open. net/http's error for one can't be told from that
// of a network that may be back in a moment.
func (c *Client) withHTTPOnly() *Client {
	own := *c
	own.Prepare = func(r *http.Request) error {
		if c.Prepare != nil {
			if err := c.Prepare(r); err != nil {
				return err
			}
		}
		if r.URL == nil || r.URL.Host == "" {
			return nil // refused for that, whatever the scheme
		}
		switch r.URL.Scheme {
		case "http", "https":
			return nil
		}
		return backoff.Permanent(fmt.Errorf("sse: URL %q: the scheme must be http or https (Client.URL)", place(r.URL)))
	}
	return &own
}

// pace marks the error with the wait that the server asked for. A reconnection
// time is the same for all clients of many servers, so a client takes it as
// the middle of a window, in which it comes back at random.
func (s *session) pace(err error) error {
	if re, ok := errors.AsType[*ResponseError](err); ok {
		if d, ok := backoff.RetryAfter(re.Header.Get("Retry-After"), time.Now()); ok {
			return backoff.After(d, err)
		}
	}
	if s.retry <= 0 {
		return err
	}
	retry := min(s.retry, backoff.MaxAfter) // before the sum can overflow
	return backoff.After(randomIn(retry/2, retry+retry/2), err)
}
