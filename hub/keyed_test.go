package hub

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestKeyedStarts(t *testing.T) {
	topic := TopicOf[string](newHub(t, TopicConfig{MaxEvents: 3}), "keyed", nil)
	old := writeAll(t, topic, "a=1")
	writeAll(t, topic, "b=1", "c=1")
	mid := writeAll(t, topic, "a=2")
	head := writeAll(t, topic, "-b", "c=2")
	for _, tt := range []struct {
		name string
		from From
		want string
	}{
		{"default is start", From{}, "a=2* c=2* live"},
		{"start", Start(), "a=2* c=2* live"},
		{"live", Live(), "live"},
		{"last 2", Last(2), "-b c=2 live"},
		{"after the head", After(head), "live"},
		{"inside the tail", After(mid), "-b c=2 live"},
		{"too old", After(old), "reset(trimmed,5) a=2* c=2* live"},
		{"another log", After(Position{mid.epoch + 1, mid.off, mid.tag}), "reset(epoch,-1) a=2* c=2* live"},
		{"another branch", After(Position{mid.epoch, mid.off, mid.tag + 1}), "reset(fork,-1) a=2* c=2* live"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := subscribe(t, topic, from(tt.from))
			events := drain(t, s)
			wantShow(t, "events", events, tt.want)
			if live := events[len(events)-1]; live.Pos != head || s.Position() != head {
				t.Errorf("live marker at %s, position %s, want %s", live.Pos, s.Position(), head)
			}
			for _, e := range events {
				if e.Marker == NoMarker && e.Rev.IsZero() {
					t.Errorf("%+v has no Rev", e)
				}
			}
		})
	}
}

// Whoever is cut in mid-snapshot comes back with what they came with, and gets
// the snapshot again.
func TestCutInMidSnapshotLosesNothing(t *testing.T) {
	topic := TopicOf[string](newHub(t, TopicConfig{MaxEvents: 2}), "keyed", nil)
	old := writeAll(t, topic, "a=1")
	writeAll(t, topic, "b=1", "c=1", "d=1")
	for _, start := range []From{Start(), After(old)} {
		want := "a=1* b=1* c=1* d=1* live"
		var back Position
		if start.mode == fromAfter {
			want, back = "reset(trimmed,3) "+want, old
		}
		total := len(drain(t, subscribe(t, topic, from(start))))
		for cut := range total - 1 { // everywhere before the live marker
			s := subscribe(t, topic, from(start))
			n := 0
			if cut > 0 {
				for _, err := range s.Events() {
					if err != nil {
						t.Fatal(err)
					}
					if n++; n == cut {
						break
					}
				}
			}
			if s.Position() != back {
				t.Errorf("%s cut after %d: position %q, want %q", start, cut, s.Position(), back)
			}
			again := Start()
			if !s.Position().IsZero() {
				again = After(s.Position())
			}
			wantShow(t, fmt.Sprintf("%s cut after %d", start, cut), drain(t, subscribe(t, topic, from(again))), want)
		}
	}
}

func TestTombstonesLiveInTheTailOnly(t *testing.T) {
	topic := TopicOf[string](newHub(t, TopicConfig{MaxEvents: 2}), "keyed", nil)
	a := writeAll(t, topic, "a=1")
	b := writeAll(t, topic, "-a")
	if e := drain(t, subscribe(t, topic, from(After(a)))); show(e) != "-a live" || e[0].Pos != b || e[0].Data != nil {
		t.Errorf("tail: %s", show(e))
	}
	wantShow(t, "start", drain(t, subscribe(t, topic, nil)), "live")
	writeAll(t, topic, "b=1", "b=2")
	wantShow(t, "tombstone trimmed", drain(t, subscribe(t, topic, from(After(a)))), "reset(trimmed,3) b=2* live")
	in, _ := topic.hub.open("keyed")
	if n := len(in.log.table.index); n != 1 {
		t.Errorf("the table knows %d keys, want 1: the tombstone has left the tail", n)
	}
}

