package ws_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/ws"
)

// streams is a pair of net.Conns over a WebSocket connection in memory.
func streams(t *testing.T) (client, server net.Conn) {
	t.Helper()
	conns := make(chan *ws.Conn, 1)
	url, opts := serveMemory(t, accept(t, nil, func(c *ws.Conn) {
		c.Detach()
		conns <- c
	}), testnet.Listen())
	c := dial(t, url, opts)
	s := <-conns
	t.Cleanup(func() { s.CloseNow() })
	return ws.NetConn(c), ws.NetConn(s)
}

func TestNetConnIsAStream(t *testing.T) {
	client, server := streams(t)
	want := bytes.Repeat([]byte("tidewire"), 100_000)
	go func() {
		for p := want; len(p) > 0; {
			n := min(len(p), 50_001)
			if m, err := client.Write(p[:n]); m != n || err != nil {
				t.Errorf("Write: %d, %v", m, err)
				return
			}
			client.Write(nil) // an empty message is no end
			p = p[n:]
		}
		client.Close()
	}()
	got, err := io.ReadAll(server)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v; want %d", len(got), err, len(want))
	}
	if n, err := server.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("after the end: %d, %v", n, err)
	}
	if _, err := server.Write([]byte("x")); err == nil {
		t.Error("Write after the end")
	}
	if client.RemoteAddr().String() != server.LocalAddr().String() {
		t.Errorf("%v, %v", client.RemoteAddr(), server.LocalAddr())
	}
}

func TestNetConnReadDeadlineDoesNoHarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conns := make(chan *ws.Conn, 1)
		url, opts := serveMemory(t, accept(t, nil, func(c *ws.Conn) {
			c.Detach()
			conns <- c
		}), testnet.Listen())
		a := dial(t, url, opts)
		b := <-conns
		defer b.CloseNow()
		client, server := ws.NetConn(a), ws.NetConn(b)
		start := time.Now()
		buf := make([]byte, 100)
		server.SetReadDeadline(time.Now().Add(time.Second))
		for range 2 {
			_, err := server.Read(buf)
			var ne net.Error
			if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() || time.Since(start) != time.Second {
				t.Fatalf("after %v: %v", time.Since(start), err)
			}
		}
		// A deadline is moved while a Read waits, twice; then it is lifted.
		server.SetDeadline(time.Now().Add(time.Second))
		go func() {
			server.SetReadDeadline(time.Now().Add(10 * time.Second))
			time.Sleep(5 * time.Second)
			server.SetReadDeadline(time.Now().Add(2 * time.Second))
		}()
		if _, err := server.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 8*time.Second {
			t.Fatalf("after %v: %v", time.Since(start), err)
		}
		server.SetReadDeadline(time.Time{})
		client.Write([]byte("hello"))
		if n, err := io.ReadAtLeast(server, buf[:3], 3); n != 3 || err != nil {
			t.Fatal(n, err)
		}
		server.SetReadDeadline(time.Now().Add(-time.Second)) // in the past, in mid-message
		if _, err := server.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		server.SetReadDeadline(time.Time{})
		if n, err := server.Read(buf); string(buf[:n]) != "lo" || err != nil {
			t.Errorf("%q, %v", buf[:n], err)
		}
		server.SetWriteDeadline(time.Now().Add(-time.Second))
		if _, err := server.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write: %v", err)
		}
	})
}

func TestNetConnRefusesText(t *testing.T) {
	conns := make(chan *ws.Conn, 1)
	url, opts := overMemory.serve(t, accept(t, nil, func(c *ws.Conn) {
		c.Detach()
		conns <- c
	}))
	c := dial(t, url, opts)
	s := <-conns
	defer s.CloseNow()
	c.Write(t.Context(), ws.Text, []byte("hello"))
	read := make(chan error, 1)
	go func() {
		_, _, err := c.Read(context.Background())
		read <- err
	}()
	if _, err := ws.NetConn(s).Read(make([]byte, 10)); ws.CloseStatus(err) != ws.CloseUnsupportedData {
		t.Errorf("Read: %v", err)
	}
	if err := <-read; ws.CloseStatus(err) != ws.CloseUnsupportedData {
		t.Errorf("the peer got %v", err)
	}
}

func TestJSON(t *testing.T) {
	type note struct {
		ID   int    `json:"id"`
		Text string `json:"text"`
	}
	url, opts := overMemory.serve(t, accept(t, nil, echo))
	c := dial(t, url, opts)
	ctx := patient(t)
	want := note{7, "hello"}
	if err := ws.WriteJSON(ctx, c, want); err != nil {
		t.Fatal(err)
	}
	if got, err := ws.ReadJSON[note](ctx, c); err != nil || got != want {
		t.Errorf("ReadJSON: %v, %v", got, err)
	}
	// What is no JSON, and what has more behind it, is an error; the connection lives on.
	for _, bad := range []string{"", "{", `{"id":1} {"id":2}`, `{"id":"x"}`} {
		c.Write(ctx, ws.Text, []byte(bad))
		if got, err := ws.ReadJSON[note](ctx, c); err == nil || got != (note{}) {
			t.Errorf("%q: %v, %v", bad, got, err)
		}
	}
	if err := ws.WriteJSON(ctx, c, func() {}); err == nil {
		t.Error("a function was written as JSON")
	} else if _, ok := errors.AsType[*json.UnsupportedTypeError](err); !ok {
		t.Errorf("WriteJSON: %v", err)
	}
	if err := ws.WriteJSON(ctx, c, strings.Repeat("x", 10)); err != nil {
		t.Fatal(err)
	}
	if got, err := ws.ReadJSON[string](ctx, c); err != nil || got != strings.Repeat("x", 10) {
		t.Errorf("ReadJSON: %q, %v", got, err)
	}
}
