//go:build !race

package sse_test

import (
	"io"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/sse"
)

// A shared frame costs a stream that has left net/http no allocation, alone or
// with others; nor does a Push, but for its event.
func TestTrySendAllocatesNothing(t *testing.T) {
	for _, version := range []string{"1.0", "1.1"} {
		t.Run(version, func(t *testing.T) {
			h, streams, _ := hand(&sse.Options{Heartbeat: -1})
			s := real[0].start(t, h, nil)
			conn := s.dial(t)
			_, _ = io.WriteString(conn, "GET / HTTP/"+version+"\r\nHost: x\r\n\r\n")
			st := receive(t, "the stream", streams)
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			frame := encode(t, &sse.Event{ID: "1", Data: make([]byte, 100)})
			for _, frames := range [][][]byte{{frame}, {frame, frame, frame}} {
				if n := testing.AllocsPerRun(500, func() {
					if n, err := st.TrySend(frames); n != len(frames) && err != sse.ErrQueueFull {
						t.Fatalf("%d, %v", n, err)
					}
				}); n != 0 {
					t.Errorf("TrySend of %d: %v allocations", len(frames), n)
				}
			}
			e := &sse.Event{Data: make([]byte, 100)}
			if n := testing.AllocsPerRun(500, func() { _ = st.Push(e) }); n > 1 {
				t.Errorf("Push: %v allocations", n)
			}
		})
	}
}

// Nothing of the request is kept: a stream that is silent weighs about as much
// as its socket.
func TestHandlerKeepsNothingOfTheRequest(t *testing.T) {
	const n = 200
	large := strings.Repeat("x", 32<<10)
	h, streams, _ := hand(nil)
	s := real[0].start(t, h, nil)
	var kept []*sse.Stream
	open := func() {
		for range n {
			conn := s.dial(t)
			_, _ = io.WriteString(conn, "GET /?last_event_id=k.1&x="+large+" HTTP/1.1\r\nHost: x\r\nX-Large: "+large+"\r\n\r\n")
			kept = append(kept, receive(t, "the stream", streams))
		}
	}
	open()
	before := heap()
	open()
	if each := (heap() - before) / n; each > 8<<10 {
		t.Errorf("%d bytes a stream", each)
	}
	for _, st := range kept {
		if st.LastEventID() != "k.1" {
			t.Fatalf("id %q", st.LastEventID())
		}
		_ = st.Close()
	}
}
