package sse

import (
	"context"
	"errors"
	"net/http"
)

// GapHeader is the response header by which [Log.Serve] tells of a [Gap] at
// the client's cursor: its reason, and how many events are missing, as in
// "trimmed;missed=12".
const GapHeader = "Event-Gap"

// ServeOptions says how a log is served. Nil and the zero value are good.
type ServeOptions struct {
	// Stream are the options of the event stream.
	Stream Options

	// From is where a client begins that sends no cursor: [Live], the
	// default, or [Start].
	From string

	// Filter, if not nil, is asked for each event that the client would get,
	// kept or new, at the time when it is sent. It is called by the serving
	// goroutine without locks; while it blocks, only its own client waits. The
	// client's cursor moves over what it leaves out.
	Filter func(*Event) bool
}

// maxFiltered is how many events may be left out before the client is told
// where it is, at most; a heartbeat tells it before. A client that is never told
// would come back with a cursor that the log has dropped, and hear of a gap
// where there is none.
const maxFiltered = 64

// ServeHTTP serves the log as an event stream, with the default options: no
// [Group] holds these streams, so nothing drains or limits them. [Log.Handler]
// takes options.
func (l *Log) ServeHTTP(w http.ResponseWriter, r *http.Request) { _ = l.Serve(w, r, nil) }

// Handler returns a handler that serves the log with these options, which are
// copied. With a Group in them the streams can be limited, and drained at the
// server's end:
//
//	group := sse.NewGroup(nil)
//	mux.Handle("GET /events", events.Handler(&sse.ServeOptions{Stream: sse.Options{Group: group}}))
func (l *Log) Handler(o *ServeOptions) http.Handler {
	var opts ServeOptions
	if o != nil {
		opts = *o
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = l.Serve(w, r, &opts) })
}

// Serve answers the request with the log's events after the client's cursor
// (see [LastEventID]; an id, [Start] or [Live]), those that are kept and those to
// come, until the stream ends. Its error says why, and is never nil; the request has been answered in
// any case. A client without a cursor is given one at once, so that it misses
// nothing if it comes back before the first event.
//
// A client that is slower than the log is told of a [Gap]; it never makes
// others wait.
func (l *Log) Serve(w http.ResponseWriter, r *http.Request, o *ServeOptions) error {
	var opts ServeOptions
	if o != nil {
		opts = *o
	}
	if err := opts.Stream.Group.refuses(); err != nil {
		return refuse(w, http.StatusServiceUnavailable, opts.Stream.Group.retryAfter(), err) // before the store is asked
	}
	cursor, told := LastEventID(r), true
	if cursor == "" {
		cursor, told = opts.From, false
	}
	var err error
	if cursor == "" || cursor == Live {
		if cursor, err = l.Head(r.Context()); err != nil {
			return refuseStore(w, err)
		}
		told = false
	}
	gap, err := l.gapAt(r.Context(), cursor)
	if err != nil {
		return refuseStore(w, err)
	}
	if gap != nil {
		w.Header().Set(GapHeader, gap.header())
	}
	s, err := NewWriter(w, r, &opts.Stream)
	if err != nil {
		return err
	}
	defer s.Close()
	if !told && cursor != Start {
		if err := s.Send(s.Context(), &Event{ID: cursor, NoData: true}); err != nil {
			return err
		}
	}
	b := &batcher{s: s, filter: opts.Filter, most: maxFiltered}
	if l.ring.count > 0 { // it never changes
		b.most = max(1, min(b.most, l.ring.count/4))
	}
	if err := l.follow(s.Context(), cursor, b.send); err != nil {
		return err
	}
	return b.err
}

// refuseStore answers a request that the store has failed. What the store says
// is for the caller, not for the client.
func refuseStore(w http.ResponseWriter, err error) error {
	const status = http.StatusInternalServerError
	return refuseAs(w, status, 0, http.StatusText(status), err)
}

// gapAt returns the gap that a cursor will meet, nil if none. The follower
// meets it again; here it is for the response header.
func (l *Log) gapAt(ctx context.Context, cursor string) (*Gap, error) {
	l.lock()
	defer l.mu.Unlock()
	if l.store == nil {
		_, gap := l.locate(cursor)
		return gap, nil
	}
	if _, ok := l.ids[cursor]; ok {
		return nil, nil
	}
	l.mu.Unlock()
	defer l.mu.Lock()
	for _, err := range l.store.After(ctx, cursor) {
		if gap, ok := errors.AsType[*Gap](err); ok {
			return gap, nil
		}
		return nil, err
	}
	return nil, nil
}

// A batcher sends a log's batches, each in one write, and leaves out what the
// filter refuses.
type batcher struct {
	s       *Writer
	filter  func(*Event) bool
	most    int // events that may be left out without telling the cursor
	skipped int // events left out since it was told
	err     error
	keep    []entry
}

func (b *batcher) send(batch []entry) bool {
	tell, note := "", ""
	if b.filter != nil {
		batch, note = b.choose(batch)
		if b.skipped >= b.most {
			tell, note, b.skipped = note, "", 0
		}
	}
	b.err = b.s.sendEntries(b.s.Context(), batch, tell, note)
	clear(b.keep)
	return b.err == nil
}

// choose returns what the filter lets through, and the id of the last event if
// that is left out. A gap is the log's own and not asked for.
func (b *batcher) choose(batch []entry) (keep []entry, last string) {
	b.keep = b.keep[:0]
	for _, e := range batch {
		if e.event.Name == GapEvent || b.filter(e.event) {
			b.keep = append(b.keep, e)
			b.skipped, last = 0, ""
			continue
		}
		b.skipped++
		last = e.event.ID
	}
	return b.keep, last
}
