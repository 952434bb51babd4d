package sse_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidewire/tidewire/sse"
)

// stream makes a handler of a function that is given an open Writer.
func stream(t *testing.T, o *sse.Options, f func(s *sse.Writer, r *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := sse.NewWriter(w, r, o)
		if err != nil {
			if !errors.Is(err, sse.ErrDraining) && !errors.Is(err, net.ErrClosed) && r.Context().Err() == nil { // the client may be gone already
				t.Errorf("NewWriter: %v", err)
			}
			return
		}
		defer s.Close()
		f(s, r)
	})
}

// opening is what each stream begins with.
var opening = regexp.MustCompile(`^: stream\nretry: (\d+)\n\n$`)

func TestWriterFirstFlushComesAtOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, tr transport) {
		s := tr.start(t, stream(t, nil, func(s *sse.Writer, r *http.Request) { <-s.Done() }), nil)
		seen := map[string]bool{}
		for range 8 {
			ctx, cancel := context.WithCancel(t.Context())
			resp := s.do(ctx, http.MethodGet)
			m := opening.FindStringSubmatch(readBlock(t, bufio.NewReader(resp.Body)))
			cancel()
			if m == nil {
				t.Fatal("the stream does not begin with a comment and a retry field")
			}
			if ms, _ := strconv.Atoi(m[1]); ms < 1500 || ms > 4500 {
				t.Errorf("retry %d ms, want one in [1500, 4500]", ms)
			}
			seen[m[1]] = true
		}
		if len(seen) < 2 {
			t.Errorf("eight streams were told the same reconnection time: %v", seen)
		}
	})
}

func TestWriterHeaders(t *testing.T) {
	everywhere(t, func(t *testing.T, tr transport) {
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "3")
			w.Header().Set("X-Mine", "stays")
			if r.ProtoMajor >= 2 {
				w.Header().Set("Connection", "keep-alive")
			}
			if s, err := sse.NewWriter(w, r, nil); err == nil {
				_ = s.Close()
			}
		})
		s := tr.start(t, h, nil)
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			resp := s.do(t.Context(), method)
			got := map[string][]string{}
			for _, k := range []string{"Content-Type", "Cache-Control", "X-Accel-Buffering", "X-Mine", "Content-Length", "Content-Encoding"} {
				if v := resp.Header.Values(k); len(v) > 0 {
					got[k] = v
				}
			}
			want := map[string][]string{
				"Content-Type":      {"text/event-stream"},
				"Cache-Control":     {"no-store, no-transform"},
				"X-Accel-Buffering": {"no"},
				"X-Mine":            {"stays"},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got)\n%s", method, diff)
			}
			if resp.StatusCode != 200 {
				t.Errorf("%s: status %d", method, resp.StatusCode)
			}
			if resp.ProtoMajor >= 2 && resp.Header.Get("Connection") != "" {
				t.Errorf("%s: a Connection header over HTTP/2", method)
			}
			if body := readAll(t, resp); (method == http.MethodHead) != (len(body) == 0) {
				t.Errorf("%s: body %q", method, body)
			}
		}
	})
}

// Over HTTP/2 a Connection header would make net/http end the connection of all
// streams.
func TestWriterDropsConnectionOverHTTP2(t *testing.T) {
	for major, want := range map[int]string{1: "close", 2: ""} {
		rec := httptest.NewRecorder()
		rec.Header().Set("Connection", "close")
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.ProtoMajor = major
		s, err := sse.NewWriter(rec, r, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
		if got := rec.Result().Header.Get("Connection"); got != want {
			t.Errorf("HTTP/%d: Connection %q, want %q", major, got, want)
		}
	}
}

func TestWriterKeepsTheHandlersCacheControl(t *testing.T) {
	s := piped[1].start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "private")
		if s, err := sse.NewWriter(w, r, nil); err == nil {
			_ = s.Close()
		}
	}), nil)
	if got := s.get().Header.Get("Cache-Control"); got != "private" {
		t.Errorf("Cache-Control %q", got)
	}
}

