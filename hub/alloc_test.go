//go:build !race

package hub

import (
	"context"
	"reflect"
	"testing"
)

// Once one reader has decoded the events, others cost no allocation.
func TestDeliveryDoesNotAllocate(t *testing.T) {
	h := newHub(t, TopicConfig{MaxEvents: -1})
	topic := TopicOf[int](h, "log", nil)
	const n = 1000
	for i := range n + 10 {
		topic.Publish(t.Context(), i)
	}
	drain(t, subscribe(t, topic, &SubOptions[int]{From: Start()}))
	s := subscribe(t, topic, &SubOptions[int]{From: Start()})
	ctx := context.Background()
	var buf [1]*Event[int]
	want := 0
	allocs := testing.AllocsPerRun(n, func() {
		events, err := s.next(ctx, buf[:0], 1)
		if err != nil || events[0].Value != want {
			t.Fatalf("%v, %v, want %d", events, err, want)
		}
		want++
	})
	if allocs != 0 {
		t.Errorf("%v allocations an event", allocs)
	}
}

// The size that doc.go names: the subscription and its wake token.
func TestSizeOfASubscription(t *testing.T) {
	if size := reflect.TypeFor[Sub[int]]().Size() + 96; size > 640 {
		t.Errorf("%d bytes", size)
	} else {
		t.Logf("%d bytes", size)
	}
}

// A delivery in the push form costs no allocation: what an event costs is the
// same for a hundred connections and for ten times as many.
func TestPushDeliveryDoesNotAllocate(t *testing.T) {
	cost := func(conns int) float64 {
		h := newHub(t, TopicConfig{})
		h.shards = h.shards[:1]
		topic := h.Topic("log")
		var sinks []*nullSink
		for range conns {
			s := &nullSink{}
			sinks = append(sinks, s)
			follow(t, connect(t, h, s, ConnOptions{}), "log", nil)
		}
		h.runner.wg.Wait()
		data := []byte("x")
		ctx := context.Background()
		const events = 200
		allocs := testing.AllocsPerRun(events, func() {
			topic.Publish(ctx, data)
			h.runner.wg.Wait()
		})
		for _, s := range sinks {
			if s.n != events+2 { // the marker, and AllocsPerRun's first run
				t.Fatalf("%d sends, want %d", s.n, events+2)
			}
		}
		return allocs
	}
	few, many := cost(100), cost(1000)
	t.Logf("%.1f allocations an event with 100 connections, %.1f with 1000", few, many)
	if many > few+1 {
		t.Errorf("%.1f allocations an event with 100 connections, %.1f with 1000", few, many)
	}
}

// Publishing to a log in memory allocates the event and its bytes.
func TestPublishAllocatesTheEventOnly(t *testing.T) {
	topic := newHub(t, TopicConfig{MaxEvents: 8}).Topic("log")
	data := make([]byte, 128)
	ctx := context.Background()
	if n := testing.AllocsPerRun(1000, func() { topic.Publish(ctx, data) }); n > 2 {
		t.Errorf("%v allocations", n)
	}
}
