package sse

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"
)

// A Writer sends the events of one event stream. See [NewWriter].
//
// All methods may be called from any goroutine at any time, but none after the
// handler has returned: defer [Writer.Close] in it.
type Writer struct {
	// Immutable after NewWriter.
	st      stream
	opts    Options
	request context.Context // the request's
	ctx     context.Context // ends when the stream does; its cause says why
	cancel  context.CancelCauseFunc
	unwatch func() bool // stops watching the request's context
	beat    *time.Timer // nil without heartbeats; fires into heartbeat
	age     *time.Timer // nil without MaxAge

	// turn holds one token; whoever has put it in owns the fields below and
	// the stream. A channel, so that waiting for it honours a context. Never
	// closed.
	turn chan struct{}

	// Owned by the turn.
	last   time.Time     // of the latest bytes
	note   string        // a cursor for the next heartbeat; see sendEntries
	window time.Duration // of the group, as of the latest retry field
	dead   bool          // a write failed, or the stream is finished

	closeOnce sync.Once
	closeErr  error // written in closeOnce
}

// NewWriter answers the request with an event stream and sends its first
// bytes, a comment and a reconnection time, so that proxies and the client see
// the response at once.
//
// It sets Content-Type, Cache-Control ("no-store, no-transform") and
// X-Accel-Buffering ("no"); the handler may set other headers before, and its
// own Cache-Control.
//
// GET and POST get a stream, HEAD gets the headers. After an error the request
// has been answered and the handler only has to return. The error is
// [ErrHead], a [*RefusedError], or what the first write met.
func NewWriter(w http.ResponseWriter, r *http.Request, o *Options) (*Writer, error) {
	opts := o.withDefaults()
	base, err := admit(w, r, &opts)
	if err != nil {
		return nil, err
	}
	st := newHTTPStream(w, base, opts.Logger)
	s := newWriter(st, r.Context(), opts)
	if g := opts.Group; g != nil {
		if err := g.add(s); err != nil {
			s.cancel(err)
			return nil, refuse(w, http.StatusServiceUnavailable, g.retryAfter(), err)
		}
	}
	setHeaders(w.Header(), r)
	opened := false
	defer func() {
		if !opened { // also when a middleware panics with http.ErrAbortHandler
			s.end(ErrClosed)
			opts.Group.remove(s)
		}
	}()
	buf := getBuffer()
	defer putBuffer(buf)
	*buf = opts.appendOpening((*buf)[:0], &s.window)
	if err := st.open(*buf, s.deadline(), r.ProtoMajor < 2 && hasBody(r)); err != nil {
		return nil, err
	}
	opened = true
	s.last = time.Now()
	s.start()
	return s, nil
}

func newWriter(st stream, request context.Context, opts Options) *Writer {
	s := &Writer{st: st, opts: opts, request: request, turn: make(chan struct{}, 1)}
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(request))
	return s
}

// start arms the timers and watches the request. The timers are made at rest
// and armed after, so that the fields are set before they fire.
func (s *Writer) start() {
	if s.opts.Heartbeat > 0 {
		s.beat = time.AfterFunc(math.MaxInt64, s.heartbeat)
	}
	if s.opts.MaxAge > 0 {
		s.age = time.AfterFunc(randomIn(s.opts.MaxAge-s.opts.MaxAge/5, s.opts.MaxAge), func() { s.end(ErrMaxAge) })
	}
	s.unwatch = context.AfterFunc(s.request, s.gone)
	if s.beat != nil {
		s.beat.Reset(s.opts.Heartbeat)
	}
}

// gone runs when the request's context ends: the peer has left, or the handler
// returned and forgot to close. net/http also ends that context when a write
// fails, before the write returns; waiting for the turn lets the sender tell
// the real reason first.
func (s *Writer) gone() {
	select {
	case s.turn <- struct{}{}:
		s.end(context.Cause(s.request))
		<-s.turn
	case <-s.ctx.Done():
	}
	s.stopTimers()
	s.opts.Group.remove(s)
}

// end ends the stream for its users; the first reason stays. It neither waits
// nor writes.
func (s *Writer) end(reason error) { s.cancel(reason) }

// leave is end for the group: the last word is left to the handler.
func (s *Writer) leave(reason error) { s.end(reason) }

func (s *Writer) stopTimers() {
	if s.beat != nil {
		s.beat.Stop()
	}
	if s.age != nil {
		s.age.Stop()
	}
}

// Context returns a context that ends when the stream does: when the request
// ends, a write fails, the group drains, the maximum age is reached, or the
// stream is closed. [context.Cause] tells which, as [Writer.Err] does. It has
// the values of the request's context.
func (s *Writer) Context() context.Context { return s.ctx }

// Done is closed when the stream ends; it is Context().Done().
func (s *Writer) Done() <-chan struct{} { return s.ctx.Done() }

// Err returns nil while the stream is open and then, for ever, why it ended.
func (s *Writer) Err() error { return context.Cause(s.ctx) }

// Send writes the events, all in one write and one flush, and returns when the
// connection has taken them.
//
// An event that can't be encoded is a [*FieldError]: nothing is written and
// the stream lives on. The context counts while Send waits for its turn, and
// then too nothing is written; the write itself is bounded by
// [Options.WriteTimeout]. A write that fails ends the stream. An ended stream
// returns the error that [Writer.Err] returns.
func (s *Writer) Send(ctx context.Context, events ...*Event) error {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	buf := getBuffer()
	defer putBuffer(buf)
	var err error
	if *buf, err = appendEvents((*buf)[:0], events); err != nil {
		return err
	}
	return s.write(*buf)
}

