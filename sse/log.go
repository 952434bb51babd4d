package sse

import (
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Cursors that are no ids. Both are safe to take from a client, which may send
// them as its Last-Event-ID ([Client] as its Read.LastEventID), exactly as they
// are written here: "Start" would be an id of another log, and meet a [Gap].
const (
	Start = "start" // before all that is kept
	Live  = "live"  // after the newest event, whatever it is
)

// Defaults of LogOptions.
const (
	defaultLogCount = 1024
	defaultLogBytes = 4 << 20
)

// LogOptions says what a [Log] keeps. Nil and the zero value are good. An
// event is kept until the first limit drops it; the newest is always kept, but
// for its age.
type LogOptions struct {
	// Count is the number of events. Zero means 1024, negative no limit.
	Count int

	// Age is how long an event is kept. Zero and negative mean no limit.
	Age time.Duration

	// Bytes limits the events' size on the wire. Zero means 4 MiB, negative
	// no limit.
	Bytes int

	// Store keeps the events of the log for longer than the memory does, over
	// restarts for example. Nil means none: after a restart every cursor is
	// one of another epoch. The Store belongs to one Log.
	Store Store
}

// A Store is a place that keeps events and gives them their ids. Its methods
// may be called concurrently, but for Append. A [Log] is one.
type Store interface {
	// Append keeps the event and returns its id, which must fit into an id
	// field and be unique for ever. A log calls it for one event at a time.
	// The event must not be changed. After an error the store may have it all
	// the same: followers then get it with the next event.
	Append(ctx context.Context, e *Event) (id string, err error)

	// After returns all events after the cursor, up to the newest at the time
	// of the call, each with its id. The cursor is an id or [Start].
	//
	// It must fail rather than give a part: the error is terminal and comes
	// last, and a cursor that can't be followed is a [*Gap] before any event.
	After(ctx context.Context, cursor string) iter.Seq2[*Event, error]

	// Head returns the cursor after the newest event; if there is none, one
	// that all events to come are after. It is not empty.
	Head(ctx context.Context) (string, error)
}

var _ Store = (*Log)(nil)

// A Log keeps the newest events of a stream, so that a client that comes back
// gets exactly those that it missed. It serves clients by itself
// ([Log.Handler], [Log.Serve], [Log.ServeHTTP]), or hands out its events ([Log.Follow]).
//
// Replay and live events are one path: a follower is a position in the log, so
// there is no hand-over between the two that could lose or repeat an event,
// memory does not grow with slow clients, and appending costs the same whoever
// follows. A follower that is so slow that the log drops what it has not had
// is told of a [Gap] and goes on.
//
// All methods may be called from any goroutine.
type Log struct {
	// Immutable after NewLog.
	store Store
	epoch string

	// appending holds a token; who has put it in is the one that appends. It
	// is held across the store's I/O, so it must not be waited for with mu
	// held; readers of what memory keeps never wait for it. Never closed.
	appending chan struct{}

	// Owned by the one that appends: the store may have an event that the ring
	// has not, because its Append failed, perhaps after the deed. The next
	// event that succeeds then sends all followers to the store once.
	doubt bool

	// Guarded by mu; never held across I/O.
	mu   sync.Mutex
	ring ring
	ids  map[string]uint64 // offsets in the ring, if there is a store
	wake chan struct{}     // closed by the next append; nil if nobody waits
}

// NewLog returns an empty log, whose ids begin with a random epoch of its own.
func NewLog(o *LogOptions) *Log {
	var opts LogOptions
	if o != nil {
		opts = *o
	}
	l := &Log{
		store:     opts.Store,
		epoch:     rand.Text()[:12], // 60 bits
		appending: make(chan struct{}, 1),
		ring:      ring{count: limitOf(opts.Count, defaultLogCount), bytes: limitOf(opts.Bytes, defaultLogBytes), age: max(opts.Age, 0)},
	}
	if l.store != nil {
		l.ids = make(map[string]uint64)
	}
	return l
}

// limitOf is orLimit for limits whose zero is none.
func limitOf(n, def int) int {
	if n = orLimit(n, def); n == math.MaxInt {
		return 0
	}
	return n
}

// errOwnID and errReserved are what Append says of an event.
var (
	errOwnID    = &FieldError{Field: "id", Reason: "the log gives the ids"}
	errReserved = &FieldError{Field: "event", Reason: `the name "` + GapEvent + `" is reserved`}
)

// Append adds a copy of the event to the log, gives it its id and wakes the
// followers. It waits for no client. The id must be empty before. With a store
// the event is in it before anybody is given it; if that fails, nobody is,
// unless the store has it in spite of its error.
//
// Events are taken in some order when several goroutines append; the context
// counts while one waits, and is handed to the store.
func (l *Log) Append(ctx context.Context, e *Event) (id string, err error) {
	switch {
	case e == nil:
		_, err = AppendEvent(nil, e)
		return "", err
	case e.ID != "":
		return "", errOwnID
	case e.Name == GapEvent:
		return "", errReserved
	}
	own := *e
	own.Data = append(make([]byte, 0, len(e.Data)), e.Data...)
	own.NoData = !e.hasData() // or the id would make a bare Comment or Retry an event
	if _, err := AppendEvent(nil, &own); err != nil {
		return "", err
	}
	if err := l.acquire(ctx); err != nil {
		return "", err
	}
	defer l.release()
	doubt := l.doubt
	l.doubt = l.store != nil // until the ring has what the store may have
	if l.store == nil {
		// Only who appends moves the head.
		l.mu.Lock()
		own.ID = l.id(l.ring.head + 1)
		l.mu.Unlock()
	} else if own.ID, err = l.store.Append(ctx, &own); err != nil {
		return "", err
	} else if own.ID == "" {
		return "", errNoID
	}
	frame, err := AppendEvent(nil, &own)
	if err != nil {
		return "", err
	}
	l.push(entry{event: &own, frame: frame, at: time.Now()}, doubt)
	l.doubt = false
	return own.ID, nil
}

var errNoID = errors.New("sse: the store gave an event no id")

func (l *Log) acquire(ctx context.Context) error {
	if err := ctxErr(ctx); err != nil {
		return err
	}
	select {
	case l.appending <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *Log) release() { <-l.appending }

func (l *Log) push(e entry, doubt bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if doubt {
		l.ring.skip(l.forget())
	}
	l.ring.push(e, l.forget())
	if l.ids != nil {
		l.ids[e.event.ID] = l.ring.head
	}
	if l.wake != nil {
		close(l.wake)
		l.wake = nil
	}
}

// forget returns what the ring calls for what it drops.
func (l *Log) forget() func(entry) {
	if l.ids == nil {
		return nil
	}
	return func(e entry) { delete(l.ids, e.event.ID) }
}

// lock locks mu and drops what is too old.
func (l *Log) lock() {
	l.mu.Lock()
	l.ring.expire(time.Now(), l.forget())
}

// Head returns the cursor after the newest event. The error is the store's.
func (l *Log) Head(ctx context.Context) (string, error) {
	l.lock()
	id := ""
	if l.store == nil {
		id = l.id(l.ring.head)
	} else if n := len(l.ring.entries); n > 0 {
		id = l.ring.entries[n-1].event.ID
	}
	l.mu.Unlock()
	if id != "" {
		return id, nil
	}
	return l.store.Head(ctx)
}

// After returns the events that are kept after the cursor, an id or [Start] or
// [Live], up to the newest at the time of the call. A cursor that can't be
// followed is a [*Gap] error, and so is a log that drops what has not been
// given yet. The events are shared and must not be changed.
func (l *Log) After(ctx context.Context, cursor string) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		if l.store != nil && cursor != Live && cursor != "" {
			l.store.After(ctx, cursor)(yield)
			return
		}
		l.lock()
		off, gap := l.locate(cursor)
		end := l.ring.head
		l.mu.Unlock()
		var batch []entry
		for gap == nil && off < end {
			if ctx.Err() != nil {
				yield(nil, context.Cause(ctx))
				return
			}
			l.lock()
			if gap = l.trimmed(off); gap == nil {
				batch = l.ring.appendAfter(batch[:0], off, batchEvents, batchBytes)
			}
			l.mu.Unlock()
			if gap != nil {
				break
			}
			for _, e := range batch[:min(uint64(len(batch)), end-off)] {
				off++
				if !yield(e.event, nil) {
					return
				}
			}
			clear(batch)
		}
		if gap != nil {
			yield(nil, gap)
		}
	}
}

