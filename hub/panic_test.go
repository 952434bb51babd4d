package hub

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// A bomb is a connection's code that panics in one place once it is armed.
type bomb struct {
	fakeSink
	words
	in    string
	armed atomic.Bool
}

func (b *bomb) blow(in string) {
	if b.in == in && b.armed.Load() {
		panic("boom in " + in)
	}
}

func (b *bomb) TrySend(frames [][]byte) (int, error) {
	b.blow("TrySend")
	return b.fakeSink.TrySend(frames)
}

func (b *bomb) NotifyWritable(f func()) {
	b.blow("NotifyWritable")
	b.fakeSink.NotifyWritable(f)
}

func (b *bomb) Format() string { return "bomb" }

func (b *bomb) AppendFrame(dst []byte, ev *Event[[]byte]) ([]byte, error) {
	b.blow("AppendFrame")
	return b.words.AppendFrame(dst, ev)
}

// An ending is what Ended was told.
type ending struct {
	topic string
	pos   Position
	err   error
}

type endings struct {
	mu   sync.Mutex
	list []ending
}

func (e *endings) add(topic string, pos Position, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, ending{topic, pos, err})
}

func (e *endings) take() []ending {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := e.list
	e.list = nil
	slices.SortFunc(list, func(a, b ending) int { return strings.Compare(a.topic, b.topic) })
	return list
}

// A panic in a connection's code ends what that code is of, in the middle of a
// round for all that stand in one shard too, and nothing else.
func TestPanicsEndWhatTheyAreOf(t *testing.T) {
	for _, tt := range []struct {
		in    string
		ended string // Ended is told of these, of the topics log and other
		left  string
	}{
		{"TrySend", "log other", ""},
		{"NotifyWritable", "log other", ""},
		{"AppendFrame", "log", "other"},
		{"Filter", "log", "other"},
		{"Ended", "", "other"},
	} {
		t.Run(tt.in, func(t *testing.T) {
			bubble(t, TopicConfig{}, func(t *testing.T, h *Hub) {
				h.shards = h.shards[:1]
				var ends, incidents endings
				h.opts.Observe = func(i Incident) { incidents.add(i.Topic+": "+i.What.String(), Position{}, i.Err) }
				log, other := TopicOf[string](h, "log", nil), TopicOf[string](h, "other", nil)
				b := &bomb{fakeSink: fakeSink{room: -1}, in: tt.in}
				goods := []*fakeSink{{room: -1}, {room: -1}}
				format := Encoder(b) // one group
				if tt.in == "AppendFrame" {
					format = &words{format: "words"} // whoever wants the same frame ends with it
				}
				follow(t, connect(t, h, goods[0], ConnOptions{Encoder: format}), "log", nil)
				c := connect(t, h, b, ConnOptions{Encoder: b, Label: "bomb", Ended: func(topic string, pos Position, err error) {
					b.blow("Ended")
					ends.add(topic, pos, err)
				}})
				o := &FollowOptions{}
				if tt.in == "Filter" {
					o.Filter = func(*Event[[]byte]) bool { b.blow("Filter"); return true }
				}
				follow(t, c, "log", o)
				follow(t, c, "other", nil)
				follow(t, connect(t, h, goods[1], ConnOptions{Encoder: format}), "log", nil)
				first := publish(t, log, "a")
				synctest.Wait()
				for _, g := range goods {
					g.text()
				}
				b.armed.Store(true)
				if tt.in == "NotifyWritable" {
					b.grant(0)
				}
				if tt.in == "Ended" {
					h.Kick("bomb", "log")
				}
				publish(t, log, "x")
				synctest.Wait()
				b.armed.Store(false)
				publish(t, log, "y")
				publish(t, other, "z")
				for i, g := range goods {
					wantText(t, fmt.Sprint("good ", i), g, "x y")
				}
				if got := strings.Join(c.Topics(), " "); got != tt.left {
					t.Errorf("still followed: %q, want %q", got, tt.left)
				}
				if text := b.text(); strings.HasSuffix(text, " z") != (tt.left != "") || strings.Contains(text, "y") {
					t.Errorf("the bomb's connection got %q", text)
				}
				var topics []string
				for _, e := range ends.take() {
					topics = append(topics, e.topic)
					p, ok := errors.AsType[*PanicError](e.err)
					if !ok || p.In != tt.in || p.Value != "boom in "+tt.in || !strings.Contains(string(p.Stack), "(*bomb).blow") {
						t.Errorf("%s ended with %v", e.topic, e.err)
					}
					if e.topic == "log" && e.pos != first {
						t.Errorf("log ended at %s, want %s", e.pos, first)
					}
				}
				if got := strings.Join(topics, " "); got != tt.ended {
					t.Errorf("ended: %q, want %q", got, tt.ended)
				}
				told := incidents.take()
				if n := h.Stats().Panics; n != 1 || len(told) != 1 || !strings.HasSuffix(told[0].topic, "panicked") {
					t.Errorf("%d panics are counted, Observe was told %v", n, told)
				}
				if err := c.Follow(t.Context(), "third", nil); (err == nil) != (tt.left != "") {
					t.Errorf("Follow of another topic: %v", err)
				}
			})
		})
	}
}

