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
// 0 means 64; there are never more than 1024. If the log does not reach back to
// the position, the page begins with a gap marker, which the limit does not
// count; that of a keyed topic is one reset marker, and the reader is to begin
// again with a snapshot. Ephemeral topics have no Since.
func (t *Topic[T]) Since(ctx context.Context, pos Position, limit int) (*Page[T], error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := After(pos).check(); err != nil {
		return nil, err
	}
	if limit <= 0 {
		limit = defaultBatch
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
		in = newTopic(t.hub, t.name, cfg, virgin.epoch)
	}
	items, more := in.page(pos, min(limit, maxBatch))
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
