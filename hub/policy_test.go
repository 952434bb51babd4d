package hub

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestDisconnectCarriesThePosition(t *testing.T) {
	for _, name := range []string{"log", "keyed"} {
		topic := TopicOf[string](newHub(t, TopicConfig{MaxEvents: 3}), name, nil)
		write := func(n int) (last Position) {
			for i := range n {
				if name == "log" {
					last = publish(t, topic, fmt.Sprint(i))
				} else {
					last = writeAll(t, topic, fmt.Sprintf("k=%d", i))
				}
			}
			return last
		}
		at := write(1)
		s := subscribe(t, topic, nil)
		drain(t, s)
		write(5)
		for range 2 { // the same error for ever
			_, err := s.Next(t.Context())
			slow, ok := errors.AsType[*SlowError](err)
			if !ok || slow.Pos != at || slow.Missed != 2 || slow.Topic != name {
				t.Fatalf("%s: %v, want a *SlowError at %s", name, err, at)
			}
		}
		if stats := s.Stats(); stats.Missed != 2 {
			t.Errorf("%s: %+v", name, stats)
		}
		events := drain(t, subscribe(t, topic, from(After(at))))
		want := "gap(trimmed,2) 2 3 4 live"
		if name == "keyed" {
			want = "reset(trimmed,5) k=4* live"
		}
		wantShow(t, name, events, want)
		if n := topic.hub.Topics()[0].Subscribers; n != 1 {
			t.Errorf("%s: %d subscribers, the slow one is still there", name, n)
		}
	}
}

func TestSkipWithGap(t *testing.T) {
	h := newHub(t, TopicConfig{MaxEvents: 3})
	log := TopicOf[string](h, "log", nil)
	s := subscribe(t, log, &SubOptions[string]{Policy: SkipWithGap})
	drain(t, s)
	publish(t, log, "a", "b", "c", "d", "e")
	wantShow(t, "log", drain(t, s), "gap(dropped,2) c d e")
	publish(t, log, "f")
	wantShow(t, "log goes on", drain(t, s), "f")

	keyed := TopicOf[string](h, "keyed", nil)
	k := subscribe(t, keyed, &SubOptions[string]{Policy: SkipWithGap})
	drain(t, k)
	writeAll(t, keyed, "a=1", "b=1", "a=2", "b=2", "-b")
	wantShow(t, "keyed", drain(t, k), "reset(dropped,5) a=2* live")
	writeAll(t, keyed, "c=1")
	wantShow(t, "keyed goes on", drain(t, k), "c=1")
}

// What a subscriber is told first stays one marker, however long it takes to
// read it, and no policy applies before it has read anything.
func TestUnreadMarkerGrows(t *testing.T) {
	h := newHub(t, TopicConfig{MaxEvents: 2})
	log := TopicOf[string](h, "log", nil)
	a := publish(t, log, "a")
	publish(t, log, "b", "c", "d")
	known := subscribe(t, log, from(After(a)))
	unknown := subscribe(t, log, from(After(Position{a.epoch + 1, 1, 1})))
	publish(t, log, "e", "f", "g")
	events := drain(t, known)
	wantShow(t, "trimmed", events, "gap(trimmed,4) live f g")
	if events[0].Gap.From != a || events[0].Gap.Now != events[0].Pos {
		t.Errorf("%+v", events[0].Gap)
	}
	wantShow(t, "epoch", drain(t, unknown), "gap(epoch,-1) live f g")

	keyed := TopicOf[string](h, "keyed", nil)
	a = writeAll(t, keyed, "a=1")
	writeAll(t, keyed, "b=1", "c=1", "d=1")
	known = subscribe(t, keyed, from(After(a)))
	unknown = subscribe(t, keyed, from(After(Position{a.epoch + 1, 1, 1})))
	writeAll(t, keyed, "-b", "-c", "-d")
	wantShow(t, "keyed, trimmed", drain(t, known), "reset(trimmed,6) a=1* live")
	wantShow(t, "keyed, epoch", drain(t, unknown), "reset(epoch,-1) a=1* live")
}

