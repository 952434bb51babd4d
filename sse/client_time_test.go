package sse_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidewire/tidewire/backoff"
	"github.com/tidewire/tidewire/sse"
)

// A reconnection time is the middle of a window; it counts from the field on,
// for all waits to come.
func TestClientRetry(t *testing.T) {
	seen := map[time.Duration]bool{}
	for i := range 20 {
		first := []string{"retry: 60000\n", "retry: 60000\ndata: x\n\n"}[i%2]
		client(t, bodies(first, "", ""), func(t *testing.T, c *sse.Client, s *script) {
			if _, err := follow(t, c); err != nil {
				t.Fatal(err)
			}
			for n := 1; n < len(s.times()); n++ {
				// The policy's own delay comes on top.
				wait := s.times()[n] - s.times()[n-1]
				if wait < 30*time.Second || wait > 90*time.Second+2*time.Second {
					t.Errorf("wait %d was %v, want one in 30 to 92 s", n, wait)
				}
				seen[wait.Truncate(10*time.Second)] = true
			}
		})
	}
	if len(seen) < 4 {
		t.Errorf("sixty waits were all in %v", seen)
	}
}

func TestClientRetryIsNoWayToHammer(t *testing.T) {
	answer := func(n int, w http.ResponseWriter, r *http.Request) { body(w, "retry: 0\n") }
	client(t, answer, func(t *testing.T, c *sse.Client, s *script) {
		anHour(t, c)
		checkAttempts(t, s)
	})
	answer = func(n int, w http.ResponseWriter, r *http.Request) { body(w, "retry: 99999999999999999\n") }
	client(t, answer, func(t *testing.T, c *sse.Client, s *script) {
		anHour(t, c)
		if len(s.times()) < 2 || len(s.times()) > 10 {
			t.Errorf("%d attempts in an hour", len(s.times()))
		}
	})
}

func TestClientRetryAfter(t *testing.T) {
	answer := func(n int, w http.ResponseWriter, r *http.Request) {
		switch n {
		case 0:
			w.Header().Set("Retry-After", "100")
			w.WriteHeader(http.StatusServiceUnavailable)
		case 1:
			w.Header().Set("Retry-After", time.Now().Add(200*time.Second).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	}
	client(t, answer, func(t *testing.T, c *sse.Client, s *script) {
		if _, err := follow(t, c); err != nil {
			t.Fatal(err)
		}
		if w := s.times()[1]; w < 100*time.Second || w > 101*time.Second {
			t.Errorf("after 503: %v", w)
		}
		if w := s.times()[2] - s.times()[1]; w < 199*time.Second || w > 202*time.Second {
			t.Errorf("after 429: %v", w)
		}
	})
}

// anHour follows a client for a fake hour.
func anHour(t *testing.T, c *sse.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	var last error
	for _, err := range c.Events(ctx) {
		last = err
	}
	if !errors.Is(last, context.DeadlineExceeded) {
		t.Errorf("ended with %v", last)
	}
}

// checkAttempts allows what the default policy does in an hour: its waits
// grow to 15 s on average.
func checkAttempts(t *testing.T, s *script) {
	t.Helper()
	if n := len(s.times()); n < 150 || n > 400 {
		t.Errorf("%d attempts in an hour, want some 240", n)
	}
}

// A server that accepts and then closes must not be asked without pause,
// whatever it says before, as long as it is nothing new.
func TestClientAcceptThenCloseForAnHour(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":       "",
		"a comment":     ": stream\n\n",
		"the same id":   "id: 1\ndata: x\n\n",
		"no id":         "data: x\n\n",
		"a cursor":      "id: %d\n\n",
		"a gap":         "id: %d\nevent: gap\ndata: {\"reason\":\"epoch\"}\n\n",
		"half an event": "id: %d\ndata: x\n",
	} {
		t.Run(name, func(t *testing.T) {
			answer := func(n int, w http.ResponseWriter, r *http.Request) {
				if strings.Contains(text, "%d") {
					body(w, fmt.Sprintf(text, n))
				} else {
					body(w, text)
				}
			}
			client(t, answer, func(t *testing.T, c *sse.Client, s *script) {
				c.Read.NoData = true
				anHour(t, c)
				checkAttempts(t, s)
			})
		})
	}
}

// New events are a reason to come back soon.
func TestClientProgressResetsTheBackoff(t *testing.T) {
	answer := func(n int, w http.ResponseWriter, r *http.Request) { body(w, fmt.Sprintf("id: %d\ndata: x\n\n", n)) }
	client(t, answer, func(t *testing.T, c *sse.Client, s *script) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		n := 0
		for range c.Events(ctx) {
			n++
		}
		if n < 120 {
			t.Errorf("%d events in a minute, want one each 250 ms", n)
		}
	})
}

// So does a connection that lived for MinUptime, whatever came over it.
func TestClientUptimeResetsTheBackoff(t *testing.T) {
	answer := func(n int, w http.ResponseWriter, r *http.Request) {
		body(w, "data: x\n\n")
		_ = http.NewResponseController(w).Flush()
		_ = backoff.Sleep(r.Context(), 11*time.Second)
	}
	client(t, answer, func(t *testing.T, c *sse.Client, s *script) {
		c.OnWait = func(failed int, d time.Duration, last error) {
			if failed != 0 || d > 500*time.Millisecond {
				t.Errorf("%d failed, wait %v", failed, d)
			}
		}
		n := 0
		for range c.Events(t.Context()) {
			if n++; n == 20 {
				break
			}
		}
	})
}

