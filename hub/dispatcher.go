package hub

import "sync"

// A dispatcher wakes sleeping readers so that publishers need not. Its
// goroutine starts with the first list and ends when there are no more; close
// waits for it.
//
// The queue is bounded by the subscriptions: each stands on one list at most,
// and no list is empty.
type dispatcher struct {
	wg sync.WaitGroup

	// Guarded by mu.
	mu      sync.Mutex
	queue   [][]*cursor
	running bool
	closed  bool
}

func (d *dispatcher) wake(list []*cursor) {
	if len(list) == 0 {
		return
	}
	d.mu.Lock()
	closed := d.closed
	if !closed {
		d.queue = append(d.queue, list)
		if !d.running {
			d.running = true
			d.wg.Go(d.run)
		}
	}
	d.mu.Unlock()
	if closed {
		signalAll(list)
	}
}

func (d *dispatcher) run() {
	for {
		d.mu.Lock()
		queue := d.queue
		d.queue = nil
		d.running = len(queue) > 0
		d.mu.Unlock()
		if len(queue) == 0 {
			return
		}
		for _, list := range queue {
			signalAll(list)
		}
	}
}

func (d *dispatcher) close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.wg.Wait()
}

func signalAll(list []*cursor) {
	for _, c := range list {
		c.signal()
	}
}
