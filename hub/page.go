package hub

import (
	"context"
	"time"
)

// A Page is some of a topic's events after a position.
type Page[T any] struct {
	Events []*Event[T]
	Next   Position // where the next page begins; zero after a reset
	More   bool     // the log has more already
}

// Since returns up to limit events after a position, without waiting. A limit of
// 0 means 64; more than 1024, and a negative number, mean 1024. If the log does not reach back to
// the position, the page begins with a gap marker, which the limit does not
// count; that of a keyed topic is one reset marker, and the reader is to begin
// again with a snapshot. Ephemeral topics have no Since.
func (t *Topic[T]) Since(ctx context.Context, pos Position, limit int) (*Page[T], error) {
	if err := After(pos).check(); err != nil {
		return nil, err
	}
	var items []item
	var more bool
	err := t.hub.look(ctx, t.name, pos, t.resumable, func(in *topic) error {
		items, more = in.page(pos, batch(limit))
		return nil
	})
	if err != nil {
		return nil, err
	}
	page := &Page[T]{Next: pos, More: more}
	s := Sub[T]{topic: t}
	if page.Events, err = s.take(nil, items); err != nil {
		if len(page.Events) == 0 {
			return nil, err
		}
		page.More = true // the next page is the error
	}
	switch p := s.c.pos; {
	case !p.IsZero():
		page.Next = p
	case len(page.Events) > 0:
		page.Next = Position{}
	}
	return page, nil
}

// resumable refuses topics that have no positions.
func (t *Topic[T]) resumable(k Kind) error {
	if k == Ephemeral {
		return &KindError{Topic: t.name, Kind: k, Op: "Since"}
	}
	return nil
}

// page reads up to n entries after a position, or a marker that says why not.
func (t *topic) page(pos Position, n int) (items []item, more bool) {
	c := cursor{t: t, live: true}
	t.mu.Lock()
	defer t.mu.Unlock()
	c.branch = t.breaks.n
	l := &t.log
	l.trim(time.Now())
	switch reason := l.locate(pos); {
	case reason == 0:
		c.off = pos.off
	case t.kind == Keyed:
		c.reset(reason, pos, pos.off)
		l.table.release(c.view)
		return []item{c.mark}, false
	default:
		c.gap(reason, pos)
		n++
	}
	for len(items) < n {
		it, ok := c.step()
		if !ok {
			return items, false
		}
		items = append(items, it)
	}
	return items, c.off < l.top
}
