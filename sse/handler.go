package sse

import (
	"errors"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/netio"
)

// StreamEvents is what a program wants to be told of one stream of [Handler].
// Each func may be nil.
//
// The events of one stream come in this order: Open first, Leave at most once,
// and Close exactly once and last, also when one of the others has panicked.
// Leave may come while Open is still running; Close waits for both. An event may
// block for as long as it likes without harm to other streams. The goroutines on
// which events run may be shared with other streams: what an event does to its
// own, by runtime.LockOSThread or pprof.SetGoroutineLabels, it has to undo.
//
// An event that panics ends its stream at once. The panic is logged as net/http
// logs that of a handler: by the http.Server's ErrorLog, and not at all for
// http.ErrAbortHandler.
type StreamEvents struct {
	// Open is called when open has returned: here is the place for what takes
	// long, such as sending what the client has missed (LastEventID).
	Open func(s *Stream)
	// Leave is called when the group drains or the maximum age is reached;
	// reason is [ErrDraining] or [ErrMaxAge]. Nothing can be sent any more but
	// the last events, by s.Close, which is called without any if Leave does
	// not. Nil is a Leave that does nothing.
	Leave func(s *Stream, reason error)
	// Close is called when the stream has ended, and all that was queued has
	// been sent or never will be. err is what s.Err returns.
	Close func(s *Stream, err error)
}

// Handler serves event streams in callback form: each request becomes a
// [Stream], open is called with it and says what it wants to be told of it, and
// from then on whoever has the Stream sends, from anywhere. Requests are refused
// as by [NewWriter], and the first bytes sent, before open is called; what open
// does with the request must be over when it returns, and a body is not to be
// read there. When open panics, the stream ends, and net/http deals with the
// panic. o may be nil, and is copied.
//
// Over HTTP/1 the connection leaves net/http: the HTTP handler returns when open
// has, and a silent stream costs neither a goroutine nor a buffer (on Linux; see
// the package comment). It does so if the ResponseWriter is net/http's own, the
// request has no body, and nobody has begun the response. Over HTTP/2, and behind
// a middleware with a writer of its own, the HTTP handler stays until the stream
// ends. The Stream and its events are the same, but for what ends it:
//
//   - One that has left net/http is unknown to http.Server: neither Close nor
//     Shutdown ends it, nor does the request's context, which itself ends when
//     the HTTP handler returns. Shutdown does not wait for it.
//   - One whose HTTP handler stays ends with the request's context, so with
//     http.Server's Close, too, or when a middleware cancels it. The error is
//     then [ErrGone] with the context's cause. Shutdown waits for it, and does
//     not end it.
//
// So have a Group and drain it: that ends both.
func Handler(o *Options, open func(s *Stream, r *http.Request) StreamEvents) http.Handler {
	h := &handler{opts: o.withDefaults(), open: open}
	h.wire = netio.Config{
		QueueLimit: h.opts.QueueLimit,
		Policy:     netio.Refuse, // so that the policy is this package's
		// A client that has ended its direction is gone, as net/http has it.
		Linger:       -1,
		WriteTimeout: orNever(h.opts.WriteTimeout),
	}
	return h
}

// handler is what the streams of one Handler share.
type handler struct {
	opts Options
	wire netio.Config
	open func(*Stream, *http.Request) StreamEvents
}

// orNever turns this package's "off" into netio's.
func orNever(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	base, err := admit(w, r, &h.opts)
	if err != nil {
		if errors.Is(err, ErrContentEncoding) || errors.Is(err, ErrNoFlush) { // no client can mend that
			h.opts.Logger.Error("sse: no event stream is possible", "path", r.URL.Path, "error", err)
		}
		return
	}
	s := h.newStream(r)
	if g := h.opts.Group; g != nil {
		if err := g.add(s); err != nil {
			_ = refuse(w, http.StatusServiceUnavailable, g.retryAfter(), err)
			return
		}
	}
	setHeaders(w.Header(), r)
	if canDetach(w, r) && s.detach(w, r) {
		return
	}
	s.stay(w, r, base)
}

func (h *handler) newStream(r *http.Request) *Stream {
	s := &Stream{h: h, born: time.Now(), running: 1}
	s.id = strings.Clone(LastEventID(r)) // one of a query would keep all of its URL
	if age := h.opts.MaxAge; age > 0 {
		s.maxAge = randomIn(age-age/5, age)
	}
	if srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
		s.log = srv.ErrorLog
	}
	return s
}

// logger is where the panic of an event is told, the same as net/http has it.
func (s *Stream) logger() *log.Logger {
	if s.log != nil {
		return s.log
	}
	return log.Default()
}

// A carrier is the stream as netio sees it.
type carrier struct{ s *Stream }

// maxInput is how many bytes a client may send after its request: a few
// pipelined requests, which are thrown away, for they will never be answered.
const maxInput = 64 << 10

func (p carrier) Room() []byte { return nil }

func (p carrier) Data(b []byte) (int, netio.Next) {
	p.s.hear(len(b))
	return len(b), netio.Quiet
}

func (p carrier) Alarm() { p.s.alarm() }

func (p carrier) Cut() {}

func (p carrier) Closed(err error) { p.s.closed(err) }

// hear counts what the client sends.
func (s *Stream) hear(n int) {
	if s.input += n; s.input > maxInput {
		s.abort(ErrInput)
	}
}
