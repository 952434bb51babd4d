package ws_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/ws"
)

// transport is what a test runs over.
type transport struct {
	name string
	// serve starts a server and returns its URL and what a client needs to reach it.
	serve func(t testing.TB, h http.Handler) (string, *ws.DialOptions)
}

var (
	overTCP = transport{"TCP", func(t testing.TB, h http.Handler) (string, *ws.DialOptions) {
		srv := httptest.NewServer(h)
		t.Cleanup(srv.Close)
		return "ws" + srv.URL[len("http"):], &ws.DialOptions{}
	}}
	// The core does not see that it has a bare socket, and takes its portable way.
	overPortable = transport{"portable", func(t testing.TB, h http.Handler) (string, *ws.DialOptions) {
		srv := httptest.NewUnstartedServer(h)
		srv.Listener = plainListener{srv.Listener}
		srv.Start()
		t.Cleanup(srv.Close)
		return "ws" + srv.URL[len("http"):], &ws.DialOptions{NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return plain(new(net.Dialer).DialContext(ctx, network, addr))
		}}
	}}
	overTLS = transport{"TLS", func(t testing.TB, h http.Handler) (string, *ws.DialOptions) {
		srv := httptest.NewTLSServer(h)
		t.Cleanup(srv.Close)
		pool := x509.NewCertPool()
		pool.AddCert(srv.Certificate())
		return "wss" + srv.URL[len("https"):], &ws.DialOptions{TLS: &tls.Config{RootCAs: pool}}
	}}
	overMemory = transport{"memory", func(t testing.TB, h http.Handler) (string, *ws.DialOptions) {
		return serveMemory(t, h, testnet.Listen())
	}}
	transports = []transport{overTCP, overPortable, overTLS, overMemory}
)

// plainConn hides what it is.
type plainConn struct{ *net.TCPConn }

func plain(c net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return plainConn{c.(*net.TCPConn)}, nil
}

type plainListener struct{ net.Listener }

func (l plainListener) Accept() (net.Conn, error) { return plain(l.Listener.Accept()) }

// dialler is a *testnet.Listener.
type dialler interface {
	net.Listener
	DialContext(ctx context.Context, network, addr string) (net.Conn, error)
}

func serveMemory(t testing.TB, h http.Handler, ln dialler) (string, *ws.DialOptions) {
	srv := &http.Server{Handler: h}
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve(ln)
	}()
	t.Cleanup(func() {
		srv.Close()
		<-served
	})
	return "ws://tidewire.test/", &ws.DialOptions{NetDial: ln.DialContext}
}

// run runs the test over every transport.
func run(t *testing.T, f func(t *testing.T, tr transport)) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) { f(t, tr) })
	}
}

// form is one of the two ways to serve connections. For the peer there is no difference.
type form struct {
	name string
	// echo serves connections that send back whatever comes.
	echo func(t testing.TB, opts *ws.AcceptOptions) http.Handler
}

var forms = []form{
	{"blocking", func(t testing.TB, opts *ws.AcceptOptions) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, err := ws.Accept(w, r, opts); err == nil {
				echo(c)
			}
		})
	}},
	{"callback", func(t testing.TB, opts *ws.AcceptOptions) http.Handler {
		return ws.Handler(opts, func(*ws.Conn, *http.Request) ws.Events {
			return ws.Events{Message: func(c *ws.Conn, typ ws.MessageType, data []byte) {
				_ = c.Write(context.Background(), typ, data) // what fails comes to Close
			}}
		})
	}},
}

// runForms runs the test for both forms, over every transport.
func runForms(t *testing.T, f func(t *testing.T, fm form, tr transport)) {
	for _, fm := range forms {
		t.Run(fm.name, func(t *testing.T) {
			run(t, func(t *testing.T, tr transport) { f(t, fm, tr) })
		})
	}
}

// accept serves connections: f is the handler, and its end ends the connection.
func accept(t testing.TB, opts *ws.AcceptOptions, f func(c *ws.Conn)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, opts)
		if err != nil {
			t.Errorf("Accept: %v", err)
			return
		}
		f(c)
	})
}

// echo sends back whatever comes, until the connection ends.
func echo(c *ws.Conn) {
	ctx := context.Background()
	var buf []byte
	for {
		typ, data, err := c.ReadAppend(ctx, buf[:0])
		if err != nil {
			return
		}
		if err := c.Write(ctx, typ, data); err != nil {
			return
		}
		buf = data
	}
}

// dial connects, and closes at the end of the test.
func dial(t testing.TB, url string, opts *ws.DialOptions) *ws.Conn {
	t.Helper()
	c, err := ws.Dial(t.Context(), url, opts)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// patience is how long a test waits for what must happen at once. It never decides between two right outcomes.
const patience = 30 * time.Second

func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}
