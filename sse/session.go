package sse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/backoff"
)

// A session is one run of Client.Events. It belongs to the goroutine that
// runs it.
type session struct {
	c      *Client
	client http.Client
	idle   time.Duration // zero for none
	loop   backoff.Loop

	// What goes over from one connection to the next.
	lastID string
	from   *url.URL      // where the last id came from; nil for the caller's own
	retry  time.Duration // as in Event
}

func newSession(c *Client) *session {
	s := &session{c: c, idle: orDefault(c.IdleTimeout, defaultIdle), lastID: c.Read.LastEventID}
	s.loop = backoff.Loop{Policy: c.Policy, OnWait: c.OnWait}
	s.client = *http.DefaultClient
	if c.HTTP != nil {
		s.client = *c.HTTP
	}
	check := s.client.CheckRedirect
	s.client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if err := s.redirect(r, via); err != nil {
			return err
		}
		if check != nil {
			return check(r, via)
		}
		if len(via) >= 10 { // as net/http does
			return errors.New("sse: stopped after 10 redirects")
		}
		return nil
	}
	return s
}

// connect makes one connection and gives out its events. It returns why it
// ended: io.EOF if in order, errStopped if there must be no other one, for
// which nothing is to be said.
func (s *session) connect(ctx context.Context, yield func(Event, error) bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := s.request(ctx)
	if err != nil {
		return err
	}
	watch := &watchdog{timeout: s.idle, timer: time.AfterFunc(math.MaxInt64, func() { cancel(ErrIdle) })}
	defer watch.timer.Stop()
	watch.arm()
	resp, err := s.client.Do(req)
	watch.timer.Stop()
	if err != nil {
		switch {
		case context.Cause(ctx) == ErrIdle:
			return ErrIdle
		case errors.Is(err, ErrForeignRedirect):
			return backoff.Permanent(err)
		}
		return err
	}
	defer resp.Body.Close()
	watch.r = resp.Body
	if resp.StatusCode == http.StatusNoContent {
		return errStopped
	}
	if err := check(resp); err != nil {
		watch.timer.Reset(errorBodyTime)
		err.Body, _ = io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what there is of it
		if err.mayMend() {
			return err
		}
		return backoff.Permanent(err)
	}
	s.loop.Up()
	if s.c.OnOpen != nil {
		s.c.OnOpen(resp)
	}
	err = s.read(watch, resp.Request.URL, yield)
	if err != io.EOF && err != errStopped && context.Cause(ctx) == ErrIdle {
		return ErrIdle
	}
	return err
}

// read gives out the events of an open stream.
func (s *session) read(body io.Reader, from *url.URL, yield func(Event, error) bool) error {
	opts := s.c.Read
	opts.LastEventID = s.lastID
	p := newParser(&opts)
	before := s.lastID
	end := error(io.EOF)
	ok := readEvents(body, p, func(e Event, err error) bool {
		if err != nil {
			end = err
			return true
		}
		if e.ID != before && e.Name != GapEvent && !e.NoData {
			// A new event is what the connection is for. The cursor of a
			// server that restarts again and again is not.
			before = e.ID
			s.loop.Progress()
		}
		return yield(e, nil)
	})
	if !ok {
		return errStopped
	}
	if p.lastID != s.lastID {
		s.lastID, s.from = p.lastID, from
	}
	if p.reconnect != 0 {
		s.retry = p.reconnect
	}
	if _, ok := errors.AsType[*LimitError](end); ok {
		return backoff.Permanent(end)
	}
	return end
}

