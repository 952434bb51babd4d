//go:build !race

package netio

import (
	"context"
	"testing"
)

// An echoed message costs no allocation, also with a context that can be cancelled. (Under the race detector sync.Pool
// drops at random.)
func TestEchoAllocatesNothing(t *testing.T) {
	for _, tr := range transports() {
		if tr.wire != fast {
			continue
		}
		for _, form := range []string{"callback", "blocking"} {
			t.Run(tr.name+"/"+form, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				l := newLines()
				c, peer := tr.start(t, l, nil)
				l.c = c
				if form == "callback" {
					c.Serve()
				} else {
					l.blocking = true
					go func() {
						for {
							p, err := l.read(ctx)
							if err != nil || l.echo(p) != nil {
								return
							}
						}
					}()
				}
				f := frame(make([]byte, 64))
				back := make([]byte, len(f))
				if n := testing.AllocsPerRun(500, func() {
					peer.Write(f)
					mustReadFull(t, peer, back)
				}); n != 0 {
					t.Errorf("%v allocations a message", n)
				}
			})
		}
	}
}

func TestTrySendAllocatesNothing(t *testing.T) {
	for _, tr := range transports() {
		if tr.wire != fast {
			continue
		}
		t.Run(tr.name, func(t *testing.T) {
			l := newLines()
			c, peer := tr.start(t, l, nil)
			l.c = c
			frames := [][]byte{frame(make([]byte, 64)), frame(make([]byte, 64))}
			back := make([]byte, 2*68)
			if n := testing.AllocsPerRun(500, func() {
				c.TrySend(frames)
				mustReadFull(t, peer, back)
			}); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}
