package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// path is where prompts go.
const path = "/v1/tokens"

// What a server takes.
const (
	maxStreams = 1000     // answers at a time; the one over it is told when to come again
	maxBody    = 64 << 10 // bytes of a request
)

// question is the body of a request.
type question struct {
	Prompt string `json:"prompt"`
}

// token is the data of an event "token", and finish that of the event "done".
type (
	token struct {
		Text string `json:"text"`
	}
	finish struct {
		Reason string `json:"reason"` // "stop", or "draining" when the server ends
		Tokens int    `json:"tokens"`
	}
)

// service answers prompts.
type service struct {
	think func(n int) time.Duration // what the generator takes for its n-th token
	group *sse.Group

	working atomic.Int64 // generators that run
	stopped atomic.Int64 // generators that were stopped because their reader had gone
}

//go:embed page.html
var page []byte

func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; script-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		_, _ = w.Write(page)
	})
	mux.Handle("GET /page.js", asset("text/javascript; charset=utf-8", script))
	mux.Handle("GET /page.css", asset("text/css; charset=utf-8", style))
	mux.HandleFunc("POST "+path, s.answer)
	// A POST of another site's page is refused: it would make the visitor's browser ask, at our expense.
	return http.NewCrossOriginProtection().Handler(mux)
}

//go:embed page.js
var script []byte

//go:embed page.css
var style []byte

func asset(contentType string, body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})
}

// answer streams the answer to one prompt.
func (s *service) answer(w http.ResponseWriter, r *http.Request) {
	q, status := readQuestion(w, r)
	if status != http.StatusOK {
		http.Error(w, http.StatusText(status), status)
		return
	}
	out, err := sse.NewWriter(w, r, &sse.Options{Group: s.group, Retry: -1}) // an answer is not resumed
	if err != nil {
		return // the client has its answer
	}
	defer out.Close()
	s.working.Add(1)
	defer s.working.Add(-1)

	n := 0
	// The stream's context ends when the reader hangs up or the server drains, and the generator with it.
	for text, err := range generate(out.Context(), q.Prompt, s.think) {
		if err == nil {
			if err = send(out, "token", token{text}); err == nil {
				n++
			}
		}
		if errors.Is(err, sse.ErrDraining) {
			_ = out.Close(event("done", finish{"draining", n}))
			return
		}
		if err != nil {
			s.stopped.Add(1)
			return
		}
	}
	_ = out.Close(event("done", finish{"stop", n}))
}

func readQuestion(w http.ResponseWriter, r *http.Request) (q question, status int) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return q, http.StatusUnsupportedMediaType
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&q)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return q, http.StatusRequestEntityTooLarge
	}
	if err != nil || q.Prompt == "" {
		return q, http.StatusBadRequest
	}
	return q, http.StatusOK
}

func send(out *sse.Writer, name string, v any) error { return out.Send(out.Context(), event(name, v)) }

func event(name string, v any) *sse.Event {
	data, _ := json.Marshal(v) // strings and numbers can always be encoded
	return &sse.Event{Name: name, Data: data}
}
