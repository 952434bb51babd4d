package ws_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/ws"
)

func (h *history) observer() *ws.Observer {
	return &ws.Observer{
		Opened:   func(c *ws.Conn) { h.add("opened") },
		Closed:   func(c *ws.Conn, err error) { h.add(fmt.Sprint("closed ", int(ws.CloseStatus(err)))) },
		Refused:  func(r *http.Request, err *ws.HandshakeError) { h.add(fmt.Sprint("refused ", err.StatusCode, r != nil)) },
		Received: func(c *ws.Conn, typ ws.MessageType, size int64) { h.add(fmt.Sprint("received ", typ, size)) },
		Sent:     func(c *ws.Conn, typ ws.MessageType, size int64) { h.add(fmt.Sprint("sent ", typ, size)) },
		Pong:     func(c *ws.Conn, rtt time.Duration) { h.add("pong") },
		Limit:    func(c *ws.Conn, err *ws.LimitError) { h.add("limit " + err.Option) },
	}
}

// Both forms tell the same.
func TestObserverIsToldWhatHappens(t *testing.T) {
	for _, fm := range forms {
		t.Run(fm.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var server, client history
				ln := testnet.Listen()
				srv := &http.Server{Handler: fm.echo(t, &ws.AcceptOptions{Observer: server.observer(), MessageLimit: 100_000})}
				served := make(chan struct{})
				go func() { srv.Serve(ln); close(served) }()
				opts := &ws.DialOptions{NetDial: ln.DialContext, Observer: client.observer(), PingInterval: -1}

				c, err := ws.Dial(t.Context(), "ws://tidewire.test/", opts)
				if err != nil {
					t.Fatal(err)
				}
				ctx := t.Context()
				c.Write(ctx, ws.Text, []byte("hello"))
				c.Read(ctx)
				w, _ := c.Writer(ctx, ws.Binary)
				w.Write(make([]byte, 50_000))
				w.Close()
				c.Read(ctx)
				silent, cancel := context.WithTimeout(ctx, 31*time.Second)
				c.Read(silent) // which answers the server's keepalive
				cancel()
				c.Write(ctx, ws.Binary, nil)
				c.Read(ctx)
				synctest.Wait()
				c.Write(ctx, ws.Binary, make([]byte, 100_001))
				c.Read(ctx)
				synctest.Wait()
				if _, err := ws.Dial(ctx, "ws://tidewire.test/", &ws.DialOptions{NetDial: ln.DialContext, Observer: client.observer(), Header: http.Header{"Origin": {"https://evil.test"}}}); err == nil {
					t.Error("a foreign origin was let in")
				}
				srv.Close()
				<-served
				synctest.Wait()

				server.expect(t, "opened", "received text 5", "sent text 5", "received binary 50000", "sent binary 50000",
					"pong", "received binary 0", "sent binary 0", "limit MessageLimit", "closed 1009", "refused 403 true")
				client.expect(t, "opened", "sent text 5", "received text 5", "sent binary 50000", "received binary 50000",
					"sent binary 0", "received binary 0", "sent binary 100001", "closed 1009", "refused 403 false")
			})
		})
	}
}

func TestObserverIsToldOfTimeLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h history
		serveEvents(t, &ws.AcceptOptions{Observer: h.observer()}, testnet.Listen(), func(c *ws.Conn, r *http.Request) ws.Events {
			return ws.Events{}
		}, func(t *testing.T, dial func() *ws.Conn) {
			c := dial() // never reads
			time.Sleep(time.Minute)
			c.CloseNow()
		})
		h.expect(t, "opened", "limit PongTimeout", "closed 1006")
	})
}

// The funcs may use what the documentation names, and nil ones are nothing.
func TestObserverMayLookAtTheConnection(t *testing.T) {
	calls := make(chan string, 100)
	look := func(what string, c *ws.Conn) {
		c.SetValue(c.Value())
		calls <- fmt.Sprint(what, c.RTT() >= 0, c.Subprotocol() == "", c.LocalAddr() != nil, c.RemoteAddr() != nil)
	}
	o := &ws.Observer{
		Opened:   func(c *ws.Conn) { look("opened", c) },
		Received: func(c *ws.Conn, typ ws.MessageType, size int64) { look("received", c) },
		Sent:     func(c *ws.Conn, typ ws.MessageType, size int64) { look("sent", c) },
		Pong:     func(c *ws.Conn, rtt time.Duration) { look("pong", c) },
		Closed:   func(c *ws.Conn, err error) { look("closed", c) },
	}
	url, opts := overMemory.serve(t, accept(t, &ws.AcceptOptions{Observer: &ws.Observer{}}, echo))
	opts.Observer = o
	c := dial(t, url, opts)
	c.Write(patient(t), ws.Text, []byte("x"))
	c.Read(patient(t))
	ctx, cancel := context.WithCancel(patient(t))
	go c.Read(ctx)
	if err := c.Ping(patient(t)); err != nil {
		t.Error(err)
	}
	cancel()
	if err := c.Close(ws.CloseNormal, ""); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"opened", "sent", "received", "pong", "closed"} {
		if got := <-calls; got != want+"true true true true" {
			t.Errorf("%q, want %s", got, want)
		}
	}
}

func TestObserverIsToldOfFailedDials(t *testing.T) {
	told := 0
	_, err := ws.Dial(t.Context(), "ftp://tidewire.test/", &ws.DialOptions{Observer: &ws.Observer{Refused: func(r *http.Request, err *ws.HandshakeError) {
		if r != nil || err.Reason == "" {
			t.Errorf("%v, %v", r, err)
		}
		told++
	}}})
	if _, ok := errors.AsType[*ws.HandshakeError](err); !ok || told != 1 {
		t.Errorf("%v, told %d times", err, told)
	}
}
