package hub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func from(f From) *SubOptions[string] { return &SubOptions[string]{From: f} }

func TestLogStarts(t *testing.T) {
	topic := TopicOf[string](newHub(t, TopicConfig{MaxEvents: 4}), "log", nil)
	a := publish(t, topic, "a")
	publish(t, topic, "b", "c")
	d := publish(t, topic, "d")
	e := publish(t, topic, "e")
	f := publish(t, topic, "f")
	publish(t, topic, "g")
	h := publish(t, topic, "h")
	subs := map[string]*Sub[string]{}
	for _, tt := range []struct {
		name string
		from From
		want string
	}{
		{"default is live", From{}, "live"},
		{"live", Live(), "live"},
		{"start", Start(), "e f g h live"},
		{"last 2", Last(2), "g h live"},
		{"last 0", Last(0), "live"},
		{"last of more than there is", Last(99), "e f g h live"},
		{"after the head", After(h), "live"},
		{"after", After(f), "g h live"},
		{"after the oldest", After(e), "f g h live"},
		{"just before the oldest", After(d), "e f g h live"},
		{"too old", After(a), "gap(trimmed,3) e f g h live"},
		{"before the first", After(Position{a.epoch, 0, 0}), "gap(trimmed,4) e f g h live"},
		{"another log", After(Position{a.epoch + 1, f.off, f.tag}), "gap(epoch,-1) e f g h live"},
		{"another branch", After(Position{f.epoch, f.off, f.tag + 1}), "gap(fork,-1) e f g h live"},
		{"another branch's head", After(Position{h.epoch, h.off, h.tag + 1}), "gap(fork,-1) e f g h live"},
		{"beyond the head", After(Position{h.epoch, h.off + 1, 7}), "gap(fork,-1) e f g h live"},
		{"far beyond the head", After(Position{h.epoch, maxOffset, 7}), "gap(fork,-1) e f g h live"},
	} {
		s := subscribe(t, topic, from(tt.from))
		wantShow(t, tt.name, drain(t, s), tt.want)
		if s.Position() != h {
			t.Errorf("%s: position %s, want the head %s", tt.name, s.Position(), h)
		}
		subs[tt.name] = s
	}
	publish(t, topic, "i", "j")
	for name, s := range subs {
		wantShow(t, name+", live", drain(t, s), "i j")
	}
}

func TestEveryPositionResumesExactly(t *testing.T) {
	topic := TopicOf[string](newHub(t, TopicConfig{}), "log", nil)
	var values []string
	var positions []Position
	head, err := topic.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	positions = append(positions, head)
	for i := range 20 {
		values = append(values, fmt.Sprint(i))
		positions = append(positions, publish(t, topic, values[i]))
	}
	for i, p := range positions {
		read, err := ParsePosition(p.String())
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Join(append(values[i:len(values):len(values)], "live"), " ")
		wantShow(t, p.String(), drain(t, subscribe(t, topic, from(After(read)))), want)
	}
}

func TestGapMarkerCarriesThePositionToComeBackWith(t *testing.T) {
	topic := TopicOf[string](newHub(t, TopicConfig{MaxEvents: 2}), "log", nil)
	old := publish(t, topic, "a")
	publish(t, topic, "b", "c", "d", "e")
	s := subscribe(t, topic, &SubOptions[string]{From: After(old), Batch: 1})
	if s.Position() != old {
		t.Errorf("before the gap: %s, want %s", s.Position(), old)
	}
	events, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	gap := events[0]
	if gap.Gap == nil || gap.Pos != gap.Gap.Now || gap.Gap.From != old || s.Position() != gap.Pos {
		t.Fatalf("got %+v, position %s", gap, s.Position())
	}
	wantShow(t, "from the gap's position", drain(t, subscribe(t, topic, from(After(gap.Pos)))), "d e live")
}

func TestRetentionByBytes(t *testing.T) {
	topic := TopicOf[string](newHub(t, TopicConfig{MaxEvents: -1, MaxBytes: 3 * (entryOverhead + 102)}), "log", nil)
	value := func(c string) string { return strings.Repeat(c, 100) } // 102 bytes of JSON
	publish(t, topic, value("a"), value("b"), value("c"), value("d"))
	events := drain(t, subscribe(t, topic, from(Start())))
	if len(events) != 4 || events[0].Value != value("b") {
		t.Errorf("got %s", show(events))
	}
	publish(t, topic, "s", "s")
	events = drain(t, subscribe(t, topic, from(Start())))
	if len(events) != 4 || events[0].Value != value("d") {
		t.Errorf("got %s", show(events))
	}
	_, err := topic.Publish(t.Context(), strings.Repeat("x", 2000))
	if limit, ok := err.(*LimitError); !ok || limit.Option != "TopicConfig.MaxBytes" {
		t.Errorf("an event larger than the log: %v", err)
	}
	wantShow(t, "after the refusal", drain(t, subscribe(t, topic, from(Last(2)))), "s s live")
}

func TestRetentionByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(&Options{Configure: kindsByPrefix(TopicConfig{MaxAge: time.Minute})})
		defer h.Close()
		topic := TopicOf[string](h, "log", nil)
		a := publish(t, topic, "a")
		time.Sleep(40 * time.Second)
		b := publish(t, topic, "b")
		wantShow(t, "both", drain(t, subscribe(t, topic, from(Start()))), "a b live")
		time.Sleep(20 * time.Second)
		wantShow(t, "exactly its age", drain(t, subscribe(t, topic, from(Start()))), "a b live")
		time.Sleep(time.Nanosecond)
		wantShow(t, "past its age", drain(t, subscribe(t, topic, from(Start()))), "b live")
		wantShow(t, "the position before it", drain(t, subscribe(t, topic, from(After(a)))), "b live")
		s := subscribe(t, topic, from(After(a)))
		time.Sleep(time.Minute)
		if _, err := tryDrain(s); err == nil {
			t.Errorf("a reader that did not read for a minute lost nothing")
		}
		s = subscribe(t, topic, from(After(b)))
		wantShow(t, "an empty log goes on", drain(t, s), "live")
		publish(t, topic, "c")
		wantShow(t, "an empty log goes on", drain(t, s), "c")
	})
}

// A topic that nobody touches gives its memory back by itself, and the hub
// then has no timer left: the bubble would fail on a goroutine, and the count
// of sweeps on a timer.
func TestIdleTopicsAreSweptAndReclaimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(&Options{Configure: kindsByPrefix(TopicConfig{MaxAge: time.Minute, IdempotencyWindow: 2 * time.Minute})})
		var sweeps atomic.Int64
		sweep := h.janitor.sweep
		h.janitor.sweep = func() bool { sweeps.Add(1); return sweep() }
		ctx := context.Background()
		for _, name := range []string{"log", "log.idem", "eph"} {
			topic := TopicOf[string](h, name, nil)
			switch name {
			case "eph":
				topic.Put(ctx, "k", "v")
			case "log.idem":
				topic.Publish(ctx, "v", Idempotent("id"))
			default:
				topic.Publish(ctx, "v")
			}
		}
		keyed := TopicOf[string](h, "keyed", nil)
		keyed.Put(ctx, "k", "v")
		names := func() (s string) {
			for _, info := range h.Topics() {
				s += info.Name + " "
			}
			return
		}
		if got := names(); got != "eph keyed log log.idem " {
			t.Errorf("at first: %s", got)
		}
		time.Sleep(time.Minute + sweepInterval + time.Second) // no tick at the same moment
		if got := names(); got != "keyed log.idem " {
			t.Errorf("after their age: %s", got)
		}
		time.Sleep(time.Minute)
		if got := names(); got != "keyed " {
			t.Errorf("after the idempotency window: %s", got)
		}
		before := sweeps.Load()
		time.Sleep(time.Hour)
		if n := sweeps.Load() - before; n != 0 {
			t.Errorf("%d sweeps with nothing left to age", n)
		}
		if info := h.Topics()[0]; info.Events != 0 || info.Keys != 1 {
			t.Errorf("keyed: %+v, want its table alone", info)
		}
		keyed.Delete(ctx, "k")
		time.Sleep(2 * time.Minute)
		if got := names(); got != "" {
			t.Errorf("after the tombstone's age: %s", got)
		}
		if used := h.total.used.Load(); used != 0 {
			t.Errorf("%d bytes are accounted for nothing", used)
		}
		h.Close()
	})
}

func TestRestartIsAnotherEpoch(t *testing.T) {
	topic := TopicOf[string](newHub(t, TopicConfig{}), "log", nil)
	old := publish(t, topic, "a")
	again := TopicOf[string](newHub(t, TopicConfig{}), "log", nil)
	now := publish(t, again, "b")
	if old.SameLog(now) || !now.SameLog(now) {
		t.Errorf("%s and %s: same log", old, now)
	}
	wantShow(t, "log", drain(t, subscribe(t, again, from(After(old)))), "gap(epoch,-1) b live")
}

// Whoever waits for the first event of a topic has a position that stays good
// though nothing is kept for them.
func TestVirginPositionSurvivesItsTopic(t *testing.T) {
	h := newHub(t, TopicConfig{})
	topic := TopicOf[string](h, "log", nil)
	head, _ := topic.Head(t.Context())
	if n := len(h.Topics()); n != 0 {
		t.Errorf("Head left %d topics", n)
	}
	s := subscribe(t, topic, nil)
	events := drain(t, s)
	wantShow(t, "first", events, "live")
	if events[0].Pos != head || s.Position() != head {
		t.Errorf("positions %s, %s and %s differ", events[0].Pos, s.Position(), head)
	}
	s.Close()
	if n := len(h.Topics()); n != 0 {
		t.Errorf("a subscription left %d topics", n)
	}
	publish(t, topic, "a")
	wantShow(t, "resumed", drain(t, subscribe(t, topic, from(After(head)))), "a live")

	// When others are reclaimed it may go stale; but never in silence.
	synctest.Test(t, func(t *testing.T) {
		h := New(&Options{Configure: kindsByPrefix(TopicConfig{MaxAge: time.Second})})
		defer h.Close()
		topic := TopicOf[string](h, "log", nil)
		head, _ := topic.Head(t.Context())
		for i := range 2000 {
			publish(t, TopicOf[string](h, fmt.Sprint("other", i), nil), "x")
		}
		time.Sleep(time.Hour)
		publish(t, topic, "a")
		if got := show(drain(t, subscribe(t, topic, from(After(head))))); got != "a live" && got != "gap(epoch,-1) a live" {
			t.Errorf("after others were reclaimed: %q", got)
		}
	})
}