// The markers and rows that a follower is sent by itself are no different.
func TestPanicsWhileCatchingUp(t *testing.T) {
	for _, in := range []string{"TrySend", "AppendFrame", "Filter"} {
		bubble(t, TopicConfig{}, func(t *testing.T, h *Hub) {
			writeAll(t, TopicOf[string](h, "keyed", nil), "a=1", "b=1")
			var ends endings
			b := &bomb{fakeSink: fakeSink{room: -1}, in: in}
			b.armed.Store(true)
			c := connect(t, h, b, ConnOptions{Encoder: b, Ended: ends.add})
			follow(t, c, "keyed", &FollowOptions{Filter: func(*Event[[]byte]) bool { b.blow("Filter"); return true }})
			synctest.Wait()
			list := ends.take()
			if len(list) != 1 || list[0].topic != "keyed" || !list[0].pos.IsZero() {
				t.Fatalf("%s: ended: %v", in, list)
			}
			if p, ok := errors.AsType[*PanicError](list[0].err); !ok || p.In != in || !strings.Contains(p.Error(), "boom in "+in) {
				t.Errorf("%s: ended with %v", in, list[0].err)
			}
			if st := h.Stats(); st.Subscriptions != 0 {
				t.Errorf("%s: %d subscriptions are left", in, st.Subscriptions)
			}
		})
	}
}

// An error whose own method panics is an end.
type badError struct{}

func (badError) Error() string { return "bad" }
func (badError) Full() bool    { panic("boom") }

func TestPanicOfASinksError(t *testing.T) {
	bubble(t, TopicConfig{}, func(t *testing.T, h *Hub) {
		var ends endings
		s := &fakeSink{room: -1, err: badError{}}
		follow(t, connect(t, h, s, ConnOptions{Ended: ends.add}), "log", nil)
		synctest.Wait()
		if list := ends.take(); len(list) != 1 || h.Stats().Panics != 1 {
			t.Errorf("ended: %v, %d panics", list, h.Stats().Panics)
		}
	})
}

// Observe may panic wherever it is called: the hub goes on.
func TestPanicOfObserve(t *testing.T) {
	bubble(t, TopicConfig{MaxEvents: 2}, func(t *testing.T, h *Hub) {
		h.opts.Observe = func(Incident) { panic("boom") }
		log := TopicOf[string](h, "log", nil)
		slow := &fakeSink{}
		follow(t, connect(t, h, slow, ConnOptions{}), "log", nil)
		sub := subscribe(t, log, nil)
		fast := &fakeSink{room: -1}
		follow(t, connect(t, h, fast, ConnOptions{}), "log", nil)
		synctest.Wait()
		fast.text()
		for i := range 4 {
			publish(t, log, fmt.Sprint(i))
			synctest.Wait()
		}
		slow.grant(-1)
		_, err := sub.Next(context.Background())
		if _, ok := errors.AsType[*SlowError](err); !ok {
			t.Errorf("the reader ends with %v", err)
		}
		wantText(t, "fast", fast, "0 1 2 3")
		if n := h.Stats().Panics; n != 2 {
			t.Errorf("%d panics are counted, want 2", n)
		}
	})
}

// A mine is a sink that panics when it is called for the n-th time.
type mine struct{ n, calls int }

func (m *mine) TrySend(frames [][]byte) (int, error) {
	if m.calls++; m.calls == m.n {
		panic("boom")
	}
	return len(frames), nil
}

func (m *mine) NotifyWritable(func()) {}

// Sinks that panic at any time, among others in rounds that are interrupted: the
// others get all, in order, and who has panicked is not called again.
func TestPanicsAmongMany(t *testing.T) {
	for seed := range uint64(30) {
		bubble(t, TopicConfig{}, func(t *testing.T, h *Hub) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			for _, s := range h.shards {
				s.turn = 1 + rnd.IntN(5)
			}
			var goods []*fakeSink
			var mines []*mine
			for range 30 {
				var s Sink
				if rnd.IntN(3) == 0 {
					m := &mine{n: 1 + rnd.IntN(20)}
					mines, s = append(mines, m), m
				} else {
					g := &fakeSink{room: -1}
					goods, s = append(goods, g), g
				}
				follow(t, connect(t, h, s, ConnOptions{}), "log", nil)
			}
			topic, want := TopicOf[string](h, "log", nil), "live"
			for i := range 30 {
				publish(t, topic, fmt.Sprint(i))
				want += fmt.Sprint(" ", i)
				if rnd.IntN(3) == 0 {
					synctest.Wait()
				}
			}
			for i, g := range goods {
				wantText(t, fmt.Sprintf("seed %d, sink %d", seed, i), g, want)
			}
			blown := 0
			for _, m := range mines {
				if m.calls > m.n {
					t.Errorf("seed %d: a sink that had panicked was called %d times", seed, m.calls-m.n)
				}
				if m.calls >= m.n {
					blown++
				}
			}
			if st := h.Stats(); int(st.Panics) != blown || st.Connections != 30-blown || st.Subscriptions != 30-blown {
				t.Errorf("seed %d: %d of 30 sinks have panicked: %+v", seed, blown, st)
			}
		})
	}
}
