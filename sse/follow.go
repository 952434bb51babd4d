package sse

import (
	"context"
	"errors"
	"iter"
	"time"
)

// A batch is at most so many events, and ends with the one that reaches the
// bytes.
const (
	batchEvents = 256
	batchBytes  = 64 << 10
)

// Follow returns the events after the cursor, first those that are kept and
// then those to come, each exactly once and in order, until the context ends:
// its cause is the error then. The cursor is an id, [Start] or [Live]; an empty
// one means Live.
//
// Where events can't be delivered, because the cursor is too old or not one of
// this log, or because the caller is too slow for what the log keeps, an event
// tells of the [Gap], and all that is kept follows.
//
// The events are shared and must not be changed. Breaking out of the loop
// leaves nothing behind.
func (l *Log) Follow(ctx context.Context, cursor string) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		err := l.follow(ctx, cursor, func(batch []entry) bool {
			for _, e := range batch {
				if !yield(e.event, nil) {
					return false
				}
			}
			return true
		})
		if err != nil {
			yield(nil, err)
		}
	}
}

// A follower reads a log in batches.
type follower struct {
	l     *Log
	give  func([]entry) bool // false ends it
	off   uint64             // in the ring: up to here all was given
	last  string             // with a store: the cursor of the same place
	batch []entry
}

// errStopped is how a follower's caller ends it.
var errStopped = errors.New("sse: stopped")

// follow gives all events after the cursor, in batches that are not kept, and
// returns nil when give has returned false.
func (l *Log) follow(ctx context.Context, cursor string, give func([]entry) bool) error {
	if ctx == nil {
		return errNilContext
	}
	f := &follower{l: l, give: give}
	err := f.begin(ctx, cursor)
	for err == nil {
		err = f.step(ctx)
	}
	if err == errStopped {
		return nil
	}
	return err
}

func (f *follower) begin(ctx context.Context, cursor string) error {
	l := f.l
	if l.store == nil {
		l.lock()
		off, gap := l.locate(cursor)
		l.mu.Unlock()
		f.off = off
		return f.giveGap(gap)
	}
	if cursor != Live && cursor != "" {
		f.last = cursor
		return f.catchUp(ctx)
	}
	// Nothing may be appended between the two, or it would be missed.
	if err := l.acquire(ctx); err != nil {
		return err
	}
	defer l.release()
	head, err := l.Head(ctx)
	l.lock()
	f.last, f.off = head, l.ring.head
	l.mu.Unlock()
	return err
}

// step gives what the ring has, or waits for more.
func (f *follower) step(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	l := f.l
	l.lock()
	if tail := l.ring.tail(); f.off < tail {
		if l.store != nil {
			l.mu.Unlock()
			return f.catchUp(ctx)
		}
		gap := l.trimmed(f.off)
		f.off = tail
		l.mu.Unlock()
		return f.giveGap(gap)
	}
	if f.off < l.ring.head {
		f.batch = l.ring.appendAfter(f.batch[:0], f.off, batchEvents, batchBytes)
		l.mu.Unlock()
		f.off += uint64(len(f.batch))
		return f.flush()
	}
	if l.wake == nil {
		l.wake = make(chan struct{})
	}
	wake := l.wake
	l.mu.Unlock()
	select {
	case <-wake:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// flush gives the batch.
func (f *follower) flush() error {
	if len(f.batch) == 0 {
		return nil
	}
	f.last = f.batch[len(f.batch)-1].event.ID
	ok := f.give(f.batch)
	clear(f.batch) // a follower that waits holds no event
	f.batch = f.batch[:0]
	if !ok {
		return errStopped
	}
	return nil
}

func (f *follower) giveGap(gap *Gap) error {
	if gap == nil {
		return nil
	}
	return f.giveEvent(gap.event())
}

// giveEvent adds an event that is not in the ring to the batch and gives it.
func (f *follower) giveEvent(e *Event) error {
	frame, err := AppendEvent(nil, e)
	if err != nil {
		return err
	}
	f.batch = append(f.batch, entry{event: e, frame: frame, at: time.Time{}})
	return f.flush()
}

// catchUp reads the store from the last cursor on until it meets the ring.
//
// An event that the store gives and that is in the ring is where they meet. If
// there is none, the store may have been read to its end before the ring had
// what came meanwhile. So the end is looked at once more while nobody appends:
// then either the store has more and is read on, or nothing came since and the
// ring's head is the place. That costs a publisher the time of one store read,
// never that of a client.
func (f *follower) catchUp(ctx context.Context) error {
	now := "" // of the latest gap
	for ctx.Err() == nil {
		if f.inRing(f.last) {
			return nil
		}
		gap, more, err := f.readStore(ctx)
		if err != nil {
			return err
		}
		if more {
			continue
		}
		if gap != nil {
			if gap.Now == now {
				return gap // the store refuses its own cursor
			}
			now = gap.Now
			if err := f.giveGap(gap); err != nil {
				return err
			}
			continue
		}
		met, err := f.meet(ctx)
		if err != nil || met {
			return err
		}
	}
	return context.Cause(ctx)
}

// readStore gives the store's events up to one that is in the ring, or a batch
// of them; more says that the store was not read to its end. The caller, perhaps
// a slow client, takes them when the reading is over.
func (f *follower) readStore(ctx context.Context) (gap *Gap, more bool, err error) {
	size := 0
	for e, err := range f.l.store.After(ctx, f.last) {
		if gap, ok := errors.AsType[*Gap](err); ok {
			return gap, false, f.flush()
		}
		if err == nil {
			var frame []byte
			if frame, err = AppendEvent(nil, e); err == nil {
				f.batch = append(f.batch, entry{event: e, frame: frame})
				size += len(frame)
			}
		}
		if err != nil {
			if stopped := f.flush(); stopped != nil {
				return nil, false, stopped
			}
			return nil, false, err
		}
		if more = f.inRing(e.ID) || len(f.batch) >= batchEvents || size >= batchBytes; more {
			break
		}
	}
	return nil, more, f.flush()
}

// inRing reports whether the event is in the ring, and then goes on there.
func (f *follower) inRing(id string) bool {
	f.l.lock()
	defer f.l.mu.Unlock()
	off, ok := f.l.ids[id]
	if ok {
		f.off = off
	}
	return ok
}

// meet looks at the end of the store while nobody appends.
func (f *follower) meet(ctx context.Context) (bool, error) {
	l := f.l
	if err := l.acquire(ctx); err != nil {
		return false, err
	}
	defer l.release()
	for _, err := range l.store.After(ctx, f.last) {
		if _, ok := errors.AsType[*Gap](err); ok {
			return false, nil // met again by the next read, which tells of it
		}
		return false, err // there is more, or the store fails
	}
	l.lock()
	f.off = l.ring.head
	l.mu.Unlock()
	return true, nil
}