// SendEncoded is Send for events that are encoded already, by [AppendEvent]:
// made once, they can be sent to many streams. One frame may hold several
// events, but only whole ones, for nothing checks them. The frames are not
// changed, and not used any more when SendEncoded has returned.
func (s *Writer) SendEncoded(ctx context.Context, frames ...[]byte) error {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	if len(frames) == 1 {
		return s.write(frames[0])
	}
	buf := getBuffer()
	defer putBuffer(buf)
	*buf = joinFrames((*buf)[:0], frames)
	return s.write(*buf)
}

// sendEntries writes the entries of a log, in one write, and then the cursor
// tell, if it is not empty. With nothing to write it writes nothing. The next
// heartbeat tells the cursor note, unless something is written before.
func (s *Writer) sendEntries(ctx context.Context, batch []entry, tell, note string) error {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	s.note = note
	if len(batch) == 1 && tell == "" {
		return s.write(batch[0].frame)
	}
	buf := getBuffer()
	defer putBuffer(buf)
	b := (*buf)[:0]
	for _, e := range batch {
		b = append(b, e.frame...)
	}
	if tell != "" {
		b, _ = AppendEvent(b, &Event{ID: tell, NoData: true}) // it was an event's id
	}
	*buf = b
	return s.write(b)
}

// acquire waits for the turn. Without an error the caller owns it, and the
// stream is open.
func (s *Writer) acquire(ctx context.Context) error {
	if err := s.Err(); err != nil {
		return err
	}
	if err := ctxErr(ctx); err != nil {
		return err
	}
	select {
	case s.turn <- struct{}{}:
	default:
		select {
		case s.turn <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.ctx.Done():
			return s.Err()
		}
	}
	if err := s.Err(); err != nil {
		s.release()
		return err
	}
	return nil
}

func (s *Writer) release() { <-s.turn }

// write sends p. The caller owns the turn.
func (s *Writer) write(p []byte) error {
	if s.dead {
		return s.Err()
	}
	if len(p) == 0 {
		return nil
	}
	if err := s.st.write(p, s.deadline()); err != nil {
		s.dead = true
		s.end(err)
		return err
	}
	s.last = time.Now()
	return nil
}

func (s *Writer) deadline() time.Time {
	if s.opts.WriteTimeout == 0 {
		return time.Time{}
	}
	return time.Now().Add(s.opts.WriteTimeout)
}

// heartbeat runs when the timer fires. The timer is not touched by senders:
// when it fires after some traffic it is armed for what is left.
func (s *Writer) heartbeat() {
	select {
	case s.turn <- struct{}{}:
	case <-s.ctx.Done():
		return
	default: // somebody is sending: no silence
		s.beat.Reset(s.opts.Heartbeat)
		return
	}
	defer s.release()
	// This is no handler's goroutine, where net/http recovers from a response
	// writer that panics; here it would end the process.
	defer func() {
		if v := recover(); v != nil {
			s.dead = true
			s.end(fmt.Errorf("sse: response writer panicked in a heartbeat: %v", v))
		}
	}()
	if s.Err() != nil || s.request.Err() != nil {
		return
	}
	if left := s.opts.Heartbeat - time.Since(s.last); left > 0 {
		s.beat.Reset(left)
		return
	}
	buf := getBuffer()
	defer putBuffer(buf)
	b := append((*buf)[:0], ":\n"...)
	if s.opts.grown(s.window) {
		// The group has grown since this client was told its time.
		b = s.opts.appendRetry(b, &s.window)
	}
	if s.note != "" {
		b = append(append(append(b, "id: "...), s.note...), '\n')
		s.note = ""
	}
	*buf = append(b, '\n')
	if s.write(*buf) == nil {
		s.beat.Reset(s.opts.Heartbeat)
	}
}

// Close ends the stream. It waits for a write in progress and sends the last
// events, if there are any; that works also after the group began to drain or
// the maximum age was reached, but not after a write failed or the request's
// context ended. A drained stream then gets a reconnection time of its own,
// unless the last events set one.
//
// The error is why the last events were not sent; without any, that of the
// drained stream's reconnection time. When Close returns, nothing uses the
// response any more. Later calls do nothing and return the same error.
func (s *Writer) Close(last ...*Event) error {
	s.closeOnce.Do(func() { s.closeErr = s.close(last) })
	return s.closeErr
}

func (s *Writer) close(last []*Event) error {
	draining := s.Err() == ErrDraining
	s.end(ErrClosed)
	s.unwatch()
	s.turn <- struct{}{}
	defer s.release()
	defer s.opts.Group.remove(s)
	s.stopTimers()
	if s.dead || s.request.Err() != nil {
		reason := context.Cause(s.request)
		if s.dead {
			reason = s.Err()
		}
		s.dead = true
		if len(last) == 0 {
			return nil
		}
		return reason
	}
	buf := getBuffer()
	defer putBuffer(buf)
	b, err := appendEvents((*buf)[:0], last)
	if draining && !hasRetry(last) {
		b = append(s.opts.appendRetry(b, &s.window), '\n')
	}
	*buf = b
	if werr := s.write(b); err == nil {
		err = werr
	}
	if !s.dead {
		s.dead = true
		s.st.finish(s.deadline())
	}
	return err
}

func hasRetry(events []*Event) bool {
	for _, e := range events {
		if e != nil && e.Retry != 0 {
			return true
		}
	}
	return false
}
