package hub

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever is drained has got what there was, by Next and by a sink; nobody else
// comes in; writers go on.
func TestDrainLetsEverybodyFinish(t *testing.T) {
	bubble(t, TopicConfig{}, func(t *testing.T, h *Hub) {
		topic, keyed := TopicOf[string](h, "log", nil), TopicOf[string](h, "keyed", nil)
		writeAll(t, keyed, "a=1")
		pull, err := topic.Subscribe(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var ended []error
		var mu sync.Mutex
		o := ConnOptions{Ended: func(_ string, _ Position, err error) {
			mu.Lock()
			defer mu.Unlock()
			ended = append(ended, err)
		}}
		fast, slow := &fakeSink{room: -1}, &fakeSink{}
		fc, sc := connect(t, h, fast, o), connect(t, h, slow, o)
		follow(t, fc, "log", nil)
		follow(t, sc, "log", nil)
		follow(t, sc, "keyed", nil)
		synctest.Wait()
		publish(t, topic, "a", "b")
		done := make(chan error)
		go func() { done <- h.Drain(t.Context()) }()
		synctest.Wait()
		publish(t, topic, "too late")
		if _, err := topic.Subscribe(t.Context(), nil); err != ErrDraining {
			t.Errorf("Subscribe: %v", err)
		}
		if err := fc.Follow(t.Context(), "keyed", nil); err != ErrDraining {
			t.Errorf("Follow: %v", err)
		}
		if _, err := h.Connect(fast, ConnOptions{Encoder: lines{}}); err != ErrDraining {
			t.Errorf("Connect: %v", err)
		}
		wantText(t, "fast", fast, "live a b")
		events, err := tryDrain(pull)
		wantShow(t, "pull", events, "live a b")
		if err != ErrDraining {
			t.Errorf("pull ended with %v", err)
		}
		select {
		case err := <-done:
			t.Fatalf("Drain returned %v before the slow one had finished", err)
		default:
		}
		slow.grant(-1)
		synctest.Wait()
		if got := len(slow.text()); got != len("live a b a=1* live") {
			t.Errorf("slow got %d bytes", got)
		}
		if err := <-done; err != nil {
			t.Errorf("Drain: %v", err)
		}
		mu.Lock()
		if fmt.Sprint(ended) != fmt.Sprint([]error{ErrDraining, ErrDraining, ErrDraining}) {
			t.Errorf("ended: %v", ended)
		}
		mu.Unlock()
		if err := h.Drain(t.Context()); err != nil {
			t.Errorf("again: %v", err)
		}
	})
}

func TestDrainGivesUp(t *testing.T) {
	bubble(t, TopicConfig{}, func(t *testing.T, h *Hub) {
		s, err := h.Topic("log").Subscribe(t.Context(), nil) // never reads
		if err != nil {
			t.Fatal(err)
		}
		errPatience := errors.New("out of patience")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errPatience)
		defer cancel()
		if err := h.Drain(ctx); err != errPatience {
			t.Errorf("Drain: %v", err)
		}
		if _, err := s.Next(t.Context()); err != ErrDraining {
			t.Errorf("Next: %v", err)
		}
	})
}

func TestKick(t *testing.T) {
	bubble(t, TopicConfig{}, func(t *testing.T, h *Hub) {
		subs := map[string]*Sub[[]byte]{}
		for _, who := range []string{"ann", "bob"} {
			for _, topic := range []string{"log.a", "log.b"} {
				s, err := h.Topic(topic).Subscribe(t.Context(), &SubOptions[[]byte]{Label: who})
				if err != nil {
					t.Fatal(err)
				}
				subs[who+topic] = s
			}
		}
		var ended []string
		var mu sync.Mutex
		c := connect(t, h, &fakeSink{room: -1}, ConnOptions{Label: "ann", Ended: func(topic string, _ Position, err error) {
			mu.Lock()
			defer mu.Unlock()
			ended = append(ended, fmt.Sprint(topic, err == ErrKicked))
		}})
		follow(t, c, "log.a", nil)
		follow(t, c, "log.b", nil)
		synctest.Wait()
		if n := h.Kick("ann", "log.a"); n != 2 {
			t.Errorf("kicked %d", n)
		}
		synctest.Wait()
		alive := func() (s string) {
			for _, k := range []string{"annlog.a", "annlog.b", "boblog.a", "boblog.b"} {
				if _, err := tryDrain(subs[k]); err == nil {
					s += k + " "
				} else if err != ErrKicked {
					t.Errorf("%s: %v", k, err)
				}
			}
			return s
		}
		if got := alive(); got != "annlog.b boblog.a boblog.b " {
			t.Errorf("left: %s", got)
		}
		mu.Lock()
		if fmt.Sprint(ended, c.Topics()) != "[log.atrue] [log.b]" {
			t.Errorf("ended %v, follows %v", ended, c.Topics())
		}
		mu.Unlock()
		if n := h.Kick("ann"); n != 2 {
			t.Errorf("kicked %d", n)
		}
		if n := h.Kick("", "log.b"); n != 1 {
			t.Errorf("kicked %d", n)
		}
		if got := alive(); got != "boblog.a " {
			t.Errorf("left: %s", got)
		}
	})
}

