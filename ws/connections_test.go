package ws_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/backoff"
	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/ws"
)

// fixed has no chance in it: 1 s, 2 s, 4 s, then always 4 s.
var fixed = backoff.Policy{Base: time.Second, Max: 4 * time.Second, Jitter: -1}

// inBubble runs f in a bubble with a server whose answer to the n-th request, from 1, is h.
func inBubble(t *testing.T, h func(n int, w http.ResponseWriter, r *http.Request), f func(t *testing.T, opts *ws.DialOptions)) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		_, opts := serveMemory(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n++
			h(n, w, r)
		}), testnet.Listen())
		f(t, opts)
	})
}

func TestConnectionsComeBackAfterAWait(t *testing.T) {
	inBubble(t, func(n int, w http.ResponseWriter, r *http.Request) {
		switch n {
		case 2, 3:
			w.WriteHeader(http.StatusBadGateway)
		default:
			c, err := ws.Accept(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if n == 5 {
				time.Sleep(time.Minute)
			}
			c.Close(ws.CloseServiceRestart, "")
		}
	}, func(t *testing.T, opts *ws.DialOptions) {
		start := time.Now()
		var at []time.Duration
		for c, err := range ws.Connections(t.Context(), "ws://tidewire.test/", opts, fixed) {
			if err != nil {
				t.Fatal(err)
			}
			at = append(at, time.Since(start))
			if len(at) == 5 {
				break
			}
			if _, _, err := c.Read(t.Context()); ws.CloseStatus(err) != ws.CloseServiceRestart {
				t.Errorf("Read: %v", err)
			}
		}
		// 1: at once, and short-lived. 2, 3: fail after 1 s and 2 s. 4: after 4 s. 5: after 4 s, lives for a minute. 6: after 1 s.
		want := []time.Duration{0, 7 * time.Second, 11 * time.Second, 72 * time.Second, 74 * time.Second}
		for i := range want {
			if at[i] != want[i] {
				t.Errorf("connections came at %v, want %v", at, want)
				break
			}
		}
	})
}

func TestConnectionsEndWithOneError(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		retry  string
		url    string
		policy backoff.Policy
		takes  time.Duration
		want   func(error) bool
	}{
		{"refused for good", 401, "", "", fixed, 0, func(err error) bool {
			e, ok := errors.AsType[*ws.HandshakeError](err)
			return ok && e.StatusCode == 401
		}},
		{"not found", 404, "", "", fixed, 0, func(err error) bool { return err != nil }},
		{"wrong URL", 0, "", "ftp://tidewire.test", fixed, 0, func(err error) bool { return err != nil }},
		{"attempts exhausted", 503, "", "", backoff.Policy{Base: time.Second, Jitter: -1, MaxAttempts: 3}, 3 * time.Second, func(err error) bool { return errors.Is(err, backoff.ErrExhausted) }},
		{"Retry-After", 429, "100", "", backoff.Policy{Base: time.Second, Jitter: -1, MaxAttempts: 2}, 101 * time.Second, func(err error) bool { return errors.Is(err, backoff.ErrExhausted) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
				if test.retry != "" {
					w.Header().Set("Retry-After", test.retry)
				}
				w.WriteHeader(test.status)
			}, func(t *testing.T, opts *ws.DialOptions) {
				start, yields := time.Now(), 0
				url := test.url
				if url == "" {
					url = "ws://tidewire.test/"
				}
				for c, err := range ws.Connections(t.Context(), url, opts, test.policy) {
					yields++
					if c != nil || !test.want(err) {
						t.Errorf("yielded %v, %v", c, err)
					}
				}
				if yields != 1 || time.Since(start) != test.takes {
					t.Errorf("%d yields after %v, want %v", yields, time.Since(start), test.takes)
				}
			})
		})
	}
}

func TestConnectionsEndWithTheirContext(t *testing.T) {
	inBubble(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, func(t *testing.T, opts *ws.DialOptions) {
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(cause) })
		for c, err := range ws.Connections(ctx, "ws://tidewire.test/", opts, fixed) {
			if c != nil || !errors.Is(err, cause) {
				t.Errorf("yielded %v, %v", c, err)
			}
		}
	})
}

// What the body leaves open is closed when it comes back, and by break.
func TestConnectionsCloseWhatTheBodyLeaves(t *testing.T) {
	ended := make(chan error, 2)
	inBubble(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		_, _, err = c.Read(context.Background())
		ended <- err
	}, func(t *testing.T, opts *ws.DialOptions) {
		ended = make(chan error, 2)
		turn := 0
		for c, err := range ws.Connections(t.Context(), "ws://tidewire.test/", opts, fixed) {
			if err != nil {
				t.Fatal(err)
			}
			if turn++; turn == 2 {
				break
			}
			_ = c
		}
		for range 2 {
			if err := <-ended; ws.CloseStatus(err) != ws.CloseNormal {
				t.Errorf("the server got %v", err)
			}
		}
	})
}
