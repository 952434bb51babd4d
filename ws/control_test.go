package ws

import (
	"testing"
	"testing/synctest"
	"time"
)

// The answer to a ping is not lost when a large message of TrySend takes its place, time and again.
func TestLatePongWaitsForALargeMessage(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, p := wireOver(t, true, func(o *AcceptOptions) { o.QueueLimit = 1000 }, narrow)
		large, _ := AppendFrame(nil, Binary, make([]byte, 10_000))
		if n, err := c.TrySend([][]byte{large}); n != 1 || err != nil {
			t.Fatalf("TrySend: %d, %v", n, err)
		}
		c.CloseRead(t.Context())
		p.send(p.frame(opPing, true, "ping"))
		synctest.Wait()
		c.sendLate() // as if it had come behind another message
		p.expect(opBinary, true, string(make([]byte, 10_000)))
		p.expect(opPong, true, "ping")
	})
}
