package hub

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A publisher hands a long list of sleeping readers over in one step, and
// wakes a short one itself.
func TestPublisherDoesConstantWork(t *testing.T) {
	h := newHub(t, TopicConfig{})
	topic := h.Topic("log")
	in := subscribe(t, topic, nil).c.t // one that does not read keeps the topic
	for _, n := range []int{0, 1, inlineWakes, inlineWakes + 1, 1000} {
		var subs []*Sub[[]byte]
		for range n {
			s := subscribe(t, topic, nil)
			drain(t, s)
			subs = append(subs, s)
		}
		in.mu.Lock()
		if len(in.waiters) != n {
			t.Errorf("%d readers wait, want %d", len(in.waiters), n)
		}
		list := in.takeWaiters()
		left := len(in.waiters)
		in.mu.Unlock()
		if handed := len(list); (n > inlineWakes) != (handed == n && n > 0) || left != 0 {
			t.Errorf("of %d: %d handed over, %d left", n, handed, left)
		}
		h.dispatcher.wake(list)
		h.dispatcher.wg.Wait()
		for _, s := range subs {
			if len(s.c.wake) != 1 {
				t.Fatalf("of %d: a reader was not woken", n)
			}
			s.Close()
		}
		if n := len(in.waiters); n != 0 {
			t.Errorf("%d closed readers wait", n)
		}
	}
}

// Readers that sleep, in any number, all get each event; when all is done
// there is no goroutine left (the bubble would not end) and no timer.
func TestSleepersWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(nil)
		topic := TopicOf[int](h, "log", nil)
		const readers, events = 300, 10
		var wg sync.WaitGroup
		var got atomic.Int64
		for range readers {
			s, err := topic.Subscribe(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				want := 0
				for ev, err := range s.Events() {
					if err != nil {
						t.Error(err)
						return
					}
					if ev.Marker != NoMarker {
						continue
					}
					if ev.Value != want {
						t.Errorf("got %d, want %d", ev.Value, want)
						return
					}
					got.Add(1)
					if want++; want == events {
						return
					}
				}
			})
		}
		for i := range events {
			synctest.Wait() // all asleep
			topic.Publish(t.Context(), i)
		}
		wg.Wait()
		if got.Load() != readers*events {
			t.Errorf("%d deliveries", got.Load())
		}
		h.Close()
	})
}

func TestCancelOfNextLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(nil)
		defer h.Close()
		topic := TopicOf[string](h, "log", nil)
		s, err := topic.Subscribe(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		drain(t, s)
		in, _ := h.open("log")
		for range 100 { // a long poll after another on a quiet topic
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("poll is over"))
			if _, err := s.Next(ctx); err == nil || err.Error() != "poll is over" {
				t.Fatalf("got %v, want the context's cause", err)
			}
			cancel()
			if len(in.waiters) != 1 {
				t.Fatalf("%d entries in the list of waiters", len(in.waiters))
			}
		}
		publish(t, topic, "a", "b")
		events, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wantShow(t, "after a hundred cancels", events, "a b")
	})
}

func TestEndsOfASubscription(t *testing.T) {
	errGone := errors.New("client went away")
	for name, end := range map[string]func(h *Hub, s *Sub[string], cancel context.CancelCauseFunc) error{
		"Close":   func(h *Hub, s *Sub[string], cancel context.CancelCauseFunc) error { s.Close(); return ErrUnsubscribed },
		"hub":     func(h *Hub, s *Sub[string], cancel context.CancelCauseFunc) error { h.Close(); return ErrClosed },
		"context": func(h *Hub, s *Sub[string], cancel context.CancelCauseFunc) error { cancel(errGone); return errGone },
	} {
		for _, asleep := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, asleep %v", name, asleep), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := New(nil)
					ctx, cancel := context.WithCancelCause(t.Context())
					topic := TopicOf[string](h, "log", nil)
					s, err := topic.Subscribe(ctx, nil)
					if err != nil {
						t.Fatal(err)
					}
					in := s.c.t
					var got error
					read := func() {
						for _, err := range s.Events() {
							if got = err; err != nil {
								return
							}
						}
					}
					var want error
					if asleep {
						var wg sync.WaitGroup
						wg.Go(read)
						synctest.Wait()
						want = end(h, s, cancel)
						wg.Wait()
					} else {
						want = end(h, s, cancel)
						synctest.Wait()
						read()
					}
					if got != want {
						t.Errorf("the loop ended with %v, want %v", got, want)
					}
					for range 2 {
						if _, err := s.Next(context.Background()); err != want {
							t.Errorf("Next: %v, want %v", err, want)
						}
					}
					for range 2 {
						if err := s.Close(); err != nil {
							t.Error(err)
						}
					}
					if len(in.members) != 0 || len(in.waiters) != 0 {
						t.Errorf("%d subscribers, %d waiters are left", len(in.members), len(in.waiters))
					}
					if n := len(h.Topics()); n != 0 {
						t.Errorf("%d topics are left", n)
					}
					cancel(nil)
					h.Close()
				})
			})
		}
	}
}

