package interop

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tidewire/tidewire/ws"
)

// gorilla is gorilla/websocket.
type gorilla struct{}

const gorillaBuffer = 4096 // its own default, told here because that is also the size of its fragments

func (gorilla) about() *about {
	return &about{
		name: "gorilla", title: "gorilla/websocket", from: "Go module",
		pinned: moduleVersion("github.com/gorilla/websocket"), version: moduleVersion("github.com/gorilla/websocket"),
		foreign: "https://elsewhere.example",
		lacks:   map[string]string{casePeerKilled: inProcess},
	}
}

func (gorilla) start(context.Context) error { return nil }
func (gorilla) stop()                       {}

func (gorilla) listen(_ context.Context, tm terms) (listener, error) {
	up := &websocket.Upgrader{Subprotocols: tm.protocols, WriteBufferSize: gorillaBuffer}
	if len(tm.origins) > 0 {
		up.CheckOrigin = func(r *http.Request) bool { return slices.Contains(tm.origins, r.Header.Get("Origin")) }
	}
	return listenHTTP(func(w http.ResponseWriter, r *http.Request) (them, error) {
		c, err := up.Upgrade(w, r, nil)
		if err != nil {
			return nil, err
		}
		return newGorillaConn(c, tm), nil
	}), nil
}

func (gorilla) dial(ctx context.Context, url string, tm terms) (them, error) {
	d := &websocket.Dialer{Subprotocols: tm.protocols, WriteBufferSize: gorillaBuffer}
	c, resp, err := d.DialContext(ctx, url, originHeader(tm))
	if err != nil {
		if resp != nil {
			return nil, &refusal{resp.StatusCode}
		}
		return nil, err
	}
	return newGorillaConn(c, tm), nil
}

type gorillaConn struct {
	*websocket.Conn
	inbox   *inbox[ending]
	pongs   chan string // of room for one; what is not waited for is dropped
	writing sync.Mutex  // gorilla has one writer at a time; never held while waiting for a message
}

func newGorillaConn(c *websocket.Conn, tm terms) *gorillaConn {
	g := &gorillaConn{Conn: c, inbox: newInbox[ending](), pongs: make(chan string, 1)}
	c.SetReadLimit(tm.limit)
	c.SetPongHandler(func(data string) error {
		select {
		case g.pongs <- data:
		default:
		}
		return nil
	})
	go g.follow() // ends with the connection
	return g
}

func (g *gorillaConn) follow() {
	for {
		typ, data, err := g.ReadMessage()
		if err == nil {
			g.inbox.put(digestOf(ws.MessageType(typ), data))
			continue
		}
		_ = g.Conn.Close()
		e := ending{Code: ws.CloseAbnormal}
		if ce, ok := errors.AsType[*websocket.CloseError](err); ok {
			e = ending{ws.CloseCode(ce.Code), ce.Text}
			if ce.Code == websocket.CloseAbnormalClosure {
				e.Reason = "" // gorilla has put its own words there
			}
		}
		g.inbox.end(e)
		return
	}
}

func (g *gorillaConn) protocol() string { return g.Subprotocol() }

func (g *gorillaConn) receive(ctx context.Context) (digest, error) { return g.inbox.receive(ctx) }

func (g *gorillaConn) end(ctx context.Context) (ending, error) { return g.inbox.wait(ctx) }

func (g *gorillaConn) forget() { _ = g.Conn.Close() }

func (g *gorillaConn) send(ctx context.Context, m message) error {
	g.writing.Lock()
	defer g.writing.Unlock()
	if len(m.Parts) == 1 {
		return g.WriteMessage(int(m.typ()), m.Parts[0].bytes())
	}
	w, err := g.NextWriter(int(m.typ()))
	if err != nil {
		return err
	}
	for i, p := range m.Parts {
		if _, err := w.Write(p.bytes()); err != nil {
			return err
		}
		if i == 0 && m.PingBetween {
			if err := g.ping(ctx); err != nil {
				return err
			}
		}
	}
	return w.Close()
}

func (g *gorillaConn) ping(ctx context.Context) error {
	payload := strings.Repeat(rand.Text(), 5)[:125]
	if err := g.WriteControl(websocket.PingMessage, []byte(payload), soon(ctx)); err != nil {
		return err
	}
	for {
		select {
		case p := <-g.pongs:
			if p == payload {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (g *gorillaConn) flood(context.Context) error {
	data := make([]byte, 64<<10)
	go func() { // ends with the connection
		g.writing.Lock()
		defer g.writing.Unlock()
		for g.WriteMessage(websocket.BinaryMessage, data) == nil {
		}
	}()
	return nil
}

func (g *gorillaConn) close(ctx context.Context, code ws.CloseCode, reason string) error {
	return g.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(int(code), reason), soon(ctx))
}

func (g *gorillaConn) drop(ctx context.Context, m *message) error {
	if m != nil {
		g.writing.Lock()
		defer g.writing.Unlock()
		w, err := g.NextWriter(int(m.typ()))
		if err != nil {
			return err
		}
		if _, err := w.Write(m.Parts[0].bytes()); err != nil {
			return err
		}
		if err := g.ping(ctx); err != nil {
			return err
		}
	}
	return g.Conn.Close()
}

// soon is ctx's deadline, for interfaces that want a time.
func soon(ctx context.Context) time.Time {
	d, _ := ctx.Deadline()
	return d
}

func originHeader(tm terms) http.Header {
	h := http.Header{}
	if tm.origin != "" {
		h.Set("Origin", tm.origin)
	}
	return h
}

// httpListener is a server of a peer that runs in our process.
type httpListener struct {
	*httptest.Server
	accepted chan them // of room for the connections of one case; never closed
}

func listenHTTP(upgrade func(http.ResponseWriter, *http.Request) (them, error)) *httpListener {
	l := &httpListener{accepted: make(chan them, 8)}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := upgrade(w, r); err == nil {
			l.accepted <- c
		}
	}))
	return l
}

func (l *httpListener) url() string { return "ws" + strings.TrimPrefix(l.URL, "http") + "/ws" }

func (l *httpListener) close() { l.Close() }

func (l *httpListener) accept(ctx context.Context) (them, error) {
	select {
	case c := <-l.accepted:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
