package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// launch runs the program as a server and returns its URL. stop ends it as a signal would, and waits.
func launch(t *testing.T, args ...string) (url string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), w, io.Discard)
		w.CloseWithError(errors.Join(err, io.EOF))
		done <- err
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("no line with the URL: %v", err)
	}
	url, ok := strings.CutPrefix(strings.TrimSuffix(line, "/\n"), "tokens: ")
	if !ok {
		t.Fatalf("line %q", line)
	}
	ended := false
	stop = func() error {
		if ended {
			return nil
		}
		ended = true
		cancel()
		return <-done
	}
	t.Cleanup(func() { _ = stop() })
	return url, stop
}

func TestAskPrintsTheWholeAnswer(t *testing.T) {
	url, stop := launch(t, "-pace", "0s")
	var first, second strings.Builder
	for _, out := range []*strings.Builder{&first, &second} {
		if err := run(t.Context(), []string{"-addr", strings.TrimPrefix(url, "http://"), "-ask", "tides"}, out, io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(first.String(), "\n[stop after ") || strings.Count(first.String(), ".") != sentences {
		t.Errorf("answer %q", first.String())
	}
	if first.String() != second.String() {
		t.Errorf("the same prompt got %q and %q", first.String(), second.String())
	}
	if err := stop(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// begin asks and returns the answer's body with its events, one by one.
func begin(t *testing.T, ctx context.Context, url string) (body io.Closer, next func() (sse.Event, error, bool)) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+path, strings.NewReader(`{"prompt":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	next, stop := iter.Pull2(sse.Read(resp.Body, nil))
	t.Cleanup(func() {
		stop()
		_ = resp.Body.Close()
	})
	return resp.Body, next
}

// A reader that hangs up in mid-stream stops the generator: the handler ends long before the next token.
func TestHangingUpStopsTheGenerator(t *testing.T) {
	s := &service{group: sse.NewGroup(nil)}
	handled := make(chan struct{})
	s.think = func(n int) time.Duration {
		if n < 2 {
			return 0
		}
		return 24 * time.Hour // from here on only hanging up can end it
	}
	h := s.handler()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		close(handled)
	}))
	defer srv.Close()
	body, next := begin(t, t.Context(), srv.URL)
	for range 2 {
		if e, err, ok := next(); !ok || err != nil || e.Name != "token" {
			t.Fatalf("%+v, %v, %v", e, err, ok)
		}
	}
	if s.working.Load() != 1 {
		t.Errorf("%d generators work", s.working.Load())
	}
	_ = body.Close()
	<-handled
	if s.stopped.Load() != 1 || s.working.Load() != 0 || s.group.Len() != 0 {
		t.Errorf("%d stopped, %d working, %d streams", s.stopped.Load(), s.working.Load(), s.group.Len())
	}
}

// A server that ends tells the readers that the answer is not whole.
func TestDrainTellsTheReader(t *testing.T) {
	url, stop := launch(t, "-pace", "24h")
	_, next := begin(t, t.Context(), url)
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	var last sse.Event
	for {
		e, err, ok := next()
		if !ok {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		last = e
	}
	var f finish
	if err := json.Unmarshal(last.Data, &f); err != nil || last.Name != "done" || f != (finish{"draining", 0}) {
		t.Errorf("the last event is %s %s", last.Name, last.Data)
	}
	if err := <-stopped; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// The number in the last event is that of the tokens that came before it, also when the drain comes between a token and its
// sending.
func TestDrainCountsWhatWasSent(t *testing.T) {
	for range 20 { // which of the two is first is up to a select
		s := &service{group: sse.NewGroup(nil)}
		s.think = func(n int) time.Duration {
			if n == 3 {
				s.group.BeginDrain()
			}
			return 0
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(`{"prompt":"x"}`))
		r.Header.Set("Content-Type", "application/json")
		s.handler().ServeHTTP(w, r)
		if body := w.Body.String(); strings.Count(body, "event: token\n") != 3 || !strings.Contains(body, `{"reason":"draining","tokens":3}`) {
			t.Fatalf("body %q", body)
		}
	}
}

func TestGeneratorEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(3500*time.Millisecond, func() { cancel(enough) })
		n, last := 0, error(nil)
		for _, err := range generate(ctx, "x", every(time.Second)) {
			if last = err; err == nil {
				n++
			}
		}
		if n != 3 || last != enough {
			t.Errorf("%d tokens, then %v", n, last)
		}
	})
}

func TestRefuses(t *testing.T) {
	h := (&service{}).handler()
	for name, tt := range map[string]struct {
		body, contentType, site string
		status                  int
	}{
		"another site":       {`{"prompt":"x"}`, "application/json", "cross-site", http.StatusForbidden},
		"another type":       {`{"prompt":"x"}`, "text/plain", "", http.StatusUnsupportedMediaType},
		"no type":            {`{"prompt":"x"}`, "", "", http.StatusUnsupportedMediaType},
		"no prompt":          {`{}`, "application/json", "", http.StatusBadRequest},
		"no JSON":            {`prompt`, "application/json", "", http.StatusBadRequest},
		"a prompt too large": {`{"prompt":"` + strings.Repeat("x", maxBody) + `"}`, "application/json", "", http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.contentType)
			if tt.site != "" {
				r.Header.Set("Sec-Fetch-Site", tt.site)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Errorf("status %d, want %d", w.Code, tt.status)
			}
		})
	}
}

func TestThePageRunsItsOwnScriptsOnly(t *testing.T) {
	h := (&service{}).handler()
	for url, contentType := range map[string]string{"/": "text/html; charset=utf-8", "/page.js": "text/javascript; charset=utf-8", "/page.css": "text/css; charset=utf-8"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, url, nil))
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != contentType {
			t.Errorf("%s: %d %q", url, w.Code, w.Header().Get("Content-Type"))
		}
		if url == "/" && !strings.Contains(w.Header().Get("Content-Security-Policy"), "script-src 'self'") {
			t.Errorf("policy %q", w.Header().Get("Content-Security-Policy"))
		}
	}
	if strings.Contains(string(script), "innerHTML") {
		t.Error("the script writes HTML")
	}
}

func TestAskFails(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"cut off": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "event: token\ndata: {\"text\":\"a \"}\n\n")
		},
		"refused":   func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusTeapot) },
		"no stream": func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "hello") },
		"bad tokens": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "event: token\ndata: a\n\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(h)
			defer srv.Close()
			if err := ask(t.Context(), srv.URL+path, "x", io.Discard); err == nil {
				t.Error("no error")
			}
		})
	}
	for _, args := range [][]string{{"surplus"}, {"-pace", "-1s"}, {"-addr", "nowhere"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q ended well", args)
		}
	}
}
