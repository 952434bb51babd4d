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

// Since returns at most max events after a position, 64 if max is 0, without
// waiting. If the log does not reach back to the position, the page begins
// with a gap marker, beyond max; that of a keyed topic is one reset marker, and
// the reader is to begin again with a snapshot. Ephemeral topics have no Since.
func (t *Topic[T]) Since(ctx context.Context, pos Position, max int) (*Page[T], error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := After(pos).check(); err != nil {
		return nil, err
	}
	if max <= 0 {
		max = defaultBatch
	}
	in, cfg, virgin, err := t.hub.find(t.name)
	if err != nil {
		return nil, err
	}
	if cfg.Kind == Ephemeral {
		return nil, &KindError{Topic: t.name, Kind: cfg.Kind, Op: "Since"}
	}
	if in == nil {
		// Read as from an empty log, which leaves nothing behind.
		in = &topic{hub: t.hub, name: t.name, kind: cfg.Kind, log: memlog{cfg: cfg, total: &t.hub.total, epoch: virgin.epoch}}
		if cfg.Kind != Log {
			in.log.table = newTable()
		}
	}
	items, more := in.page(pos, max)
	page := &Page[T]{Next: pos, More: more}
	s := Sub[T]{topic: t, c: cursor{t: in}}
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

// page reads up to n entries after a position, or a marker that says why not.
func (t *topic) page(pos Position, n int) (items []item, more bool) {
	c := cursor{t: t, live: true}
	t.mu.Lock()
	defer t.mu.Unlock()
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