func TestClientPoisonEventEndsTheStream(t *testing.T) {
	answer := func(n int, w http.ResponseWriter, r *http.Request) {
		body(w, "id: 1\ndata: fine\n\nid: 2\ndata: "+strings.Repeat("x", 100)+"\n\n")
	}
	client(t, answer, func(t *testing.T, c *sse.Client, s *script) {
		c.Read.MaxEvent = 50
		got, err := follow(t, c)
		if le, ok := errors.AsType[*sse.LimitError](err); !ok || le.Option != "MaxEvent" || len(s.times()) != 1 {
			t.Errorf("%v after %d attempts, want a LimitError after one", err, len(s.times()))
		}
		if diff := cmp.Diff([]string{"|fine|1"}, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestClientIdleTimeout(t *testing.T) {
	t.Run("no answer", func(t *testing.T) {
		answer := func(n int, w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		client(t, answer, func(t *testing.T, c *sse.Client, s *script) { idles(t, c, s, 45*time.Second) })
	})
	t.Run("no heartbeat", func(t *testing.T) {
		answer := func(n int, w http.ResponseWriter, r *http.Request) {
			body(w, "data: x\n\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
		client(t, answer, func(t *testing.T, c *sse.Client, s *script) { idles(t, c, s, 45*time.Second) })
	})
	t.Run("no end of an error", func(t *testing.T) {
		answer := func(n int, w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "sorry")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
		client(t, answer, func(t *testing.T, c *sse.Client, s *script) {
			c.Policy.MaxAttempts = 1
			_, err := follow(t, c)
			if re, ok := errors.AsType[*sse.ResponseError](err); !ok || string(re.Body) != "sorry" || time.Since(s.start) > time.Minute {
				t.Errorf("%v after %v", err, time.Since(s.start))
			}
		})
	})
	t.Run("heartbeats keep it", func(t *testing.T) {
		s := func(n int, w http.ResponseWriter, r *http.Request) {
			stream(t, nil, func(s *sse.Writer, r *http.Request) { <-s.Done() }).ServeHTTP(w, r)
		}
		client(t, s, func(t *testing.T, c *sse.Client, s *script) {
			anHour(t, c)
			if len(s.times()) != 1 {
				t.Errorf("%d connections, want one", len(s.times()))
			}
		})
	})
	t.Run("a slow caller is not idle", func(t *testing.T) {
		answer := func(n int, w http.ResponseWriter, r *http.Request) {
			body(w, "data: a\n\n")
			_ = http.NewResponseController(w).Flush()
			_ = backoff.Sleep(r.Context(), 90*time.Minute)
			_, _ = io.WriteString(w, "data: b\n\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
		client(t, answer, func(t *testing.T, c *sse.Client, s *script) {
			c.IdleTimeout = 40 * time.Minute
			n := 0
			for _, err := range c.Events(t.Context()) {
				if err != nil {
					t.Error(err)
				}
				if n++; n == 2 {
					break
				}
				time.Sleep(time.Hour)
			}
			if n != 2 || len(s.times()) != 1 {
				t.Errorf("%d events from %d connections", n, len(s.times()))
			}
		})
	})
}

// idles checks that connections end after the idle time, by ErrIdle.
func idles(t *testing.T, c *sse.Client, s *script, after time.Duration) {
	t.Helper()
	waits := 0
	c.OnWait = func(failed int, d time.Duration, last error) {
		waits++
		if !errors.Is(last, sse.ErrIdle) || time.Since(s.start)-s.times()[len(s.times())-1] != after {
			t.Errorf("ended with %v after %v", last, time.Since(s.start)-s.times()[len(s.times())-1])
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	for range c.Events(ctx) {
	}
	if waits < 5 {
		t.Errorf("%d waits in ten minutes", waits)
	}
}

// An error response that does not end, or trickles, keeps the client from
// neither its error nor its next attempt.
func TestClientErrorBodyWithoutAnEnd(t *testing.T) {
	for _, idle := range []time.Duration{0, -1} {
		for status, want := range map[int]time.Duration{404: 5 * time.Second, 503: 10 * time.Second} {
			client(t, func(n int, w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(status)
				for r.Context().Err() == nil {
					_, _ = io.WriteString(w, "x")
					_ = http.NewResponseController(w).Flush()
					_ = backoff.Sleep(r.Context(), 2*time.Second)
				}
			}, func(t *testing.T, c *sse.Client, s *script) {
				c.IdleTimeout = idle
				c.Policy = backoff.Policy{Base: 1, Max: 1, MaxAttempts: 2}
				_, err := follow(t, c)
				re, ok := errors.AsType[*sse.ResponseError](err)
				if !ok || re.Status != status || string(re.Body) != "xxx" {
					t.Errorf("%d: %v, %+v", status, err, re)
				}
				if at := time.Since(s.start).Truncate(time.Second); at != want {
					t.Errorf("%d: ended after %v, want %v", status, at, want)
				}
			})
		}
	}
}
