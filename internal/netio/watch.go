package netio

import "context"

// watch ends a Pump's wait when its context ends. It outlives the Pump: a caller that comes again with the same
// context finds it armed, so a loop of Pumps allocates nothing. It hits only Pumps that it is for, because the reader that
// it throws out of the wire asks its own watch, in admit, whether it has fired: a context that ends late throws out somebody
// who goes straight back.
type watch struct {
	c      *Conn
	done   <-chan struct{}
	cancel func() bool // of context.AfterFunc

	fired bool // guarded by c.mu
}

// watchFor arms a watch for ctx. The caller has the reader role.
func (c *Conn) watchFor(ctx context.Context) {
	done := ctx.Done()
	if c.watch != nil {
		if c.watch.done == done {
			return
		}
		c.watch.stop()
		c.watch = nil
	}
	if done != nil {
		w := &watch{c: c, done: done}
		w.cancel = context.AfterFunc(ctx, w.fire)
		c.watch = w
	}
}

func (w *watch) fire() {
	c := w.c
	c.mu.Lock()
	defer c.mu.Unlock()
	w.fired = true
	c.attention.Store(true)
	c.poke()
}

func (w *watch) stop() { w.cancel() }
