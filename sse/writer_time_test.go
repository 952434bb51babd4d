package sse_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/sse"
)

// inBubbles is one behaviour over every transport that runs on fake time.
func inBubbles(t *testing.T, f func(t *testing.T, tr transport)) {
	for _, tr := range piped {
		t.Run(tr.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, tr) })
		})
	}
}

func TestWriterHeartbeat(t *testing.T) {
	inBubbles(t, func(t *testing.T, tr transport) {
		s := tr.start(t, stream(t, nil, func(s *sse.Writer, r *http.Request) {
			time.Sleep(10 * time.Second)
			_ = s.Send(r.Context(), &sse.Event{Data: []byte("x")})
			<-s.Done()
		}), nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		start := time.Now()
		br := bufio.NewReader(s.do(ctx, http.MethodGet).Body)
		readBlock(t, br)
		for _, want := range []struct {
			at    time.Duration
			block string
		}{
			{10 * time.Second, "data: x\n\n"},
			{25 * time.Second, ":\n\n"}, // the event put it off
			{40 * time.Second, ":\n\n"},
			{55 * time.Second, ":\n\n"},
		} {
			if block, at := readBlock(t, br), time.Since(start); block != want.block || at != want.at {
				t.Errorf("%q after %v, want %q after %v", block, at, want.block, want.at)
			}
		}
	})
}

func TestWriterHeartbeatOff(t *testing.T) {
	inBubbles(t, func(t *testing.T, tr transport) {
		s := tr.start(t, stream(t, &sse.Options{Heartbeat: -1, Retry: -1}, func(s *sse.Writer, r *http.Request) {
			time.Sleep(time.Hour)
		}), nil)
		if body := readAll(t, s.get()); string(body) != ": stream\n\n" {
			t.Errorf("body %q", body)
		}
	})
}

// A heartbeat that falls into a long write is not the last one.
func TestWriterHeartbeatAfterALongWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := startPiped(t, stream(t, &sse.Options{WriteTimeout: time.Minute}, func(s *sse.Writer, r *http.Request) {
			time.Sleep(5 * time.Second)
			if err := s.Send(r.Context(), &sse.Event{Data: make([]byte, 1<<20)}); err != nil {
				t.Error(err)
			}
			<-s.Done()
		}), nil, 4096)
		useTransport(s, &http.Transport{DialContext: l.DialContext})
		br := bufio.NewReader(s.get().Body)
		readBlock(t, br)
		time.Sleep(20 * time.Second)
		readBlock(t, br)
		written := time.Now()
		for range 2 {
			if block := readBlock(t, br); block != ":\n\n" || time.Since(written) > 45*time.Second {
				t.Errorf("%q after %v", block, time.Since(written))
			}
		}
	})
}

// The bytes that net/http writes when the handler has returned are bounded as
// all others: no client keeps a connection by not taking them.
func TestWriterEndOfTheResponseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// response asks and reads nothing; it returns how long the connection
		// lived, and what the client could have read.
		response := func(size int) (time.Duration, int) {
			begun := time.Now()
			ended := make(chan time.Duration, 1)
			_, l := startPiped(t, stream(t, &sse.Options{Retry: -1}, func(s *sse.Writer, r *http.Request) {
				_ = s.Send(r.Context(), &sse.Event{Data: []byte("x")})
			}), func(srv *http.Server) {
				srv.ConnState = func(_ net.Conn, state http.ConnState) {
					if state == http.StateClosed {
						ended <- time.Since(begun)
					}
				}
			}, size)
			conn, err := l.DialContext(t.Context(), "tcp", "")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			d := <-ended
			n, _ := io.Copy(io.Discard, conn)
			return d, int(n)
		}
		d, whole := response(testnet.DefaultSize)
		if d > time.Second {
			t.Fatalf("the connection ended after %v", d)
		}
		for cut := 1; cut <= len("0\r\n\r\n"); cut++ { // the last chunk does not fit
			if d, n := response(whole - cut); d < 5*time.Second || d > 20*time.Second || n >= whole {
				t.Errorf("%d bytes short: the connection ended after %v, %d of %d bytes", cut, d, n, whole)
			}
		}
	})
}

// A panic that net/http recovers from in a handler must not end the process
// when it strikes in a heartbeat.
func TestWriterHeartbeatSurvivesAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := sse.NewGroup(nil)
		w := &panicking{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		s, err := sse.NewWriter(w, r, &sse.Options{Group: g})
		if err != nil {
			t.Fatal(err)
		}
		w.with = http.ErrAbortHandler
		<-s.Done()
		if s.Err() == nil || !strings.Contains(s.Err().Error(), "panicked in a heartbeat: net/http: abort Handler") {
			t.Errorf("ended with %v", s.Err())
		}
		w.with = nil
		written := w.Body.Len()
		if err := s.Send(t.Context(), &sse.Event{}); err != s.Err() {
			t.Errorf("Send: %v", err)
		}
		_ = s.Close(&sse.Event{Name: "bye"})
		if w.Body.Len() != written || g.Len() != 0 {
			t.Errorf("%d bytes after the end, %d streams", w.Body.Len()-written, g.Len())
		}
	})
}

