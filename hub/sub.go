package hub

import (
	"context"
	"iter"
)

const (
	// defaultBatch is the most events that Next returns unless SubOptions
	// says otherwise.
	defaultBatch = 64
	// maxBatch bounds what one read does under the topic's lock.
	maxBatch = 1024
)

// batch is the number of events that is meant by one that was asked for.
func batch(n int) int {
	switch {
	case n == 0:
		return defaultBatch
	case n < 0:
		return maxBatch
	}
	return min(n, maxBatch)
}

// SubOptions of a subscription. nil and the zero value are good.
type SubOptions[T any] struct {
	// From says where to start; the zero value is the default of the topic's
	// kind.
	From From

	// Policy says what happens when the reader is too slow; the zero value is
	// Disconnect.
	Policy Policy

	// Filter, if not nil, leaves out the events for which it returns false. It
	// runs in the reader and sees published events and rows of a snapshot,
	// never markers. The position moves over what it leaves out. A filter on
	// a keyed topic should let tombstones pass, which have no Value.
	Filter func(*Event[T]) bool

	// Label says whose subscription it is, for Kick.
	Label string

	// Batch is the most events that Next returns; 0 means 64. More than 1024,
	// and a negative number, mean 1024: a batch is read under the topic's lock.
	Batch int
}

// A Sub is a subscription: a place in a topic's log. It holds no events and has
// no goroutine; however slow its reader, it costs the hub the same.
//
// One goroutine reads at a time, by Events or Next; a second one gets ErrBusy.
// Everything else may be called from anywhere.
type Sub[T any] struct {
	topic  *Topic[T]
	filter func(*Event[T]) bool
	batch  int
	c      cursor
}

// Events returns the subscription's stream. Its error is terminal and comes
// last, with a nil event: *SlowError, *DecodeError, ErrUnsubscribed, ErrKicked,
// ErrDraining, ErrClosed or the cause of the
// context that was given to Subscribe. Leaving the loop closes the
// subscription; Position still says where to go on. A second loop gets ErrBusy
// and leaves the first alone.
func (s *Sub[T]) Events() iter.Seq2[*Event[T], error] {
	return func(yield func(*Event[T], error) bool) {
		reads := true
		defer func() {
			if reads {
				s.Close()
			}
		}()
		var buf [1]*Event[T]
		for {
			events, err := s.next(context.Background(), buf[:0], 1)
			if err != nil {
				reads = err != ErrBusy
				yield(nil, err)
				return
			}
			if !yield(events[0], nil) {
				return
			}
		}
	}
}

// Next returns the next events, at least one and at most SubOptions.Batch. It
// waits for the first only. When ctx ends meanwhile it returns the context's
// cause, and the next call goes on as if nothing had happened. All other errors
// are terminal, see Events, but ErrBusy.
func (s *Sub[T]) Next(ctx context.Context) ([]*Event[T], error) {
	return s.next(ctx, nil, s.batch)
}

func (s *Sub[T]) next(ctx context.Context, dst []*Event[T], n int) ([]*Event[T], error) {
	if ctx == nil {
		return nil, nilError("context")
	}
	if !s.c.reading.CompareAndSwap(false, true) {
		return nil, ErrBusy
	}
	// Not deferred: a filter or codec that panics leaves a batch half done, and
	// going on from there would lose events in silence.
	dst, err := s.read(ctx, dst, n)
	s.c.reading.Store(false)
	return dst, err
}

func (s *Sub[T]) read(ctx context.Context, dst []*Event[T], n int) ([]*Event[T], error) {
	for {
		events, waiting, err := s.step(ctx, dst, n)
		if !waiting {
			return events, err
		}
		select {
		case <-s.c.wake:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// step reads once, without waiting. It returns waiting if there is nothing, and
// then a wake token will come.
func (s *Sub[T]) step(ctx context.Context, dst []*Event[T], n int) (events []*Event[T], waiting bool, err error) {
	hub := s.topic.hub
	scratch := hub.scratch()
	defer hub.put(scratch)
	for {
		if ctx.Err() != nil {
			return nil, false, context.Cause(ctx)
		}
		hub.at("fetch")
		if *scratch, err = s.c.fetch((*scratch)[:0], n); err != nil {
			return nil, false, err
		}
		if len(*scratch) == 0 {
			hub.at("wait")
			return nil, true, nil
		}
		if dst, err = s.take(dst, *scratch); err != nil {
			s.c.end(err)
			if len(dst) == 0 {
				return nil, false, err
			}
			return dst, false, nil // the next call returns the error
		}
		if len(dst) > 0 {
			return dst, false, nil
		}
	}
}

// take appends the events that items stand for and enters them into the
// accounts.
func (s *Sub[T]) take(dst []*Event[T], items []item) ([]*Event[T], error) {
	if len(items) == 0 {
		return dst, nil
	}
	var stats SubStats
	var pos Position
	var err error
	for i := range items {
		it := &items[i]
		var ev *Event[T]
		if ev, err = s.event(it); err != nil {
			break
		}
		if !it.pos.IsZero() {
			pos = it.pos
		}
		it.filtered = it.e != nil && s.filter != nil && !s.filter(ev)
		if stats.add(it); it.filtered {
			continue
		}
		dst = append(dst, ev)
	}
	s.c.count(stats, pos)
	return dst, err
}

func (s *Sub[T]) event(it *item) (*Event[T], error) {
	switch {
	case it.row:
		return rowOf(s.topic, it.e)
	case it.e != nil:
		return eventOf(s.topic, it.e)
	}
	return &Event[T]{Topic: s.topic.name, Marker: it.mark, Pos: it.pos, Gap: it.gap, Reset: it.reset}, nil
}

// Position returns where After would resume: behind the last event handed out,
// or filtered, that had a position. It is zero while a subscription that began
// with a snapshot has not reached its live marker, and always on an ephemeral
// topic; after a reset it is the old one until then.
func (s *Sub[T]) Position() Position {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.c.pos
}

// Stats returns the subscription's accounts.
func (s *Sub[T]) Stats() SubStats {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.c.stats
}

// Close ends the subscription; its reader gets ErrUnsubscribed. It always
// returns nil.
func (s *Sub[T]) Close() error {
	s.c.end(ErrUnsubscribed)
	return nil
}
