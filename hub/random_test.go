package hub_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/hub/hubtest"
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
	{"owned", 6},
	{"leave", 2},
	{"expire", 1},
	{"interrupt", 2},
	{"losetail", 1},
	{"wipe", 1},
}

// configurations are where the log is kept.
var configurations = []string{"memory", "broker", "remote"}

const (
	owners  = 3
	leaseOf = time.Minute
)

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
	for i := range uint64(60) {
		seeds = append(seeds, i)
	}
	if *modelSeed != 0 {
		seeds = []uint64{*modelSeed}
	}
	for _, where := range configurations {
		for _, kind := range []Kind{Log, Keyed, Ephemeral} {
			for _, retain := range []int{1, 4, 50} {
				t.Run(fmt.Sprintf("%s/%s/%d", where, kind, retain), func(t *testing.T) {
					for _, seed := range seeds {
						ops := randomOps(rand.New(rand.NewPCG(seed, 0)), 250)
						err := runOps(t, where, kind, retain, ops)
						if err == nil {
							continue
						}
						first := err
						ops = shrink(ops, func(ops []op) bool { return runOps(t, where, kind, retain, ops) != nil })
						err = runOps(t, where, kind, retain, ops)
						t.Fatalf("seed %d: %v\nshrunk to %d operations: %v\n%+v", seed, first, len(ops), err, ops)
					}
				})
			}
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
	where  string
	memory *Memory
	store  *hubtest.Store
	node   *hubtest.Remote
	owners [owners + 1]*Owner // from 1 on
	lives  [owners + 1]int    // how many each has had
	ended  map[int]bool       // owner and life

	hub    *Hub
	topic  *Topic[string]
	log    *modelLog
	virgin Position
	known  []Position // all positions ever seen, of all epochs
	ids    map[string]Position
	pairs  []*pair
	n      int
}

// runOps runs a list in a bubble.
func runOps(t *testing.T, where string, kind Kind, retain int, ops []op) (err error) {
	synctest.Test(t, func(t *testing.T) { err = runBubble(where, kind, retain, ops) })
	return err
}

func runBubble(where string, kind Kind, retain int, ops []op) error {
	r := &run{where: where, ended: map[int]bool{}}
	switch where {
	case "broker":
		r.memory = NewMemory(nil)
		defer r.memory.Close()
	case "remote":
		r.store = hubtest.NewStore(1, 10*time.Millisecond)
		defer r.store.Close()
	}
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
	case "owned":
		return r.owned(o)
	case "leave":
		return r.leave(o)
	case "expire":
		return r.expire(o)
	case "interrupt":
		return r.interrupt(o)
	case "losetail":
		return r.losetail(o)
	case "wipe":
		return r.wipe()
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
		return r.subscribe(after(pos), o, p.model)
	}
	return nil
}

func key(o op) string { return fmt.Sprint("k", o.a%5) }

// position picks one that was ever seen, now and then a forged one.
func (r *run) position(n int) Position {
	p := r.known[n%len(r.known)]
	epoch, off, tag := p.Parts()
	switch n % 11 {
	case 0:
		tag++
	case 1:
		off += 1000
	}
	return MakePosition(epoch, off, tag)
}

func (r *run) write(o op, rev *Position) error {
	r.n++
	e := modelEvent{key: key(o), value: fmt.Sprint(r.n), deleted: o.b%4 == 0}
	var opts []WriteOption
	if rev != nil {
		opts = append(opts, IfMatch(*rev))
	}
	ctx := context.Background()
	current, exists := r.log.revs[e.key]
	if r.log.kind == Ephemeral && r.where != "memory" && e.deleted && !exists {
		return nil // nobody knows
	}
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
	r.settle()
	if rev != nil && current != *rev {
		if c, ok := errors.AsType[*ConflictError](err); !ok || c.Current != current {
			return fmt.Errorf("%v, want a conflict with %s", err, current)
		}
		return nil
	}
	if e.deleted && !exists {
		if !errors.Is(err, ErrNoKey) {
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
	r.log.first()
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
	e := modelEvent{value: fmt.Sprint(r.n), id: id}
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
	r.settle()
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
