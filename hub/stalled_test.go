//go:build !race

// One goroutine and a look at the heap: nothing for the race detector.

package hub

import (
	"fmt"
	"runtime"
	"testing"
)

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Ten thousand readers that stop reading, each somewhere else, hold nothing:
// the heap grows by the ring (and the table) and not by what they have missed.
// When they read again, the accounts add up for each.
func TestStalledCursorsHoldNothing(t *testing.T) {
	const (
		cursors = 10_000
		events  = 2 * cursors
		size    = 1000
		keys    = 100
		ring    = 64 << 10
	)
	for _, kind := range []string{"log", "keyed"} {
		t.Run(kind, func(t *testing.T) {
			h := newHub(t, TopicConfig{MaxBytes: ring, MaxEvents: -1})
			topic := h.Topic(kind)
			publish := func(i int) {
				var err error
				if kind == "log" {
					_, err = topic.Publish(t.Context(), make([]byte, size))
				} else {
					_, err = topic.Put(t.Context(), fmt.Sprint(i%keys), make([]byte, size))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			subs := make([]*Sub[[]byte], cursors)
			for i := range subs {
				s, err := topic.Subscribe(t.Context(), &SubOptions[[]byte]{
					Policy: SkipWithGap, Batch: 2,
					Filter: func(e *Event[[]byte]) bool { return e.Rev.off%3 != 0 },
				})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				subs[i] = s
			}
			before, goroutines := heap(), runtime.NumGoroutine()
			for i := range events {
				publish(i)
				if s := subs[i%cursors]; i < cursors/2 {
					// Reads a little, of a snapshot or of the log, and
					// stalls; the others stall from the start.
					if _, err := s.Next(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			grown := heap() - before
			t.Logf("%d cursors missed up to %d KiB each; the heap grew by %d KiB for %d KiB in the log and %d keys",
				cursors, events*size>>10, grown>>10, h.Topics()[0].Bytes>>10, h.Topics()[0].Keys)
			// The log, the table and slack.
			if limit := int64(2*ring + keys*2*size + 1<<20); grown > limit {
				t.Errorf("the heap grew by %d KiB, want at most %d", grown>>10, limit>>10)
			}
			if n := runtime.NumGoroutine(); n > goroutines {
				t.Errorf("%d goroutines, %d before", n, goroutines)
			}
			for i, s := range subs {
				drain(t, s)
				a := s.Stats()
				// They all subscribed to the empty topic.
				if sum := a.Delivered + a.Filtered + a.Superseded + a.Missed; sum != events || s.Position().off != events {
					t.Fatalf("cursor %d at %s: accounts %+v add up to %d, want %d", i, s.Position(), a, sum, events)
				}
			}
		})
	}
}

// The same for connections whose peers do not read.
func TestStalledSinksHoldNothing(t *testing.T) {
	const (
		conns  = 10_000
		events = 2000
		size   = 1000
		ring   = 64 << 10
	)
	h := newHub(t, TopicConfig{MaxBytes: ring, MaxEvents: -1})
	topic := h.Topic("log")
	enc := probe{func() {}}
	sinks := make([]*fakeSink, conns)
	list := make([]*Conn, conns)
	for i := range sinks {
		sinks[i] = &fakeSink{room: i % 4} // full after a few
		c, err := h.Connect(sinks[i], ConnOptions{Encoder: enc})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Follow(t.Context(), "log", &FollowOptions{Policy: SkipWithGap}); err != nil {
			t.Fatal(err)
		}
		list[i] = c
	}
	h.runner.wg.Wait()
	before, goroutines := heap(), runtime.NumGoroutine()
	for range events {
		if _, err := topic.Publish(t.Context(), make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		h.runner.wg.Wait()
	}
	for _, s := range sinks {
		s.got = nil // what a peer has got is not the hub's
	}
	grown := heap() - before
	t.Logf("%d connections missed up to %d KiB each; the heap grew by %d KiB for %d KiB in the log",
		conns, events*size>>10, grown>>10, h.Topics()[0].Bytes>>10)
	if limit := int64(2*ring + 200*conns + 1<<20); grown > limit {
		t.Errorf("the heap grew by %d KiB, want at most %d", grown>>10, limit>>10)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
	for _, s := range sinks {
		s.grant(-1)
	}
	h.runner.wg.Wait()
	for i, c := range list {
		a := c.Stats("log")
		if sum := a.Delivered + a.Missed; sum != events || c.Position("log").off != events {
			t.Fatalf("connection %d at %s: accounts %+v add up to %d, want %d", i, c.Position("log"), a, sum, events)
		}
	}
}
