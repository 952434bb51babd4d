package ws_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// 64 goroutines call every method there is, with contexts that end at bad moments, until the connection ends; messages
// are whole, and nothing hangs.
func TestEveryMethodFrom64Goroutines(t *testing.T) {
	runForms(t, func(t *testing.T, fm form, tr transport) {
		url, opts := tr.serve(t, fm.echo(t, nil))
		c := dial(t, url, opts)
		stop := make(chan struct{})
		var calls atomic.Int64
		var all sync.WaitGroup
		line := strings.Repeat("the same line, whole. ", 100)
		for i := range 64 {
			all.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					calls.Add(1)
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(n%5)*50*time.Millisecond)
					switch i % 8 {
					case 0:
						c.Write(context.Background(), ws.Text, []byte(line))
					case 1:
						if w, err := c.Writer(context.Background(), ws.Text); err == nil {
							io.WriteString(w, line[:1000])
							io.WriteString(w, line[1000:])
							w.Close()
						}
					case 2:
						if _, p, err := c.Read(ctx); err == nil && string(p) != line {
							t.Errorf("Read: %.60q", p)
						}
					case 3:
						if _, p, err := c.ReadAppend(ctx, nil); err == nil && string(p) != line {
							t.Errorf("ReadAppend: %.60q", p)
						}
					case 4:
						if _, r, err := c.Reader(context.Background()); err == nil {
							if p, err := io.ReadAll(r); err == nil && string(p) != line {
								t.Errorf("Reader: %.60q", p)
							}
						}
					case 5:
						c.Ping(ctx)
						c.RTT()
					case 6:
						c.SetValue(n)
						c.Value()
						c.Subprotocol()
						c.RemoteAddr()
						c.Detach()
					case 7:
						for range c.Messages(ctx) {
							break
						}
						reading, cancel := context.WithCancel(ctx)
						cancel()
						c.CloseRead(reading)
					}
					cancel()
				}
			})
		}
		// After enough of it, the end, from several sides.
		for calls.Load() < 3000 {
			if err := c.Write(patient(t), ws.Text, []byte(line)); err != nil {
				t.Errorf("Write: %v", err)
				break
			}
		}
		var closers sync.WaitGroup
		for range 8 {
			closers.Go(func() { c.Close(ws.CloseNormal, "enough") })
		}
		closers.Wait()
		close(stop)
		all.Wait()
		if _, _, err := c.Read(context.Background()); ws.CloseStatus(err) != ws.CloseNormal {
			t.Errorf("at the end: %v", err)
		}
	})
}

// Messages of many writers arrive whole, each writer's in its order.
func TestConcurrentWritersNeverMix(t *testing.T) {
	runForms(t, func(t *testing.T, fm form, tr transport) {
		url, opts := tr.serve(t, fm.echo(t, nil))
		c := dial(t, url, opts)
		ctx := patient(t)
		const writers, each = 16, 50
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for i := range each {
					m := bytes.Repeat(fmt.Appendf(nil, "%d:%d|", w, i), 1+i*40)
					if i%2 == 0 {
						if err := c.Write(ctx, ws.Binary, m); err != nil {
							t.Error(err)
						}
						continue
					}
					wr, err := c.Writer(ctx, ws.Binary)
					if err != nil {
						t.Error(err)
						return
					}
					wr.Write(m)
					if err := wr.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		}
		next := make([]int, writers)
		for range writers * each {
			_, p, err := c.Read(ctx)
			if err != nil {
				t.Fatal(err)
			}
			var w, i int
			if _, err := fmt.Sscanf(string(p), "%d:%d|", &w, &i); err != nil {
				t.Fatalf("%.60q: %v", p, err)
			}
			if want := bytes.Repeat(fmt.Appendf(nil, "%d:%d|", w, i), 1+i*40); !bytes.Equal(p, want) || next[w] != i {
				t.Fatalf("writer %d's message %d, want %d; whole: %v", w, i, next[w], bytes.Equal(p, want))
			}
			next[w]++
		}
		all.Wait()
	})
}