type panicking struct {
	*httptest.ResponseRecorder
	with any
}

func (p *panicking) Write(b []byte) (int, error) {
	if p.with != nil {
		panic(p.with)
	}
	return p.ResponseRecorder.Write(b)
}

// The server's WriteTimeout counts from the request; a stream must outlive it,
// quiet or not, with a bound of its own or none.
func TestWriterOutlivesTheServersWriteTimeout(t *testing.T) {
	for _, timeout := range []time.Duration{0, -1} {
		t.Run("WriteTimeout "+timeout.String(), func(t *testing.T) {
			inBubbles(t, func(t *testing.T, tr transport) {
				s := tr.start(t, stream(t, &sse.Options{WriteTimeout: timeout}, func(s *sse.Writer, r *http.Request) {
					for i := range 10 {
						if err := s.Send(r.Context(), &sse.Event{Data: []byte(strconv.Itoa(i))}); err != nil {
							t.Errorf("event %d: %v", i, err)
							return
						}
						time.Sleep(100 * time.Millisecond)
					}
					time.Sleep(time.Minute)
					if err := s.Send(r.Context(), &sse.Event{Data: []byte("last")}); err != nil {
						t.Errorf("after a quiet minute: %v", err)
					}
				}), func(srv *http.Server) { srv.WriteTimeout = 300 * time.Millisecond })
				if got := reference(readAll(t, s.get())).events; len(got) != 11 {
					t.Errorf("%d events arrived, want 11", len(got))
				}
			})
		})
	}
}

// The connection must be good for the next request when a stream has ended.
func TestWriterLeavesNoDeadlineBehind(t *testing.T) {
	inBubbles(t, func(t *testing.T, tr transport) {
		for _, timeout := range []time.Duration{0, time.Second} {
			s := tr.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Accept") == "text/plain" {
					time.Sleep(time.Minute - timeout)
					_, _ = io.WriteString(w, "late")
					return
				}
				stream(t, nil, func(s *sse.Writer, r *http.Request) {
					_ = s.Send(r.Context(), &sse.Event{})
				}).ServeHTTP(w, r)
			}), func(srv *http.Server) {
				if timeout > 0 {
					srv.WriteTimeout = time.Minute
				}
			})
			readAll(t, s.get())
			if body := readAll(t, s.get("Accept", "text/plain")); string(body) != "late" {
				t.Errorf("the next response was %q", body)
			}
		}
	})
}

func TestWriterStalledClientEndsByTheWriteTimeout(t *testing.T) {
	inBubbles(t, func(t *testing.T, tr transport) {
		type result struct {
			err, again, cause error
			took              time.Duration
		}
		results := make(chan result, 1)
		s := tr.start(t, stream(t, &sse.Options{WriteTimeout: 5 * time.Second}, func(s *sse.Writer, r *http.Request) {
			big := &sse.Event{Data: []byte(strings.Repeat("x", 1<<20))}
			var res result
			for {
				start := time.Now()
				if res.err = s.Send(context.Background(), big); res.err != nil {
					res.took = time.Since(start)
					break
				}
			}
			res.again, res.cause = s.Send(context.Background(), big), context.Cause(s.Context())
			start := time.Now()
			_ = s.Close(big)
			if d := time.Since(start); d != 0 {
				t.Errorf("Close of a dead stream took %v", d)
			}
			results <- res
		}), nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s.do(ctx, http.MethodGet) // and never read
		res := <-results
		if !errors.Is(res.err, os.ErrDeadlineExceeded) || res.took != 5*time.Second {
			t.Errorf("Send returned %v after %v, want a deadline after 5 s", res.err, res.took)
		}
		if res.again != res.err || res.cause != res.err {
			t.Errorf("then %v and %v, want the same", res.again, res.cause)
		}
	})
}

// A sender that waits for its turn behind a stalled write can give up.
func TestWriterSendGivesUpWaitingForItsTurn(t *testing.T) {
	inBubbles(t, func(t *testing.T, tr transport) {
		done := make(chan struct{})
		s := tr.start(t, stream(t, &sse.Options{WriteTimeout: time.Hour}, func(s *sse.Writer, r *http.Request) {
			defer close(done)
			blocked := make(chan error, 1)
			go func() { blocked <- s.Send(context.Background(), &sse.Event{Data: make([]byte, 4<<20)}) }()
			synctest.Wait()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			start := time.Now()
			if err := s.Send(ctx, &sse.Event{}); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("Send returned %v after %v", err, time.Since(start))
			}
			if s.Err() != nil {
				t.Errorf("the stream ended: %v", s.Err())
			}
			if err := <-blocked; err == nil {
				t.Error("the stalled Send succeeded")
			}
		}), nil)
		ctx, cancel := context.WithCancel(t.Context())
		s.do(ctx, http.MethodGet)
		time.AfterFunc(10*time.Second, cancel) // the client leaves without having read
		<-done
	})
}

