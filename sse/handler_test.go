package sse_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// patience is what a test that waits for the network waits for at most.
const patience = 30 * time.Second

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("never came: %s\n%s", what, buf[:runtime.Stack(buf, true)])
		}
	}
}

func receive[T any](t *testing.T, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("never came: %s", what)
		panic("unreachable")
	}
}

// hand is a handler that hands its streams out, and what their Close was told.
func hand(o *sse.Options) (h http.Handler, streams chan *sse.Stream, closed chan error) {
	streams, closed = make(chan *sse.Stream, 2000), make(chan error, 2000)
	return sse.Handler(o, func(s *sse.Stream, r *http.Request) sse.StreamEvents {
		streams <- s
		return sse.StreamEvents{Close: func(_ *sse.Stream, err error) { closed <- err }}
	}), streams, closed
}

// leaves says over which transports the connection leaves net/http.
func leaves(tr transport) bool {
	return !strings.Contains(tr.name, "h2") && !strings.Contains(tr.name, "ing") && !strings.Contains(tr.name, "only")
}

func TestHandlerReturnsWhereTheConnectionCanLeave(t *testing.T) {
	everywhere(t, func(t *testing.T, tr transport) {
		h, streams, closed := hand(nil)
		returned := make(chan struct{}, 1)
		s := tr.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r)
			returned <- struct{}{}
		}), nil)
		resp := s.get()
		br := bufio.NewReader(resp.Body)
		readBlock(t, br)
		st := <-streams
		if leaves(tr) {
			receive(t, "the handler's return", returned)
		} else if len(returned) > 0 {
			t.Error("the handler has returned, and the stream is open")
		}
		if err := st.Send(t.Context(), &sse.Event{Data: []byte("x")}); err != nil {
			t.Error(err)
		}
		if block := readBlock(t, br); block != "data: x\n\n" {
			t.Errorf("%q", block)
		}
		_ = st.Close()
		if err := receive(t, "Close", closed); err != sse.ErrClosed {
			t.Errorf("Close: %v", err)
		}
		if !leaves(tr) {
			receive(t, "the handler's return", returned)
		}
		if rest, err := io.ReadAll(br); err != nil || len(rest) > 0 {
			t.Errorf("then %q, %v", rest, err)
		}
	})
}

// What a stream looks like on the wire, byte by byte.
func TestStreamOnTheWire(t *testing.T) {
	head := func(version, more string) string {
		return "HTTP/" + version + " 200 OK\r\n" + more + "Connection: close\r\nDate: *\r\n" +
			"Cache-Control: no-store, no-transform\r\nContent-Type: text/event-stream\r\nX-Accel-Buffering: no\r\nX-Mine: a\r\n\r\n"
	}
	date := regexp.MustCompile(`Date: [^\r]*`)
	for _, tt := range []struct{ version, want string }{
		{"1.0", head("1.0", "") + ": stream\n\n" + "data: 1\n\n" + "data: 2\n\ndata: 3\n\n" + "event: bye\ndata: \n\n"},
		{"1.1", head("1.1", "Transfer-Encoding: chunked\r\n") + "a\r\n: stream\n\n\r\n" + "9\r\ndata: 1\n\n\r\n" +
			"12\r\ndata: 2\n\ndata: 3\n\n\r\n" + "13\r\nevent: bye\ndata: \n\n\r\n" + "0\r\n\r\n"},
	} {
		t.Run(tt.version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, streams, _ := hand(&sse.Options{Retry: -1})
				_, l := startPiped(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("X-Mine", "a")
					w.Header().Set("Keep-Alive", "timeout=5")
					w.Header().Set(http.TrailerPrefix+"X", "a")
					w.Header()["Bad Name"] = []string{"a"}
					h.ServeHTTP(w, r)
				}), nil, 0)
				conn, err := l.DialContext(t.Context(), "tcp", "")
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				// A second request is on the same connection: it is never answered.
				_, _ = io.WriteString(conn, strings.Repeat("GET / HTTP/"+tt.version+"\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", 2))
				st := <-streams
				frame, _ := sse.AppendEvent(nil, &sse.Event{Data: []byte("2")})
				frame, _ = sse.AppendEvent(frame, &sse.Event{Data: []byte("3")})
				_ = st.Push(&sse.Event{Data: []byte("1")})
				if n, err := st.TrySend([][]byte{frame}); n != 1 || err != nil {
					t.Errorf("TrySend: %d, %v", n, err)
				}
				_ = st.Close(&sse.Event{Name: "bye"})
				got, err := io.ReadAll(conn)
				if got := date.ReplaceAllString(string(got), "Date: *"); got != tt.want || err != nil {
					t.Errorf("%v; on the wire\n%q, want\n%q", err, got, tt.want)
				}
			})
		})
	}
}

// A writer that nobody can hijack, and that has no deadlines, works too.
func TestHandlerWithARecorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := sse.Handler(&sse.Options{Retry: -1}, func(s *sse.Stream, r *http.Request) sse.StreamEvents {
			return sse.StreamEvents{Open: func(s *sse.Stream) {
				_ = s.Send(context.Background(), &sse.Event{Data: []byte("x")})
				time.Sleep(50 * time.Second)
				_ = s.Close(&sse.Event{Name: "bye"})
			}}
		})
		rec := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		h.ServeHTTP(rec, r)
		if got := rec.Body.String(); got != ": stream\n\ndata: x\n\n:\n\n:\n\n:\n\nevent: bye\ndata: \n\n" {
			t.Errorf("body %q", got)
		}
	})
}

