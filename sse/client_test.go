package sse_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
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
		{
			"format-data-before-final-empty-line",
			[]string{"retry:1000\ndata:test1\n\nid:test\ndata:test2\n", "data:test1\n\nid:test\ndata:test2\n"},
			[]string{"|test1|", "|test1|"},
			[]string{"-", "-", "-"},
		},
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

// The text of a refusal says where, why and what the server says, in one line
// without what may be secret.
func TestResponseErrorText(t *testing.T) {
	for _, tt := range []struct {
		name     string
		status   int
		header   http.Header
		body     string
		want     string
		mustLack string
	}{
		{"status", 400, nil, "bad cursor\nsecond line", `/a%20b": status 400 Bad Request: "bad cursor"`, "second"},
		{"page", 200, http.Header{"Content-Type": {"text/html; charset=utf-8"}}, "\r\n <!doctype html>\n<p>", `/a%20b": content type "text/html; charset=utf-8", want text/event-stream: is it the stream's URL (Client.URL)?: "<!doctype html>"`, "<p>"},
		{"no text", 404, nil, "\x1b\x00\xff\n\t\n", `/a%20b": status 404 Not Found`, `Found:`},
		{"control characters", 404, nil, "a\x1b[31m\x07\tb\u202e\u2028c\xff", `: "a[31m bc"`, "\x1b"},
		{"long", 404, nil, strings.Repeat("é", 9000), `: "` + strings.Repeat("é", 128) + `..."`, ""},
		{"long type", 200, http.Header{"Content-Type": {strings.Repeat("x", 9000)}}, "", `content type "` + strings.Repeat("x", 256) + `...", want`, ""},
		{"encoded", 404, http.Header{"Content-Encoding": {"br"}}, "squeezed", "404 Not Found", "squeezed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer := func(n int, w http.ResponseWriter, r *http.Request) {
				maps.Copy(w.Header(), tt.header)
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}
			client(t, answer, func(t *testing.T, c *sse.Client, s *script) {
				c.URL = strings.Replace(c.URL, "://", "://user:secret@", 1) + "/a%20b?token=secret#secret"
				_, err := follow(t, c)
				if _, ok := errors.AsType[*sse.ResponseError](err); !ok {
					t.Fatal(err)
				}
				text := err.Error()
				if !strings.Contains(text, tt.want) || !strings.Contains(text, `no event stream at "http`) {
					t.Errorf("%s\nwant %s", text, tt.want)
				}
				for _, bad := range []string{"secret", "user", "token", "\n", tt.mustLack} {
					if bad != "" && strings.Contains(text, bad) {
						t.Errorf("%q has %q", text, bad)
					}
				}
				if len(text) > 1000 {
					t.Errorf("%d bytes", len(text))
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
		"no URL":   func(c *sse.Client) { c.URL = "" },
		"no host":  func(c *sse.Client) { c.URL = "/events" },
		"no http":  func(c *sse.Client) { c.URL = "localhost:8080/events" },
		"ws":       func(c *sse.Client) { c.URL = "ws://127.0.0.1/events" },
		"ftp":      func(c *sse.Client) { c.URL = "FTP://127.0.0.1/events" },
		"prepared": func(c *sse.Client) { c.Prepare = func(r *http.Request) error { r.URL.Scheme = "wss"; return nil } },
		"header":   func(c *sse.Client) { c.Header = http.Header{"Authorization": {"Bearer x\n"}} },
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

func TestErrorsName(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&sse.LimitError{Option: "MaxEvent", Limit: 9}, "9 bytes (ReadOptions.MaxEvent)"},
		{&sse.RefusedError{Status: 503, Err: sse.ErrFull}, "too many streams (GroupOptions.MaxStreams) (answered 503 Service Unavailable)"},
		{&sse.Gap{Reason: sse.GapTrimmed, From: "e.1", Now: "e.3", Missed: 2}, `gap after "e.1" (trimmed): goes on after "e.3", 2 missed`},
	} {
		if !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%q does not say %q", tt.err, tt.want)
		}
	}
}
