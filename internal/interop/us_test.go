package interop

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	_ "embed"

	"github.com/tidewire/tidewire/ws"
)

// us is our end of a connection.
type us struct {
	*ws.Conn
	inbox *inbox[error]
	// ping waits for the pong.
	ping func(context.Context) error
	// blocking says that the methods that read may be called.
	blocking bool
}

func newUs(c *ws.Conn) *us {
	return &us{Conn: c, inbox: newInbox[error](), ping: c.Ping, blocking: true}
}

// follow takes what comes until the connection ends. It is the whole handler of a server in the blocking form.
func (u *us) follow(ctx context.Context) {
	for m, err := range u.Messages(ctx) {
		if err != nil {
			u.inbox.end(err)
			return
		}
		u.inbox.put(digestOf(m.Type, m.Data))
	}
}

func (u *us) send(ctx context.Context, m message) error {
	if len(m.Parts) == 1 {
		return u.Write(ctx, m.typ(), m.Parts[0].bytes())
	}
	w, err := u.Writer(ctx, m.typ())
	if err != nil {
		return err
	}
	for i, p := range m.Parts {
		if _, err := w.Write(p.bytes()); err != nil {
			return err
		}
		if i == 0 && m.PingBetween {
			if err := u.ping(ctx); err != nil {
				return err
			}
		}
	}
	return w.Close()
}

// form is a way to serve with package ws: serve makes a handler that accepts with the options and hands each connection
// to open before anything is read from it; messages and the end go to the connection's inbox.
type form struct {
	name  string
	title string
	serve func(opts *ws.AcceptOptions, open func(*us)) http.Handler
}

var forms = []*form{
	{"blocking", "blocking form", serveBlocking},
	{"callback", "callback form", serveCallback},
}

func serveBlocking(opts *ws.AcceptOptions, open func(*us)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, opts)
		if err != nil {
			return // the client has its answer
		}
		u := newUs(c)
		open(u)
		u.follow(r.Context())
	})
}

func serveCallback(opts *ws.AcceptOptions, open func(*us)) http.Handler {
	return ws.Handler(opts, func(c *ws.Conn, _ *http.Request) ws.Events {
		pongs := make(chan struct{}, 1)
		u := &us{Conn: c, inbox: newInbox[error]()}
		u.ping = func(ctx context.Context) error {
			if err := c.Ping(ctx); err != nil {
				return err
			}
			select {
			case <-pongs:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		open(u)
		return ws.Events{
			Message: func(_ *ws.Conn, typ ws.MessageType, data []byte) { u.inbox.put(digestOf(typ, data)) },
			Pong: func(*ws.Conn, time.Duration) {
				select {
				case pongs <- struct{}{}:
				default: // nobody waits
				}
			},
			Close: func(_ *ws.Conn, err error) { u.inbox.end(err) },
		}
	})
}

//go:embed chromium/page.html
var page []byte

// servePage is where Chromium gets its side of the suite, on our server and elsewhere.
func servePage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page)
}

// server is our server for one case.
type server struct {
	http     *httptest.Server
	accepted chan *us // of room for the connections of one case; never closed
	handlers sync.WaitGroup
}

// newServer serves WebSocket at /ws and the page at /page until the test ends, and then waits for its handlers.
func newServer(t *testing.T, ctx context.Context, f *form, opts *ws.AcceptOptions) *server {
	t.Helper()
	s := &server{accepted: make(chan *us, 8)}
	h := f.serve(opts, func(u *us) { s.accepted <- u })
	mux := http.NewServeMux()
	mux.HandleFunc("GET /page", servePage)
	mux.HandleFunc("GET /ws", func(w http.ResponseWriter, r *http.Request) {
		s.handlers.Add(1)
		defer s.handlers.Done()
		h.ServeHTTP(w, r)
	})
	s.http = httptest.NewServer(mux)
	t.Cleanup(func() {
		s.http.Close()
		done := make(chan struct{})
		go func() { s.handlers.Wait(); close(done) }()
		select {
		case <-done:
		case <-ctx.Done():
			t.Error("a handler of our server still runs")
		}
	})
	return s
}
