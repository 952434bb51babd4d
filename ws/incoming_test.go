package ws

import (
	"testing"

	"github.com/tidewire/tidewire/internal/testnet"
)

// However small the pieces are that a long message comes in, it is moved only as often as its memory grows by a part.
func TestLongMessageIsNotMovedForEachPiece(t *testing.T) {
	const size = 8 << 20
	for _, form := range []struct {
		name    string
		handled bool
	}{{"blocking", false}, {"callback", true}} {
		t.Run(form.name, func(t *testing.T) {
			for _, frame := range []int{size, 4000} { // payload of each
				near, far := testnet.Pipe()
				defer far.Close()
				cfg := (&AcceptOptions{MessageLimit: -1, FrameLimit: -1}).config()
				cfg.handled = form.handled
				c := newConn(near, true, "", nil, cfg)
				defer c.CloseNow()
				core, p := (*protocol)(c), &peer{t: t, client: true}
				moved := 0
				var at *byte
				buf := make([]byte, 1400)
				core.Data(p.header(opBinary, false, int64(frame)))
				for have := 0; have < size; {
					place := buf
					if room := core.Room(); len(room) >= 4<<10 { // as the core decides it
						place = room
					}
					n := min(len(buf), len(place), frame-have%frame)
					core.Data(place[:n])
					have += n
					if dst := c.msg.dst; len(dst) != have {
						t.Fatalf("%d bytes of %d", len(dst), have)
					} else if &dst[0] != at {
						moved, at = moved+have-n, &dst[0]
						if cap(dst) > 2*(have+maxAhead) {
							t.Fatalf("%d bytes for %d", cap(dst), have)
						}
					}
					if have%frame == 0 {
						core.Data(p.header(opContinuation, false, int64(frame)))
					}
				}
				if moved > 8*size {
					t.Errorf("frames of %d: moved %d bytes for a message of %d", frame, moved, size)
				}
			}
		})
	}
}
