package sse_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidewire/tidewire/backoff"
	"github.com/tidewire/tidewire/sse"
)

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

// hops is a transport without a network: each URL is answered by a redirect to
// the next one, the last by an empty stream. It notes what was asked.
type hops struct {
	urls   []string
	asked  []string
	open   int // bodies, of requests and responses, that are not closed
	status int
}

// a body counts when it is closed.
func (h *hops) body(text string) io.ReadCloser {
	h.open++
	once := sync.OnceFunc(func() { h.open-- })
	return struct {
		io.Reader
		io.Closer
	}{strings.NewReader(text), closerFunc(func() error { once(); return nil })}
}

func (h *hops) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := ""
	if r.Body != nil {
		b, _ := io.ReadAll(r.Body)
		_ = r.Body.Close()
		sent = " " + string(b)
	}
	h.asked = append(h.asked, fmt.Sprintf("%s %s key=%s%s", r.Method, r.URL, r.Header.Get("X-Api-Key"), sent))
	resp := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Request: r}
	if n := len(h.asked); n < len(h.urls) {
		resp.StatusCode, resp.Status = h.status, strconv.Itoa(h.status)
		resp.Header.Set("Location", h.urls[n])
	}
	resp.Body = h.body("data: x\n\n")
	return resp, nil
}

func (h *hops) follow(t *testing.T, c *sse.Client) error {
	t.Helper()
	if h.status == 0 {
		h.status = 307
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{}
	}
	c.HTTP.Transport = h
	c.URL = h.urls[0]
	c.Header = http.Header{"X-Api-Key": {"k"}}
	for _, err := range c.Events(t.Context()) {
		if err != nil {
			return err
		}
		break
	}
	if h.open != 0 {
		t.Errorf("%d bodies were not closed", h.open)
	}
	return nil
}

// An origin is a scheme, a host and a port; only the encrypted side of the same
// host is as good. Who was sent through another origin is not trusted again.
func TestClientRedirectOrigins(t *testing.T) {
	for _, tt := range []struct {
		urls []string
		want []string // the keys that were sent
	}{
		{[]string{"http://a.test/", "http://A.test:80/x"}, []string{"k", "k"}},
		{[]string{"http://a.test/", "https://a.test/"}, []string{"k", "k"}},
		{[]string{"http://a.test/", "https://a.test:443/"}, []string{"k", "k"}},
		{[]string{"https://a.test/", "http://a.test/"}, []string{"k", ""}},
		{[]string{"http://a.test/", "http://a.test:8080/"}, []string{"k", ""}},
		{[]string{"http://a.test:8080/", "https://a.test/"}, []string{"k", ""}},
		{[]string{"http://a.test:8080/", "https://a.test:8080/"}, []string{"k", ""}},
		{[]string{"http://a.test/", "http://sub.a.test/"}, []string{"k", ""}},
		{[]string{"http://a.test/", "http://b.test/", "http://a.test/back"}, []string{"k", "", ""}},
	} {
		h := &hops{urls: tt.urls}
		if err := h.follow(t, &sse.Client{}); err != nil {
			t.Errorf("%v: %v", tt.urls, err)
		}
		var got []string
		for _, a := range h.asked {
			_, key, _ := strings.Cut(a, "key=")
			got = append(got, key)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%v (-want +got)\n%s", tt.urls, diff)
		}
	}
}

// A redirect that keeps the method sends the body anew.
func TestClientRedirectSendsTheBodyAgain(t *testing.T) {
	h := &hops{urls: []string{"http://a.test/", "http://a.test/x", "http://a.test/y"}, status: 308}
	c := &sse.Client{Method: http.MethodPost, GetBody: func() (io.ReadCloser, error) { return h.body("question"), nil }}
	if err := h.follow(t, c); err != nil {
		t.Fatal(err)
	}
	want := []string{"POST http://a.test/ key=k question", "POST http://a.test/x key=k question", "POST http://a.test/y key=k question"}
	if diff := cmp.Diff(want, h.asked); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// The caller's own CheckRedirect has its say, too.
func TestClientRedirectAsksTheCaller(t *testing.T) {
	for _, tt := range []struct {
		check error
		want  string
	}{
		{errors.New("no further"), "no further"},
		{http.ErrUseLastResponse, "status 307"},
	} {
		h := &hops{urls: []string{"http://a.test/", "http://a.test/x"}}
		c := &sse.Client{HTTP: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return tt.check }}, Policy: backoff.Policy{MaxAttempts: 1}}
		err := h.follow(t, c)
		if err == nil || !strings.Contains(err.Error(), tt.want) || len(h.asked) != 1 || h.open != 0 {
			t.Errorf("%v after %v, %d bodies open", err, h.asked, h.open)
		}
	}
}

// Whatever keeps a request from being sent, its body is closed.
func TestClientClosesTheBodyItDoesNotSend(t *testing.T) {
	h := &hops{urls: []string{"http://a.test/"}}
	get := func() (io.ReadCloser, error) { return h.body("question"), nil }
	for name, c := range map[string]*sse.Client{
		"Prepare": {Prepare: func(*http.Request) error { return errors.New("no token") }, Policy: backoff.Policy{MaxAttempts: 1}},
		"method":  {Method: "a b"},
		"id":      {Read: sse.ReadOptions{LastEventID: "a\x01"}},
	} {
		c.GetBody = get
		if err := h.follow(t, c); err == nil || h.open != 0 || len(h.asked) != 0 {
			t.Errorf("%s: %v, %d bodies open after %v", name, err, h.open, h.asked)
		}
	}
}
