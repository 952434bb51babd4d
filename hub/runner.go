package hub

import "sync"

// A runner starts the hub's goroutines, and waits for them.
type runner struct {
	wg sync.WaitGroup

	// Guarded by mu.
	mu     sync.Mutex
	closed bool
}

// run starts f as a goroutine, unless the runner is closed.
func (r *runner) run(f func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.wg.Go(f)
	return true
}

// close waits for all that runs. f must know by then that it is to end.
func (r *runner) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.wg.Wait()
}
