package interop

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/coder/websocket"

	"github.com/tidewire/tidewire/ws"
)

// coder is coder/websocket.
type coder struct{}

func (coder) about() *about {
	return &about{
		name: "coder", title: "coder/websocket", from: "Go module",
		pinned: moduleVersion("github.com/coder/websocket"), version: moduleVersion("github.com/coder/websocket"),
		foreign: "https://elsewhere.example",
		lacks:   map[string]string{casePeerKilled: inProcess},
	}
}

func (coder) start(context.Context) error { return nil }
func (coder) stop()                       {}

func (coder) listen(_ context.Context, tm terms) (listener, error) {
	opts := &websocket.AcceptOptions{Subprotocols: tm.protocols, OriginPatterns: tm.origins}
	return listenHTTP(func(w http.ResponseWriter, r *http.Request) (them, error) {
		c, err := websocket.Accept(w, r, opts)
		if err != nil {
			return nil, err
		}
		return newCoderConn(c, tm), nil
	}), nil
}

func (coder) dial(ctx context.Context, url string, tm terms) (them, error) {
	c, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: tm.protocols, HTTPHeader: originHeader(tm)})
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			return nil, &refusal{resp.StatusCode}
		}
		return nil, err
	}
	return newCoderConn(c, tm), nil
}

type coderConn struct {
	*websocket.Conn
	inbox *inbox[ending]

	// Their Close reads too, and then it is Close that sees our answer and not follow: when it returns nil, the answer
	// was the same code.
	closing atomic.Bool
	closed  chan ending // of room for one: what the first Close saw
}

func newCoderConn(c *websocket.Conn, tm terms) *coderConn {
	p := &coderConn{Conn: c, inbox: newInbox[ending](), closed: make(chan ending, 1)}
	c.SetReadLimit(tm.limit)
	go p.follow() // ends with the connection
	return p
}

func (c *coderConn) follow() {
	for {
		typ, data, err := c.Read(context.Background())
		if err == nil {
			c.inbox.put(digestOf(ws.MessageType(typ), data))
			continue
		}
		e := ending{Code: ws.CloseAbnormal}
		if ce, ok := errors.AsType[websocket.CloseError](err); ok {
			e = ending{ws.CloseCode(ce.Code), ce.Reason}
		} else if c.closing.Load() {
			e = <-c.closed
		}
		_ = c.CloseNow()
		c.inbox.end(e)
		return
	}
}

func (c *coderConn) protocol() string { return c.Subprotocol() }

func (c *coderConn) receive(ctx context.Context) (digest, error) { return c.inbox.receive(ctx) }

func (c *coderConn) end(ctx context.Context) (ending, error) { return c.inbox.wait(ctx) }

func (c *coderConn) ping(ctx context.Context) error { return c.Ping(ctx) }

func (c *coderConn) forget() { _ = c.CloseNow() }

func (c *coderConn) send(ctx context.Context, m message) error {
	if len(m.Parts) == 1 {
		return c.Write(ctx, websocket.MessageType(m.typ()), m.Parts[0].bytes())
	}
	w, err := c.Writer(ctx, websocket.MessageType(m.typ()))
	if err != nil {
		return err
	}
	for i, p := range m.Parts {
		if _, err := w.Write(p.bytes()); err != nil {
			return err
		}
		if i == 0 && m.PingBetween {
			if err := c.Ping(ctx); err != nil {
				return err
			}
		}
	}
	return w.Close()
}

func (c *coderConn) flood(context.Context) error {
	data := make([]byte, 64<<10)
	go func() { // ends with the connection
		for c.Write(context.Background(), websocket.MessageBinary, data) == nil {
		}
	}()
	return nil
}

func (c *coderConn) close(_ context.Context, code ws.CloseCode, reason string) error {
	if c.closing.Swap(true) {
		return errors.New("closed twice")
	}
	err := c.Close(websocket.StatusCode(code), reason)
	if err != nil {
		code = ws.CloseAbnormal
	}
	c.closed <- ending{Code: code}
	return err
}

func (c *coderConn) drop(ctx context.Context, m *message) error {
	if m != nil {
		w, err := c.Writer(ctx, websocket.MessageType(m.typ()))
		if err != nil {
			return err
		}
		if _, err := w.Write(m.Parts[0].bytes()); err != nil {
			return err
		}
		if err := c.Ping(ctx); err != nil { // which also flushes
			return err
		}
	}
	return c.CloseNow()
}
