//go:build amd64 || arm64

package ws_test

import (
	"context"
	"net/http"
	"runtime"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// An idle connection of the callback form has no goroutine, not before its first message and not after it, and is there
// at once when something comes.
func TestIdleCallbackConnectionHasNoGoroutine(t *testing.T) {
	for _, tr := range []transport{overTCP, overTLS} {
		t.Run(tr.name, func(t *testing.T) {
			var g ws.Group
			url, opts := tr.serve(t, ws.Handler(&ws.AcceptOptions{Group: &g}, func(*ws.Conn, *http.Request) ws.Events {
				return ws.Events{Message: func(c *ws.Conn, typ ws.MessageType, data []byte) { c.Write(context.Background(), typ, data) }}
			}))
			opts.PingInterval = -1
			const conns = 50
			var all []*ws.Conn
			before := runtime.NumGoroutine()
			for range conns {
				all = append(all, dial(t, url, opts))
			}
			for range 2 {
				// Fewer than one for each, when those that handle requests have returned.
				await(t, "goroutines", func() bool { return runtime.NumGoroutine() < before+conns/2 })
				for _, c := range all {
					c.Write(patient(t), ws.Text, []byte("wake"))
				}
				for _, c := range all {
					if _, p, err := c.Read(patient(t)); err != nil || string(p) != "wake" {
						t.Fatalf("Read: %q, %v", p, err)
					}
				}
			}
			await(t, "goroutines", func() bool { return runtime.NumGoroutine() < before+conns/2 })
			for _, c := range all {
				if err := c.Close(ws.CloseNormal, ""); err != nil {
					t.Errorf("Close: %v", err)
				}
			}
			await(t, "the group", func() bool { return g.Len() == 0 })
		})
	}
}