// counted is a context that counts who waits for its end.
type counted struct {
	context.Context
	done    chan struct{}
	waiting int
}

func (c *counted) Done() <-chan struct{} { return c.done }

func (c *counted) AfterFunc(func()) func() bool {
	c.waiting++
	return func() bool { c.waiting--; return true }
}

func TestContextForgetsTheSubscription(t *testing.T) {
	h := New(nil)
	ctx := &counted{Context: t.Context(), done: make(chan struct{})}
	topic := TopicOf[string](h, "log", nil)
	var subs []*Sub[string]
	for range 3 {
		s, err := topic.Subscribe(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		subs = append(subs, s)
	}
	subs[0].Close()
	for range subs[1].Events() {
		break
	}
	SetHook(h, func(point string) {
		if point == "joined" { // before the context knows it
			h.Kick("kicked")
		}
	})
	if _, err := topic.Subscribe(ctx, &SubOptions[string]{Label: "kicked"}); err != nil {
		t.Fatal(err)
	}
	SetHook(h, nil)
	h.Close()
	if _, err := subs[2].Next(t.Context()); err != ErrClosed {
		t.Errorf("%v, want ErrClosed", err)
	}
	if ctx.waiting != 0 {
		t.Errorf("the context still knows %d subscriptions", ctx.waiting)
	}
}

// A topic that is reclaimed after it was looked up and before it is used is
// looked up again: nothing goes into a topic that nobody can find.
func TestReclaimedInBetween(t *testing.T) {
	h := newHub(t, TopicConfig{})
	topic := TopicOf[string](h, "log", nil)
	for name, use := range map[string]func() error{
		"publish":   func() error { _, err := topic.Publish(t.Context(), "x"); return err },
		"subscribe": func() error { subscribe(t, topic, nil); return nil },
	} {
		s := subscribe(t, topic, nil)
		SetHook(h, func(point string) {
			if point == "found" {
				s.Close()
			}
		})
		if err := use(); err != nil {
			t.Fatal(err)
		}
		SetHook(h, nil)
		info := h.Topics()
		if len(info) != 1 || info[0].Events+info[0].Subscribers != 1 {
			t.Errorf("%s went nowhere: %+v", name, info)
		}
		h.Close()
		h = newHub(t, TopicConfig{})
		topic = TopicOf[string](h, "log", nil)
	}
}

func TestEarlyBreakLeavesNothing(t *testing.T) {
	h := newHub(t, TopicConfig{})
	topic := TopicOf[string](h, "keyed", nil)
	writeAll(t, topic, "a=1", "b=1")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := topic.Subscribe(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range s.Events() {
		break
	}
	in := s.c.t
	if len(in.members) != 0 || len(in.log.table.views) != 0 || len(in.waiters) != 0 {
		t.Errorf("%d subscribers, %d views, %d waiters", len(in.members), len(in.log.table.views), len(in.waiters))
	}
	for _, err := range s.Events() {
		if err != ErrUnsubscribed {
			t.Errorf("%v", err)
		}
	}
}

func TestSecondReaderIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(nil)
		topic := TopicOf[string](h, "log", nil)
		s, err := topic.Subscribe(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			drained := 0
			for drained < 2 { // the marker and the event
				events, err := s.Next(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				drained += len(events)
			}
		})
		synctest.Wait()
		if _, err := s.Next(t.Context()); err != ErrBusy {
			t.Errorf("%v, want ErrBusy", err)
		}
		for _, err := range s.Events() {
			if err != ErrBusy {
				t.Errorf("a loop: %v, want ErrBusy", err)
			}
		}
		publish(t, topic, "a") // the first reader goes on
		wg.Wait()
		h.Close()
	})
}

