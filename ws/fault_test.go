package ws

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
)

// exerciseFaulty does a bit of everything over a connection that follows the plan, in a bubble: every call must
// return, and nothing may be left behind, or the bubble does not end.
func exerciseFaulty(t *testing.T, server bool, plan testnet.Plan) (fired bool) {
	synctest.Test(t, func(t *testing.T) {
		near, far := testnet.PipeSize(256)
		if server {
			near, far = far, near
		}
		faulty := testnet.Fault(near, plan)
		c := newConn(faulty, server, "", nil, (&AcceptOptions{}).config())
		other := newConn(far, !server, "", nil, (&AcceptOptions{}).config())
		var all sync.WaitGroup
		all.Go(func() { // the peer echoes
			for m, err := range other.Messages(context.Background()) {
				if err != nil || other.Write(context.Background(), m.Type, m.Data) != nil {
					break
				}
			}
			other.Close(CloseNormal, "")
		})
		all.Go(func() {
			if err := c.Ping(context.Background()); err != nil && c.ended() == nil {
				t.Errorf("Ping: %v, on a connection that lives", err)
			}
		})
		all.Go(func() {
			c.Write(context.Background(), Text, make([]byte, 5000))
			if w, err := c.Writer(context.Background(), Binary); err == nil {
				w.Write(make([]byte, fragmentSize+10))
				w.Close()
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			c.Write(ctx, Binary, make([]byte, 2000))
		})
		for range 3 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			c.Read(ctx)
			if _, r, err := c.Reader(ctx); err == nil {
				io.Copy(io.Discard, r)
			}
			cancel()
		}
		c.Close(CloseNormal, "done")
		first := c.ended()
		if first == nil {
			t.Error("closed, and without an error")
		}
		for name, err := range map[string]error{
			"Write": c.Write(context.Background(), Text, nil),
			"Ping":  c.Ping(context.Background()),
			"Read":  func() error { _, _, err := c.Read(context.Background()); return err }(),
		} {
			if err != first {
				t.Errorf("%s: %v; want %v", name, err, first)
			}
		}
		c.CloseNow()
		other.CloseNow()
		all.Wait()
		fired = faulty.Fired()
	})
	return fired
}

func TestEveryCallReturnsWhateverFails(t *testing.T) {
	plans := map[string]func(k int) testnet.Plan{
		"a read fails":                func(k int) testnet.Plan { return testnet.Plan{FailRead: k} },
		"a read fails, slow reads":    func(k int) testnet.Plan { return testnet.Plan{FailRead: k, ReadSize: 100} },
		"a write fails":               func(k int) testnet.Plan { return testnet.Plan{FailWrite: k} },
		"a write fails once, halfway": func(k int) testnet.Plan { return testnet.Plan{FailWrite: k, Partial: 3, Once: true} },
		"a read stalls":               func(k int) testnet.Plan { return testnet.Plan{StallRead: k} },
		"a write stalls":              func(k int) testnet.Plan { return testnet.Plan{StallWrite: k} },
		"the stream ends":             func(k int) testnet.Plan { return testnet.Plan{FailRead: k, Err: io.EOF, ReadSize: 7} },
	}
	for name, plan := range plans {
		bothSides(t, func(t *testing.T, server bool) {
			t.Run(name, func(t *testing.T) {
				for k := 1; k <= 1000; k += 1 + k/32 { // every place at first, then every few
					ok := t.Run(fmt.Sprint(k), func(t *testing.T) {
						if !exerciseFaulty(t, server, plan(k)) {
							k = 1 << 20 // fewer calls than that: all places were tried
						}
					})
					if !ok {
						break
					}
				}
			})
		})
	}
}

func TestOneByteAtATime(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		exerciseFaulty(t, server, testnet.Plan{ReadSize: 1, WriteSize: 1})
	})
}
