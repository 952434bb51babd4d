package wstest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

func TestPairIsConnectedBothWays(t *testing.T) {
	server, client := wstest.Pair(t, nil, nil)
	for _, from := range []*ws.Conn{server, client} {
		to := map[*ws.Conn]*ws.Conn{server: client, client: server}[from]
		if err := from.Write(t.Context(), ws.Text, []byte("héllo")); err != nil {
			t.Fatal(err)
		}
		if typ, p, err := to.Read(t.Context()); typ != ws.Text || string(p) != "héllo" || err != nil {
			t.Errorf("Read = %v, %q, %v", typ, p, err)
		}
	}
}

func TestPairTakesTheOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		accept := &ws.AcceptOptions{Subprotocols: []string{"b", "a"}, MessageLimit: 4}
		dial := &ws.DialOptions{Subprotocols: []string{"a", "b"}, NetDial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("the network was used")
		}}
		server, client := wstest.Pair(t, accept, dial)
		if server.Subprotocol() != "b" || client.Subprotocol() != "b" {
			t.Errorf("subprotocols %q and %q, want b", server.Subprotocol(), client.Subprotocol())
		}
		if err := client.Write(t.Context(), ws.Binary, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := server.Read(t.Context()); ws.CloseStatus(err) != ws.CloseMessageTooBig {
			t.Errorf("5 bytes with a limit of 4: %v", err)
		}
		if dial.Proxy != nil {
			t.Error("the caller's options were changed")
		}
	})
}

func TestPairRunsOnFakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		server, _ := wstest.Pair(t, &ws.AcceptOptions{PingInterval: time.Hour, PongTimeout: time.Minute}, nil)
		// Nobody reads at the client, so nobody answers.
		if _, _, err := server.Read(t.Context()); ws.CloseStatus(err) != ws.CloseAbnormal {
			t.Errorf("Read: %v, want a connection that ended without an answer", err)
		}
		if d := time.Since(start); d < time.Hour {
			t.Errorf("it ended after %v", d)
		}
	})
}

func TestPairEndsWithTheTest(t *testing.T) {
	var server, client *ws.Conn
	t.Run("inner", func(t *testing.T) { server, client = wstest.Pair(t, nil, nil) })
	for _, c := range []*ws.Conn{server, client} {
		if err := c.Write(t.Context(), ws.Text, nil); err == nil {
			t.Error("a connection is still open")
		}
	}
}

func TestDialServesTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen *http.Request
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = r
			c, err := ws.Accept(w, r, nil)
			if err != nil {
				return
			}
			typ, rd, err := c.Reader(r.Context())
			if err != nil {
				t.Error(err)
				return
			}
			p, err := io.ReadAll(rd)
			if err != nil {
				t.Error(err)
			}
			if err := c.Write(r.Context(), typ, bytes.ToUpper(p)); err != nil {
				t.Error(err)
			}
		})
		c, err := wstest.Dial(t, h, "/room/7?x=y", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Write(t.Context(), ws.Text, []byte("quiet")); err != nil {
			t.Fatal(err)
		}
		if _, p, err := c.Read(t.Context()); string(p) != "QUIET" || err != nil {
			t.Errorf("Read = %q, %v", p, err)
		}
		if _, _, err := c.Read(t.Context()); ws.CloseStatus(err) != ws.CloseGoingAway {
			t.Errorf("when the handler has returned: %v", err)
		}
		if got := seen.URL.RequestURI(); got != "/room/7?x=y" {
			t.Errorf("the handler saw %q", got)
		}
	})
}

func TestDialGivesTheHost(t *testing.T) {
	var host string
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { host = r.Host; http.Error(w, "no", http.StatusTeapot) })
	opts := &ws.DialOptions{Proxy: func(*http.Request) (*url.URL, error) { return nil, errors.New("the proxy was asked for") }}
	_, err := wstest.Dial(t, h, "ws://chat.example/x", opts)
	e, ok := errors.AsType[*ws.HandshakeError](err)
	if !ok || e.StatusCode != http.StatusTeapot || host != "chat.example" {
		t.Errorf("Dial: %v; the handler saw host %q", err, host)
	}
}

func TestDialWaitsForTheHandler(t *testing.T) {
	returned := false
	t.Run("inner", func(t *testing.T) {
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := ws.Accept(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			_, _, _ = c.Read(context.Background()) // ends with the connection
			returned = true
		})
		if _, err := wstest.Dial(t, h, "/", nil); err != nil {
			t.Fatal(err)
		}
	})
	if !returned {
		t.Error("the test has ended, the handler has not")
	}
}

// fatalT notes what a test would fail with.
type fatalT struct {
	testing.TB
	failed string
}

func (t *fatalT) Fatalf(format string, args ...any) {
	t.failed = fmt.Sprintf(format, args...)
	panic(t)
}

func TestPairThatCannotBeConnectedFailsTheTest(t *testing.T) {
	var draining ws.Group
	draining.BeginDrain()
	inner := &fatalT{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(inner) {
				panic(p)
			}
		}()
		wstest.Pair(inner, &ws.AcceptOptions{Group: &draining}, nil)
	}()
	if !strings.Contains(inner.failed, "503") {
		t.Errorf("it failed with %q, want the reason", inner.failed)
	}
}
