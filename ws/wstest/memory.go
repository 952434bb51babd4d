package wstest

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/ws"
)

// memoryHost is the host in the URLs of in-memory connections.
const memoryHost = "wstest.invalid"

// Pair returns the two ends of a connection that lives in memory: no port, no descriptor. They have shaken hands as
// over a network, with the given options, of which nil is good; what NetDial and Proxy say is ignored. A handshake
// that fails fails the test.
//
// When the test ends, so do both ends. In a testing/synctest bubble, call it there.
func Pair(t testing.TB, accept *ws.AcceptOptions, dial *ws.DialOptions) (server, client *ws.Conn) {
	t.Helper()
	accepted := make(chan error, 1)
	client, err := Dial(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, accept)
		if err == nil {
			c.Detach()
			server = c
		}
		accepted <- err
	}), "/", dial)
	if err == nil {
		err = <-accepted // it may still fail when the 101 is out
	}
	if err != nil {
		t.Fatalf("wstest: the pair could not be connected: %v", err)
	}
	t.Cleanup(func() { _ = server.CloseNow() })
	return server, client
}

// Dial serves h in memory, with an http.Server of its own, and connects to it. target is a path with or without a
// query, "/rooms/7?from=3", or a whole ws URL, whose host the handler then sees. opts are as for ws.Dial, except that
// NetDial and Proxy are ignored. The error is that of ws.Dial: a handler that refuses can be tested too.
//
// When the test ends, the connection is closed, the context of the handler's request ends, and the test waits for the
// handler to return. In a testing/synctest bubble, call it there.
func Dial(t testing.TB, h http.Handler, target string, opts *ws.DialOptions) (*ws.Conn, error) {
	t.Helper()
	if strings.HasPrefix(target, "/") {
		target = "ws://" + memoryHost + target
	}
	var o ws.DialOptions
	if opts != nil {
		o = *opts
	}
	o.NetDial = serve(t, h).DialContext
	o.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	c, err := ws.Dial(t.Context(), target, &o)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c, nil
}

// serve serves h in memory until the test ends.
func serve(t testing.TB, h http.Handler) *testnet.Listener {
	ln := testnet.Listen()
	ctx, cancel := context.WithCancel(context.Background())
	// The server, its connections until they end or are hijacked, and the handlers. Each is added by one that counts.
	var running sync.WaitGroup
	srv := &http.Server{
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				running.Add(1)
			case http.StateHijacked, http.StateClosed:
				running.Done()
			}
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			running.Add(1)
			defer running.Done()
			h.ServeHTTP(w, r)
		}),
	}
	running.Go(func() { _ = srv.Serve(ln) }) // it ends when it is closed, and says so
	t.Cleanup(func() {
		cancel()
		_ = srv.Close() // the listener is in memory
		running.Wait()
	})
	return ln
}
