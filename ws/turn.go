package ws

import "context"

// turnstile keeps order among those who use one side of a connection. Either one is inside alone, or several at once who
// don't mind one another; who has to wait is let in in the order of coming. Guarded by Conn.mu, which is never held
// while somebody is inside.
//
// Of readers each is alone. Of writers, those of whole messages don't mind one another, because the network's side
// keeps each frame in one piece, and one that streams a message is alone.
type turnstile struct {
	inside int32 // how many; -1: one who is alone
	told   int32 // how many of those who wait are only to be told
	last   *turn // of a ring of those who wait; nil if nobody does
}

// maxTold bounds told. One more has the first told early.
const maxTold = 64

// turn is the wait of one.
type turn struct {
	next   *turn // that of the last is the first
	alone  bool
	ready  chan struct{} // closed when let in
	notify func()        // if not nil, called once it would be let in; it does not go in
}

// enter goes in if nobody has to be waited for.
func (t *turnstile) enter(alone bool) bool {
	switch {
	case t.last != nil, t.inside < 0, alone && t.inside > 0:
		return false
	case alone:
		t.inside = -1
	default:
		t.inside++
	}
	return true
}

func (t *turnstile) wait(w *turn) {
	if t.last == nil {
		w.next = w
	} else {
		w.next, t.last.next = t.last.next, w
	}
	t.last = w
}

// tell calls f, on a goroutine of its own, when it would be let in beside others.
func (t *turnstile) tell(f func()) {
	if t.told == maxTold {
		t.tellFirst()
	}
	t.told++
	t.wait(&turn{notify: f})
}

// tellFirst calls the first of those who are only to be told, and reports whether there was one.
func (t *turnstile) tellFirst() bool {
	if t.told == 0 {
		return false
	}
	before := t.last
	for before.next.notify == nil {
		before = before.next
	}
	t.told--
	go before.next.notify()
	t.drop(before)
	return true
}

// leave is called by who is inside.
func (t *turnstile) leave() {
	if t.inside < 0 {
		t.inside = 0
	} else {
		t.inside--
	}
	t.letIn()
}

func (t *turnstile) letIn() {
	for t.last != nil && t.inside >= 0 {
		w := t.last.next
		if w.notify == nil && w.alone && t.inside > 0 {
			return
		}
		t.drop(t.last)
		switch {
		case w.notify != nil:
			t.told--
			go w.notify()
			continue
		case w.alone:
			t.inside = -1
		default:
			t.inside++
		}
		close(w.ready)
	}
}

// remove takes back a wait. It reports false if that one has been let in.
func (t *turnstile) remove(w *turn) bool {
	for before := t.last; before != nil; before = before.next {
		if before.next == w {
			t.drop(before)
			t.letIn() // it may have stood in somebody's way
			return true
		}
		if before.next == t.last {
			break
		}
	}
	return false
}

// drop takes the one behind before out of the ring.
func (t *turnstile) drop(before *turn) {
	w := before.next
	before.next = w.next
	switch {
	case w == before:
		t.last = nil
	case w == t.last:
		t.last = before
	}
}

// queueUp waits for a turn, as long as ctx and the connection last. The connection's error goes before the context's.
// c.mu is held, and released.
func (c *Conn) queueUp(ctx context.Context, t *turnstile, alone bool, op string) error {
	w := &turn{alone: alone, ready: make(chan struct{})}
	t.wait(w)
	done := c.doneLocked()
	c.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	case <-done:
	}
	c.mu.Lock()
	if !t.remove(w) {
		t.leave()
	}
	err := c.why()
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return contextError(ctx, op)
}

// lock is a mutex that synctest bubbles can wait for. The holder has put a token in.
type lock chan struct{}

func newLock() lock { return make(lock, 1) }

func (l lock) lock()   { l <- struct{}{} }
func (l lock) unlock() { <-l }
