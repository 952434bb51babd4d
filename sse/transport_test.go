package sse_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/testnet"
)

// A site is a server under test and a way to ask it.
type site struct {
	t      *testing.T
	server *http.Server
	rt     http.RoundTripper
	url    string
}

// A transport starts a server for the handler; setup, if not nil, changes the
// server before it starts.
type transport struct {
	name  string
	start func(t *testing.T, h http.Handler, setup func(*http.Server)) *site
}

// piped are the transports that run in memory, so also in synctest bubbles.
var piped = []transport{
	{"HTTP/1.0", func(t *testing.T, h http.Handler, setup func(*http.Server)) *site {
		s, l := startPiped(t, h, setup, testnet.DefaultSize)
		s.rt = oldTransport{dial: l.DialContext}
		return s
	}},
	{"HTTP/1.1", func(t *testing.T, h http.Handler, setup func(*http.Server)) *site {
		s, l := startPiped(t, h, setup, testnet.DefaultSize)
		useTransport(s, &http.Transport{DialContext: l.DialContext})
		return s
	}},
	{"h2c", func(t *testing.T, h http.Handler, setup func(*http.Server)) *site {
		var p http.Protocols
		p.SetUnencryptedHTTP2(true)
		s, l := startPiped(t, h, func(srv *http.Server) {
			srv.Protocols = &p
			if setup != nil {
				setup(srv)
			}
		}, testnet.DefaultSize)
		useTransport(s, &http.Transport{DialContext: l.DialContext, Protocols: &p})
		return s
	}},
}

// real are the transports over loopback sockets.
var real = []transport{
	{"TCP", func(t *testing.T, h http.Handler, setup func(*http.Server)) *site {
		return startReal(t, h, setup, false, false)
	}},
	{"TLS", func(t *testing.T, h http.Handler, setup func(*http.Server)) *site {
		return startReal(t, h, setup, true, false)
	}},
	{"h2", func(t *testing.T, h http.Handler, setup func(*http.Server)) *site {
		return startReal(t, h, setup, true, true)
	}},
}

// wrapped runs a transport with the handler behind a middleware's writer.
func wrapped(tr transport, name string, wrap func(http.ResponseWriter) http.ResponseWriter) transport {
	return transport{tr.name + " " + name, func(t *testing.T, h http.Handler, setup func(*http.Server)) *site {
		return tr.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(wrap(w), r)
		}), setup)
	}}
}

// everywhere is one behaviour over every transport.
func everywhere(t *testing.T, f func(t *testing.T, tr transport)) {
	all := append(append([]transport(nil), piped...), real...)
	all = append(all,
		wrapped(piped[1], "unwrapping", func(w http.ResponseWriter) http.ResponseWriter { return unwrapping{w} }),
		wrapped(piped[1], "flushing", func(w http.ResponseWriter) http.ResponseWriter { return &flushing{unwrapping{w}} }),
		wrapped(piped[1], "flush only", func(w http.ResponseWriter) http.ResponseWriter { return flushOnly{w} }),
		wrapped(piped[2], "flush only", func(w http.ResponseWriter) http.ResponseWriter { return flushOnly{w} }),
	)
	for _, tr := range all {
		t.Run(tr.name, func(t *testing.T) { f(t, tr) })
	}
}

// unwrapping is a middleware's writer as http.ResponseController wants it.
type unwrapping struct{ http.ResponseWriter }

func (w unwrapping) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// flushing has a Flush method too, which hides the error.
type flushing struct{ unwrapping }

func (w *flushing) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// flushOnly has neither Unwrap nor deadlines.
type flushOnly struct{ w http.ResponseWriter }

func (w flushOnly) Header() http.Header         { return w.w.Header() }
func (w flushOnly) Write(p []byte) (int, error) { return w.w.Write(p) }
func (w flushOnly) WriteHeader(code int)        { w.w.WriteHeader(code) }
func (w flushOnly) Flush()                      { w.w.(http.Flusher).Flush() }

func startPiped(t *testing.T, h http.Handler, setup func(*http.Server), size int) (*site, *testnet.Listener) {
	t.Helper()
	l := testnet.ListenSize(size)
	srv := &http.Server{Handler: h}
	if setup != nil {
		setup(srv)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		_ = srv.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return &site{t: t, server: srv, url: "http://board.test/"}, l
}

func useTransport(s *site, rt *http.Transport) {
	rt.DisableCompression = true
	s.rt = rt
	s.t.Cleanup(rt.CloseIdleConnections)
}

func startReal(t *testing.T, h http.Handler, setup func(*http.Server), secure, h2 bool) *site {
	t.Helper()
	ts := httptest.NewUnstartedServer(h)
	if setup != nil {
		setup(ts.Config)
	}
	ts.EnableHTTP2 = h2
	if secure {
		ts.StartTLS()
	} else {
		ts.Start()
	}
	t.Cleanup(func() {
		ts.CloseClientConnections()
		ts.Close()
	})
	return &site{t: t, server: ts.Config, rt: ts.Client().Transport, url: ts.URL + "/"}
}

// oldTransport speaks HTTP/1.0: one request a connection, the body ends with it.
type oldTransport struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

func (o oldTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	conn, err := o.dial(r.Context(), "tcp", r.URL.Host)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(r.Context(), func() { _ = conn.Close() })
	target := &url.URL{Path: r.URL.Path, RawQuery: r.URL.RawQuery}
	_, err = io.WriteString(conn, r.Method+" "+target.String()+" HTTP/1.0\r\nHost: "+r.URL.Host+"\r\n")
	if err == nil {
		err = r.Header.Write(conn)
	}
	if err == nil {
		_, err = io.WriteString(conn, "\r\n")
	}
	var resp *http.Response
	if err == nil {
		resp, err = http.ReadResponse(bufio.NewReader(conn), r)
	}
	if err != nil {
		stop()
		_ = conn.Close()
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{resp.Body, closerFunc(func() error { stop(); return conn.Close() })}
	return resp, nil
}

type closerFunc func() error

func (f closerFunc) Close() error { return f() }

// do sends a request. The body is closed when the test ends.
func (s *site) do(ctx context.Context, method string, header ...string) *http.Response {
	s.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, s.url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := s.rt.RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func (s *site) get(header ...string) *http.Response {
	s.t.Helper()
	return s.do(s.t.Context(), http.MethodGet, header...)
}

// readAll reads the body to its end, which must be a clean one.
func readAll(t *testing.T, resp *http.Response) []byte {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("body: %v after %q", err, body)
	}
	return body
}

// readBlock reads up to the next blank line.
func readBlock(t *testing.T, br *bufio.Reader) string {
	t.Helper()
	var block strings.Builder
	for {
		line, err := br.ReadString('\n')
		block.WriteString(line)
		if err != nil {
			t.Fatalf("body: %v after %q", err, block.String())
		}
		if line == "\n" {
			return block.String()
		}
	}
}