// id returns the id of an offset. Only for a log without a store.
func (l *Log) id(off uint64) string {
	return l.epoch + "." + strconv.FormatUint(off, 10)
}

// locate returns the offset that a cursor stands for, or the gap that it meets
// and the offset to go on from. Only for a log without a store, but for Start
// and Live. The caller holds mu.
//
// It is a few comparisons, whatever a client sends as a cursor.
func (l *Log) locate(cursor string) (uint64, *Gap) {
	tail, head := l.ring.tail(), l.ring.head
	switch cursor {
	case Start:
		return tail, nil
	case Live, "":
		return head, nil
	}
	gap := &Gap{Reason: GapEpoch, From: cursor, Missed: -1}
	epoch, number, ok := strings.Cut(cursor, ".")
	if ok && epoch == l.epoch {
		off, err := strconv.ParseUint(number, 10, 64)
		switch {
		case err != nil || strconv.FormatUint(off, 10) != number: // +1, 01 and what is too large
		case off > head:
			gap.Reason = GapFork
		case off < tail:
			return tail, l.trimmed(off)
		default:
			return off, nil
		}
	}
	gap.Now = l.id(tail)
	return tail, gap
}

// trimmed returns the gap that a follower at the offset meets, nil if none.
// The caller holds mu.
func (l *Log) trimmed(off uint64) *Gap {
	tail := l.ring.tail()
	if off >= tail {
		return nil
	}
	return &Gap{Reason: GapTrimmed, From: l.id(off), Now: l.id(tail), Missed: int64(tail - off)}
}
