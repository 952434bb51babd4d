package sse_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidewire/tidewire/backoff"
	"github.com/tidewire/tidewire/sse"
)

// A script answers the n-th request, from 0 on. What it gets is noted.
type script struct {
	answer func(n int, w http.ResponseWriter, r *http.Request)
	start  time.Time

	mu  sync.Mutex
	at  []time.Duration // since the start
	ids []string        // Last-Event-ID; "-" for none
}

// times are when the requests came.
func (s *script) times() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

// sent are the last event IDs that came with them.
func (s *script) sent() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	n := len(s.at)
	s.at = append(s.at, time.Since(s.start))
	id := "-"
	if v, ok := r.Header["Last-Event-Id"]; ok {
		id = strings.Join(v, ",")
	}
	s.ids = append(s.ids, id)
	s.mu.Unlock()
	s.answer(n, w, r)
}

// body answers with an event stream of these bytes, which then ends.
func body(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, text)
}

// bodies answers the n-th request with the n-th text, and 204 after the last.
func bodies(texts ...string) func(n int, w http.ResponseWriter, r *http.Request) {
	return func(n int, w http.ResponseWriter, r *http.Request) {
		if n >= len(texts) {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		body(w, texts[n])
	}
}

// client runs f in a bubble with a client of a server that follows the script.
func client(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request), f func(t *testing.T, c *sse.Client, s *script)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: answer, start: time.Now()}
		server := piped[1].start(t, s, nil)
		f(t, &sse.Client{URL: server.url, HTTP: &http.Client{Transport: server.rt}}, s)
	})
}

// follow reads a client's events to their end.
func follow(t *testing.T, c *sse.Client) ([]string, error) {
	t.Helper()
	var events []sse.Event
	var last error
	for e, err := range c.Events(t.Context()) {
		if last != nil {
			t.Errorf("%v came after the error %v", e, last)
		}
		if last = err; err == nil {
			events = append(events, e)
		}
	}
	return show(events), last
}

func TestClientConnections(t *testing.T) {
	for _, tt := range []struct {
		name  string
		texts []string
		want  []string
		ids   []string // what the requests carried
	}{
		{"eventsource-reconnect", []string{"retry: 2\n", "data: data\n\n"}, []string{"|data|"}, []string{"-", "-", "-"}},
		{"reconnect-fail", []string{"retry: 2\ndata: opened\n\n", "data: reconnected\n\n"}, []string{"|opened|", "|reconnected|"}, []string{"-", "-", "-"}},
		{"format-field-id", []string{"id: …\nretry: 200\ndata: hello\n\n", "data: …\n\n"}, []string{"|hello|…", "|…|…"}, []string{"-", "…", "…"}},
		{"format-field-id-2", []string{"id: …\ndata: hello\n\n", "data: …\n\n", "data: …\n\n"}, []string{"|hello|…", "|…|…", "|…|…"}, []string{"-", "…", "…", "…"}},
		{"format-field-id-null", []string{"id: x\x00\nretry: 200\ndata: hello\n\n"}, []string{"|hello|"}, []string{"-", "-"}},
		{"format-data-before-final-empty-line", []string{"retry:1000\ndata:test1\n\nid:test\ndata:test2\n", "data:test1\n\nid:test\ndata:test2\n"},
			[]string{"|test1|", "|test1|"}, []string{"-", "-", "-"}},
		{"id without data", []string{"id:9\n\n"}, nil, []string{"-", "9"}},
		{"id is reset", []string{"id:9\ndata:a\n\n", "id\n\n"}, []string{"|a|9"}, []string{"-", "9", "-"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client(t, bodies(tt.texts...), func(t *testing.T, c *sse.Client, s *script) {
				got, err := follow(t, c)
				if err != nil {
					t.Errorf("error %v; 204 ends a stream without one", err)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("events (-want +got)\n%s", diff)
				}
				if diff := cmp.Diff(tt.ids, s.sent()); diff != "" {
					t.Errorf("Last-Event-ID (-want +got)\n%s", diff)
				}
			})
		})
	}
}

