package ws_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"

	"github.com/tidewire/tidewire/backoff"
	"github.com/tidewire/tidewire/ws"
)

// serve starts a server for an example and returns its URL.
func serveExample(h http.HandlerFunc) (url string, stop func()) {
	srv := httptest.NewServer(h)
	return "ws" + srv.URL[len("http"):], srv.Close
}

func Example() {
	url, stop := serveExample(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, nil)
		if err != nil {
			return // the client has its answer
		}
		for m, err := range c.Messages(r.Context()) {
			if err != nil {
				return
			}
			c.Write(r.Context(), m.Type, m.Data)
		}
	})
	defer stop()

	ctx := context.Background()
	c, err := ws.Dial(ctx, url, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close(ws.CloseNormal, "")
	if err := c.Write(ctx, ws.Text, []byte("hello")); err != nil {
		fmt.Println(err)
		return
	}
	typ, data, err := c.Read(ctx)
	fmt.Printf("%v %q %v\n", typ, data, err)
	// Output: text "hello" <nil>
}

// The callback form: each connection says what it wants to be told.
func ExampleHandler() {
	url, stop := serveExample(ws.Handler(nil, func(c *ws.Conn, r *http.Request) ws.Events {
		name := r.URL.Query().Get("name")
		return ws.Events{
			Open: func(c *ws.Conn) {
				c.Write(context.Background(), ws.Text, []byte("welcome, "+name))
			},
			Message: func(c *ws.Conn, typ ws.MessageType, data []byte) {
				c.Write(context.Background(), typ, bytes.ToUpper(data))
				c.Close(ws.CloseNormal, "that was all") // does not wait
			},
		}
	}).ServeHTTP)
	defer stop()

	ctx := context.Background()
	c, err := ws.Dial(ctx, url+"/?name=Ada", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	c.Write(ctx, ws.Text, []byte("hello"))
	for m, err := range c.Messages(ctx) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Printf("%s\n", m.Data)
	}
	// Output:
	// welcome, Ada
	// HELLO
	// ws: closed by the peer: 1000 (normal closure): "that was all"
}

// What is wrong with a handshake is in the error, with a part of the body.
func ExampleDial_refused() {
	url, stop := serveExample(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "who are you?", http.StatusUnauthorized)
	})
	defer stop()

	_, err := ws.Dial(context.Background(), url, nil)
	fmt.Println(err)
	if e, ok := errors.AsType[*ws.HandshakeError](err); ok {
		fmt.Println(e.StatusCode, e.Header.Get("Content-Type"), len(e.Body))
	}
	// Output:
	// ws: handshake: refused by the server (status 401): "who are you?"
	// 401 text/plain; charset=utf-8 13
}

func ExampleAccept_options() {
	url, stop := serveExample(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, &ws.AcceptOptions{
			Origins:      []string{"https://app.example.com"},
			Subprotocols: []string{"chat.v2", "chat.v1"},
			MessageLimit: 16 << 20,
		})
		if err != nil {
			return
		}
		c.Close(ws.CloseNormal, "that was all")
	})
	defer stop()

	ctx := context.Background()
	c, err := ws.Dial(ctx, url, &ws.DialOptions{
		Header:       http.Header{"Origin": {"https://app.example.com"}},
		Subprotocols: []string{"chat.v1"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Subprotocol())
	_, _, err = c.Read(ctx)
	fmt.Println(err)
	// Output:
	// chat.v1
	// ws: closed by the peer: 1000 (normal closure): "that was all"
}

// A server that only sends.
func ExampleConn_CloseRead() {
	url, stop := serveExample(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		ctx := c.CloseRead(r.Context()) // ends when the client goes
		for i := range 3 {
			if c.Write(ctx, ws.Text, fmt.Append(nil, "tick ", i)) != nil {
				return
			}
		}
	}) // the handler's end closes the connection with 1001
	defer stop()

	ctx := context.Background()
	c, err := ws.Dial(ctx, url, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for m, err := range c.Messages(ctx) {
		if err != nil {
			fmt.Println(ws.CloseStatus(err))
			break
		}
		fmt.Printf("%s\n", m.Data)
	}
	// Output:
	// tick 0
	// tick 1
	// tick 2
	// 1001 (going away)
}

func ExampleReadJSON() {
	type point struct{ X, Y int }
	url, stop := serveExample(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		p, err := ws.ReadJSON[point](r.Context(), c)
		if err != nil {
			c.Close(ws.CloseUnsupportedData, "not a point")
			return
		}
		ws.WriteJSON(r.Context(), c, point{p.Y, p.X})
	})
	defer stop()

	ctx := context.Background()
	c, err := ws.Dial(ctx, url, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	ws.WriteJSON(ctx, c, point{1, 2})
	p, err := ws.ReadJSON[point](ctx, c)
	fmt.Println(p, err)
	// Output: {2 1} <nil>
}

func ExampleConnections() {
	url, stop := serveExample(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		c.Write(r.Context(), ws.Text, []byte("welcome"))
		c.Close(ws.CloseServiceRestart, "")
	})
	defer stop()

	ctx := context.Background()
	visits := 0
	for c, err := range ws.Connections(ctx, url, nil, backoff.Policy{Base: 1, Max: 1}) {
		if err != nil {
			fmt.Println(err) // ctx has ended, or the server will never have us
			return
		}
		_, data, _ := c.Read(ctx)
		fmt.Printf("%s\n", data)
		if visits++; visits == 2 {
			break
		}
	}
	// Output:
	// welcome
	// welcome
}

