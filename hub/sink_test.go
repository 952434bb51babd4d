package hub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// words writes events as the show of helpers_test does, each with a blank behind.
type words struct {
	format string
	calls  atomic.Int64
}

func (w *words) Format() string { return w.format }

func (w *words) AppendFrame(dst []byte, ev *Event[[]byte]) ([]byte, error) {
	w.calls.Add(1)
	if string(ev.Data) == `"bad"` {
		return nil, errors.New("bad event")
	}
	e := &Event[string]{Marker: ev.Marker, Pos: ev.Pos, Key: ev.Key, Deleted: ev.Deleted, Gap: ev.Gap, Reset: ev.Reset}
	e.Value = strings.Trim(string(ev.Data), `"`)
	dst = append(dst, show([]*Event[string]{e})...)
	return append(dst, ' '), nil
}

// A fakeSink takes bytes while it has room; a frame that it takes in part it
// takes as a whole, as a socket does.
type fakeSink struct {
	mu    sync.Mutex
	got   []byte
	room  int // -1: no end
	err   error
	tries int
	wants []func()
}

func (s *fakeSink) TrySend(frames [][]byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	if s.err != nil {
		return 0, s.err
	}
	for i, f := range frames {
		if s.room == 0 {
			return i, fmt.Errorf("so it is: %w", ErrFull)
		}
		s.got = append(s.got, f...)
		if s.room > 0 {
			s.room--
		}
	}
	return len(frames), nil
}

func (s *fakeSink) NotifyWritable(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wants = append(s.wants, f)
}

// grant makes room for n pieces, -1 for all, and says so.
func (s *fakeSink) grant(n int) {
	s.mu.Lock()
	s.room = n
	wants := s.wants
	s.wants = nil
	s.mu.Unlock()
	for _, f := range wants {
		f()
	}
}

func (s *fakeSink) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := string(s.got)
	s.got = nil
	return strings.TrimSpace(text)
}

// A nullSink takes everything.
type nullSink struct{ n int }

func (s *nullSink) TrySend(frames [][]byte) (int, error) { s.n++; return len(frames), nil }
func (s *nullSink) NotifyWritable(f func())              {}

func connect(t testing.TB, h *Hub, s Sink, o ConnOptions) *Conn {
	t.Helper()
	if o.Encoder == nil {
		o.Encoder = &words{format: "words"}
	}
	c, err := h.Connect(s, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func follow(t testing.TB, c *Conn, topic string, o *FollowOptions) {
	t.Helper()
	if err := c.Follow(context.Background(), topic, o); err != nil {
		t.Fatalf("Follow(%s): %v", topic, err)
	}
}

func wantText(t testing.TB, what string, s *fakeSink, want string) {
	t.Helper()
	synctest.Wait()
	if got := s.text(); got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// bubble runs a test with a hub in a bubble, which also fails on goroutines left
// behind; at rest there are none.
func bubble(t *testing.T, cfg TopicConfig, f func(t *testing.T, h *Hub)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := New(&Options{Configure: kindsByPrefix(cfg)})
		defer h.Close()
		f(t, h)
		synctest.Wait()
		for i, s := range h.shards {
			s.mu.Lock()
			if s.running {
				t.Errorf("shard %d runs with nothing to do", i)
			}
			s.mu.Unlock()
		}
	})
}

type probe struct{ f func() }

func (probe) Format() string { return "probe" }
func (p probe) AppendFrame(dst []byte, ev *Event[[]byte]) ([]byte, error) {
	p.f()
	return append(dst, make([]byte, 500)...), nil
}

type hookSink struct {
	nullSink
	f func()
}

func (s *hookSink) TrySend(frames [][]byte) (int, error) {
	s.f()
	return len(frames), nil
}
