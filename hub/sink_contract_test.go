package hub_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/hub"
)

// A foreignSink is a connection of a package that has never heard of hub, as ws and
// sse have not: it says that it is full in its own words.
type foreignSink struct {
	full error // what TrySend returns when it is full

	mu    sync.Mutex
	got   strings.Builder
	room  int
	tries int
	asked int
	wants []func()
}

// A queueError is full, unless the connection has ended for it.
type queueError struct{ ended bool }

func (e *queueError) Error() string { return "queue limit" }
func (e *queueError) Full() bool    { return !e.ended }

func (s *foreignSink) TrySend(frames [][]byte) (whole int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	for i, f := range frames {
		if s.room == 0 {
			return i, s.full
		}
		s.room--
		s.got.Write(f)
	}
	return len(frames), nil
}

func (s *foreignSink) NotifyWritable(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	s.wants = append(s.wants, f)
}

// open makes room and calls each f once, on a goroutine of its own.
func (s *foreignSink) open(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room = n
	for _, f := range s.wants {
		go f()
	}
	s.wants = nil
}

// TestSinkIsStructural: whatever says Full() bool means to come again, wrapped or
// not; any other error is the end; nothing is sent between a refusal and the word
// that there is room, and that is asked for once.
func TestSinkIsStructural(t *testing.T) {
	errCut := errors.New("cable cut")
	for name, tt := range map[string]struct {
		full error
		ends bool
	}{
		"own type":            {&queueError{}, false},
		"wrapped":             {fmt.Errorf("ws: %w", &queueError{}), false},
		"joined":              {errors.Join(errCut, &queueError{}), false},
		"hub.ErrFull":         {hub.ErrFull, false},
		"no word":             {nil, false},
		"full, and has ended": {&queueError{ended: true}, true},
		"another error":       {errCut, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := hub.New(nil)
				defer h.Close()
				s := &foreignSink{full: tt.full, room: 1}
				var ended []error
				c, err := h.Connect(s, hub.ConnOptions{Encoder: text{}, Ended: func(_ string, _ hub.Position, err error) {
					ended = append(ended, err)
				}})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				for _, topic := range []string{"a", "b"} {
					if err := c.Follow(t.Context(), topic, nil); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					s.open(1)
					synctest.Wait()
				}
				s.open(0)
				synctest.Wait()
				s.mu.Lock()
				s.tries, s.asked = 0, 0
				s.mu.Unlock()
				for i := range 5 {
					for _, topic := range []string{"a", "b"} {
						if _, err := h.Topic(topic).Publish(t.Context(), fmt.Append(nil, topic, i)); err != nil {
							t.Fatal(err)
						}
						synctest.Wait()
					}
				}
				s.mu.Lock()
				tries, asked, wants := s.tries, s.asked, s.wants
				s.mu.Unlock()
				if tt.ends {
					if tries != 1 || asked != 0 || len(ended) != 2 {
						t.Errorf("%d tries, asked %d times, ended %v", tries, asked, ended)
					}
					return
				}
				if tries != 1 || asked != 1 {
					t.Errorf("%d tries while it was full, asked %d times", tries, asked)
				}
				s.open(100)
				synctest.Wait()
				if got, want := s.words(), "a:a0 a1 a2 a3 a4 b:b0 b1 b2 b3 b4"; got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				// Told again, late and after the end: harmless.
				for _, f := range wants {
					f()
				}
				c.Close()
				h.Close()
				for _, f := range wants {
					f()
				}
				synctest.Wait()
				if len(ended) != 0 {
					t.Errorf("ended %v", ended)
				}
			})
		})
	}
}

// words are the events of each topic, in the order they came in.
func (s *foreignSink) words() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var a, b []string
	for w := range strings.FieldsSeq(s.got.String()) {
		switch w[0] {
		case 'a':
			a = append(a, w)
		case 'b':
			b = append(b, w)
		}
	}
	return "a:" + strings.Join(a, " ") + " b:" + strings.Join(b, " ")
}

// Elements of frames end where a frame ends, and may hold several.
func TestElementsAreWholeFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(nil)
		defer h.Close()
		s := &elements{}
		c, err := h.Connect(s, hub.ConnOptions{Encoder: text{}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for i := range 500 {
			if _, err := h.Topic("log").Publish(t.Context(), fmt.Appendf(nil, "%d%s", i, strings.Repeat("x", i))); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Follow(t.Context(), "log", &hub.FollowOptions{From: hub.Start()}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		frames := 0
		for _, e := range s.all {
			if !strings.HasSuffix(e, " ") {
				t.Fatalf("an element ends with %q", e[max(0, len(e)-10):])
			}
			frames += strings.Count(e, " ")
		}
		if frames != 501 || len(s.all) >= frames || len(s.all) < 3 {
			t.Errorf("%d frames in %d elements", frames, len(s.all))
		}
	})
}

type elements struct{ all []string }

func (s *elements) TrySend(frames [][]byte) (int, error) {
	for _, f := range frames {
		s.all = append(s.all, string(f))
	}
	return len(frames), nil
}
func (s *elements) NotifyWritable(func()) {}
