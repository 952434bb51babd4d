package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/hub/gateway"
	"github.com/tidewire/tidewire/ws"
)

// ask sends a request as an event stream's and as a WebSocket's client does, and
// returns the responses, which are no connections.
func (s *site) ask(topic, query string) map[string]*http.Response {
	s.t.Helper()
	answers := map[string]*http.Response{}
	for _, path := range []string{"/sse/", "/ws/", "/any/"} {
		r := s.request(s.t.Context(), path+topic, query, "")
		r.Header.Set("Accept", "text/event-stream")
		resp, err := s.http.Do(r)
		if err != nil {
			s.t.Fatal(err)
		}
		answers[path] = resp
		s.t.Cleanup(func() { resp.Body.Close() })
	}
	_, err := ws.Dial(s.t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+"/any/"+topic+"?"+query, nil)
	if he, ok := errors.AsType[*ws.HandshakeError](err); ok && he.StatusCode != 0 {
		answers["WebSocket"] = &http.Response{StatusCode: he.StatusCode, Header: he.Header, Body: http.NoBody}
	} else {
		s.t.Errorf("a WebSocket to %s?%s: %v", topic, query, err)
	}
	return answers
}

func TestAuthorizeDecides(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	refuse := map[string]error{
		"secret": &gateway.RefusedError{Status: http.StatusForbidden, Err: errors.New("not you, for the reason of DSN=secret")},
		"gone":   &gateway.RefusedError{Status: http.StatusNoContent},
		"login":  fmt.Errorf("wrapped: %w", &gateway.RefusedError{Status: http.StatusUnauthorized, Text: "who are you?"}),
		"later":  &gateway.RefusedError{Status: http.StatusTooManyRequests, RetryAfter: 1500 * time.Millisecond},
		"odd":    &gateway.RefusedError{Status: 200},
	}
	s := newSite(t, kinds(hub.TopicConfig{}), &gateway.Options{Authorize: func(a *gateway.Access) (gateway.Grant, error) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, fmt.Sprint(a.Action, " ", a.Topic, " ", a.Request.Header.Get("Authorization")))
		return gateway.Grant{}, refuse[a.Topic]
	}})
	for topic, want := range map[string]struct {
		status int
		text   string
		retry  string
	}{
		"secret": {403, "Forbidden", ""}, "gone": {204, "", ""}, "login": {401, "who are you?", ""},
		"later": {429, "Too Many Requests", "2"}, "odd": {403, "Forbidden", ""},
		"none.x": {404, "Not Found", ""}, strings.Repeat("x", 300): {404, "Not Found", ""}, "a%00b": {404, "Not Found", ""},
	} {
		for how, resp := range s.ask(topic, "") {
			text := strings.TrimSpace(bodyOf(t, resp))
			if resp.StatusCode != want.status || resp.Header.Get("Retry-After") != want.retry || how != "WebSocket" && text != want.text {
				t.Errorf("%.20s over %s: %d %q, Retry-After %q; want %v", topic, how, resp.StatusCode, text, resp.Header.Get("Retry-After"), want)
			}
		}
	}
	mu.Lock()
	asked = nil
	mu.Unlock()
	everywhere(t, func(t *testing.T, tr transport) {
		for range 2 { // also on coming back
			c := tr.open(s, "free", "", "")
			c.want("free", "live")
			c.close()
		}
	})
	mu.Lock()
	defer mu.Unlock()
	if got := strings.Join(asked, ";"); got != strings.Repeat("follow free ;", 7)+"follow free " {
		t.Errorf("asked %q", got)
	}
}

func TestNobodyGetsInWithoutAuthorize(t *testing.T) {
	var log strings.Builder
	h := hub.New(nil)
	defer h.Close()
	g := gateway.New(h, &gateway.Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Topic: func(*http.Request) (string, error) { return "t", nil }})
	for _, o := range []http.Handler{g.EventStream(), g.WebSocket(), g} {
		w := &recorder{header: http.Header{}}
		r, _ := http.NewRequest("GET", "/t", nil)
		o.ServeHTTP(w, r)
		if w.status < 400 {
			t.Errorf("status %d", w.status)
		}
	}
	if !strings.Contains(log.String(), "Options.Authorize") {
		t.Errorf("logged %q", log.String())
	}
	if _, err := gateway.Public(&gateway.Access{Action: gateway.Follow + 1}); err == nil {
		t.Error("Public allows actions that it does not know")
	}
}

type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(p []byte) (int, error) { return len(p), nil }
func (r *recorder) WriteHeader(status int)      { r.status = status }

func TestTopicOfTheRequest(t *testing.T) {
	s := newSite(t, nil, &gateway.Options{Topic: func(r *http.Request) (string, error) {
		switch tenant := r.Header.Get("Tenant"); tenant {
		case "":
			return "", &gateway.RefusedError{Status: 400, Text: "whose?"}
		case "nobody":
			return "", errors.New("no such tenant")
		default:
			return tenant + "." + r.PathValue("topic"), nil
		}
	}})
	for tenant, want := range map[string]int{"": 400, "nobody": 404, "ada": 200} {
		r := s.request(t.Context(), "/any/news", "", "")
		r.Header.Set("Accept", "text/event-stream")
		r.Header.Set("Tenant", tenant)
		resp, err := s.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("tenant %q: %d, want %d", tenant, resp.StatusCode, want)
		}
	}
}

