package hub

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var modelSeed = flag.Uint64("hub.seed", 0, "run the model test with this seed only")

// An op is one step of a random run; its numbers mean what the step makes of
// them, so that a list of ops stays valid whatever is taken out of it.
type op struct {
	code    string
	a, b, c int
}

var opWeights = []struct {
	code   string
	weight int
}{
	{"write", 40},
	{"conditional", 8},
	{"idempotent", 6},
	{"subscribe", 8},
	{"read", 25},
	{"drain", 12},
	{"resume", 6},
	{"close", 3},
	{"since", 5},
	{"snapshot", 3},
	{"restart", 1},
}

func randomOps(rnd *rand.Rand, n int) []op {
	var codes []string
	for _, w := range opWeights {
		codes = append(codes, slices.Repeat([]string{w.code}, w.weight)...)
	}
	ops := make([]op, n)
	for i := range ops {
		ops[i] = op{codes[rnd.IntN(len(codes))], rnd.IntN(1000), rnd.IntN(1000), rnd.IntN(1000)}
	}
	return ops
}

// TestModel runs random lists of operations against the hub and against the
// model. A failure prints its seed, and the shortest list that it shrinks to.
func TestModel(t *testing.T) {
	seeds := []uint64{rand.Uint64(), rand.Uint64()}
	for i := range uint64(120) {
		seeds = append(seeds, i)
	}
	if *modelSeed != 0 {
		seeds = []uint64{*modelSeed}
	}
	for _, kind := range []Kind{Log, Keyed, Ephemeral} {
		for _, retain := range []int{1, 4, 50} {
			t.Run(fmt.Sprintf("%s/%d", kind, retain), func(t *testing.T) {
				for _, seed := range seeds {
					ops := randomOps(rand.New(rand.NewPCG(seed, 0)), 250)
					err := runOps(kind, retain, ops)
					if err == nil {
						continue
					}
					ops = shrink(ops, func(ops []op) bool { return runOps(kind, retain, ops) != nil })
					err = runOps(kind, retain, ops)
					t.Fatalf("seed %d: %v\nshrunk to %d operations: %+v", seed, err, len(ops), ops)
				}
			})
		}
	}
}

// shrink takes out what a failure does not need.
func shrink(ops []op, fails func([]op) bool) []op {
	for size := len(ops) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(ops); {
			if less := slices.Delete(slices.Clone(ops), i, i+size); fails(less) {
				ops = less
			} else {
				i += size
			}
		}
	}
	return ops
}

type pair struct {
	sub   *Sub[string]
	model *modelSub
}

type run struct {
	hub    *Hub
	topic  *Topic[string]
	log    *modelLog
	virgin Position
	known  []Position // all positions ever seen, of all epochs
	ids    map[string]Position
	pairs  []*pair
	n      int
}

func runOps(kind Kind, retain int, ops []op) error {
	r := &run{}
	r.restart(kind, retain)
	defer func() { r.hub.Close() }()
	for i, o := range ops {
		if err := r.do(o); err != nil {
			return fmt.Errorf("operation %d, %+v: %w", i, o, err)
		}
	}
	for _, p := range r.pairs {
		if err := r.read(p, 1000); err != nil {
			return fmt.Errorf("at the end: %w", err)
		}
	}
	return nil
}

func (r *run) restart(kind Kind, retain int) {
	if r.hub != nil {
		r.hub.Close()
	}
	r.hub = New(&Options{Configure: func(string) (TopicConfig, error) {
		return TopicConfig{Kind: kind, MaxEvents: retain, MaxAge: -1}, nil
	}})
	r.topic = TopicOf[string](r.hub, "topic", nil)
	r.log = &modelLog{kind: kind, retain: retain, revs: map[string]Position{}}
	r.virgin, _ = r.topic.Head(context.Background())
	if kind == Ephemeral {
		r.virgin = Position{epoch: 1} // of no topic
	}
	r.known = append(r.known, r.virgin)
	r.ids = map[string]Position{}
	// Something keeps the topic, so that its log goes on.
	r.topic.Subscribe(context.Background(), nil)
	r.pairs = nil
}

func (r *run) do(o op) error {
	switch o.code {
	case "write":
		return r.write(o, nil)
	case "conditional":
		if r.log.kind != Keyed {
			return nil
		}
		rev := r.log.revs[key(o)]
		if o.c%2 == 0 {
			rev = r.position(o.c)
		}
		return r.write(o, &rev)
	case "idempotent":
		return r.idempotent(o)
	case "subscribe":
		return r.subscribe(r.from(o), o, nil)
	case "restart":
		r.restart(r.log.kind, r.log.retain)
		return nil
	case "since":
		return r.since(o)
	case "snapshot":
		return r.snapshot()
	}
	if len(r.pairs) == 0 {
		return nil
	}
	i := o.a % len(r.pairs)
	p := r.pairs[i]
	switch o.code {
	case "read":
		return r.read(p, 1+o.b%4)
	case "drain":
		return r.read(p, 1000)
	}
	r.pairs = slices.Delete(r.pairs, i, i+1)
	pos := p.sub.Position()
	p.sub.Close()
	if o.code == "resume" && !pos.IsZero() {
		return r.subscribe(After(pos), o, p.model)
	}
	return nil
}

