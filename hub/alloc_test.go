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