func TestCoalesceDeliversSurvivorsInOrder(t *testing.T) {
	topic := TopicOf[string](newHub(t, TopicConfig{MaxEvents: 8}), "keyed", nil)
	s := subscribe(t, topic, &SubOptions[string]{Policy: Coalesce})
	drain(t, s)
	writeAll(t, topic, "a=1", "b=1", "a=2", "c=1", "-c", "b=2", "d=1", "a=3")
	events := drain(t, s)
	wantShow(t, "survivors", events, "-c b=2 d=1 a=3")
	if got, want := s.Stats(), (SubStats{Delivered: 4, Superseded: 4}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	// Each survivor's position resumes exactly: what comes after it brings
	// every key to its latest value.
	for i, e := range events {
		rest := drain(t, subscribe(t, topic, &SubOptions[string]{From: After(e.Pos), Policy: Coalesce}))
		want := show(events[i+1:])
		if want != "" {
			want += " "
		}
		wantShow(t, fmt.Sprintf("after survivor %d", i), rest, want+"live")
	}
	writeAll(t, topic, "a=4", "c=2", "a=5", "c=3", "a=6", "c=4", "-d", "a=7", "c=5")
	wantShow(t, "fallen off", drain(t, s), "reset(dropped,9) a=7* b=2* c=5* live")
}

func TestCoalesceKeepsUpWithAKeyThatNeverRests(t *testing.T) {
	h := newHub(t, TopicConfig{MaxEvents: 64})
	topic := TopicOf[string](h, "keyed", nil)
	s := subscribe(t, topic, &SubOptions[string]{Policy: Coalesce})
	drain(t, s)
	n := 0
	SetHook(h, func(point string) {
		if point == "fetch" {
			writeAll(t, topic, fmt.Sprintf("a=%d", n), fmt.Sprintf("a=%d", n+1))
			n += 2
		}
	})
	for i := range 20 {
		events, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wantShow(t, "read", events, fmt.Sprintf("a=%d", 2*i+1))
	}
}

// ephemeral: no positions anywhere, no history, the latest per key for who asks.
func TestEphemeral(t *testing.T) {
	h := newHub(t, TopicConfig{MaxEvents: 3})
	topic := TopicOf[string](h, "eph", nil)
	early := subscribe(t, topic, nil)
	wantShow(t, "early", drain(t, early), "live*")
	if pos := writeAll(t, topic, "ada=1", "bo=1", "ada=2"); !pos.IsZero() {
		t.Errorf("Put returned %s", pos)
	}
	wantShow(t, "early", drain(t, early), "ada=1* bo=1* ada=2*")
	wantShow(t, "late, default", drain(t, subscribe(t, topic, nil)), "live*")
	wantShow(t, "late, last", drain(t, subscribe(t, topic, from(Last(9)))), "live*")
	late := subscribe(t, topic, from(Start()))
	wantShow(t, "late, start", drain(t, late), "ada=2* bo=1* live*")
	p := Position{1, 2, 3}
	events := drain(t, subscribe(t, topic, from(After(p))))
	wantShow(t, "after", events, "gap(epoch,-1)* ada=2* bo=1* live*")
	if g := events[0].Gap; g.From != p || !g.Now.IsZero() {
		t.Errorf("%+v", g)
	}
	publish(t, topic, "ping")
	writeAll(t, topic, "-bo")
	wantShow(t, "live", drain(t, late), "ping* -bo*")
	if !late.Position().IsZero() {
		t.Errorf("position %s", late.Position())
	}
	for _, e := range drain(t, early) {
		if !e.Pos.IsZero() || !e.Rev.IsZero() {
			t.Errorf("%+v has a position", e)
		}
	}
	wantShow(t, "start after delete", drain(t, subscribe(t, topic, from(Start()))), "ada=2* live*")

	skip := subscribe(t, topic, &SubOptions[string]{Policy: SkipWithGap})
	merge := subscribe(t, topic, &SubOptions[string]{Policy: Coalesce})
	drain(t, skip)
	drain(t, merge)
	writeAll(t, topic, "ada=3", "ada=4")
	wantShow(t, "coalesced", drain(t, merge), "ada=4*")
	writeAll(t, topic, "ada=5", "bo=2", "bo=3", "ada=6")
	wantShow(t, "skip", drain(t, skip), "gap(dropped,3)* bo=2* bo=3* ada=6*")
	wantShow(t, "merge", drain(t, merge), "reset(dropped,4) ada=6* bo=3* live*")
	if _, err := tryDrain(early); err == nil {
		t.Error("Disconnect did not")
	}
	if head, err := topic.Head(t.Context()); err != nil || !head.IsZero() {
		t.Errorf("head %s, %v", head, err)
	}
}

// An ephemeral reader that stalls in its first snapshot until the queue has
// turned over gets a new one.
func TestEphemeralStalledInSnapshot(t *testing.T) {
	topic := TopicOf[string](newHub(t, TopicConfig{MaxEvents: 2}), "eph", nil)
	writeAll(t, topic, "a=1", "b=1", "c=1")
	s := subscribe(t, topic, &SubOptions[string]{From: Start(), Policy: SkipWithGap, Batch: 1})
	g := subscribe(t, topic, &SubOptions[string]{From: After(Position{1, 2, 3}), Policy: SkipWithGap, Batch: 1})
	if _, err := s.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	writeAll(t, topic, "a=2", "b=2", "c=2", "a=3")
	wantShow(t, "in mid-snapshot", drain(t, s), "reset(dropped,4) a=3* b=2* c=2* live*")
	wantShow(t, "before its gap", drain(t, g), "gap(epoch,-1)* a=3* b=2* c=2* live*")
}

func TestEphemeralKeepsNothingWithoutReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(&Options{Configure: kindsByPrefix(TopicConfig{})})
		defer h.Close()
		topic := TopicOf[string](h, "eph", nil)
		publish(t, topic, "a", "b")
		if n := len(h.Topics()); n != 0 {
			t.Errorf("%d topics", n)
		}
		s := subscribe(t, topic, nil)
		publish(t, topic, "c", "d")
		s.Close()
		if n := len(h.Topics()); n != 0 {
			t.Errorf("%d topics after the last reader left", n)
		}
		writeAll(t, topic, "k=1", "l=1")
		time.Sleep(20 * time.Second)
		writeAll(t, topic, "l=2")
		if info := h.Topics()[0]; info.Keys != 2 || info.Events != 0 {
			t.Errorf("%+v", info)
		}
		time.Sleep(20 * time.Second)
		wantShow(t, "the older key's time is over", drain(t, subscribe(t, topic, from(Start()))), "l=2* live*")
		if _, err := topic.Get(t.Context(), "k"); !errors.Is(err, ErrNoKey) {
			t.Errorf("Get: %v", err)
		}
	})
}
