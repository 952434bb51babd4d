package ws

import (
	"context"
	"sync"
	"time"
)

// watch is the one owner of what may break into a blocked operation: the operation's context, the keepalive's
// verdict, a forced close. There are two in a connection, one for reading and one for writing.
//
// A context stays registered from one operation to the next, so that a loop of reads with one context registers it
// once. That makes its callback late by nature: it may run when its operation is over and another, with another
// context, is under way. So each registration has a number, and the callback of any but the current one does nothing;
// and what was done to an operation (an expired deadline) is undone when that operation ends, under the same lock.
type watch struct {
	// Immutable. Exactly one is set. expire moves a deadline and is called with mu held; kill is called without.
	expire func(time.Time) error
	kill   func()

	mu      sync.Mutex // never held across I/O
	active  bool       // an operation is under way
	broken  breach     // what broke into it
	latch   bool       // the verdict came between two operations: it is for the next
	expired bool       // the deadline stands in the past
	closed  bool       // no context is registered any more
	done    <-chan struct{}
	stop    func() bool // unregisters the context of done
	number  uint64      // of the registration
}

// breach says what broke into an operation.
type breach uint8

const (
	unbroken  breach = iota
	byContext        // its context ended
	byVerdict        // interrupt was called
)

var longAgo = time.Unix(1, 0)

// begin starts an operation. When it does not return unbroken, there is none, and end must not be called.
func (w *watch) begin(ctx context.Context) breach {
	done := ctx.Done()
	w.mu.Lock()
	if done != w.done && !w.closed {
		w.register(ctx, done)
	}
	if w.latch {
		w.latch = false
		w.mu.Unlock()
		return byVerdict
	}
	w.active, w.broken = true, unbroken
	w.mu.Unlock()
	// If the context ended before active was set, its callback found nothing to do.
	if done != nil && ctx.Err() != nil {
		w.end()
		return byContext
	}
	return unbroken
}

// register is called with mu held, and gives it up for the time that it calls into the context.
func (w *watch) register(ctx context.Context, done <-chan struct{}) {
	old := w.stop
	w.number++
	number := w.number
	w.done, w.stop = done, nil
	w.mu.Unlock()
	if old != nil {
		old()
	}
	var stop func() bool
	if done != nil {
		stop = context.AfterFunc(ctx, func() { w.contextEnded(number) })
	}
	w.mu.Lock()
	if !w.closed {
		w.stop = stop
		return
	}
	if stop != nil {
		w.mu.Unlock()
		stop()
		w.mu.Lock()
	}
}

func (w *watch) contextEnded(number uint64) {
	w.mu.Lock()
	hit := w.active && w.number == number && w.broken == unbroken
	if hit {
		w.breakIn(byContext)
	}
	w.mu.Unlock()
	if hit && w.kill != nil {
		w.kill()
	}
}

// breakIn is called with mu held.
func (w *watch) breakIn(b breach) {
	w.broken = b
	if w.expire != nil {
		w.expired = true
		_ = w.expire(longAgo) // fails only on a stream that is closed, which ends the operation too
	}
}

// interrupt breaks into the operation under way, or else into the next one. Only for watches with expire.
func (w *watch) interrupt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.active {
		w.latch = true
	} else if w.broken == unbroken {
		w.breakIn(byVerdict)
	}
}

// end ends the operation and says what broke into it.
func (w *watch) end() breach {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.active = false
	if w.expired {
		w.expired = false
		_ = w.expire(time.Time{}) // as above
	}
	return w.broken
}

// close lets go of the context. Operations may still begin and end.
func (w *watch) close() {
	w.mu.Lock()
	stop := w.stop
	w.closed, w.stop, w.done = true, nil, nil
	w.mu.Unlock()
	if stop != nil {
		stop()
	}
}