// A writer that panics in the middle of a stream ends it, not the process.
func TestHandlerSurvivesAWriterThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &panicking{ResponseRecorder: httptest.NewRecorder()}
		h, streams, closed := hand(nil)
		served := make(chan struct{})
		go func() {
			defer close(served)
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		}()
		s := <-streams
		w.with = http.ErrAbortHandler
		_ = s.Push(&sse.Event{})
		if err := <-closed; !errors.Is(err, sse.ErrGone) || !strings.Contains(err.Error(), "panicked") {
			t.Errorf("ended with %v", err)
		}
		<-served
	})
}

// A client may pipeline a few requests; one that never stops is sent away.
func TestStreamClientThatKeepsSending(t *testing.T) {
	for _, tr := range []transport{piped[1], real[0], real[1]} {
		t.Run(tr.name, func(t *testing.T) {
			h, streams, closed := hand(nil)
			s := tr.start(t, h, nil)
			conn := s.dial(t)
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			st := receive(t, "the stream", streams)
			_, _ = io.WriteString(conn, strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 100))
			if err := st.Send(t.Context(), &sse.Event{Data: []byte("x")}); err != nil {
				t.Error(err)
			}
			br := bufio.NewReader(conn)
			for {
				line, err := br.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				if line == "data: x\n" {
					break
				}
			}
			for {
				if _, err := conn.Write(make([]byte, 8<<10)); err != nil {
					break
				}
			}
			if err := receive(t, "the end", closed); err != sse.ErrInput {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

// dial returns a raw connection to the server.
func (s *site) dial(t *testing.T) net.Conn {
	t.Helper()
	rt := s.rt.(*http.Transport)
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	var conn net.Conn
	switch {
	case u.Scheme == "https":
		conn, err = tls.Dial("tcp", u.Host, rt.TLSClientConfig)
	case rt.DialContext != nil:
		conn, err = rt.DialContext(t.Context(), "tcp", u.Host)
	default:
		conn, err = net.Dial("tcp", u.Host)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// A client that vanishes ends its stream, by whatever it leaves behind.
func TestStreamPeerVanishes(t *testing.T) {
	for _, tr := range []transport{piped[1], real[0], real[1]} {
		for how, vanish := range map[string]func(net.Conn){
			"closes": func(c net.Conn) { _ = c.Close() },
			"ends its direction": func(c net.Conn) {
				if half, ok := c.(interface{ CloseWrite() error }); ok {
					_ = half.CloseWrite()
				}
			},
			"resets": func(c net.Conn) {
				if tcp, ok := c.(*net.TCPConn); ok {
					_ = tcp.SetLinger(0)
				}
				_ = c.Close()
			},
		} {
			t.Run(tr.name+" "+how, func(t *testing.T) {
				g := sse.NewGroup(nil)
				h, streams, closed := hand(&sse.Options{Group: g})
				s := tr.start(t, h, nil)
				conn := s.dial(t)
				_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				st := receive(t, "the stream", streams)
				vanish(conn)
				err := receive(t, "the end", closed)
				if !errors.Is(err, sse.ErrGone) || st.Err() != err {
					t.Errorf("ended with %v, then %v", err, st.Err())
				}
				if e := st.Send(t.Context(), &sse.Event{}); e != err {
					t.Errorf("Send: %v", e)
				}
				if n, e := st.TrySend([][]byte{{1}}); n != 0 || e != err {
					t.Errorf("TrySend: %d, %v", n, e)
				}
				if e := st.Push(&sse.Event{}); e != err {
					t.Errorf("Push: %v", e)
				}
				if e := st.Close(); e != nil {
					t.Errorf("Close without a last word: %v", e)
				}
				if cause := context.Cause(st.Context()); cause != err {
					t.Errorf("cause %v", cause)
				}
				await(t, "the group", func() bool { return g.Len() == 0 })
			})
		}
	}
}

// Shutdown knows nothing of streams that have left net/http, but it can begin
// the drain, and Drain ends them all.
func TestHandlerShutdown(t *testing.T) {
	inBubbles(t, func(t *testing.T, tr transport) {
		g := sse.NewGroup(nil)
		h, _, closed := hand(&sse.Options{Group: g})
		s := tr.start(t, h, nil)
		s.server.RegisterOnShutdown(g.BeginDrain)
		bodies := open(t, s, 10)
		start := time.Now()
		if err := s.server.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := g.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("that took %v", d)
		}
		for range bodies {
			if err := <-closed; err != sse.ErrDraining {
				t.Errorf("Close: %v", err)
			}
		}
		for _, br := range bodies {
			if rest, err := io.ReadAll(br); err != nil || !lastRetry.Match(rest) {
				t.Errorf("last %q, %v", rest, err)
			}
		}
	})
}

// A group may hold streams of both forms.
func TestGroupOfBothForms(t *testing.T) {
	inBubbles(t, func(t *testing.T, tr transport) {
		g := sse.NewGroup(nil)
		o := &sse.Options{Group: g}
		inside := stream(t, o, func(s *sse.Writer, r *http.Request) { <-s.Done() })
		callback, _, _ := hand(o)
		s := tr.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Callback") != "" {
				callback.ServeHTTP(w, r)
				return
			}
			inside.ServeHTTP(w, r)
		}), nil)
		one, two := s.get(), s.get("X-Callback", "1")
		synctest.Wait()
		if g.Len() != 2 {
			t.Errorf("%d streams", g.Len())
		}
		if err := g.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		for _, resp := range []*http.Response{one, two} {
			if body := readAll(t, resp); !lastRetry.Match(body) {
				t.Errorf("body %q", body)
			}
		}
	})
}
