package sse_test

import (
	"bufio"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/sse"
)

// What is wrong in a handler's header never makes a second length or a second
// response of one that has left net/http.
func TestStreamHeaderFieldsOfTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, streams, _ := hand(nil)
		_, l := startPiped(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header()["content-length"] = []string{"3"}
			w.Header()["transfer-Encoding"] = []string{"gzip"}
			w.Header()["CONNECTION"] = []string{"keep-alive"}
			w.Header()["X-A\r\nEvil"] = []string{"1"}
			w.Header()["X-B:"] = []string{"1"}
			w.Header()["X-C"] = []string{"1\r\nevil: 1\r\n\r\nHTTP/1.1 200 OK"}
			h.ServeHTTP(w, r)
		}), nil, testnet.DefaultSize)
		conn, err := l.DialContext(t.Context(), "tcp", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		_ = (<-streams).Close()
		got, err := io.ReadAll(conn)
		head, _, _ := strings.Cut(strings.ToLower(string(got)), "\r\n\r\n")
		for _, no := range []string{"\ncontent-length", "gzip", "keep-alive", "\nevil", "x-b:"} {
			if strings.Contains(head, no) || err != nil {
				t.Errorf("%v; %q is in\n%s", err, no, head)
			}
		}
	})
}

// A response that was begun before is gone on with, not begun anew.
func TestHandlerAfterTheHeaderIsWritten(t *testing.T) {
	for _, tr := range []transport{piped[0], piped[1], real[0]} {
		t.Run(tr.name, func(t *testing.T) {
			h, streams, _ := hand(&sse.Options{Retry: -1})
			s := tr.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Mine", "a")
				_, _ = io.WriteString(w, ": mine\n\n")
				h.ServeHTTP(w, r)
			}), func(srv *http.Server) { srv.ErrorLog = log.New(io.Discard, "", 0) }) // net/http tells of the second header
			go func() { _ = (<-streams).Close() }()
			resp := s.get()
			if body := readAll(t, resp); string(body) != ": mine\n\n: stream\n\n" || resp.Header.Get("X-Mine") != "a" {
				t.Errorf("%v %q", resp.Header, body)
			}
		})
	}
}

// All that a client sends behind its request counts, also what net/http had read
// before the connection left it.
func TestStreamCountsAllInput(t *testing.T) {
	const most = 64 << 10
	for _, version := range []string{"1.0", "1.1"} {
		synctest.Test(t, func(t *testing.T) {
			h, streams, closed := hand(nil)
			_, l := startPiped(t, h, nil, 2*most)
			conn, err := l.DialContext(t.Context(), "tcp", "")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "GET / HTTP/"+version+"\r\nHost: x\r\n\r\n"+strings.Repeat("x", 2000))
			s := <-streams
			_, _ = conn.Write(make([]byte, most-2000))
			synctest.Wait()
			if err := s.Err(); err != nil {
				t.Fatalf("ended too early: %v", err)
			}
			_, _ = conn.Write([]byte{0})
			if err := <-closed; err != sse.ErrInput {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

// A client that ends its direction is gone, also when something is queued for it:
// nothing waits for what it may still take.
func TestStreamClientEndsItsDirectionWithMuchQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, streams, closed := hand(&sse.Options{Heartbeat: -1})
		_, l := startPiped(t, h, nil, testnet.DefaultSize)
		conn, err := l.DialContext(t.Context(), "tcp", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		s := <-streams
		stall(t, s, synctest.Wait)
		start := time.Now()
		_ = conn.(*testnet.Conn).CloseWrite()
		if err := <-closed; !errors.Is(err, sse.ErrGone) || !errors.Is(err, io.EOF) {
			t.Errorf("ended with %v", err)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("that took %v", d)
		}
	})
}

// Over HTTP/1 a request with a body keeps its connection in net/http, which has
// the rest of the body to read; one without leaves.
func TestHandlerBodyRule(t *testing.T) {
	for _, tt := range []struct {
		request string
		stays   bool
	}{
		{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", false},
		{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", false},
		{"POST / HTTP/1.0\r\n\r\n", false},
		{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", true},
		{"POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", true},
		{"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", true},
	} {
		t.Run(strings.ReplaceAll(tt.request, "\r\n", " "), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, streams, _ := hand(&sse.Options{Retry: -1})
				returned := make(chan struct{})
				_, l := startPiped(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					h.ServeHTTP(w, r)
					close(returned)
				}), nil, testnet.DefaultSize)
				conn, err := l.DialContext(t.Context(), "tcp", "")
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_, _ = io.WriteString(conn, tt.request)
				s := <-streams
				synctest.Wait()
				select {
				case <-returned:
					if tt.stays {
						t.Error("the handler has returned before the stream's end")
					}
				default:
					if !tt.stays {
						t.Error("the handler stays")
					}
				}
				_ = s.Push(&sse.Event{Data: []byte("x")})
				_ = s.Close()
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				if body := readAll(t, resp); string(body) != ": stream\n\ndata: x\n\n" {
					t.Errorf("body %q", body)
				}
				<-returned
			})
		})
	}
}

// A stream that has left net/http lives on when its server is closed, and what
// stays there ends with the request.
func TestHandlerAndTheServersClose(t *testing.T) {
	inBubbles(t, func(t *testing.T, tr transport) {
		g := sse.NewGroup(nil)
		h, streams, closed := hand(&sse.Options{Group: g})
		site := tr.start(t, h, nil)
		br := bufio.NewReader(site.get().Body)
		readBlock(t, br)
		s := <-streams
		_ = site.server.Close()
		synctest.Wait()
		if !leaves(tr) {
			if err := <-closed; !errors.Is(err, sse.ErrGone) || errors.Is(err, net.ErrClosed) {
				t.Errorf("ended with %v", err)
			}
			return
		}
		if err := s.Push(&sse.Event{Data: []byte("x")}); err != nil {
			t.Error(err)
		}
		if block := readBlock(t, br); block != "data: x\n\n" {
			t.Errorf("%q", block)
		}
		if err := g.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
