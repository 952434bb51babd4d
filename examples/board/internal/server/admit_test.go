package server

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/ws"
)

func asHandshake(err error, he **ws.HandshakeError) bool { return errors.As(err, he) }

func TestForeignOriginsAreRefused(t *testing.T) {
	for origin, want := range map[string]int{
		"":                            200,
		"http://board.test":           200,
		"http://BOARD.test":           200,
		"http://localhost:3000":       200, // listed
		"https://localhost:3000":      403,
		"http://evil.test":            403,
		"http://board.test.evil.test": 403,
		"http://board.test:81":        403,
		"null":                        403,
		"board.test":                  403,
		"file://board.test":           403,
	} {
		t.Run(origin, func(t *testing.T) {
			bubble(t, Options{Origins: []string{"http://localhost:3000"}}, func(e *env) {
				if resp := e.request("/events/main", "Origin", origin); resp.StatusCode != want {
					t.Errorf("event stream: %s, want %d", resp.Status, want)
				}
				o := &ws.DialOptions{Subprotocols: []string{Protocol}, Header: http.Header{}}
				if origin != "" {
					o.Header.Set("Origin", origin)
				}
				conn, err := e.open("main", o)
				if got := refusedWith(err); err == nil && want != 200 || err != nil && got != want {
					t.Errorf("WebSocket: %v, want %d", err, want)
				}
				if conn != nil {
					conn.CloseNow()
				}
			})
		})
	}
}

func TestWhatIsNoBoardIsNotFound(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		for _, name := range []string{"Main", strings.Repeat("a", 65), "a%20b", "%2e%2e", "a/b"} {
			if resp := e.request("/events/" + name); resp.StatusCode != 404 {
				t.Errorf("events/%s: %s", name, resp.Status)
			}
			if _, err := e.open(name, nil); refusedWith(err) != 404 {
				t.Errorf("ws/%s: %v", name, err)
			}
		}
		if n := len(e.srv.boards); n != 0 {
			t.Errorf("%d boards were made", n)
		}
	})
}

func TestABadHandshakeLeavesOthersUntouched(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a := e.join("a")
		for name, header := range map[string][]string{
			"no upgrade":    {},
			"no key":        {"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13"},
			"short key":     {"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAA"},
			"other version": {"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "8", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
			"huge header":   {"X", strings.Repeat("x", 100_000)},
		} {
			if resp := e.request("/ws/main", header...); resp.StatusCode < 400 || resp.StatusCode > 499 {
				t.Errorf("%s: %s", name, resp.Status)
			}
		}
		a.create(1, "n_1", "untouched")
	})
}

// Those who come in one moment are counted before their handshakes are over.
func TestVisitorsAreLimitedAtTheDoor(t *testing.T) {
	bubble(t, Options{MaxConnections: 3}, func(e *env) {
		b := newBoard(e.srv, "main") // where everybody waits, before the handshake
		b.stop = func() {}
		e.srv.mu.Lock()
		e.srv.boards["main"] = b
		e.srv.mu.Unlock()
		var wg sync.WaitGroup
		var in atomic.Int32
		for range 10 {
			wg.Go(func() {
				if conn, err := e.open("main", nil); err == nil {
					in.Add(1)
					conn.CloseNow()
				}
			})
		}
		synctest.Wait()
		close(b.people.ready)
		wg.Wait()
		if n := in.Load(); n != 3 {
			t.Errorf("%d were let in, want 3", n)
		}
		synctest.Wait()
		e.join("a") // all of them are out again
	})
}

func TestVisitorsAreLimited(t *testing.T) {
	bubble(t, Options{MaxConnections: 2, MaxStreams: 1}, func(e *env) {
		a := e.join("a")
		e.join("b")
		if _, err := e.open("main", nil); refusedWith(err) != 503 {
			t.Errorf("third connection: %v", err)
		}
		e.follow("", "")
		if resp := e.request("/events/main"); resp.StatusCode != 503 {
			t.Errorf("second stream: %s", resp.Status)
		}
		a.say(`{"t":"leave"}`)
		a.wantClosed(1000)
		synctest.Wait()
		e.join("c")
	})
}