func TestClientResponses(t *testing.T) {
	const fine = "text/event-stream"
	for _, tt := range []struct {
		status      int
		contentType string
		encoding    string
		attempts    int // of two that the policy allows; 0 for an open stream
	}{
		{200, fine, "", 0},
		{200, "text/event-stream;", "", 0},
		{200, "Text/Event-Stream ; charset=windows-1252", "", 0},
		{200, fine, "identity", 0},
		{200, "", "", 1},
		{200, "x bogus", "", 1},
		{200, "text/x-bogus", "", 1},
		{200, fine, "br", 1},
		{205, fine, "", 1},
		{210, fine, "", 1},
		{299, fine, "", 1},
		{400, fine, "", 1},
		{401, fine, "", 1},
		{404, fine, "", 1},
		{410, fine, "", 1},
		{429, fine, "", 2},
		{500, fine, "", 2},
		{503, fine, "", 2},
	} {
		t.Run(fmt.Sprint(tt.status, tt.contentType, tt.encoding), func(t *testing.T) {
			answer := func(n int, w http.ResponseWriter, r *http.Request) {
				w.Header()["Content-Type"] = []string{tt.contentType}
				if tt.encoding != "" {
					w.Header().Set("Content-Encoding", tt.encoding)
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, "data: x\n\n")
			}
			client(t, answer, func(t *testing.T, c *sse.Client, s *script) {
				c.Policy.MaxAttempts = 2
				got, err := follow(t, c)
				if tt.attempts == 0 {
					if diff := cmp.Diff([]string{"|x|", "|x|"}, got); diff != "" || !errors.Is(err, backoff.ErrExhausted) {
						t.Errorf("error %v, events (-want +got)\n%s", err, diff)
					}
					return
				}
				re, ok := errors.AsType[*sse.ResponseError](err)
				if !ok || re.Status != tt.status || got != nil || len(s.times()) != tt.attempts {
					t.Fatalf("%v after %d attempts, events %v; want a ResponseError after %d", err, len(s.times()), got, tt.attempts)
				}
				if tt.status != 205 && !bytes.HasPrefix(re.Body, []byte("data: x")) {
					t.Errorf("the error's body is %q", re.Body)
				}
			})
		})
	}
}

func TestClientRequest(t *testing.T) {
	var got []http.Header
	var sent []string
	answer := func(n int, w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		sent = append(sent, r.Method+" "+string(b))
		got = append(got, r.Header)
		bodies("id:8\ndata:x\n\n", "")(n, w, r)
	}
	client(t, answer, func(t *testing.T, c *sse.Client, s *script) {
		c.Method = http.MethodPost
		c.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(`{"stream":true}`)), nil }
		c.Header = http.Header{"x-api-key": {"k"}, "Cache-Control": {"no-store"}, "Last-Event-ID": {"99"}}
		c.Read.LastEventID = "7"
		token := 0
		c.Prepare = func(r *http.Request) error {
			token++
			r.Header.Set("Authorization", strconv.Itoa(token))
			return nil
		}
		if _, err := follow(t, c); err != nil {
			t.Fatal(err)
		}
		for n := range 3 {
			want := http.Header{
				"Accept": {"text/event-stream"}, "Accept-Encoding": {"identity"}, "Cache-Control": {"no-store"},
				"X-Api-Key": {"k"}, "Authorization": {strconv.Itoa(n + 1)}, "Last-Event-Id": {[]string{"7", "8", "8"}[n]},
			}
			got[n].Del("User-Agent")
			got[n].Del("Content-Length")
			got[n].Del("Transfer-Encoding")
			if diff := cmp.Diff(want, got[n]); diff != "" {
				t.Errorf("request %d (-want +got)\n%s", n, diff)
			}
			if sent[n] != `POST {"stream":true}` {
				t.Errorf("request %d sent %q", n, sent[n])
			}
		}
	})
}