// A client that goes on where it was: each attempt says up to where the program has read, and has a fresh ticket, because
// a ticket is good for one connection and a browser's way to send it is the URL.
func ExampleConnections_prepare() {
	url, stop := serveExample(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		after, _ := strconv.Atoi(r.FormValue("after"))
		c.Write(r.Context(), ws.Text, fmt.Appendf(nil, "event %d, for %s", after+1, r.FormValue("ticket")))
		c.Close(ws.CloseServiceRestart, "")
	})
	defer stop()

	ctx := context.Background()
	seen := 0
	opts := &ws.DialOptions{Prepare: func(ctx context.Context, a *ws.Attempt) error {
		q := a.URL.Query()
		q.Set("after", strconv.Itoa(seen))
		q.Set("ticket", fmt.Sprint("ticket ", a.N)) // asked for with ctx; an error is tried again, a backoff.Permanent is not
		a.URL.RawQuery = q.Encode()
		return nil
	}}
	for c, err := range ws.Connections(ctx, url, opts, backoff.Policy{Base: 1, Max: 1}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if _, data, err := c.Read(ctx); err == nil {
			fmt.Printf("%s\n", data)
			seen++
		}
		if seen == 3 {
			break
		}
	}
	// Output:
	// event 1, for ticket 1
	// event 2, for ticket 2
	// event 3, for ticket 3
}

// A page of another origin is refused, and the refusal says what would let it in.
func ExampleAcceptOptions_origins() {
	url, stop := serveExample(func(w http.ResponseWriter, r *http.Request) {
		_, err := ws.Accept(w, r, &ws.AcceptOptions{Origins: []string{"https://*.example.com"}})
		if err != nil {
			return
		}
	})
	defer stop()

	for _, origin := range []string{"https://app.example.com", "https://example.com.evil.test"} {
		c, err := ws.Dial(context.Background(), url, &ws.DialOptions{Header: http.Header{"Origin": {origin}}})
		if err == nil {
			c.CloseNow()
		}
		e, ok := errors.AsType[*ws.HandshakeError](err)
		fmt.Println(ok && e.StatusCode == http.StatusForbidden)
	}
	// Output:
	// false
	// true
}

// Before http.Server.Shutdown, which knows nothing of WebSocket connections.
func ExampleGroup_Drain() {
	group := &ws.Group{Code: ws.CloseServiceRestart, Spread: -1}
	url, stop := serveExample(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, &ws.AcceptOptions{Group: group})
		if err != nil {
			return
		}
		c.Read(r.Context())
	})
	defer stop()

	ctx := context.Background()
	c, err := ws.Dial(ctx, url, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error)
	go func() {
		_, _, err := c.Read(ctx)
		ended <- err
	}()
	fmt.Println("drained:", group.Drain(ctx))
	fmt.Println(<-ended)
	_, err = ws.Dial(ctx, url, nil)
	if e, ok := errors.AsType[*ws.HandshakeError](err); ok {
		fmt.Println(e.StatusCode)
	}
	// Output:
	// drained: <nil>
	// ws: closed by the peer: 1012 (service restart)
	// 503
}