func TestClosedHub(t *testing.T) {
	h := New(nil)
	topic := TopicOf[string](h, "log", nil)
	publish(t, topic, "a")
	for range 2 {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
	ctx := t.Context()
	_, e1 := topic.Publish(ctx, "b")
	_, e2 := topic.Subscribe(ctx, nil)
	_, e3 := topic.Head(ctx)
	_, e4 := topic.Since(ctx, Position{1, 1, 1}, 0)
	_, e5 := topic.Get(ctx, "k")
	for _, err := range []error{e1, e2, e3, e4, e5} {
		if err != ErrClosed {
			t.Errorf("%v, want ErrClosed", err)
		}
	}
	if n := len(h.Topics()); n != 0 {
		t.Errorf("%d topics", n)
	}
}

func TestDeadContextIsHonoured(t *testing.T) {
	h := newHub(t, TopicConfig{})
	errDone := errors.New("done")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errDone)
	log, keyed := h.Topic("log"), h.Topic("keyed")
	_, e1 := log.Publish(ctx, nil)
	_, e2 := log.Subscribe(ctx, nil)
	_, e3 := log.Head(ctx)
	_, e4 := log.Since(ctx, Position{1, 1, 1}, 0)
	_, e5 := keyed.Get(ctx, "k")
	_, e6 := keyed.Snapshot(ctx)
	_, e7 := keyed.Put(ctx, "k", nil)
	_, e8 := keyed.Delete(ctx, "k")
	for i, err := range []error{e1, e2, e3, e4, e5, e6, e7, e8} {
		if err != errDone {
			t.Errorf("call %d: %v, want the context's cause", i+1, err)
		}
	}
	if n := len(h.Topics()); n != 0 {
		t.Errorf("%d topics", n)
	}
}

// Everything at once, for the race detector: topics come and go, readers of
// all kinds start, stall and leave while the hub closes.
func TestChurn(t *testing.T) {
	h := New(&Options{Configure: kindsByPrefix(TopicConfig{MaxEvents: 8})})
	var wg sync.WaitGroup
	names := []string{"log", "keyed", "eph"}
	const rounds = 300
	for g := range 6 {
		name := names[g%3]
		wg.Go(func() {
			topic := TopicOf[int](h, name, nil)
			for i := range rounds {
				ctx := context.Background()
				if name == "log" {
					topic.Publish(ctx, i)
					continue
				}
				topic.Put(ctx, fmt.Sprint(i%5), i)
				if i%7 == 0 {
					topic.Delete(ctx, fmt.Sprint(i%5))
				}
			}
		})
		wg.Go(func() {
			topic := TopicOf[int](h, name, nil)
			for i := range rounds {
				ctx, cancel := context.WithCancel(context.Background())
				s, err := topic.Subscribe(ctx, &SubOptions[int]{Policy: Policy(i % 2), Batch: 1 + i%9, From: []From{{}, Start(), Live(), Last(3)}[i%4]})
				if err != nil {
					cancel()
					return // closed
				}
				for range i % 4 {
					if _, err := s.Next(ctx); err != nil {
						break
					}
					topic.Head(ctx)
				}
				if i%2 == 0 {
					s.Close()
				}
				cancel()
				h.Topics()
				if g == 0 && i == rounds-1 {
					h.Close()
				}
			}
		})
		wg.Go(func() {
			topic := TopicOf[int](h, "log", nil)
			for range rounds { // keeps the readers of logs going
				if _, err := topic.Publish(context.Background(), 0); err != nil {
					return
				}
				TopicOf[int](h, "eph", nil).Publish(context.Background(), 0)
				TopicOf[int](h, "keyed", nil).Put(context.Background(), "x", 0)
			}
			h.Close()
		})
	}
	wg.Wait()
	h.Close()
}
