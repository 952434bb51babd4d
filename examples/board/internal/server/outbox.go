package server

import (
	"context"
	"sync"
)

// maxQueuedBytes bounds what waits in an outbox, beside Options.Queue.
const maxQueuedBytes = 1 << 20

// An outbox holds what a connection's writer has to say beside the board's
// operations: answers, people, heartbeats, the goodbye. It is bounded; whoever
// finds it full ends the connection, which was too slow to be told.
type outbox struct {
	max int // immutable

	// Guarded by mu; never held across I/O.
	mu     sync.Mutex
	queue  []letter
	bytes  int
	wake   context.CancelFunc // of the writer that waits for something to write
	closed bool
}

// A letter is a message and when it may go: the echo of the client's own
// operation of number after must have gone before. An acknowledgement that
// overtook the echoes of earlier operations would make the client drop them
// from what it shows before it has their effect.
type letter struct {
	data  []byte
	after uint64
	sent  chan struct{} // if not nil, closed by the writer when it has been written
}

// put queues a letter; false means that there is no room.
func (o *outbox) put(l letter) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return true // nobody is left to be told
	}
	if len(o.queue) >= o.max || o.bytes+len(l.data) > maxQueuedBytes && len(o.queue) > 0 {
		return false
	}
	o.queue = append(o.queue, l)
	o.bytes += len(l.data)
	if o.wake != nil {
		o.wake()
		o.wake = nil
	}
	return true
}

// take removes and returns the first letters that may go now. If there are
// none, wake will be called when one arrives.
func (o *outbox) take(echoed uint64, wake context.CancelFunc) []letter {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for n < len(o.queue) && o.queue[n].after <= echoed {
		o.bytes -= len(o.queue[n].data)
		n++
	}
	if n == 0 {
		o.wake = wake
		return nil
	}
	out := o.queue[:n:n]
	o.queue = append([]letter(nil), o.queue[n:]...)
	return out
}

func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.queue, o.wake = nil, nil
}
