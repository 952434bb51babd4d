package hub_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	. "github.com/tidewire/tidewire/hub"
)

// A start is a From that can be looked into.
type start struct {
	From
	mode string // of its text; "" is the default
	n    int
	pos  Position
}

func after(p Position) start { return start{After(p), "after", 0, p} }

func (r *run) from(o op) start {
	switch o.a % 5 {
	case 0:
		return start{Start(), "start", 0, Position{}}
	case 1:
		return start{Live(), "live", 0, Position{}}
	case 2:
		return start{Last(o.b % 6), "last", o.b % 6, Position{}}
	case 3:
		return start{}
	}
	return after(r.position(o.b))
}

// subscribe joins the hub and the model alike; before is whom it takes over
// from.
func (r *run) subscribe(f start, o op, before *modelSub) error {
	m := &modelSub{log: r.log, policy: Policy(o.c % 3), filter: func(string, string, bool) bool { return true }}
	so := &SubOptions[string]{From: f.From, Policy: m.policy, Batch: 1 + o.b%5}
	if o.c%5 == 0 {
		m.filter = func(_, value string, deleted bool) bool { return deleted || !strings.HasSuffix(value, "1") }
		so.Filter = func(e *Event[string]) bool { return m.filter(e.Key, e.Value, e.Deleted) }
	}
	sub, err := r.topic.Subscribe(context.Background(), so)
	if m.policy == Coalesce && r.log.kind == Log {
		if !isKindError(err) {
			return fmt.Errorf("Coalesce on a log: %v", err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	m.cur = len(r.log.events)
	m.target = m.cur
	table := r.log.kind != Log
	mode := f.mode
	if mode == "" && r.log.kind == Keyed {
		mode = "start"
	}
	switch mode {
	case "start":
		if table {
			m.snapshot()
			m.seen = map[string]string{}
		} else {
			m.cur = r.log.first()
		}
	case "last":
		if r.log.kind != Ephemeral {
			m.cur = max(r.log.first(), m.cur-f.n)
		}
	case "after":
		m.pos = f.pos
		at, reason := r.log.place(f.pos, r.virgin)
		m.reason, m.missed = reason, -1
		switch {
		case r.log.kind == Ephemeral:
			m.mark, m.reason = MarkGap, Epoch
			m.snapshot()
		case reason == 0:
			m.cur = at
			if before != nil {
				m.seen, m.debt = before.seen, max(before.owed, before.debt)
				if before.tainted {
					m.seen = nil
				}
				for _, b := range before.breaks {
					if m.debt > b.keep {
						m.seen = nil
					}
				}
			}
		case table:
			m.mark = MarkReset
			m.snapshot()
		default:
			m.mark = MarkGap
			m.cur = r.log.first()
		}
		if reason == Trimmed && r.log.kind != Ephemeral {
			m.missed = m.cur - at
			m.base = at
		}
	}
	if m.missed == 0 || m.mark == NoMarker || m.missed < 0 {
		m.base = m.cur
	}
	if mode != "after" && mode != "start" || mode == "start" && !table {
		m.pos = r.positionAt(m.cur)
	}
	if m.filtered = so.Filter != nil; m.filtered {
		m.seen = nil
	}
	if r.log.kind == Ephemeral {
		if mode != "after" {
			m.pos = Position{}
		}
		m.seen = nil
	}
	r.pairs = append(r.pairs, &pair{sub, m})
	return nil
}

func (r *run) positionAt(n int) Position {
	switch {
	case r.log.kind == Ephemeral:
		return Position{}
	case n == 0:
		return r.virgin
	}
	return r.log.events[n-1].pos
}

// read takes up to n batches.
func (r *run) read(p *pair, n int) error {
	errHead := errors.New("at the head")
	ctx, cancel := context.WithCancelCause(context.Background())
	SetHook(r.hub, func(point string) {
		if point == "wait" {
			cancel(errHead)
		}
	})
	defer SetHook(r.hub, nil)
	for range n {
		p.model.settle()
		events, err := p.sub.Next(ctx)
		switch {
		case err == errHead:
			return p.model.head(p.sub.Stats(), p.sub.Position())
		case p.model.dropped:
			slow, ok := errors.AsType[*SlowError](err)
			if !ok || slow.Pos != p.model.pos {
				return fmt.Errorf("%v, want a *SlowError at %s", err, p.model.pos)
			}
			return p.model.accounts(p.sub.Stats())
		case err != nil:
			return err
		}
		for _, e := range events {
			if err := p.model.check(e); err != nil {
				return err
			}
		}
		if err := p.model.follow(p.sub.Stats().Filtered); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) since(o op) error {
	if r.log.kind == Ephemeral {
		return nil
	}
	pos, limit := r.position(o.a), 1+o.b%5
	page, err := r.topic.Since(context.Background(), pos, limit)
	if err != nil {
		return err
	}
	at, reason := r.log.place(pos, r.virgin)
	var want []string
	if reason != 0 {
		mark, missed := "gap", r.log.first()-at
		if r.log.kind == Keyed {
			mark, missed = "reset", len(r.log.events)-at
		}
		if reason != Trimmed {
			missed = -1
		}
		want = append(want, fmt.Sprintf("%s(%s,%d)", mark, reason, missed))
		at = r.log.first()
	}
	next, more := Position{}, false
	if reason == 0 || r.log.kind == Log {
		end := min(at+limit, len(r.log.events))
		for _, e := range r.log.events[at:end] {
			switch {
			case e.deleted:
				want = append(want, "-"+e.key)
			case e.key != "":
				want = append(want, e.key+"="+e.value)
			default:
				want = append(want, e.value)
			}
		}
		next, more = r.positionAt(end), end < len(r.log.events)
	}
	if got := Show(page.Events); got != strings.Join(want, " ") || page.Next != next || page.More != more {
		return fmt.Errorf("got %q, next %s, more %v; want %q, next %s, more %v", got, page.Next, page.More, want, next, more)
	}
	return nil
}

func (r *run) snapshot() error {
	if r.log.kind == Log {
		return nil
	}
	s, err := r.topic.Snapshot(context.Background())
	if err != nil {
		return err
	}
	got := map[string]string{}
	for e, err := range s.All() {
		if err != nil {
			return err
		}
		got[e.Key] = e.Value
	}
	want := r.log.table(len(r.log.events))
	if fmt.Sprint(got) != fmt.Sprint(want) || s.Len() != len(want) || s.Pos != r.positionAt(len(r.log.events)) {
		return fmt.Errorf("snapshot %v at %s, want %v", got, s.Pos, want)
	}
	return nil
}

func isKindError(err error) bool {
	_, ok := err.(*KindError)
	return ok
}