func TestWriterMaxAge(t *testing.T) {
	inBubbles(t, func(t *testing.T, tr transport) {
		ages := map[time.Duration]bool{}
		s := tr.start(t, stream(t, &sse.Options{MaxAge: time.Hour, Heartbeat: -1}, func(s *sse.Writer, r *http.Request) {
			start := time.Now()
			<-s.Done()
			age := time.Since(start)
			if age < 48*time.Minute || age > time.Hour {
				t.Errorf("ended after %v", age)
			}
			ages[age] = true
			if err := s.Send(context.Background(), &sse.Event{}); err != sse.ErrMaxAge || s.Err() != err {
				t.Errorf("Send: %v, Err: %v", err, s.Err())
			}
			if err := s.Close(&sse.Event{Name: "bye"}); err != nil {
				t.Errorf("Close: %v", err)
			}
		}), nil)
		for range 5 {
			if body := readAll(t, s.get()); !strings.HasSuffix(string(body), "event: bye\ndata: \n\n") {
				t.Errorf("the last event did not arrive: %q", body)
			}
		}
		if len(ages) < 2 {
			t.Errorf("all streams had the same age")
		}
	})
}

// A handler that forgets to close holds nothing: no timer fires, the group is
// left, the bubble ends.
func TestWriterForgottenCloseLeaksNothing(t *testing.T) {
	inBubbles(t, func(t *testing.T, tr transport) {
		g := sse.NewGroup(nil)
		var kept *sse.Writer
		s := tr.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			kept, _ = sse.NewWriter(w, r, &sse.Options{Group: g, MaxAge: time.Hour})
		}), nil)
		readAll(t, s.get())
		<-kept.Done()
		synctest.Wait()
		if g.Len() != 0 || !errors.Is(kept.Err(), context.Canceled) {
			t.Errorf("%d streams, Err %v", g.Len(), kept.Err())
		}
		if err := kept.Send(context.Background(), &sse.Event{}); err != kept.Err() {
			t.Errorf("Send: %v", err)
		}
		time.Sleep(2 * time.Hour)
	})
}

// net/http reads the rest of the request's body before the first byte of the
// response: a client that does not send it must hold neither the handler nor a
// drain.
func TestNewWriterRequestBodyThatNeverComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		g := sse.NewGroup(nil)
		type result struct {
			err  error
			took time.Duration
		}
		results := make(chan result, 1)
		_, l := startPiped(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := time.Now()
			_, err := sse.NewWriter(w, r, &sse.Options{Group: g, WriteTimeout: 5 * time.Second})
			results <- result{err, time.Since(start)}
		}), nil, testnet.DefaultSize)
		conn, err := l.DialContext(t.Context(), "tcp", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf of")
		synctest.Wait()
		if err := g.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		res := <-results
		if !errors.Is(res.err, os.ErrDeadlineExceeded) || res.took != 5*time.Second {
			t.Errorf("NewWriter returned %v after %v", res.err, res.took)
		}
		if _, err := io.Copy(io.Discard, conn); err != nil { // the handler's goroutine has ended
			t.Error(err)
		}
		if at := time.Since(begun); at > 6*time.Second {
			t.Errorf("the connection ended after %v", at)
		}
	})
}

// A request with a body gets a stream like any other, however long it lasts.
func TestNewWriterRequestBody(t *testing.T) {
	inBubbles(t, func(t *testing.T, tr transport) {
		for _, read := range []bool{false, true} {
			s := tr.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if read {
					_, _ = io.Copy(io.Discard, r.Body)
				}
				stream(t, nil, func(s *sse.Writer, r *http.Request) {
					for range 3 {
						time.Sleep(time.Minute)
						if err := s.Send(r.Context(), &sse.Event{}); err != nil {
							t.Errorf("body read %v: %v", read, err)
						}
					}
				}).ServeHTTP(w, r)
			}), func(srv *http.Server) { srv.ReadTimeout = 30 * time.Second })
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url, strings.NewReader("question"))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := s.rt.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			if got := reference(readAll(t, resp)).events; len(got) != 3 {
				t.Errorf("%d events arrived, want 3", len(got))
			}
			_ = resp.Body.Close()
		}
	})
}
