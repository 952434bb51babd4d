package main

import (
	"bytes"
	"context"
	crand "crypto/rand"
	_ "embed"
	"encoding/json"
	"html/template"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/tidewire/tidewire/sse"
)

// A departure is one row of the table. As JSON it is the data of a change.
type departure struct {
	ID     string `json:"id"`
	To     string `json:"to"`
	Track  int    `json:"track"`
	Status string `json:"status"`
}

// board is the state, and the log of its changes. Each change is in both before anybody sees either, so that a page
// with a cursor holds exactly the changes up to it.
type board struct {
	log *sse.Log

	// Guarded by mu, which is held while a change is appended: a log in memory waits for nobody.
	mu   sync.Mutex
	rows []departure
}

func newBoard() *board {
	return &board{log: sse.NewLog(nil), rows: []departure{
		{"t1", "Porto & Braga", 1, "on time"},
		{"t2", "Ghent <via Bruges>", 4, "on time"},
		{"t3", "Oslo", 2, "on time"},
		{"t4", "\"Transit\" Zürich", 7, "on time"},
	}}
}

// change changes one row at random.
func (b *board) change(ctx context.Context) error {
	statuses := []string{"on time", "boarding", "5 min late", "20 min late", "departed", "cancelled"}
	b.mu.Lock()
	defer b.mu.Unlock()
	row := b.rows[rand.IntN(len(b.rows))]
	row.Status = statuses[rand.IntN(len(statuses))]
	row.Track = 1 + rand.IntN(9)
	return b.set(ctx, row)
}

// set takes a row and tells the pages. The caller holds mu.
func (b *board) set(ctx context.Context, row departure) error {
	data, err := json.Marshal(row)
	if err != nil {
		return err
	}
	if _, err := b.log.Append(ctx, &sse.Event{Name: "departure", Data: data}); err != nil {
		return err
	}
	for i := range b.rows {
		if b.rows[i].ID == row.ID {
			b.rows[i] = row
		}
	}
	return nil
}

func (b *board) handler(group *sse.Group) http.Handler {
	events := b.log.Handler(&sse.ServeOptions{Stream: sse.Options{Group: group}})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", b.page)
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		// A page of another site can't read the stream, but would hold it open with this browser's connections.
		if !sameOrigin(r) {
			http.Error(w, "this stream is for pages of its own site", http.StatusForbidden)
			return
		}
		events.ServeHTTP(w, r)
	})
	return mux
}

// sameOrigin reports whether the request is of a page of this server, or of no page at all. EventSource sends an Origin
// to other sites, and the newer Sec-Fetch-Site to all.
func sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// page renders the table as it is now, with the cursor of its last change.
func (b *board) page(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	cursor, err := b.log.Head(r.Context())
	rows := append([]departure(nil), b.rows...)
	b.mu.Unlock()
	nonce := crand.Text()
	var buf bytes.Buffer
	if err == nil {
		err = page.Execute(&buf, map[string]any{"Cursor": cursor, "Rows": rows, "Nonce": nonce})
	}
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store") // a cursor that is too old would be a gap
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "+
		"script-src 'nonce-"+nonce+"'; style-src 'nonce-"+nonce+"'")
	_, _ = w.Write(buf.Bytes())
}
