package server

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tidewire/tidewire/hub"
)

// perform carries out an operation that is next in its client's order. It
// returns the reject code, or whether there was an effect (and so will be an
// echo); neither means that all was so before. Called with mu held.
//
// Each write is conditional on what was read, so that nothing depends on this
// lock being the only one: a second process would lose the race visibly.
func (b *board) perform(ctx context.Context, c *conn, op *operation) (code string, echo bool, err error) {
	cur, err := b.topic.Get(ctx, op.id)
	if err != nil && !errors.Is(err, hub.ErrNoKey) {
		return "", false, err
	}
	var old *record
	var rev hub.Position
	if cur != nil {
		old, rev = &cur.Value, cur.Rev
	}
	next, code := b.next(c, op, old)
	if next == nil {
		return code, false, nil
	}
	next.Client, next.Seq, next.Kind = c.hello.client, op.seq, op.kind
	next.By, next.At = c.hello.user.ID, time.Now().UnixMilli()
	if !next.Gone {
		next.Note.By, next.Note.At = next.By, next.At
	}
	if !b.room(ctx, next.weight()-old.weight()) {
		return rejectLimit, false, nil
	}
	_, err = b.topic.Put(ctx, op.id, *next, hub.IfMatch(rev), hub.Name(op.kind))
	if full, ok := errors.AsType[*hub.LimitError](err); ok {
		b.opts.Logger.Warn("board is full", "board", b.name, "limit", full.Limit, "max", full.Max)
		return rejectLimit, false, nil
	}
	if err != nil {
		return "", false, err
	}
	b.count(ctx, old, next)
	b.notices.operation(ctx, c.hello.user, next)
	return "", true, nil
}

// next returns the record that op makes of old, which is nil if there is none.
// Without an effect it returns nil, and the reject code if that is a refusal.
func (b *board) next(c *conn, op *operation, old *record) (*record, string) {
	dead := old == nil || old.Gone
	switch op.kind {
	case "create":
		return b.create(c, op, old)
	case "set":
		if dead {
			return nil, rejectGone
		}
		return set(c, op, old)
	case "front":
		if dead {
			return nil, rejectGone
		}
		if old.Note.Z == b.top {
			return nil, ""
		}
		next := old.next()
		next.Note.Z = b.top + 1
		next.Changed = []register{order}
		return next, ""
	case "delete":
		if dead {
			return nil, ""
		}
		next := old.next()
		next.Gone = true
		return next, ""
	case "restore":
		if old == nil {
			return nil, rejectGone
		}
		if !dead {
			return nil, ""
		}
		if b.live >= b.opts.MaxNotes {
			return nil, rejectLimit
		}
		next := old.next()
		next.Gone = false
		return next, ""
	}
	return nil, rejectInvalid
}

func (b *board) create(c *conn, op *operation, old *record) (*record, string) {
	if old != nil {
		if old.Maker == c.hello.client {
			return nil, ""
		}
		return nil, rejectExists
	}
	if b.live >= b.opts.MaxNotes {
		return nil, rejectLimit
	}
	return &record{
		Note:   Note{ID: op.id, X: op.x, Y: op.y, Z: b.top + 1, Color: op.color, Text: op.text},
		Maker:  c.hello.client,
		Author: author{c.hello.client, op.seq, c.hello.user.ID},
	}, ""
}

// set writes the registers that op gives and that are not so already.
func set(c *conn, op *operation, old *record) (*record, string) {
	next := old.next()
	n := &next.Note
	if op.sets(place) && (n.X != op.x || n.Y != op.y) {
		n.X, n.Y = op.x, op.y
		next.Changed = append(next.Changed, place)
	}
	if op.sets(color) && n.Color != op.color {
		n.Color = op.color
		next.Changed = append(next.Changed, color)
	}
	if op.sets(text) && n.Text != op.text {
		if op.textRev != n.TextRev && old.Author.User != c.hello.user.ID {
			next.Lost = &lost{old.Author, n.Text}
		}
		n.Text = op.text
		n.TextRev++
		next.Author = author{c.hello.client, op.seq, c.hello.user.ID}
		next.Changed = append(next.Changed, text)
	}
	if len(next.Changed) == 0 {
		return nil, ""
	}
	return next, ""
}

// next returns a copy to be changed, without what is particular to the
// operation that made r.
func (r *record) next() *record {
	return &record{Note: r.Note, Gone: r.Gone, Maker: r.Maker, Author: r.Author}
}

// room reports whether the board's texts may grow by so many bytes. Deleted notes
// give way, the longest dead first; what does not grow is always welcome. Called
// with mu held.
func (b *board) room(ctx context.Context, grow int) bool {
	if grow <= 0 {
		return true
	}
	for b.text+grow > b.opts.MaxText && len(b.graves) > 0 && b.bury(ctx, len(b.graves)-1) {
	}
	return b.text+grow <= b.opts.MaxText
}

// count keeps the board's sums and forgets the deleted notes that are too many.
// Called with mu held.
func (b *board) count(ctx context.Context, old, next *record) {
	b.top = max(b.top, next.Note.Z)
	b.text += next.weight() - old.weight()
	id := next.Note.ID
	switch dead := old == nil || old.Gone; {
	case dead && !next.Gone:
		b.live++
		if i := slices.IndexFunc(b.graves, func(g grave) bool { return g.id == id }); i >= 0 {
			b.graves = slices.Delete(b.graves, i, i+1)
		}
	case !dead && next.Gone:
		b.live--
		b.graves = append(b.graves, grave{id, next.At, next.weight()})
		b.bury(ctx, b.opts.MaxDeleted)
	}
}

// bury forgets deleted notes until keep are left; false if it can't now. Called
// with mu held.
func (b *board) bury(ctx context.Context, keep int) bool {
	for len(b.graves) > keep {
		g := b.graves[0]
		if _, err := b.topic.Delete(ctx, g.id); err != nil && !errors.Is(err, hub.ErrNoKey) {
			return false // tried again at the next deletion
		}
		b.text -= g.weight
		b.graves = slices.Delete(b.graves, 0, 1)
	}
	return true
}
