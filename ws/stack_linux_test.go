//go:build amd64 && !race

package ws_test

import (
	"context"
	"net/http"
	"runtime"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// A goroutine that reads and answers messages keeps to its first stack, which has 2 KiB: a stack that has grown stays so for
// as long as the peer is silent.
func TestWaitingReaderKeepsItsFirstStack(t *testing.T) {
	if testing.CoverMode() != "" {
		t.Skip("with coverage, frames have other sizes")
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