func key(o op) string { return fmt.Sprint("k", o.a%5) }

// position picks one that was ever seen, now and then a forged one.
func (r *run) position(n int) Position {
	p := r.known[n%len(r.known)]
	switch n % 11 {
	case 0:
		p.tag++
	case 1:
		p.off += 1000
	}
	return p
}

func (r *run) write(o op, rev *Position) error {
	r.n++
	e := modelEvent{key: key(o), value: fmt.Sprint(r.n), deleted: o.b%4 == 0}
	var opts []WriteOption
	if rev != nil {
		opts = append(opts, IfMatch(*rev))
	}
	ctx := context.Background()
	var err error
	switch {
	case r.log.kind == Log || r.log.kind == Ephemeral && o.c%4 == 0:
		e.deleted, e.key = false, ""
		e.pos, err = r.topic.Publish(ctx, e.value)
	case e.deleted:
		e.value = ""
		e.pos, err = r.topic.Delete(ctx, e.key, opts...)
	default:
		e.pos, err = r.topic.Put(ctx, e.key, e.value, opts...)
	}
	current, exists := r.log.revs[e.key]
	if rev != nil && current != *rev {
		if c, ok := errors.AsType[*ConflictError](err); !ok || c.Current != current {
			return fmt.Errorf("%v, want a conflict with %s", err, current)
		}
		return nil
	}
	if e.deleted && !exists {
		if err != ErrNoKey {
			return fmt.Errorf("%v, want ErrNoKey", err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	r.append(e)
	return nil
}

func (r *run) append(e modelEvent) {
	r.log.events = append(r.log.events, e)
	if !e.pos.IsZero() {
		r.known = append(r.known, e.pos)
	}
	if e.deleted {
		delete(r.log.revs, e.key)
	} else if e.key != "" {
		r.log.revs[e.key] = e.pos
	}
}

func (r *run) idempotent(o op) error {
	id := fmt.Sprint("id", o.c%10)
	r.n++
	e := modelEvent{value: fmt.Sprint(r.n)}
	var err error
	switch r.log.kind {
	case Log:
		e.pos, err = r.topic.Publish(context.Background(), e.value, Idempotent(id))
	case Keyed:
		e.key = key(o)
		e.pos, err = r.topic.Put(context.Background(), e.key, e.value, Idempotent(id))
	default:
		return nil
	}
	if err != nil {
		return err
	}
	if old, ok := r.ids[id]; ok {
		if e.pos != old {
			return fmt.Errorf("%s again: %s, want %s", id, e.pos, old)
		}
		return nil
	}
	r.ids[id] = e.pos
	r.append(e)
	return nil
}

func (r *run) from(o op) From {
	switch o.a % 5 {
	case 0:
		return Start()
	case 1:
		return Live()
	case 2:
		return Last(o.b % 6)
	case 3:
		return From{}
	}
	return After(r.position(o.b))
}

// subscribe joins the hub and the model alike; before is whom it takes over
// from.
func (r *run) subscribe(f From, o op, before *modelSub) error {
	m := &modelSub{log: r.log, policy: Policy(o.c % 3), filter: func(string, string, bool) bool { return true }}
	so := &SubOptions[string]{From: f, Policy: m.policy, Batch: 1 + o.b%5}
	if o.c%5 == 0 {
		m.filter = func(_, value string, deleted bool) bool { return deleted || !strings.HasSuffix(value, "1") }
		so.Filter = func(e *Event[string]) bool { return m.filter(e.Key, e.Value, e.Deleted) }
	}
	sub, err := r.topic.Subscribe(context.Background(), so)
	if m.policy == Coalesce && r.log.kind == Log {
		if !isKind(err) {
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
	if mode == fromDefault && r.log.kind == Keyed {
		mode = fromStart
	}
	switch mode {
	case fromStart:
		if table {
			m.snapshot()
			m.seen = map[string]string{}
		} else {
			m.cur = r.log.first()
		}
	case fromLast:
		if r.log.kind != Ephemeral {
			m.cur = max(r.log.first(), m.cur-f.n)
		}
	case fromAfter:
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
				m.seen = before.seen
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
	if mode != fromAfter && mode != fromStart || mode == fromStart && !table {
		m.pos = r.positionAt(m.cur)
	}
	if m.filtered = so.Filter != nil; m.filtered {
		m.seen = nil
	}
	if r.log.kind == Ephemeral {
		if mode != fromAfter {
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
	r.hub.hook = func(point string) {
		if point == "wait" {
			cancel(errHead)
		}
	}
	defer func() { r.hub.hook = nil }()
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
	if got := show(page.Events); got != strings.Join(want, " ") || page.Next != next || page.More != more {
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
