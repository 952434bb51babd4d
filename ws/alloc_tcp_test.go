//go:build !race

package ws_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// In both forms, over all networks, with a context that can be cancelled, the defaults on, and UTF-8 to be checked.
func TestEchoOfAServerAllocatesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	blocking := accept(t, nil, func(c *ws.Conn) {
		buf := make([]byte, 0, 128)
		for {
			typ, p, err := c.ReadAppend(ctx, buf[:0])
			if err != nil || c.Write(ctx, typ, p) != nil {
				return
			}
		}
	})
	callback := ws.Handler(nil, func(*ws.Conn, *http.Request) ws.Events {
		return ws.Events{Message: func(c *ws.Conn, typ ws.MessageType, data []byte) { _ = c.Write(ctx, typ, data) }}
	})
	for form, h := range map[string]http.Handler{"blocking": blocking, "callback": callback} {
		for _, tr := range []transport{overTCP, overPortable} {
			t.Run(form+"/"+tr.name, func(t *testing.T) {
				url, _ := tr.serve(t, h)
				nc, err := net.Dial("tcp", url[len("ws://"):])
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				io.WriteString(nc, upgradeRequest(""))
				reply := make([]byte, 4096)
				if _, err := nc.Read(reply); err != nil {
					t.Fatal(err)
				}
				frame := append([]byte("\x81\xc0\x00\x00\x00\x00"), "sixty-four bytes are what a message of a game or a chat takes up"...)
				echo := make([]byte, 2+64)
				n := testing.AllocsPerRun(1000, func() {
					nc.Write(frame)
					if _, err := io.ReadFull(nc, echo); err != nil {
						t.Fatal(err)
					}
				})
				if n != 0 {
					t.Errorf("%v allocations an echo", n)
				}
			})
		}
	}
}