// An application lets go of topics by their age, and of keys by deleting them.
func TestTopicsGoWhenTheirTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(&Options{MaxTopics: 2, Configure: kindsByPrefix(TopicConfig{MaxAge: time.Minute, IdempotencyWindow: time.Hour})})
		defer h.Close()
		log, keyed := TopicOf[string](h, "log", nil), TopicOf[string](h, "keyed", nil)
		if _, err := log.Publish(t.Context(), "a", Idempotent("1")); err != nil {
			t.Fatal(err)
		}
		writeAll(t, keyed, "k=1")
		var limit *LimitError
		if _, err := h.Topic("new").Publish(t.Context(), nil); !errors.As(err, &limit) {
			t.Errorf("a third topic: %v", err)
		}
		for _, step := range []struct {
			wait time.Duration
			want string
		}{{2 * time.Minute, "keyed log"}, {time.Hour, "keyed"}, {2 * time.Minute, ""}} {
			time.Sleep(step.wait)
			synctest.Wait()
			var names []string
			for _, info := range h.Topics() {
				names = append(names, info.Name)
			}
			if got := strings.Join(names, " "); got != step.want {
				t.Errorf("there are %q, want %q", got, step.want)
			}
			if step.want == "keyed" {
				writeAll(t, keyed, "-k")
			}
		}
	})
}

// A log that was reclaimed can't be taken for the next one of that name, even
// where their offsets meet.
func TestReclaimedLogIsAnotherEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(&Options{Configure: kindsByPrefix(TopicConfig{MaxAge: time.Second})})
		defer h.Close()
		topic := TopicOf[string](h, "log", nil)
		virgin, _ := topic.Head(t.Context())
		old := publish(t, topic, "a")
		time.Sleep(time.Hour)
		if n := len(h.Topics()); n != 0 {
			t.Fatalf("%d topics", n)
		}
		publish(t, topic, "b")
		for _, p := range []Position{virgin, old} {
			wantShow(t, p.String(), drain(t, subscribe(t, topic, from(After(p)))), "gap(epoch,-1) b live")
		}
	})
}

func TestSince(t *testing.T) {
	h := newHub(t, TopicConfig{MaxEvents: 3})
	topic := TopicOf[string](h, "log", nil)
	head, _ := topic.Head(t.Context())
	page, err := topic.Since(t.Context(), head, 0)
	if err != nil || len(page.Events) != 0 || page.Next != head || page.More {
		t.Errorf("of an unknown topic: %+v, %v", page, err)
	}
	if n := len(h.Topics()); n != 0 {
		t.Errorf("Since left %d topics", n)
	}
	a := publish(t, topic, "a")
	publish(t, topic, "b", "c", "d", "e")
	page, err = topic.Since(t.Context(), a, 2)
	if err != nil || !page.More {
		t.Fatalf("%+v, %v", page, err)
	}
	wantShow(t, "first page", page.Events, "gap(trimmed,1) c d")
	page, err = topic.Since(t.Context(), page.Next, 2)
	if err != nil || page.More {
		t.Fatalf("%+v, %v", page, err)
	}
	wantShow(t, "second page", page.Events, "e")
	if head, _ := topic.Head(t.Context()); page.Next != head {
		t.Errorf("next %s, want %s", page.Next, head)
	}

	keyed := TopicOf[string](h, "keyed", nil)
	a = writeAll(t, keyed, "a=1")
	b := writeAll(t, keyed, "b=1", "b=2", "b=3", "-b")
	page, err = keyed.Since(t.Context(), a, 2)
	if err != nil || page.More || !page.Next.IsZero() {
		t.Fatalf("%+v, %v", page, err)
	}
	wantShow(t, "keyed, too old", page.Events, "reset(trimmed,4)")
	if page, err = keyed.Since(t.Context(), b, 0); err != nil || len(page.Events) != 0 || page.Next != b {
		t.Errorf("keyed, at the head: %+v, %v", page, err)
	}

	if _, err := TopicOf[string](h, "eph", nil).Since(t.Context(), a, 0); !isKind(err) {
		t.Errorf("ephemeral: %v", err)
	}
	if _, err := topic.Since(t.Context(), Position{}, 0); err == nil {
		t.Errorf("no position: no error")
	}
}

func isKind(err error) bool {
	_, ok := err.(*KindError)
	return ok
}
