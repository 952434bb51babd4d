package sse_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
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
