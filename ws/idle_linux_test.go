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

// A goroutine that reads and answers messages keeps to its first stack, which has 2 KiB: a stack that has grown stays so for
// as long as the peer is silent.
func TestWaitingReaderKeepsItsFirstStack(t *testing.T) {
	if raceEnabled || testing.CoverMode() != "" || runtime.GOARCH != "amd64" {
		t.Skip("frames have other sizes")
	}
	echoed := make(chan struct{}, 1)
	url, opts := overTCP.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		c.Detach()
		go func() { // ends with the connection
			defer c.CloseNow()
			var theirs [128]byte // what a program has on the stack
			defer runtime.KeepAlive(&theirs)
			for {
				typ, data, err := c.ReadAppend(context.Background(), nil)
				if err != nil || c.Write(context.Background(), typ, data) != nil {
					return
				}
				echoed <- struct{}{}
			}
		}()
	}))
	opts.PingInterval = -1
	const conns = 400
	before := stacks()
	for range conns {
		c := dial(t, url, opts)
		c.Write(patient(t), ws.Text, []byte("sixty-four bytes are what a message of a game or a chat takes up"))
		<-echoed
		if _, _, err := c.Read(patient(t)); err != nil {
			t.Fatal(err)
		}
	}
	if each := (int64(stacks()) - int64(before)) / conns; each > 3<<10 {
		t.Errorf("%d bytes of stack for each", each)
	}
}

// stacks is what they take, but for those that ended.
func stacks() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.StackInuse
}
