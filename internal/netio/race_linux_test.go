//go:build linux && (amd64 || arm64)

package netio

import "testing"

// A program may order its memory by the bytes that it sends, and the race detector must know.
func TestBytesOrderMemory(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		l := newLines()
		var there, back int
		l.onMessage = func(p []byte) Next {
			if there != 1 {
				t.Error("the message came before what its sender did before")
			}
			back = 1
			l.echo(p)
			return More
		}
		c, peer := tr.start(t, l, nil)
		l.c = c
		c.Serve()
		f := frame([]byte("x"))
		there = 1
		peer.Write(f)
		mustReadFull(t, peer, make([]byte, len(f)))
		if back != 1 {
			t.Error("the answer came before what its sender did before")
		}
	})
}
