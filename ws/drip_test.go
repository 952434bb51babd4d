package ws_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/ws"
)

// FrameTimeout is for silence: a frame whose bytes drip in is let be, and bounded by MessageLimit alone. A handshake that
// drips is not: all of it has HandshakeTimeout.
func TestDripOfBytes(t *testing.T) {
	drip := func(t *testing.T, respond func(nc net.Conn, r *http.Request)) (*ws.Conn, error) {
		client, server := testnet.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer server.Close()
			br := bufio.NewReader(server)
			if r, err := http.ReadRequest(br); err == nil {
				respond(server, r)
			}
			io.Copy(io.Discard, br)
		}()
		t.Cleanup(func() {
			client.Close()
			<-done
		})
		return ws.Dial(t.Context(), "ws://tidewire.test/", &ws.DialOptions{NetDial: func(context.Context, string, string) (net.Conn, error) { return client, nil }})
	}
	slowly := func(nc net.Conn, s string, each time.Duration) {
		for i := range len(s) {
			time.Sleep(each)
			if _, err := io.WriteString(nc, s[i:i+1]); err != nil {
				return
			}
		}
	}
	t.Run("frame", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, err := drip(t, func(nc net.Conn, r *http.Request) {
				io.WriteString(nc, switching(acceptOf(r), ""))
				slowly(nc, "\x81\x05hello", 29*time.Second)
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			if _, p, err := c.Read(t.Context()); err != nil || string(p) != "hello" {
				t.Errorf("Read: %q, %v", p, err)
			}
		})
	})
	t.Run("handshake", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			_, err := drip(t, func(nc net.Conn, r *http.Request) { slowly(nc, switching(acceptOf(r), ""), time.Second) })
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 10*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
	})
	t.Run("refusal", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			_, err := drip(t, func(nc net.Conn, r *http.Request) {
				io.WriteString(nc, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 1000\r\n\r\n")
				slowly(nc, fmt.Sprint("no", r.Method), time.Second)
				slowly(nc, "never", time.Minute)
			})
			if e, ok := errors.AsType[*ws.HandshakeError](err); !ok || string(e.Body) != "noGET" || !e.Truncated || time.Since(start) != 10*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
	})
}
