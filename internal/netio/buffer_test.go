package netio

import "testing"

// A long queue of short messages is not copied for each of them, also where it is longer than what is pooled.
func TestBufferGrowsInSteps(t *testing.T) {
	const size = 8 << 20
	var b *buffer
	var at *byte
	moves := 0
	piece := make([]byte, 100)
	for b == nil || b.len() < size {
		if b = appended(b, piece[:2], piece[2:]); &b.b[0] != at {
			moves, at = moves+1, &b.b[0]
		}
		if len(b.b) > max(4*b.len(), 2<<10) {
			t.Fatalf("%d bytes for %d", len(b.b), b.len())
		}
	}
	if moves > 20 {
		t.Errorf("moved %d times", moves)
	}
}
