package gateway_test

import (
	"bytes"
	"errors"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/hub/gateway"
	"github.com/tidewire/tidewire/ws"
)

// A journal is what was logged.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// A handler that is set up wrongly says so: in each answer, and once in the log.
func TestMistakesAreTold(t *testing.T) {
	h := hub.New(nil)
	defer h.Close()
	always := func(p hub.Policy) func(string) hub.Policy { return func(string) hub.Policy { return p } }
	for _, tt := range []struct {
		name, pattern, want string
		hub                 *hub.Hub
		o                   gateway.Options
	}{
		{"no hub", "/t/{topic}", "nil *hub.Hub", nil, gateway.Options{Authorize: gateway.Public}},
		{"no Authorize", "/t/{topic}", "Options.Authorize is not set", h, gateway.Options{}},
		{"no {topic}", "/t/", "register the Handler as /topics/{topic}, or set Options.Topic", h, gateway.Options{Authorize: gateway.Public}},
		{"Coalesce on a log", "/t/{topic}", `hub.Coalesce for topic "x", which is a log`, h, gateway.Options{Authorize: gateway.Public, Policy: always(hub.Coalesce)}},
		{"unknown policy", "/t/{topic}", "unknown policy 9", h, gateway.Options{Authorize: gateway.Public, Policy: always(9)}},
	} {
		var log journal
		tt.o.Logger = log.logger()
		g := gateway.New(tt.hub, &tt.o)
		mux := http.NewServeMux()
		mux.Handle(tt.pattern, g)
		for _, header := range []http.Header{
			{"Accept": {"text/event-stream"}},
			{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}},
			{"Accept": {"text/event-stream"}},
		} {
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/t/x", nil)
			r.Header = header
			mux.ServeHTTP(w, r)
			if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("%s: %d %q, want 500 and %q", tt.name, w.Code, w.Body, tt.want)
			}
		}
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("%s: %d lines are logged: %s", tt.name, n, log.String())
		}
	}
	// An empty name under a pattern that has one is the client's fault.
	mux := http.NewServeMux()
	mux.Handle("/t/{topic...}", gateway.New(h, &gateway.Options{Authorize: gateway.Public}))
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/t/", nil)
	r.Header.Set("Accept", "text/event-stream")
	if mux.ServeHTTP(w, r); w.Code != http.StatusNotFound {
		t.Errorf("an empty topic: %d, want 404", w.Code)
	}
}

// Without a logger of its own a handler takes the program's.
func TestDefaultLogger(t *testing.T) {
	var j journal
	before, out, flags := slog.Default(), log.Writer(), log.Flags()
	defer func() {
		slog.SetDefault(before)
		log.SetOutput(out) // SetDefault has changed it, and does not change it back
		log.SetFlags(flags)
	}()
	h := hub.New(nil)
	defer h.Close()
	g := gateway.New(h, nil)
	slog.SetDefault(j.logger())
	r := httptest.NewRequest("GET", "/", nil)
	g.EventStream().ServeHTTP(httptest.NewRecorder(), r)
	if !strings.Contains(j.String(), "Options.Authorize") {
		t.Errorf("logged %q", j.String())
	}
}

// An Authorize that can't tell is no refusal: an EventSource would not come back
// from one.
func TestAuthorizeThatFails(t *testing.T) {
	var log journal
	s := newSite(t, nil, &gateway.Options{Logger: log.logger(), Authorize: func(*gateway.Access) (gateway.Grant, error) {
		return gateway.Grant{User: "ada"}, errors.New("DSN=secret is away")
	}})
	c := overSSE.open(s, "news", "", "")
	list, err := c.end()
	checkBye(t, c, list, err, gateway.ByeUnavailable, 0)
	if len(list) != 1 || list[0].Bye.Retry < time.Second {
		t.Errorf("got %q", show(list...))
	}
	_, err = ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+"/ws/news", nil)
	if he, ok := errors.AsType[*ws.HandshakeError](err); !ok || he.StatusCode != http.StatusServiceUnavailable || he.Header.Get("Retry-After") == "" {
		t.Errorf("over a WebSocket: %v", err)
	}
	if text := log.String(); strings.Count(text, "DSN=secret") != 2 || !strings.Contains(text, "RefusedError") {
		t.Errorf("logged %s", text)
	}
}

// A filter that panics ends its own client, which is told, and nobody else.
func TestFilterThatPanics(t *testing.T) {
	everywhere(t, func(t *testing.T, tr transport) {
		var log journal
		s := newSite(t, nil, &gateway.Options{Logger: log.logger(), Authorize: func(a *gateway.Access) (gateway.Grant, error) {
			bad := a.Request.URL.Query().Has("bad")
			return gateway.Grant{Filter: func(ev *hub.Event[[]byte]) bool {
				if bad && string(ev.Data) == `"2"` {
					panic("boom")
				}
				return true
			}}, nil
		}})
		topic := hub.TopicOf[string](s.hub, "news", nil)
		good, bad := tr.open(s, "news", "", ""), tr.open(s, "news", "bad", "")
		good.want("good", "live")
		bad.want("bad", "live")
		first := publish(t, topic, "1")
		bad.want("bad", "1")
		publish(t, topic, "2")
		list, err := bad.end()
		checkBye(t, bad, list, err, gateway.ByeFailed, ws.CloseInternalError)
		if len(list) != 1 || list[0].Bye.Pos != first {
			t.Errorf("got %q", show(list...))
		}
		publish(t, topic, "3")
		good.want("good", "1 2 3")
		_ = s.hub.Close() // it waits for the worker, which logs after the bye
		if text := log.String(); !strings.Contains(text, "boom") || !strings.Contains(text, "TestFilterThatPanics") {
			t.Errorf("logged %s", text)
		}
	})
}