func TestClientGivesUpBeforeTheRequest(t *testing.T) {
	broken := errors.New("broken")
	for name, change := range map[string]func(c *sse.Client){
		"GetBody":  func(c *sse.Client) { c.GetBody = func() (io.ReadCloser, error) { return nil, broken } },
		"Prepare":  func(c *sse.Client) { c.Prepare = func(*http.Request) error { return broken } },
		"bad URL":  func(c *sse.Client) { c.URL = ":" },
		"bad id":   func(c *sse.Client) { c.Read.LastEventID = "a\x01" },
		"bad verb": func(c *sse.Client) { c.Method = "a b" },
	} {
		t.Run(name, func(t *testing.T) {
			client(t, bodies(), func(t *testing.T, c *sse.Client, s *script) {
				c.Policy.MaxAttempts = 3
				change(c)
				start := time.Now()
				_, err := follow(t, c)
				if err == nil || len(s.times()) != 0 {
					t.Errorf("error %v after %d requests", err, len(s.times()))
				}
				if retried := time.Since(start) > 0; retried != errors.Is(err, broken) {
					t.Errorf("retried %v: %v", retried, err)
				}
			})
		})
	}
}

// A reconnection time is the middle of a window; it counts from the field on,
// for all waits to come.
func TestClientRetry(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 20 {
		client(t, bodies("retry: 60000\n", "", ""), func(t *testing.T, c *sse.Client, s *script) {
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
		client(t, bodies("data: a\n\ndata: b\n\n"), func(t *testing.T, c *sse.Client, s *script) {
			n := 0
			for _, err := range c.Events(t.Context()) {
				if err != nil {
					t.Error(err)
				}
				n++
				time.Sleep(time.Hour)
			}
			if n != 2 {
				t.Errorf("%d events", n)
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

func TestClientEnds(t *testing.T) {
	answer := func(n int, w http.ResponseWriter, r *http.Request) {
		body(w, "data: x\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	t.Run("break closes the connection", func(t *testing.T) {
		gone := make(chan struct{}, 1)
		client(t, func(n int, w http.ResponseWriter, r *http.Request) {
			answer(n, w, r)
			gone <- struct{}{}
		}, func(t *testing.T, c *sse.Client, s *script) {
			for range c.Events(t.Context()) {
				break
			}
			<-gone
			if time.Since(s.start) != 0 || len(s.times()) != 1 {
				t.Errorf("after %v and %d connections", time.Since(s.start), len(s.times()))
			}
		})
	})
	t.Run("context while reading", func(t *testing.T) {
		client(t, answer, func(t *testing.T, c *sse.Client, s *script) {
			reason := errors.New("enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(reason) })
			var got []error
			for _, err := range c.Events(ctx) {
				got = append(got, err)
			}
			if len(got) != 2 || got[1] != reason {
				t.Errorf("errors %v", got)
			}
		})
	})
	t.Run("context while waiting", func(t *testing.T) {
		client(t, bodies("retry:100000\n", "retry:100000\n"), func(t *testing.T, c *sse.Client, s *script) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			var got []error
			for _, err := range c.Events(ctx) {
				got = append(got, err)
			}
			if len(got) != 1 || !errors.Is(got[0], context.DeadlineExceeded) {
				t.Errorf("errors %v", got)
			}
		})
	})
	t.Run("no attempts left", func(t *testing.T) {
		client(t, bodies("", "", ""), func(t *testing.T, c *sse.Client, s *script) {
			c.Policy.MaxAttempts = 2
			_, err := follow(t, c)
			if !errors.Is(err, backoff.ErrExhausted) || !errors.Is(err, io.EOF) {
				t.Errorf("error %v", err)
			}
		})
	})
}

func TestClientTellsWhatHappens(t *testing.T) {
	client(t, bodies("data: x\n\n", ""), func(t *testing.T, c *sse.Client, s *script) {
		var log []string
		c.OnOpen = func(r *http.Response) { log = append(log, "open "+r.Header.Get("Content-Type")) }
		c.OnWait = func(failed int, d time.Duration, last error) {
			log = append(log, fmt.Sprint("wait ", failed, errors.Is(last, io.EOF)))
		}
		if _, err := follow(t, c); err != nil {
			t.Fatal(err)
		}
		want := []string{"open text/event-stream", "wait 1 true", "open text/event-stream", "wait 2 true"}
		if diff := cmp.Diff(want, log); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestClientRedirects(t *testing.T) {
	const secret = "X-Api-Key"
	run := func(t *testing.T, status int, target string, c *sse.Client) (events, seen []string, err error) {
		t.Helper()
		client(t, func(n int, w http.ResponseWriter, r *http.Request) {
			seen = append(seen, fmt.Sprintf("%s %s%s id=%s key=%s auth=%s", r.Method, r.Host, r.URL.Path, r.Header.Get("Last-Event-ID"), r.Header.Get(secret), r.Header.Get("Authorization")))
			switch {
			case r.URL.Path == "/":
				http.Redirect(w, r, target, status)
			case len(seen) > 3:
				w.WriteHeader(http.StatusNoContent)
			default:
				body(w, "id: 5\ndata: x\n\n")
			}
		}, func(t *testing.T, base *sse.Client, s *script) {
			c.URL, c.HTTP = base.URL, base.HTTP
			c.Header = http.Header{secret: {"k"}, "Authorization": {"a"}}
			events, err = follow(t, c)
		})
		return events, seen, err
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			_, seen, err := run(t, status, "/there", &sse.Client{Read: sse.ReadOptions{LastEventID: "4"}})
			want := []string{
				"GET board.test/ id=4 key=k auth=a", "GET board.test/there id=4 key=k auth=a",
				"GET board.test/ id=5 key=k auth=a", "GET board.test/there id=5 key=k auth=a",
			}
			if diff := cmp.Diff(want, seen); diff != "" || err != nil {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		})
	}
	t.Run("another origin gets no secrets", func(t *testing.T) {
		events, seen, err := run(t, 307, "http://edge.test/there", &sse.Client{})
		want := []string{
			"GET board.test/ id= key=k auth=a", "GET edge.test/there id= key= auth=",
			"GET board.test/ id=5 key=k auth=a", "GET edge.test/there id=5 key= auth=", // the id came from there
		}
		if diff := cmp.Diff(want, seen); diff != "" || err != nil || len(events) != 1 {
			t.Errorf("%v, %v (-want +got)\n%s", err, events, diff)
		}
	})
	t.Run("another origin gets no cursor", func(t *testing.T) {
		_, seen, err := run(t, 307, "http://edge.test/there", &sse.Client{Read: sse.ReadOptions{LastEventID: "4"}})
		if !errors.Is(err, sse.ErrForeignRedirect) || len(seen) != 1 {
			t.Errorf("%v after %v", err, seen)
		}
	})
	t.Run("unless trusted", func(t *testing.T) {
		_, seen, err := run(t, 307, "http://edge.test/there", &sse.Client{TrustRedirects: true, Read: sse.ReadOptions{LastEventID: "4"}})
		if err != nil || len(seen) < 2 || seen[1] != "GET edge.test/there id=4 key=k auth=" { // net/http itself keeps Authorization back
			t.Errorf("%v after %v", err, seen)
		}
	})
	t.Run("for ever", func(t *testing.T) {
		_, seen, err := run(t, 307, "/", &sse.Client{Policy: backoff.Policy{MaxAttempts: 1}})
		if err == nil || len(seen) != 10 {
			t.Errorf("%v after %d requests", err, len(seen))
		}
	})
}
