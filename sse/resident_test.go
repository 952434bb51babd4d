package sse_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// A gated is a response whose large writes wait to be let in, and that remembers
// how it was used.
type gated struct {
	*httptest.ResponseRecorder
	inside, let chan struct{}

	mu       sync.Mutex
	deadline time.Time
	returned bool // the handler has
	late     []string
}

func newGated() *gated {
	return &gated{ResponseRecorder: httptest.NewRecorder(), inside: make(chan struct{}, 100), let: make(chan struct{})}
}

func (g *gated) use(what string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.returned {
		g.late = append(g.late, what)
	}
}

func (g *gated) Write(p []byte) (int, error) {
	g.use("Write")
	if len(p) > 1000 {
		g.inside <- struct{}{}
		<-g.let
	}
	return g.ResponseRecorder.Write(p)
}

func (g *gated) Flush() { g.use("Flush") }

func (g *gated) SetWriteDeadline(t time.Time) error {
	g.use("SetWriteDeadline")
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deadline = t
	return nil
}

// When a stream is cut in the middle of a write that succeeds all the same, the
// deadline of the response stays in the past, so that net/http can't end it as
// if it were whole; and nobody uses the response when the handler has returned.
func TestResidentCutInTheMiddleOfAWrite(t *testing.T) {
	for _, size := range []int{10_000, 1 << 20} { // in one write, and in several
		synctest.Test(t, func(t *testing.T) {
			w := newGated()
			sent, closed := make(chan error, 1), make(chan error, 1)
			h := sse.Handler(&sse.Options{Retry: -1}, func(s *sse.Stream, r *http.Request) sse.StreamEvents {
				return sse.StreamEvents{
					Open: func(s *sse.Stream) {
						go func() { sent <- s.Send(context.Background(), &sse.Event{Data: make([]byte, size)}) }()
						<-w.inside
						panic(http.ErrAbortHandler)
					},
					Close: func(s *sse.Stream, err error) { closed <- err },
				}
			})
			served := make(chan struct{})
			go func() {
				defer close(served)
				h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
				w.mu.Lock()
				defer w.mu.Unlock()
				w.returned = true
			}()
			if err := <-closed; !errors.Is(err, sse.ErrClosed) {
				t.Errorf("ended with %v", err)
			}
			synctest.Wait()
			select {
			case <-served:
				t.Error("the handler has returned in the middle of a write")
			default:
			}
			close(w.let)
			<-served
			<-sent
			synctest.Wait()
			w.mu.Lock()
			defer w.mu.Unlock()
			if len(w.late) > 0 {
				t.Errorf("%d bytes: used after the handler's return: %q", size, w.late)
			}
			if w.deadline.IsZero() || w.deadline.After(time.Now()) {
				t.Errorf("%d bytes: the deadline is %v", size, w.deadline)
			}
			if n := bytes.Count(w.Body.Bytes(), []byte{0}); n > 100_000 {
				t.Errorf("%d bytes were written after the end", n)
			}
		})
	}
}

// timedOut is a response over a connection whose write has timed out: net/http
// ends the request's context before it says so. Then the stream learns of the
// former first.
type timedOut struct {
	*httptest.ResponseRecorder
	fail   func()
	failed bool
	done   <-chan struct{} // of the stream
}

func (w *timedOut) Write(p []byte) (int, error) {
	if w.fail == nil {
		return w.ResponseRecorder.Write(p)
	}
	w.failed = true
	w.fail()
	return 0, os.ErrDeadlineExceeded
}

func (w *timedOut) SetWriteDeadline(time.Time) error {
	if w.failed {
		<-w.done
	}
	return nil
}

func TestResidentToldOfATimeoutByTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &timedOut{ResponseRecorder: httptest.NewRecorder()}
		h, streams, closed := hand(&sse.Options{Heartbeat: -1})
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan struct{})
		go func() {
			defer close(served)
			h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
		}()
		s := <-streams
		synctest.Wait()
		w.done, w.fail = s.Done(), cancel
		_ = s.Push(&sse.Event{})
		if err := <-closed; !isDeadline(err) || errors.Is(err, sse.ErrGone) {
			t.Errorf("ended with %v", err)
		}
		<-served
	})
}
