package hub

import (
	"sync"
	"sync/atomic"
	"time"
)

// sweepInterval is how long something may stay in memory past its age when
// nobody reads or writes its topic. Readers never see what is too old.
const sweepInterval = 30 * time.Second

// A janitor sweeps the hub's topics while one of them retains something that
// has a time to go. It is a timer, not a goroutine, and stops when there is
// nothing to wait for.
type janitor struct {
	sweep func() (again bool)
	armed atomic.Bool
	busy  sync.WaitGroup // a sweep under way

	// Guarded by mu.
	mu     sync.Mutex
	timer  *time.Timer
	closed bool
}

// arm sees to it that a sweep will come.
func (j *janitor) arm() {
	if j.armed.Load() || !j.armed.CompareAndSwap(false, true) {
		return
	}
	j.schedule()
}

func (j *janitor) schedule() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.closed {
		j.timer = time.AfterFunc(sweepInterval, j.run)
	}
}

func (j *janitor) run() {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return
	}
	j.busy.Add(1)
	j.mu.Unlock()
	defer j.busy.Done()

	// Disarmed before the sweep: whatever is written during it arms again.
	j.armed.Store(false)
	if j.sweep() {
		j.arm()
	}
}

func (j *janitor) close() {
	j.mu.Lock()
	j.closed = true
	if j.timer != nil {
		j.timer.Stop()
	}
	j.mu.Unlock()
	j.busy.Wait()
}
