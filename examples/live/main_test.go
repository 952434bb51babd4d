package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/sse"
)

// launch runs the program and returns its URL. stop ends it as a signal would, and waits.
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
	url, ok := strings.CutPrefix(strings.TrimSuffix(line, "/\n"), "live: ")
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

var cursorIn = regexp.MustCompile(`data-cursor="([^"]+)"`)

// open gets the page and returns it with its cursor.
func open(t *testing.T, url string) (body, cursor string) {
	t.Helper()
	resp, err := http.Get(url + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	m := cursorIn.FindSubmatch(b)
	if err != nil || m == nil {
		t.Fatalf("no cursor in the page: %v\n%s", err, b)
	}
	return string(b), html.UnescapeString(string(m[1]))
}

// The page and the stream have no seam: a change after the page was rendered comes first.
func TestThePageGoesOnFromItsCursor(t *testing.T) {
	b := newBoard()
	srv := httptest.NewServer(b.handler(sse.NewGroup(nil)))
	defer srv.Close()
	defer srv.CloseClientConnections()
	_, cursor := open(t, srv.URL)
	for range 3 {
		if err := b.change(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := make(map[string]departure)
	for _, row := range b.rows {
		want[row.ID] = row
	}
	n := 0
	c := &sse.Client{URL: srv.URL + "/events?lastEventId=" + cursor}
	for e, err := range c.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		var d departure
		if err := json.Unmarshal(e.Data, &d); err != nil || e.Name != "departure" {
			t.Fatalf("%s %s: %v", e.Name, e.Data, err)
		}
		if n++; n == 3 {
			if d != want[d.ID] {
				t.Errorf("the last change is %+v, and the row %+v", d, want[d.ID])
			}
			break
		}
	}
	page, _ := open(t, srv.URL)
	for _, d := range want {
		if !strings.Contains(page, html.EscapeString(d.Status)+"</td></tr>") {
			t.Errorf("the page lacks %+v", d)
		}
	}
}

func TestThePageEscapesWhatItShows(t *testing.T) {
	b := newBoard()
	b.mu.Lock()
	err := b.set(t.Context(), departure{"t1", "</script><script>alert(1)</script>", 1, "<img src=x onerror=alert(1)>"})
	b.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	b.handler(nil).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if body := w.Body.String(); strings.Contains(body, "<script>alert") || strings.Contains(body, "<img") || !strings.Contains(body, "&lt;img") {
		t.Errorf("page:\n%s", body)
	}
	if strings.Contains(pageText, "innerHTML") {
		t.Error("the script writes HTML")
	}
	if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
}

func TestForeignPagesAreRefused(t *testing.T) {
	h := newBoard().handler(nil)
	for _, header := range [][2]string{
		{"Origin", "https://elsewhere.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/events", nil)
		r.Header.Set(header[0], header[1])
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden {
			t.Errorf("%v: %d", header, w.Code)
		}
	}
	r := httptest.NewRequest(http.MethodHead, "/events", nil)
	r.Header.Set("Origin", "http://"+r.Host)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusOK {
		t.Errorf("its own page: %d", w.Code)
	}
}

// What runs changes by itself, and ends in order with its streams open.
func TestSignalDrains(t *testing.T) {
	url, stop := launch(t, "-every", "1ms")
	_, cursor := open(t, url)
	resp, err := http.Get(url + "/events?lastEventId=" + cursor)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	br := bufio.NewReader(resp.Body)
	for line := ""; !strings.HasPrefix(line, "data: "); {
		if line, err = br.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	rest, err := io.ReadAll(br)
	if err != nil {
		t.Errorf("the stream ended with %v", err)
	}
	if !regexp.MustCompile(`retry: \d+\n\n$`).Match(rest) {
		t.Errorf("the last words are %q", rest[max(0, len(rest)-80):])
	}
	if err := <-stopped; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

func TestRefusesFlags(t *testing.T) {
	for _, args := range [][]string{{"surplus"}, {"-every", "0s"}, {"-addr", "nowhere"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q ended well", args)
		}
	}
}
