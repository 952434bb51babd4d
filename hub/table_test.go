package hub

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
)

func rows(v *view) map[string]string {
	m := make(map[string]string, v.n)
	for i := range v.n {
		e := v.row(i)
		m[e.key] = string(e.data)
	}
	return m
}

// A view stays what it was, whatever is written and deleted later.
func TestViewsAreExact(t *testing.T) {
	const seed = 7
	rnd := rand.New(rand.NewPCG(seed, 0))
	table := newTable()
	model := map[string]string{}
	type kept struct {
		view *view
		want map[string]string
	}
	var views []kept
	for off := range uint64(20_000) {
		key := fmt.Sprint(rnd.IntN(300))
		e := &entry{off: off, key: key}
		switch _, exists := model[key]; {
		case exists && rnd.IntN(3) == 0:
			table.delete(e, rnd.IntN(2) == 0)
			delete(model, key)
		default:
			e.data = fmt.Append(nil, off)
			table.put(e)
			model[key] = string(e.data)
		}
		if rnd.IntN(50) == 0 {
			views = append(views, kept{table.look(off), maps.Clone(model)})
			if len(views) > 20 {
				views = views[1:]
			}
		}
		if off%100 == 0 {
			for _, v := range views {
				if got := rows(v.view); !maps.Equal(got, v.want) {
					t.Fatalf("seed %d, offset %d: the view of %d has changed: %v, want %v", seed, off, v.view.off, got, v.want)
				}
			}
			if table.live != len(model) || len(table.chunks) != (len(model)+chunkRows-1)/chunkRows {
				t.Fatalf("%d rows in %d chunks, want %d rows", table.live, len(table.chunks), len(model))
			}
		}
	}
}

// Taking a view of 100,000 keys copies a list of chunks, not the rows; further
// views copy nothing; a write copies a chunk once.
func TestSnapshotOfManyKeysCopiesChunksOnly(t *testing.T) {
	const keys = 100_000
	table := newTable()
	for i := range keys {
		table.put(&entry{off: uint64(i), key: fmt.Sprint(i)})
	}
	a := table.look(keys)
	if len(a.chunks) != (keys+chunkRows-1)/chunkRows {
		t.Fatalf("%d chunks", len(a.chunks))
	}
	if b := table.look(keys); a != b {
		t.Error("a second view of the same table is another one")
	}
	shared := func() (n int) {
		for i, c := range table.chunks {
			if a.chunks[i] == c {
				n++
			}
		}
		return
	}
	if shared() != len(a.chunks) {
		t.Errorf("%d of %d chunks are shared", shared(), len(a.chunks))
	}
	for range 10 {
		table.put(&entry{off: keys + 1, key: "77"})
	}
	if shared() != len(a.chunks)-1 {
		t.Errorf("after writes of one key %d of %d chunks are shared", shared(), len(a.chunks))
	}
}

// The whole read of a large snapshot goes in steps of at most one batch under
// the topic's lock, and writers get in between.
func TestWritersGetInBetweenTheStepsOfASnapshot(t *testing.T) {
	h := newHub(t, TopicConfig{MaxEvents: -1, MaxBytes: -1})
	topic := h.Topic("keyed")
	const keys = 10_000
	for i := range keys {
		if _, err := topic.Put(t.Context(), fmt.Sprint(i), nil); err != nil {
			t.Fatal(err)
		}
	}
	s := subscribe(t, topic, &SubOptions[[]byte]{Batch: 1 << 30})
	steps := 0
	SetHook(h, func(point string) {
		if point == "fetch" {
			steps++
			if _, err := topic.Put(t.Context(), fmt.Sprint(steps), []byte("new")); err != nil {
				t.Error(err)
			}
		}
	})
	for n := 0; n <= keys; {
		events, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if n++; n <= keys && string(e.Data) != "" {
				t.Fatalf("row %d of the snapshot is %q, written after its start", n, e.Data)
			}
		}
	}
	if want := keys/maxBatch + 1; steps != want {
		t.Errorf("%d steps, want %d", steps, want)
	}
}

// Readers that stall in mid-snapshot pin no more than the tail's worth of
// old rows: a view that the log no longer reaches back to is taken away.
func TestStalledSnapshotsExpireWithTheTail(t *testing.T) {
	h := newHub(t, TopicConfig{MaxEvents: 10})
	topic := TopicOf[string](h, "keyed", nil)
	writeAll(t, topic, "a=1", "b=1", "c=1")
	in, err := h.open("keyed")
	if err != nil {
		t.Fatal(err)
	}
	var stalled []*Sub[string]
	for i := range 100 {
		s := subscribe(t, topic, &SubOptions[string]{Batch: 1, Policy: SkipWithGap})
		if _, err := s.Next(t.Context()); err != nil { // in mid-snapshot
			t.Fatal(err)
		}
		stalled = append(stalled, s)
		writeAll(t, topic, fmt.Sprintf("a=%d", i+2))
		if n := len(in.log.table.views); n > 10 {
			t.Fatalf("%d views are kept", n)
		}
	}
	for i, s := range stalled {
		if expired := s.c.view.chunks == nil; expired != (i < 90) {
			t.Errorf("reader %d of 100: expired %v", i, expired)
		}
	}
	events := drain(t, stalled[0])
	wantShow(t, "the oldest", events, "reset(dropped,100) a=101* b=1* c=1* live")
	wantShow(t, "the newest", drain(t, stalled[99]), "b=1* c=1* live a=101")
	for _, s := range stalled {
		s.Close()
	}
	if n := len(in.log.table.views); n != 0 {
		t.Errorf("%d views are left behind", n)
	}
}

func TestSnapshot(t *testing.T) {
	h := newHub(t, TopicConfig{MaxEvents: 2})
	topic := TopicOf[string](h, "keyed", nil)
	empty, err := topic.Snapshot(t.Context())
	if err != nil || empty.Len() != 0 || len(h.Topics()) != 0 {
		t.Fatalf("of an unknown topic: %+v, %v", empty, err)
	}
	writeAll(t, topic, "a=1", "b=1", "-a", "c=1")
	s, err := topic.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	head := writeAll(t, topic, "b=2", "d=1")
	var events []*Event[string]
	for ev, err := range s.All() {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, ev)
	}
	wantShow(t, "later writes don't show", events, "b=1* c=1*")
	if s.Len() != 2 {
		t.Errorf("Len %d", s.Len())
	}
	wantShow(t, "goes on from Pos", drain(t, subscribe(t, topic, from(After(s.Pos)))), "b=2 d=1 live")
	wantShow(t, "the empty one's Pos", drain(t, subscribe(t, topic, from(After(empty.Pos)))), "reset(trimmed,6) b=2* c=1* d=1* live")
	if s, err = topic.Snapshot(t.Context()); err != nil || s.Pos != head {
		t.Errorf("Pos %s, want %s", s.Pos, head)
	}
	for range s.All() {
		break
	}
}
