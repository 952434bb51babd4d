package ws_test

import (
	"context"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// memory is what is in use on the heap, of what can't be collected.
func memory() int64 {
	debug.FreeOSMemory()
	debug.FreeOSMemory() // pools give up what they have at the second collection
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Connections by the thousand come and go, of both forms: some closed by the client, some by the server, some by
// handlers that just return, and some whose client vanishes without a word. Descriptors, goroutines and heap end where
// they began.
func TestChurnOfThousands(t *testing.T) {
	conns, atOnce := 20_000, 2_000
	if raceEnabled {
		conns, atOnce = 2_000, 200
	}
	var g ws.Group
	opts := &ws.AcceptOptions{Group: &g, CloseTimeout: 2 * time.Second}
	var callbacks atomic.Int64 // that have not told Close
	mux := http.NewServeMux()
	mux.Handle("/blocking", forms[0].echo(t, opts))
	mux.Handle("/callback", ws.Handler(opts, func(*ws.Conn, *http.Request) ws.Events {
		callbacks.Add(1)
		return ws.Events{
			Message: func(c *ws.Conn, typ ws.MessageType, data []byte) { c.Write(context.Background(), typ, data) },
			Close:   func(*ws.Conn, error) { callbacks.Add(-1) },
		}
	}))
	mux.Handle("/return", accept(t, opts, func(*ws.Conn) {}))
	mux.Handle("/close", ws.Handler(opts, func(c *ws.Conn, r *http.Request) ws.Events {
		callbacks.Add(1)
		c.Close(ws.CloseNormal, "")
		return ws.Events{Close: func(*ws.Conn, error) { callbacks.Add(-1) }}
	}))
	url, dialOpts := overTCP.serve(t, mux)
	paths := []string{"/blocking", "/callback", "/return", "/close"}

	var open, most atomic.Int64
	client := func(i int) {
		c, err := ws.Dial(context.Background(), url+paths[i%4], dialOpts)
		if err != nil {
			t.Errorf("Dial: %v", err)
			return
		}
		defer c.CloseNow()
		n := open.Add(1)
		defer open.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
		defer cancel()
		if i%4 < 2 {
			if err := c.Write(ctx, ws.Text, []byte("hello")); err != nil {
				t.Errorf("Write: %v", err)
			}
			if _, p, err := c.Read(ctx); err != nil || string(p) != "hello" {
				t.Errorf("Read: %q, %v", p, err)
			}
		}
		switch i / 4 % 3 {
		case 0: // vanishes
		case 1:
			if err := c.Close(ws.CloseNormal, ""); err != nil && i%4 < 2 {
				t.Errorf("Close: %v", err)
			}
		case 2:
			if i%4 >= 2 { // the server closes
				c.Read(ctx)
			}
		}
	}
	crowd := func(conns, atOnce int) {
		var clients sync.WaitGroup
		for i := range atOnce {
			clients.Go(func() {
				for j := i; j < conns; j += atOnce {
					client(j)
				}
			})
		}
		clients.Wait()
		await(t, "the connections", func() bool { return g.Len() == 0 && callbacks.Load() == 0 })
	}

	crowd(atOnce, atOnce) // what grows once has grown: the runtime's tables, the network poller's
	before, goroutines, files := memory(), runtime.NumGoroutine(), descriptors()
	for rest := conns - atOnce; rest > 0; rest -= 5 * atOnce {
		crowd(min(rest, 5*atOnce), atOnce)
	}
	await(t, "goroutines", func() bool { return runtime.NumGoroutine() <= goroutines })
	await(t, "descriptors", func() bool { return descriptors() <= files })
	// The runtime keeps a few hundred bytes of each goroutine that has ever lived at the same time as the others; a
	// connection that is kept weighs more than a kilobyte.
	limit := before + int64(100*conns) + 1<<20
	after := memory()
	for deadline := time.Now().Add(patience); after > limit && time.Now().Before(deadline); after = memory() {
		runtime.Gosched()
	}
	t.Logf("%d connections, at most %d at once; heap %d KiB, then %d KiB", conns, most.Load(), before>>10, after>>10)
	if after > limit {
		t.Errorf("the heap has grown by %d bytes", after-before)
	}
}
