package sseinterop

import (
	"cmp"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tidewire/tidewire/backoff"
	"github.com/tidewire/tidewire/sse"
)

// journal is what was published, in order. The zero value is empty.
type journal struct {
	mu     sync.Mutex
	events []event
	ended  bool
	err    error // the first
}

// add publishes the next event with pub, if there is to be one.
func (j *journal) add(pub func(name, data string) (event, error)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended || j.err != nil {
		return
	}
	e, err := pub(eventNumber(len(j.events)))
	if err != nil {
		j.err = err
		return
	}
	j.events = append(j.events, e)
}

// finish publishes the end, once.
func (j *journal) finish(pub func(name, data string) (event, error)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.ended && j.err == nil {
		j.ended = true
		_, j.err = pub(end, ".") // some drop what has no data
	}
}

func (j *journal) published() ([]event, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.events, j.err
}

// named is a name as a client tells it.
func named(name string) string {
	if name == "" {
		return "message"
	}
	return name
}

// ours is a stream of ours, in front of a client of others.
type ours struct {
	t   *testing.T
	ctx context.Context
	log *sse.Log
	srv *httptest.Server
	j   journal

	mu            sync.Mutex
	header, query int // requests that brought a cursor, and how; both count one that brought both
}

func serveOurs(t *testing.T, ctx context.Context, keep *sse.LogOptions, from string) *ours {
	l := sse.NewLog(keep)
	return serve(t, ctx, l, l.Handler(&sse.ServeOptions{From: from, Stream: sse.Options{Retry: time.Millisecond}}))
}

// serveCallback is serveOurs in callback form: each stream follows the log from the start.
func serveCallback(t *testing.T, ctx context.Context, keep *sse.LogOptions) *ours {
	l, group := sse.NewLog(keep), sse.NewGroup(nil)
	o := serve(t, ctx, l, sse.Handler(&sse.Options{Retry: time.Millisecond, Group: group}, func(s *sse.Stream, _ *http.Request) sse.StreamEvents {
		return sse.StreamEvents{Open: func(s *sse.Stream) {
			for e, err := range l.Follow(s.Context(), cmp.Or(s.LastEventID(), sse.Start)) {
				if err != nil || s.Send(s.Context(), e) != nil {
					return
				}
			}
		}}
	}))
	t.Cleanup(func() { // before the server's: it knows nothing of these streams
		if err := group.Drain(ctx); err != nil {
			t.Error(err)
		}
	})
	return o
}

func serve(t *testing.T, ctx context.Context, l *sse.Log, events http.Handler) *ours {
	o := &ours{t: t, ctx: ctx, log: l}
	o.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		if r.Header.Get("Last-Event-ID") != "" {
			o.header++
		}
		if r.URL.Query().Has("lastEventId") {
			o.query++
		}
		o.mu.Unlock()
		w.Header().Set("Access-Control-Allow-Origin", "*")
		events.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		o.srv.CloseClientConnections()
		o.srv.Close()
	})
	return o
}

func (o *ours) publish(name, data string) (event, error) {
	id, err := o.log.Append(o.ctx, &sse.Event{Name: name, Data: []byte(data)})
	return event{id, named(name), data}, err
}

func (o *ours) next()   { o.j.add(o.publish) }
func (o *ours) finish() { o.j.finish(o.publish) }

// cursors returns how many requests brought a cursor in each way.
func (o *ours) cursors() (header, query int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.header, o.query
}

// follow lets the client follow, through a relay, and returns the events before the end.
func (o *ours) follow(c client, plan func(n int) cut) (got []event, requests int) {
	o.t.Helper()
	r := newRelay(o.t, strings.TrimPrefix(o.srv.URL, "http://"), plan, o.next)
	got, err := c.follow(o.ctx, "http://"+r.addr()+"/events")
	if err == nil {
		got, err = whole(got)
	}
	if err != nil {
		want, perr := o.j.published()
		o.t.Fatalf("after %d requests and %d published events (%v): %v", r.requests(), len(want), perr, err)
	}
	return got, r.requests()
}

// theirs is a stream of others, in front of our client.
type theirs struct {
	t   *testing.T
	ctx context.Context
	s   stream
	j   journal
}

func (o *theirs) publish(name, data string) (event, error) { return o.s.publish(o.ctx, name, data) }
func (o *theirs) next()                                    { o.j.add(o.publish) }
func (o *theirs) finish()                                  { o.j.finish(o.publish) }

// follow follows the stream with our client, from after the first event.
func (o *theirs) follow(plan func(n int) cut) (got []event, requests int) {
	o.t.Helper()
	u, err := url.Parse(o.s.url())
	if err != nil {
		o.t.Fatal(err)
	}
	o.next() // a cursor to begin with
	first, err := o.j.published()
	if err != nil {
		o.t.Fatal(err)
	}
	r := newRelay(o.t, u.Host, func(n int) cut {
		c := plan(n)
		o.next() // go-sse sends no header before there is an event, and see its note
		return c
	}, o.next)
	u.Host = r.addr()
	c := &sse.Client{
		URL:    u.String(),
		HTTP:   &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		Policy: backoff.Policy{Base: time.Millisecond, Max: 2 * time.Millisecond},
		Read:   sse.ReadOptions{LastEventID: first[0].ID},
	}
	got = append(got, first...)
	for e, err := range c.Events(o.ctx) {
		if err != nil {
			o.t.Fatalf("after %d requests and %d events: %v; the last %q", r.requests(), len(got), err, got[max(0, len(got)-3):])
		}
		if e.Name == end {
			break
		}
		got = append(got, event{e.ID, named(e.Name), string(e.Data)})
	}
	return got, r.requests()
}

// exactly wants what was published, in order, nothing lost and nothing twice.
func exactly(t *testing.T, j *journal, got []event) {
	t.Helper()
	want, err := j.published()
	if err != nil {
		t.Fatalf("publishing: %v", err)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("of %d events (-published +got):\n%s", len(want), diff)
	}
}