func TestWriterSendsAndEndsCleanly(t *testing.T) {
	everywhere(t, func(t *testing.T, tr transport) {
		s := tr.start(t, stream(t, nil, func(s *sse.Writer, r *http.Request) {
			if err := s.Send(r.Context(), &sse.Event{ID: "1", Name: "n", Data: []byte("a\nb")}); err != nil {
				t.Errorf("Send: %v", err)
			}
			if err := s.Send(r.Context(), &sse.Event{ID: "2"}, &sse.Event{ID: "3", Data: []byte("c")}); err != nil {
				t.Errorf("Send of a batch: %v", err)
			}
			if err := s.Send(r.Context()); err != nil {
				t.Errorf("Send of nothing: %v", err)
			}
			if err := s.Close(&sse.Event{Name: "bye"}); err != nil {
				t.Errorf("Close: %v", err)
			}
		}), nil)
		_, body, _ := bytes.Cut(readAll(t, s.get()), []byte("\n\n"))
		want := "id: 1\nevent: n\ndata: a\ndata: b\n\nid: 2\ndata: \n\nid: 3\ndata: c\n\nevent: bye\ndata: \n\n"
		if diff := cmp.Diff(want, string(body)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestWriterEndsWhenTheClientLeaves(t *testing.T) {
	everywhere(t, func(t *testing.T, tr transport) {
		ended := make(chan error, 1)
		var after error
		s := tr.start(t, stream(t, nil, func(s *sse.Writer, r *http.Request) {
			<-s.Done()
			after = s.Send(context.Background(), &sse.Event{})
			ended <- s.Err()
		}), nil)
		ctx, cancel := context.WithCancel(t.Context())
		resp := s.do(ctx, http.MethodGet)
		readBlock(t, bufio.NewReader(resp.Body))
		cancel()
		_ = resp.Body.Close()
		if err := <-ended; !errors.Is(err, context.Canceled) || after != err {
			t.Errorf("the stream ended with %v, Send then returned %v", err, after)
		}
	})
}

// A batch must reach the wire in one write, or a client could see a half.
func TestWriterBatchIsOneWrite(t *testing.T) {
	w := &countingWriter{header: http.Header{}}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	s, err := sse.NewWriter(w, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if w.writes != 1 || w.flushes != 1 {
		t.Errorf("opening took %d writes and %d flushes", w.writes, w.flushes)
	}
	batch := make([]*sse.Event, 100)
	for i := range batch {
		batch[i] = &sse.Event{Data: []byte("x")}
	}
	if err := s.Send(t.Context(), batch...); err != nil {
		t.Fatal(err)
	}
	if w.writes != 2 || w.flushes != 2 {
		t.Errorf("a batch took %d writes and %d flushes", w.writes-1, w.flushes-1)
	}
}

type countingWriter struct {
	header          http.Header
	writes, flushes int
	fail            error
}

func (w *countingWriter) Header() http.Header { return w.header }
func (w *countingWriter) WriteHeader(int)     {}
func (w *countingWriter) Write(p []byte) (int, error) {
	w.writes++
	return len(p), nil
}

func (w *countingWriter) FlushError() error {
	w.flushes++
	return w.fail
}

func TestWriterTakesErrorsFromTheFlush(t *testing.T) {
	for name, wrap := range map[string]func(http.ResponseWriter) http.ResponseWriter{
		"plain":      func(w http.ResponseWriter) http.ResponseWriter { return w },
		"unwrapping": func(w http.ResponseWriter) http.ResponseWriter { return unwrapping{w} },
		"hiding":     func(w http.ResponseWriter) http.ResponseWriter { return &flushing{unwrapping{w}} },
		"hiding twice": func(w http.ResponseWriter) http.ResponseWriter {
			return &flushing{unwrapping{&flushing{unwrapping{w}}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := &countingWriter{header: http.Header{}}
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			s, err := sse.NewWriter(wrap(w), r, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			w.fail = net.ErrWriteToConnected
			for range 2 { // the same error for ever
				if err := s.Send(t.Context(), &sse.Event{}); !errors.Is(err, w.fail) || s.Err() != err {
					t.Errorf("Send returned %v, Err %v", err, s.Err())
				}
			}
			if w.writes != 2 {
				t.Errorf("a dead stream was written to: %d writes", w.writes)
			}
			if err := s.Close(&sse.Event{}); err != s.Err() || w.writes != 2 {
				t.Errorf("Close of a dead stream: %v, %d writes", err, w.writes)
			}
			if err := s.Send(t.Context(), &sse.Event{}); !errors.Is(err, w.fail) {
				t.Errorf("Send after Close: %v, want the first error", err)
			}
		})
	}
}

func TestWriterClose(t *testing.T) {
	w := &countingWriter{header: http.Header{}}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	s, err := sse.NewWriter(w, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	bad := s.Close(&sse.Event{ID: "\n"})
	if _, ok := errors.AsType[*sse.FieldError](bad); !ok {
		t.Errorf("Close with a bad event: %v", bad)
	}
	if again := s.Close(&sse.Event{}); again != bad {
		t.Errorf("second Close: %v, want %v", again, bad)
	}
	if err := s.Send(t.Context(), &sse.Event{}); !errors.Is(err, sse.ErrClosed) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Send after Close: %v", err)
	}
	if w.writes != 1 {
		t.Errorf("%d writes, want only the opening", w.writes)
	}
}

// Last events that can't be sent are not lost in silence. A request's context
// also ends while the client is there: with the server's BaseContext, or by a
// middleware's timeout.
func TestWriterCloseTellsWhatItDidNotSend(t *testing.T) {
	bye := &sse.Event{Name: "bye"}
	for _, drained := range []bool{false, true} {
		g := sse.NewGroup(nil)
		w := &countingWriter{header: http.Header{}}
		reason := errors.New("timeout of a middleware")
		ctx, cancel := context.WithCancelCause(t.Context())
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
		s, err := sse.NewWriter(w, r, &sse.Options{Group: g})
		if err != nil {
			t.Fatal(err)
		}
		if drained {
			g.BeginDrain()
		}
		cancel(reason)
		if err := s.Close(bye); err != reason || w.writes != 1 {
			t.Errorf("drained %v: Close returned %v after %d writes, want %v after the opening", drained, err, w.writes, reason)
		}
	}
	w := &countingWriter{header: http.Header{}}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	s, err := sse.NewWriter(w, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.fail = errors.New("reset")
	_ = s.Send(t.Context(), bye)
	if err := s.Close(bye); err != w.fail {
		t.Errorf("Close after a failed write: %v, want %v", err, w.fail)
	}
}

func TestWriterBadEventLeavesTheStreamOpen(t *testing.T) {
	w := &countingWriter{header: http.Header{}}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	s, err := sse.NewWriter(w, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Send(t.Context(), &sse.Event{Data: []byte("good")}, &sse.Event{ID: "a\nb"})
	if fe, ok := errors.AsType[*sse.FieldError](err); !ok || fe.Field != "id" {
		t.Errorf("error %v, want a FieldError for the id", err)
	}
	if w.writes != 1 {
		t.Error("a part of a bad batch was written")
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Send(canceled, &sse.Event{}); !errors.Is(err, context.Canceled) || w.writes != 1 {
		t.Errorf("Send with an ended context: %v, %d writes", err, w.writes-1)
	}
	if err := s.Send(t.Context(), &sse.Event{}); err != nil || s.Err() != nil {
		t.Errorf("the stream did not live on: %v, %v", err, s.Err())
	}
}

func TestWriterConcurrentSendersNeverInterleave(t *testing.T) {
	const senders, each = 16, 60
	everywhere(t, func(t *testing.T, tr transport) {
		s := tr.start(t, stream(t, &sse.Options{Heartbeat: time.Millisecond}, func(s *sse.Writer, r *http.Request) {
			var wg sync.WaitGroup
			for i := range senders {
				wg.Go(func() {
					for n := range each {
						text := strings.Repeat(fmt.Sprintf("%d.%d ", i, n), 1+n%50)
						if err := s.Send(r.Context(), &sse.Event{Name: strconv.Itoa(i), ID: strconv.Itoa(n), Data: []byte(text)}); err != nil {
							t.Errorf("Send: %v", err)
							return
						}
					}
				})
			}
			wg.Wait()
		}), nil)
		next := map[string]int{}
		for _, e := range reference(readAll(t, s.get())).events {
			n := next[e.Name]
			next[e.Name]++
			if want := strings.Repeat(fmt.Sprintf("%s.%d ", e.Name, n), 1+n%50); string(e.Data) != want || e.ID != strconv.Itoa(n) {
				t.Fatalf("event %d of sender %s is %+v", n, e.Name, e)
			}
		}
		for i := range senders {
			if next[strconv.Itoa(i)] != each {
				t.Errorf("%d events of sender %d, want %d", next[strconv.Itoa(i)], i, each)
			}
		}
	})
}
