//go:build !race

package netio

import "testing"

func TestTrySendFramedAllocatesNothing(t *testing.T) {
	for _, tr := range transports() {
		if tr.wire != fast {
			continue
		}
		t.Run(tr.name, func(t *testing.T) {
			l := newLines()
			c, peer := tr.start(t, l, nil)
			l.c = c
			frames := [][]byte{frame(make([]byte, 64)), frame(make([]byte, 64))}
			back := make([]byte, 2*(68+len("44\r\n\r\n")))
			if n := testing.AllocsPerRun(500, func() {
				c.TrySendFramed(chunked, frames)
				mustReadFull(t, peer, back)
			}); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}