func (s *session) request(ctx context.Context) (*http.Request, error) {
	c := s.c
	var body io.ReadCloser
	if c.GetBody != nil {
		var err error
		if body, err = c.GetBody(); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, c.Method, c.URL, nil)
	if err == nil && badHeader(s.lastID) {
		err = &FieldError{Field: "id", Reason: "it has a control character and can't be sent back"}
	}
	if err != nil {
		if body != nil {
			_ = body.Close()
		}
		return nil, backoff.Permanent(err)
	}
	if body != nil {
		req.Body, req.GetBody = body, c.GetBody
	}
	h := req.Header
	h.Set("Accept", "text/event-stream")
	h.Set("Accept-Encoding", "identity") // a compressing proxy would hold events back
	h.Set("Cache-Control", "no-cache")
	if s.lastID != "" {
		h.Set("Last-Event-ID", s.lastID)
	}
	for name, values := range c.Header {
		if name = http.CanonicalHeaderKey(name); name != "Last-Event-Id" {
			h[name] = append([]string(nil), values...)
		}
		if slices.ContainsFunc(values, badHeader) {
			err = backoff.Permanent(fmt.Errorf("sse: header %q has a control character (Client.Header)", name))
		}
	}
	if c.Prepare != nil && err == nil {
		err = c.Prepare(req)
	}
	if err == nil && (req.URL == nil || req.URL.Host == "") {
		// No attempt can mend that; net/http's own error does not tell.
		err = backoff.Permanent(fmt.Errorf("sse: URL %q has no scheme and host (Client.URL)", c.URL))
	}
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	return req, nil
}

// badHeader reports whether net/http would refuse the value. The bytes of
// UTF-8 are fine, and sent as they are.
func badHeader(v string) bool {
	for i := range len(v) {
		if v[i] < ' ' && v[i] != '\t' || v[i] == 0x7f {
			return true
		}
	}
	return false
}

// The beginning of an error response is read for as long, all in all: there is
// nothing to wait for.
const (
	errorBodyTime = 5 * time.Second
	maxErrorBody  = 4 << 10
)

// check returns an error for a response that is no event stream.
func check(resp *http.Response) *ResponseError {
	e := &ResponseError{Status: resp.StatusCode, Header: resp.Header}
	contentType := resp.Header.Get("Content-Type")
	switch mediaType, _, _ := strings.Cut(contentType, ";"); {
	case resp.StatusCode != http.StatusOK:
		e.reason = "status " + printable(resp.Status)
	case !strings.EqualFold(strings.TrimSpace(mediaType), "text/event-stream"):
		e.reason = fmt.Sprintf("content type %q, want text/event-stream: is it the stream's URL (Client.URL)?", printable(contentType))
	case encoded(resp.Header):
		e.reason = fmt.Sprintf("content encoding %q", printable(resp.Header.Get("Content-Encoding")))
	default:
		return nil
	}
	if resp.Request != nil {
		e.place = place(resp.Request.URL)
	}
	return e
}

// encoded reports whether the body is not the text itself.
func encoded(h http.Header) bool {
	encoding := h.Get("Content-Encoding")
	return encoding != "" && !strings.EqualFold(encoding, "identity")
}

// mayMend reports whether another attempt may get an event stream.
func (e *ResponseError) mayMend() bool {
	return e.Status == http.StatusTooManyRequests || e.Status >= 500
}

// redirect is asked before a redirect is followed.
func (s *session) redirect(r *http.Request, via []*http.Request) error {
	foreign := !sameOrigin(via[0].URL, r.URL)
	for _, v := range via[1:] {
		foreign = foreign || !sameOrigin(via[0].URL, v.URL)
	}
	if s.c.TrustRedirects || !foreign {
		return nil
	}
	id := r.Header.Get("Last-Event-ID")
	if id != "" && (s.from == nil || !sameOrigin(s.from, r.URL)) {
		return ErrForeignRedirect
	}
	for name := range r.Header {
		switch name {
		case "Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Content-Type", "User-Agent", "Last-Event-Id":
		default:
			r.Header.Del(name)
		}
	}
	return nil
}

// sameOrigin reports whether what was sent to a may be sent to b: the same
// scheme, host and port, or the same host's encrypted side.
func sameOrigin(a, b *url.URL) bool {
	if !strings.EqualFold(a.Hostname(), b.Hostname()) {
		return false
	}
	if a.Scheme == b.Scheme && port(a) == port(b) {
		return true
	}
	return a.Scheme == "http" && port(a) == "80" && b.Scheme == "https" && port(b) == "443"
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// A watchdog is a reader whose reads may not take longer than the timeout. It
// rests between them, while the caller is busy with an event.
type watchdog struct {
	r       io.Reader
	timeout time.Duration
	timer   *time.Timer
}

func (w *watchdog) arm() {
	if w.timeout > 0 {
		w.timer.Reset(w.timeout)
	}
}

func (w *watchdog) Read(p []byte) (int, error) {
	w.arm()
	defer w.timer.Stop()
	return w.r.Read(p)
}
