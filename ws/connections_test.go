package ws_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
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

// Before each attempt Prepare sets what is to be different: the position, a fresh ticket. It is told how the last one went.
func TestPrepareIsCalledBeforeEachAttempt(t *testing.T) {
	var asked []string
	inBubble(t, func(n int, w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.RequestURI+" "+r.Header.Get("Authorization"))
		if n == 2 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		c, err := ws.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		c.Write(r.Context(), ws.Text, fmt.Append(nil, n))
		c.Close(ws.CloseServiceRestart, "")
	}, func(t *testing.T, opts *ws.DialOptions) {
		var told []string
		after := ""
		opts.Header = http.Header{"X-Kept": {"1"}}
		opts.Prepare = func(ctx context.Context, a *ws.Attempt) error {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("the handshake's time does not bound Prepare")
			}
			status := ""
			if e, ok := errors.AsType[*ws.HandshakeError](a.Last); ok {
				status = fmt.Sprint(e.StatusCode)
			} else if a.Last != nil {
				status = ws.CloseStatus(a.Last).String()
			}
			told = append(told, fmt.Sprint(a.N, " ", a.URL, " ", status))
			q := a.URL.Query()
			q.Set("after", after)
			a.URL.RawQuery = q.Encode()
			a.Header.Set("Authorization", fmt.Sprint("Bearer ", a.N))
			return nil
		}
		for c, err := range ws.Connections(t.Context(), "ws://tidewire.test/?x=1", opts, fixed) {
			if err != nil {
				t.Fatal(err)
			}
			_, p, err := c.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if after = string(p); after == "3" {
				break
			}
			c.Read(t.Context()) // the end
		}
		if want := []string{"/?after=&x=1 Bearer 1", "/?after=1&x=1 Bearer 2", "/?after=1&x=1 Bearer 3"}; !slices.Equal(asked, want) {
			t.Errorf("the server was asked %q, want %q", asked, want)
		}
		if want := []string{"1 ws://tidewire.test/?x=1 ", "2 ws://tidewire.test/?x=1 1012 (service restart)", "3 ws://tidewire.test/?x=1 502"}; !slices.Equal(told, want) {
			t.Errorf("Prepare was told %q, want %q", told, want)
		}
		if len(opts.Header) != 1 {
			t.Errorf("the options were changed: %v", opts.Header)
		}
	})
}

// An error of Prepare is an attempt's: it is tried again after a wait, unless it is permanent.
func TestErrorsOfPrepare(t *testing.T) {
	broken := errors.New("the ticket office is closed")
	for _, test := range []struct {
		name  string
		err   error
		calls int
		takes time.Duration
		want  error
	}{
		{"again", broken, 3, 3 * time.Second, backoff.ErrExhausted},
		{"permanent", backoff.Permanent(broken), 1, 0, broken},
		{"after", backoff.After(time.Minute, broken), 3, 2*time.Minute + 3*time.Second, backoff.ErrExhausted},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(int, http.ResponseWriter, *http.Request) { t.Error("the server was asked") }, func(t *testing.T, opts *ws.DialOptions) {
				calls, refused := 0, 0
				opts.Prepare = func(context.Context, *ws.Attempt) error { calls++; return test.err }
				opts.Observer = &ws.Observer{Refused: func(*http.Request, *ws.HandshakeError) { refused++ }}
				start := time.Now()
				for c, err := range ws.Connections(t.Context(), "ws://tidewire.test/", opts, backoff.Policy{Base: time.Second, Jitter: -1, MaxAttempts: 3}) {
					if c != nil || !errors.Is(err, test.want) || !errors.Is(err, broken) {
						t.Errorf("yielded %v, %v", c, err)
					}
				}
				if calls != test.calls || refused != calls || time.Since(start) != test.takes {
					t.Errorf("%d calls (%d told) after %v", calls, refused, time.Since(start))
				}
			})
		})
	}
}

// A Prepare that hangs is bounded by the handshake's time, as long as it looks at its context.
func TestPrepareIsBoundedByTheHandshakeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := ws.Dial(t.Context(), "ws://tidewire.test/", &ws.DialOptions{Prepare: func(ctx context.Context, a *ws.Attempt) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// With a Prepare a 401 is tried once more, because the ticket is another then; the second in a row is the end, and
// without a Prepare the first.
func TestRejectedTicketIsRenewedOnce(t *testing.T) {
	for _, test := range []struct {
		prepare  bool
		statuses []int // 101 makes a connection
	}{
		{true, []int{401, 401}},
		{true, []int{401, 503, 401, 101, 401, 401}},
		{true, []int{403}},
		{false, []int{401}},
		{false, []int{101, 401}},
	} {
		t.Run(fmt.Sprint(test.prepare, test.statuses), func(t *testing.T) {
			asked := 0
			inBubble(t, func(n int, w http.ResponseWriter, r *http.Request) {
				if asked = n; n > len(test.statuses) {
					t.Errorf("attempt %d", n)
					w.WriteHeader(http.StatusNotFound)
				} else if test.statuses[n-1] != 101 {
					w.WriteHeader(test.statuses[n-1])
				} else if c, err := ws.Accept(w, r, nil); err == nil {
					c.Close(ws.CloseNormal, "")
				}
			}, func(t *testing.T, opts *ws.DialOptions) {
				if test.prepare {
					opts.Prepare = func(context.Context, *ws.Attempt) error { return nil }
				}
				var last error
				for c, err := range ws.Connections(t.Context(), "ws://tidewire.test/", opts, fixed) {
					if last = err; err == nil {
						c.Read(t.Context())
					}
				}
				e, ok := errors.AsType[*ws.HandshakeError](last)
				if want := test.statuses[len(test.statuses)-1]; !ok || e.StatusCode != want || asked != len(test.statuses) {
					t.Errorf("%d attempts, and then %v", asked, last)
				}
			})
		})
	}
}

// An end in order is an end like others: the next connection is made, after a wait.
func TestConnectionsComeBackAfterANormalClose(t *testing.T) {
	inBubble(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if c, err := ws.Accept(w, r, nil); err == nil {
			c.Close(ws.CloseNormal, "done")
		}
	}, func(t *testing.T, opts *ws.DialOptions) {
		start, n := time.Now(), 0
		for c, err := range ws.Connections(t.Context(), "ws://tidewire.test/", opts, backoff.Policy{Base: time.Second, Jitter: -1, MaxAttempts: 3}) {
			if err != nil {
				if !errors.Is(err, backoff.ErrExhausted) || ws.CloseStatus(err) != ws.CloseNormal {
					t.Errorf("the end: %v", err)
				}
				break
			}
			n++
			c.Read(t.Context())
		}
		if n != 3 || time.Since(start) != 3*time.Second {
			t.Errorf("%d connections in %v", n, time.Since(start))
		}
	})
}

func TestConnectionsOfNothingIsAnError(t *testing.T) {
	for _, ctx := range []context.Context{nil, t.Context()} {
		n := 0
		for c, err := range ws.Connections(ctx, "", nil, fixed) {
			if n++; c != nil || err == nil {
				t.Errorf("%v, %v", c, err)
			}
		}
		if n != 1 {
			t.Errorf("%d yields", n)
		}
	}
}
