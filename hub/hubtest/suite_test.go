package hubtest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/hub"
)

// inBubbles is Run with each case in a bubble of its own.
func inBubbles(t *testing.T, setup func(t T) *Setup) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if s := setup(t); c.Runs(s) {
					c.Run(t, s)
				} else {
					t.Logf("not run")
				}
			})
		})
	}
}

func memorySetup(t T) *Setup {
	m := hub.NewMemory(nil)
	t.Cleanup(func() { m.Close() })
	return &Setup{Open: func() hub.Broker { return m }, TTL: 200 * time.Millisecond}
}

// The memory broker passes, on the real clock too.
func TestMemory(t *testing.T) {
	t.Run("bubble", func(t *testing.T) { inBubbles(t, memorySetup) })
	t.Run("clock", func(t *testing.T) { Run(t, memorySetup) })
}

func remoteSetup(delay time.Duration) func(t T) *Setup {
	return func(t T) *Setup {
		s := NewStore(1, delay)
		t.Cleanup(s.Close)
		return &Setup{
			Open:      func() hub.Broker { return s.Node() },
			TTL:       200 * time.Millisecond,
			Interrupt: s.Interrupt, LoseTail: s.LoseTail, Restart: s.Restart,
		}
	}
}

// So does the one behind a bad network, whatever is done to it.
func TestRemote(t *testing.T) {
	t.Run("bubble", func(t *testing.T) { inBubbles(t, remoteSetup(20*time.Millisecond)) })
	t.Run("clock", func(t *testing.T) { Run(t, remoteSetup(100*time.Microsecond)) })
}
