package sse_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tidewire/tidewire/sse"
)

func TestLastEventID(t *testing.T) {
	joined := strings.TrimSuffix(strings.Repeat(strings.Repeat("p", 64)+"_", 16), "_")
	long := strings.Repeat("a", 3000)
	for _, tt := range []struct {
		name, header, query, want string
	}{
		{"none", "", "", ""},
		{"header", "e.1", "", "e.1"},
		{"header wins", "e.1", "last_event_id=e.2&lastEventId=e.3", "e.1"},
		{"query of one polyfill", "", "last_event_id=e.2&lastEventId=e.3", "e.2"},
		{"query of the other", "", "lastEventId=e.3", "e.3"},
		{"UTF-8 goes raw", "…", "", "…"},
		{"UTF-8 in the query", "", "lastEventId=%E2%80%A6", "…"},
		{"NUL", "", "lastEventId=a%00b", "a\uFFFDb"},
		{"line ends", "", "lastEventId=a%0d%0ab", "a\uFFFD\uFFFDb"},
		{"DEL", "", "lastEventId=%7f", "\uFFFD"},
		{"control character of two bytes", "a\u009b31mb", "", "a\uFFFD31mb"},
		{"spaces at the ends", "", "lastEventId=%20a%20b%20%20", "\uFFFDa b\uFFFD"},
		{"one space", "", "lastEventId=+", "\uFFFD"},
		{"cut after a space", "", "lastEventId=" + url.QueryEscape(long[:2047]+" a"), long[:2045] + "\uFFFD"},
		{"not UTF-8", "", "lastEventId=%ff%c3", "\uFFFD\uFFFD"},
		{"sixteen positions", joined, "", joined},
		{"too long", long, "", long[:2048]},
		{"too long, cut in a character", "", "lastEventId=" + url.QueryEscape(strings.Repeat("a", 2047)+"…"), strings.Repeat("a", 2047)},
		{"other query", "", "id=1", ""},
		{"broken query", "", "%zz&lastEventId=e.3", "e.3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &http.Request{Header: http.Header{}, URL: &url.URL{RawQuery: tt.query}}
			if tt.header != "" {
				r.Header.Set("Last-Event-ID", tt.header)
			}
			if got := sse.LastEventID(r); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	if got := sse.LastEventID(&http.Request{}); got != "" {
		t.Errorf("bare request: %q", got)
	}
}

func FuzzLastEventID(f *testing.F) {
	f.Add("9223372036854775807")
	f.Add("-1")
	f.Add("a\x00\n\xff")
	f.Add(strings.Repeat("\xff", 1500))
	f.Add(strings.Repeat(" \x01", 700))
	f.Add(strings.Repeat(" ", 2000))
	f.Fuzz(func(t *testing.T, id string) {
		r := &http.Request{Header: http.Header{"Last-Event-Id": {id}}}
		got := sse.LastEventID(r)
		if (got == "") != (id == "") {
			t.Errorf("%q became %q", id, got)
		}
		if len(got) > 2048 || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("%q became %q", id, got)
		}
		if _, err := sse.AppendEvent(nil, &sse.Event{ID: got}); err != nil {
			t.Errorf("%q can't be sent back: %v", got, err)
		}
	})
}

func TestNewWriterRefuses(t *testing.T) {
	full := sse.NewGroup(&sse.GroupOptions{MaxStreams: 1})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	first, err := sse.NewWriter(httptest.NewRecorder(), r, &sse.Options{Group: full})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	drained := new(sse.Group)
	drained.BeginDrain()
	for _, tt := range []struct {
		name    string
		method  string
		accept  []string
		options sse.Options
		wrap    func(w http.ResponseWriter) http.ResponseWriter
		want    error
		status  int
	}{
		{name: "GET"},
		{name: "POST", method: "POST"},
		{name: "PUT", method: "PUT", want: sse.ErrMethod, status: 405},
		{name: "DELETE", method: "DELETE", want: sse.ErrMethod, status: 405},
		{name: "Accept all", accept: []string{"*/*"}},
		{name: "Accept text", accept: []string{"text/*;q=0.1"}},
		{name: "Accept event stream", accept: []string{"Text/Event-Stream"}},
		{name: "Accept in a list", accept: []string{"application/json, text/event-stream;q=0.9"}},
		{name: "Accept in the second header", accept: []string{"application/json", "text/event-stream"}},
		{name: "Accept empty", accept: []string{""}},
		{name: "Accept odd weight", accept: []string{"text/event-stream;q=x"}},
		{name: "Accept other", accept: []string{"application/json"}, want: sse.ErrNotAcceptable, status: 406},
		{name: "Accept excluded", accept: []string{"*/*, text/event-stream; q=0"}, want: sse.ErrNotAcceptable, status: 406},
		{name: "Accept other, ignored", accept: []string{"application/json"}, options: sse.Options{IgnoreAccept: true}},
		{name: "full", options: sse.Options{Group: full}, want: sse.ErrFull, status: 503},
		{name: "draining", options: sse.Options{Group: drained}, want: sse.ErrDraining, status: 503},
		{name: "encoded", want: sse.ErrContentEncoding, status: 500, wrap: func(w http.ResponseWriter) http.ResponseWriter {
			w.Header().Set("Content-Encoding", "gzip")
			return w
		}},
		{name: "no flush", want: sse.ErrNoFlush, status: 500, wrap: func(w http.ResponseWriter) http.ResponseWriter {
			return struct{ http.ResponseWriter }{w}
		}},
		{name: "no flush under an unwrapping writer", want: sse.ErrNoFlush, status: 500, wrap: func(w http.ResponseWriter) http.ResponseWriter {
			return unwrapping{struct{ http.ResponseWriter }{w}}
		}},
		{name: "no flush under a flushing writer", want: sse.ErrNoFlush, status: 500, wrap: func(w http.ResponseWriter) http.ResponseWriter {
			return &flushing{unwrapping{struct{ http.ResponseWriter }{w}}}
		}},
		{name: "Unwrap returns nil", want: sse.ErrNoFlush, status: 500, wrap: func(w http.ResponseWriter) http.ResponseWriter {
			return unwrapsNothing{w}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), tt.method, "/", nil)
			for _, a := range tt.accept {
				r.Header.Add("Accept", a)
			}
			rec := httptest.NewRecorder()
			var w http.ResponseWriter = rec
			if tt.wrap != nil {
				w = tt.wrap(w)
			}
			s, err := sse.NewWriter(w, r, &tt.options)
			if tt.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				_ = s.Close()
				return
			}
			re, ok := errors.AsType[*sse.RefusedError](err)
			if !ok || !errors.Is(err, tt.want) || re.Status != tt.status || rec.Code != tt.status {
				t.Fatalf("error %v, answered %d; want %v and %d", err, rec.Code, tt.want, tt.status)
			}
			if tt.status == 503 && (re.RetryAfter < time.Second || rec.Header().Get("Retry-After") == "") {
				t.Errorf("no Retry-After: %v, %v", re.RetryAfter, rec.Header())
			}
			if tt.status == 405 && rec.Header().Get("Allow") == "" {
				t.Error("no Allow")
			}
			if rec.Header().Get("Content-Encoding") != "" || strings.HasPrefix(rec.Header().Get("Content-Type"), "text/event-stream") {
				t.Errorf("headers of the refusal: %v", rec.Header())
			}
		})
	}
	if full.Len() != 1 {
		t.Errorf("%d streams in the full group", full.Len())
	}
}

