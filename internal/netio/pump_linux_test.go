//go:build linux && (amd64 || arm64)

package netio

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
)

// What a Pump waits with is small, also where a beginning of a message is there: it lies in the smallest buffer, and the
// room for its rest is taken when that comes.
func TestPumpWaitsWithNoMoreThanWhatIsLeftOver(t *testing.T) {
	for _, tr := range transports() {
		if tr.wire == plain {
			continue
		}
		t.Run(tr.name, func(t *testing.T) {
			noLeaks(t)
			l := newLines()
			var looks atomic.Int32 // into the wire, after the first piece
			c, peer := tr.start(t, l, func(g *Config) {
				g.faults = func(call sysCall, p []byte) ([]byte, syscall.Errno) {
					if l.calls.Load() > 0 && call != callSend {
						looks.Add(1)
					}
					return p, 0
				}
			})
			l.c, l.blocking = c, true
			f := frame([]byte("in two pieces"))
			peer.Write(f[:9])
			ctx, cancel := context.WithCancel(t.Context())
			read := make(chan error, 1)
			go func() {
				_, err := l.read(ctx)
				read <- err
			}()
			eventually(t, "waits for the rest", func() bool { return looks.Load() > 0 })
			cancel()
			if err := get(t, "Pump", read); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			if n := len(c.in.b); n != waitSize {
				t.Errorf("%d bytes of memory for 9", n)
			}
			peer.Write(f[9:])
			if p, err := l.read(t.Context()); err != nil || string(p) != "in two pieces" {
				t.Errorf("%q, %v", p, err)
			}
		})
	}
}