// The counters are those of what happened, and the observer hears of the rest.
func TestStatsAndObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []Incident
		h := New(&Options{
			Configure: kindsByPrefix(TopicConfig{MaxEvents: 3}),
			Observe:   func(i Incident) { seen = append(seen, i) },
		})
		defer h.Close()
		topic := TopicOf[string](h, "log", nil)
		slow, skips := subscribe(t, topic, nil), subscribe(t, topic, &SubOptions[string]{Policy: SkipWithGap})
		k := subscribe(t, TopicOf[string](h, "keyed", nil), &SubOptions[string]{Policy: SkipWithGap})
		sink := &fakeSink{room: -1}
		c := connect(t, h, sink, ConnOptions{})
		follow(t, c, "log", nil)
		synctest.Wait()
		drain(t, slow)
		drain(t, skips)
		drain(t, k)
		sink.grant(0)
		publish(t, topic, "a")
		synctest.Wait()
		sink.grant(-1)
		synctest.Wait()
		for _, v := range []string{"b", "c", "d", "e"} {
			publish(t, topic, v)
			synctest.Wait()
		}
		writeAll(t, k.topic, "a=1", "b=1", "c=1", "d=1")
		synctest.Wait()
		drain(t, skips)
		drain(t, k)
		if _, err := tryDrain(slow); err == nil {
			t.Error("not slow")
		}
		s := h.Stats()
		want := Stats{
			Topics: 2, Subscriptions: 3, Connections: 1, Bytes: s.Bytes, Published: 9, Sent: 5, Full: 1, Read: s.Read,
			Encoded: s.Encoded, Gaps: 1, Resets: 1, Slow: 1,
		}
		if s != want {
			t.Errorf("got  %+v\nwant %+v", s, want)
		}
		if s.Bytes != h.Topics()[0].Bytes+h.Topics()[1].Bytes || s.Encoded < 6 || s.Read == 0 {
			t.Errorf("%+v", s)
		}
		if len(seen) != 1 || seen[0].What != SlowReader || seen[0].Topic != "log" || seen[0].Missed != 2 || seen[0].Reason.String() != "" {
			t.Errorf("observed %+v", seen)
		}
		c.Close()
		if n := h.Stats().Connections; n != 0 {
			t.Errorf("%d connections", n)
		}
	})
}

// Whoever knocks while the hub is drained leaves no topic behind.
func TestRefusedSubscriptionsLeaveNothing(t *testing.T) {
	h := newHub(t, TopicConfig{})
	c := connect(t, h, &nullSink{}, ConnOptions{})
	if err := h.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if _, err := h.Topic(fmt.Sprint("a", i)).Subscribe(t.Context(), nil); err != ErrDraining {
			t.Errorf("Subscribe: %v", err)
		}
		if err := c.Follow(t.Context(), fmt.Sprint("b", i), nil); err != ErrDraining {
			t.Errorf("Follow: %v", err)
		}
	}
	if n := h.Stats().Topics; n != 0 {
		t.Errorf("%d topics are left", n)
	}
	if _, err := h.Connect(&nullSink{}, ConnOptions{Encoder: &words{}}); err != ErrDraining {
		t.Errorf("Connect: %v", err)
	}
}