func TestGrantFiltersAndNames(t *testing.T) {
	everywhere(t, func(t *testing.T, tr transport) {
		s := newSite(t, kinds(hub.TopicConfig{}), &gateway.Options{Authorize: func(a *gateway.Access) (gateway.Grant, error) {
			user := a.Request.URL.Query().Get("user")
			return gateway.Grant{User: user, Filter: func(ev *hub.Event[[]byte]) bool { return ev.Key == "" || ev.Key == user }}, nil
		}})
		log := hub.TopicOf[string](s.hub, "log", nil)
		ada, bo := tr.open(s, "log", "user=ada", ""), tr.open(s, "log", "user=bo", "")
		ada.want("ada", "live")
		bo.want("bo", "live")
		for i, key := range []string{"ada", "bo", "", "ada"} {
			var o []hub.WriteOption
			if key != "" {
				o = append(o, hub.Key(key))
			}
			if _, err := log.Publish(t.Context(), fmt.Sprint(i), o...); err != nil {
				t.Fatal(err)
			}
		}
		ada.want("ada", "ada=0 2 ada=3")
		bo.want("bo", "bo=1 2")
		if n := s.hub.Kick("ada"); n != 1 {
			t.Errorf("%d were kicked", n)
		}
		list, err := ada.end()
		checkBye(t, ada, list, err, gateway.ByeKicked, ws.ClosePolicyViolation)
		publish(t, log, "4")
		bo.want("bo", "4")
	})
}

// checkBye looks at the end of a connection: the last word, with its time to
// stay away, and over a WebSocket the code.
func checkBye(t testing.TB, c *client, list []got, err error, reason string, code ws.CloseCode) {
	t.Helper()
	if len(list) == 0 || list[len(list)-1].Bye == nil {
		t.Errorf("no bye at the end of %q (%v)", show(list...), err)
		return
	}
	g := list[len(list)-1]
	if g.Bye.Reason != reason {
		t.Errorf("bye with reason %q, want %q", g.Bye.Reason, reason)
	}
	if c.conn != nil && ws.CloseStatus(err) != code {
		t.Errorf("closed with %v, want %v", err, code)
	}
	if g.sse != nil {
		if want := g.Bye.Retry.Round(time.Millisecond); g.sse.Name != gateway.NameBye || g.sse.Retry != want || g.id != "" {
			t.Errorf("bye is the event %q with retry %v and id %q; want retry %v and no id", g.sse.Name, g.sse.Retry, g.id, want)
		}
	}
}

func TestNegotiation(t *testing.T) {
	s := newSite(t, nil, nil)
	for accept, want := range map[string]int{
		"text/event-stream": 200, "text/html, text/event-stream;q=0.5": 200, "": 406, "*/*": 406, "application/json": 406,
	} {
		r := s.request(t.Context(), "/any/news", "", "")
		r.Header.Set("Accept", accept)
		resp, err := s.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want || !strings.Contains(strings.Join(resp.Header.Values("Vary"), ","), "Upgrade") {
			t.Errorf("Accept %q: %d, Vary %q; want %d", accept, resp.StatusCode, resp.Header.Values("Vary"), want)
		}
	}
	r := s.request(t.Context(), "/any/news", "", "")
	if resp, err := s.http.Do(r); err != nil || !strings.Contains(bodyOf(t, resp), "send Accept: text/event-stream") {
		t.Errorf("without an Accept: %v, %v", resp, err)
	}
	c, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+"/any/news", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if _, data, err := c.Read(t.Context()); err != nil || !strings.Contains(string(data), `"name":"live"`) {
		t.Errorf("over a WebSocket: %s, %v", data, err)
	}
	for _, path := range []string{"/sse/news", "/any/news"} {
		r := s.request(t.Context(), path, "", "")
		r.Method = http.MethodPost
		r.Header.Set("Accept", "text/event-stream")
		resp, err := s.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: %s, Allow %q", path, resp.Status, resp.Header.Get("Allow"))
		}
	}
	r = s.request(t.Context(), "/sse/news", "", "")
	r.Method = http.MethodHead
	if resp, err := s.http.Do(r); err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %v, %v", resp, err)
	}
}

// What a client says on a connection that only follows is refused.
func TestMessagesAreRefused(t *testing.T) {
	s := newSite(t, nil, nil)
	c := overWS.open(s, "news", "", "")
	c.one()
	if err := c.conn.Write(t.Context(), ws.Text, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.next(); ws.CloseStatus(err) != ws.CloseUnsupportedData {
		t.Errorf("after a message: %v", err)
	}
}

// A topic that can't be read for the moment is told in an event stream, from
// which a browser comes back, and by 503 elsewhere.
func TestUnavailableIsToldInTheStream(t *testing.T) {
	s := newSite(t, &hub.Options{Broker: noBroker{}}, nil)
	c := overSSE.open(s, "news", "", "")
	list, err := c.end()
	checkBye(t, c, list, err, gateway.ByeUnavailable, 0)
	if retry := list[0].Bye.Retry; retry < time.Second {
		t.Errorf("retry %v", retry)
	}
	r := s.request(t.Context(), "/ws/news", "", "")
	resp, err := s.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("over a WebSocket: %s, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
	}
}

// noBroker is a broker that can't be reached.
type noBroker struct{ hub.Broker }

func (noBroker) Attach(context.Context, hub.BrokerTopic, hub.Feed) (func(), error) {
	return nil, hub.ErrUnavailable
}
