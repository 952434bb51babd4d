//go:build !race

package gateway_test

import (
	"testing"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/hub/gateway"
)

// Not with the race detector: a sync.Pool drops at random there.
func TestEncodingDoesNotAllocate(t *testing.T) {
	events := []hub.Event[[]byte]{
		{Topic: "t", Pos: posA, Rev: posA, Name: "story", Key: "k", Time: noon, Data: []byte(`{"a":[1,2,"é"]}`)},
		{Topic: "t", Rev: posA, Key: "k", Time: noon, Data: []byte("{\n\"a\" : 1}")},
		{Topic: "t", Pos: posA, Data: []byte("text é\n")},
		{Topic: "t", Pos: posA, Data: []byte("\xff\x00")},
		{Topic: "t", Pos: posA, Key: "k", Deleted: true},
		{Topic: "t", Pos: posB, Marker: hub.MarkGap, Gap: &hub.Gap{Reason: hub.Trimmed, From: posA, Now: posB}},
		{Topic: "t", Pos: posB, Marker: hub.MarkLive},
	}
	dst := make([]byte, 0, 4096)
	for i := range events {
		if n := testing.AllocsPerRun(200, func() { dst = gateway.AppendEvent(dst[:0], &events[i]) }); n != 0 {
			t.Errorf("envelope %d: %v allocations", i, n)
		}
		if n := testing.AllocsPerRun(200, func() { dst, _ = gateway.WebSocketEncoder{}.AppendFrame(dst[:0], &events[i]) }); n != 0 {
			t.Errorf("frame %d: %v allocations", i, n)
		}
		// The text of the position.
		if n := testing.AllocsPerRun(200, func() { dst, _ = gateway.EventStreamEncoder{}.AppendFrame(dst[:0], &events[i]) }); n > 1 {
			t.Errorf("event %d: %v allocations", i, n)
		}
	}
}