type unwrapsNothing struct{ http.ResponseWriter }

func (unwrapsNothing) Unwrap() http.ResponseWriter { return nil }

func TestNewWriterAnswersHead(t *testing.T) {
	g := sse.NewGroup(nil)
	rec := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodHead, "/", nil)
	if _, err := sse.NewWriter(rec, r, &sse.Options{Group: g}); err != sse.ErrHead {
		t.Errorf("error %v, want ErrHead", err)
	}
	if rec.Code != 200 || rec.Body.Len() != 0 || g.Len() != 0 {
		t.Errorf("status %d, body %q, %d streams", rec.Code, rec.Body, g.Len())
	}
}

// A common middleware asserts in Flush that the writer below is a Flusher.
func TestNewWriterFlushThatPanicsIsAnError(t *testing.T) {
	g := sse.NewGroup(nil)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	_, err := sse.NewWriter(flushOnly{struct{ http.ResponseWriter }{httptest.NewRecorder()}}, r, &sse.Options{Group: g})
	if !errors.Is(err, sse.ErrNoFlush) || g.Len() != 0 {
		t.Errorf("error %v, want ErrNoFlush; %d streams", err, g.Len())
	}
	defer func() {
		if recover() != http.ErrAbortHandler || g.Len() != 0 {
			t.Errorf("another panic did not pass; %d streams", g.Len())
		}
	}()
	_, _ = sse.NewWriter(aborting{httptest.NewRecorder()}, r, &sse.Options{Group: g})
}

type aborting struct{ *httptest.ResponseRecorder }

func (aborting) Flush() { panic(http.ErrAbortHandler) }

// Without deadlines the stream works, and the log says so once.
func TestNewWriterWithoutDeadlines(t *testing.T) {
	var out bytes.Buffer
	rec := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	s, err := sse.NewWriter(rec, r, &sse.Options{Logger: slog.New(slog.NewTextHandler(&out, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.Send(t.Context(), &sse.Event{Data: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "no write deadlines"); n != 1 {
		t.Errorf("logged %d times: %s", n, &out)
	}
	if got := len(reference(rec.Body.Bytes()).events); got != 3 {
		t.Errorf("%d events, want 3", got)
	}
}