func TestConditionalWrites(t *testing.T) {
	topic := TopicOf[string](newHub(t, TopicConfig{}), "keyed", nil)
	ctx := t.Context()
	conflict := func(what string, err error, current Position) {
		t.Helper()
		if c, ok := errors.AsType[*ConflictError](err); !ok || c.Current != current || c.Key != "k" || c.Topic != "keyed" {
			t.Errorf("%s: %v, want a conflict with %q", what, err, current)
		}
	}
	_, err := topic.Put(ctx, "k", "x", IfMatch(Position{1, 2, 3}))
	conflict("IfMatch of an absent key", err, Position{})
	if n := len(topic.hub.Topics()); n != 0 {
		t.Errorf("a refused write left %d topics", n)
	}
	one, err := topic.Put(ctx, "k", "1", Absent())
	if err != nil {
		t.Fatal(err)
	}
	_, err = topic.Put(ctx, "k", "x", Absent())
	conflict("Absent of a present key", err, one)
	_, err = topic.Put(ctx, "k", "x", IfMatch(Position{}))
	conflict("IfMatch of the zero position", err, one)
	two, err := topic.Put(ctx, "k", "2", IfMatch(one))
	if err != nil {
		t.Fatal(err)
	}
	_, err = topic.Put(ctx, "k", "x", IfMatch(one))
	conflict("IfMatch of an older write", err, two)
	_, err = topic.Delete(ctx, "k", IfMatch(one))
	conflict("Delete", err, two)
	other := writeAll(t, topic, "other=1")
	_, err = topic.Put(ctx, "k", "x", IfMatch(other))
	conflict("IfMatch of another key's write", err, two)
	if ev, err := topic.Get(ctx, "k"); err != nil || ev.Rev != two || ev.Value != "2" || !ev.Pos.IsZero() {
		t.Errorf("Get: %+v, %v", ev, err)
	}
	if _, err = topic.Delete(ctx, "k", IfMatch(two)); err != nil {
		t.Fatal(err)
	}
	if _, err = topic.Get(ctx, "k"); !errors.Is(err, ErrNoKey) {
		t.Errorf("Get of a deleted key: %v", err)
	}
	_, err = topic.Delete(ctx, "k", IfMatch(two))
	conflict("Delete again", err, Position{})
	if _, err = topic.Delete(ctx, "k"); !errors.Is(err, ErrNoKey) {
		t.Errorf("Delete of an absent key: %v, want ErrNoKey", err)
	}
	if _, err = topic.Put(ctx, "k", "3", IfMatch(Position{})); err != nil {
		t.Errorf("what ConflictError.Current said: %v", err)
	}
	wantShow(t, "published", drain(t, subscribe(t, topic, from(Last(99)))), "k=1 k=2 other=1 -k k=3 live")
}

func TestReadModifyWriteLosesNoUpdate(t *testing.T) {
	topic := TopicOf[int](newHub(t, TopicConfig{}), "keyed", nil)
	const writers, each = 8, 50
	done := make(chan error)
	for range writers {
		go func() {
			for range each {
				for {
					var rev Position
					n := 0
					ev, err := topic.Get(t.Context(), "n")
					switch {
					case err == nil:
						rev, n = ev.Rev, ev.Value
					case !errors.Is(err, ErrNoKey):
						done <- err
						return
					}
					_, err = topic.Put(t.Context(), "n", n+1, IfMatch(rev))
					if err == nil {
						break
					}
					if _, ok := errors.AsType[*ConflictError](err); !ok {
						done <- err
						return
					}
				}
			}
			done <- nil
		}()
	}
	for range writers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if ev, err := topic.Get(t.Context(), "n"); err != nil || ev.Value != writers*each {
		t.Errorf("got %+v, %v, want %d", ev, err, writers*each)
	}
}

func TestIdempotentWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(&Options{Configure: kindsByPrefix(TopicConfig{IdempotencyWindow: time.Hour, MaxIdempotencyKeys: 3, MaxEvents: 2})})
		defer h.Close()
		topic := TopicOf[string](h, "keyed", nil)
		ctx := t.Context()
		put := func(key, value string, opts ...WriteOption) Position {
			t.Helper()
			pos, err := topic.Put(ctx, key, value, opts...)
			if err != nil {
				t.Fatalf("Put(%s, %s): %v", key, value, err)
			}
			return pos
		}
		one := put("k", "1", Absent(), Idempotent("c1-1"))
		if again := put("k", "1", Absent(), Idempotent("c1-1")); again != one {
			t.Errorf("again: %s, want %s though the condition fails by now", again, one)
		}
		// A write that failed is not remembered.
		if _, err := topic.Put(ctx, "k", "2", Absent(), Idempotent("c1-2")); err == nil {
			t.Error("no conflict")
		}
		two := put("k", "2", IfMatch(one), Idempotent("c1-2"))
		put("x", "1")
		put("y", "1") // the entries are trimmed, the keys are not
		if again := put("k", "2", IfMatch(one), Idempotent("c1-2")); again != two {
			t.Errorf("after trimming: %s, want %s", again, two)
		}
		gone, err := topic.Delete(ctx, "k", Idempotent("c1-3"))
		if err != nil {
			t.Fatal(err)
		}
		if again, err := topic.Delete(ctx, "k", Idempotent("c1-3")); err != nil || again != gone {
			t.Errorf("delete again: %s, %v, want %s", again, err, gone)
		}
		put("z", "1", Idempotent("c1-4")) // the fourth of three: the first is forgotten
		if again := put("k", "new", Idempotent("c1-1")); again == one {
			t.Error("the oldest key was not forgotten")
		}
		if again := put("z", "1", Idempotent("c1-4")); again == (Position{}) {
			t.Error("no position")
		}
		time.Sleep(time.Hour + 1)
		if again, err := topic.Delete(ctx, "k", Idempotent("c1-3")); err != nil || again == gone {
			t.Errorf("after the window: %s, %v", again, err)
		}
	})
}

func TestIdempotencyKeysArePerTopicAndConcurrent(t *testing.T) {
	h := newHub(t, TopicConfig{})
	const goroutines = 16
	results := make(chan Position, goroutines)
	for range goroutines {
		go func() {
			pos, err := h.Topic("log.a").Publish(t.Context(), []byte("x"), Idempotent("same"))
			if err != nil {
				t.Error(err)
			}
			results <- pos
		}()
	}
	first := <-results
	for range goroutines - 1 {
		if pos := <-results; pos != first {
			t.Errorf("%s and %s", pos, first)
		}
	}
	if infos := h.Topics(); infos[0].Events != 1 {
		t.Errorf("%d events, want 1", infos[0].Events)
	}
	if _, err := h.Topic("log.b").Publish(t.Context(), []byte("x"), Idempotent("same")); err != nil {
		t.Fatal(err)
	}
	if infos := h.Topics(); len(infos) != 2 || infos[1].Events != 1 {
		t.Errorf("%+v: the other topic has no event", infos)
	}
}

func TestWritesOfTheWrongKindAreRefused(t *testing.T) {
	h := newHub(t, TopicConfig{})
	ctx := t.Context()
	log, keyed, eph := h.Topic("log"), h.Topic("keyed"), h.Topic("eph")
	v := []byte("v")
	calls := map[string]func() error{
		"Put on a log":                     func() error { _, err := log.Put(ctx, "k", v); return err },
		"Delete on a log":                  func() error { _, err := log.Delete(ctx, "k"); return err },
		"Get on a log":                     func() error { _, err := log.Get(ctx, "k"); return err },
		"Snapshot of a log":                func() error { _, err := log.Snapshot(ctx); return err },
		"condition on a log":               func() error { _, err := log.Publish(ctx, v, Absent()); return err },
		"Coalesce on a log":                func() error { _, err := log.Subscribe(ctx, &SubOptions[[]byte]{Policy: Coalesce}); return err },
		"Publish on a keyed topic":         func() error { _, err := keyed.Publish(ctx, v); return err },
		"Publish with Key on ephemeral":    func() error { _, err := eph.Publish(ctx, v, Key("k")); return err },
		"condition on an ephemeral topic":  func() error { _, err := eph.Put(ctx, "k", v, Absent()); return err },
		"idempotent on an ephemeral topic": func() error { _, err := eph.Put(ctx, "k", v, Idempotent("i")); return err },
	}
	for name, call := range calls {
		err := call()
		if k, ok := errors.AsType[*KindError](err); !ok || k.Op == "" {
			t.Errorf("%s: %v, want a *KindError", name, err)
		}
	}
	if n := len(h.Topics()); n != 0 {
		t.Errorf("refusals left %d topics", n)
	}
}
