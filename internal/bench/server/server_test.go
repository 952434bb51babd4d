package server

import (
	"net/http"
	"strconv"
	"testing"
)

// collector is a server that keeps what is published.
type collector struct{ msgs [][]byte }

func (*collector) Handler() http.Handler { return http.NotFoundHandler() }

func (c *collector) Publish(msgs [][]byte) { c.msgs = append(c.msgs, msgs...) }

func TestCommands(t *testing.T) {
	c := &collector{}
	if got := obey("publish 7 3 64", c); got != "" || len(c.msgs) != 3 {
		t.Errorf("publish answers %q, and %d messages were published", got, len(c.msgs))
	}
	for i, m := range c.msgs {
		if seq := string(m[17:33]); len(m) != 64 || seq != "000000000000000"+strconv.Itoa(7+i) {
			t.Errorf("message %d has %d bytes and number %s", i, len(m), seq)
		}
	}
	if got := obey("gc", c); got != "ok" {
		t.Errorf("gc answers %q", got)
	}
	for _, cmd := range []string{"allocs", "goroutines", "heap", "stack"} {
		if n, err := strconv.Atoi(obey(cmd, c)); err != nil || n < 1 {
			t.Errorf("%s answers %d, %v", cmd, n, err)
		}
	}
	for _, cmd := range []string{"", "publish", "publish x 1 1", "stop"} {
		if got := obey(cmd, c); got != "unknown command" {
			t.Errorf("%q is answered %q", cmd, got)
		}
	}
}

func TestServersAreKnownByTheirKinds(t *testing.T) {
	for kind := range Kinds {
		if s, err := New(Spec{Kind: kind}); err != nil || s.Handler() == nil {
			t.Errorf("%s: %v, %v", kind, s, err)
		}
	}
	if s, err := New(Spec{Kind: "ws/nobody"}); err == nil {
		t.Errorf("nobody's server is %v", s)
	}
}

func TestSubscribersWhoAreFullMissOut(t *testing.T) {
	var s subscribers[int]
	full, read := s.add(), s.add()
	for i := range subscriberRoom + 5 {
		s.publish(i)
		if got := <-read; got != i {
			t.Fatalf("%d came where %d was due", got, i)
		}
	}
	if len(full) != subscriberRoom || <-full != 0 {
		t.Errorf("%d wait for who does not read", len(full))
	}
}
