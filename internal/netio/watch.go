package netio

import (
	"context"
	"time"
)

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
	c.flags.Or(flagAttention)
	c.poke()
}

func (w *watch) stop() { w.cancel() }

// writeWatch is the same for a Write that waits for the wire. It outlives the Write, too, and hits only the one that it is
// for: active is set while that one has the writer role.
type writeWatch struct {
	c      *Conn
	done   <-chan struct{}
	cancel func() bool // of context.AfterFunc

	fired, active bool // guarded by c.mu
}

// watchWrite begins to watch for ctx; nil if it can't end. The caller has the writer role.
func (c *Conn) watchWrite(ctx context.Context) *writeWatch {
	done := ctx.Done()
	if done == nil {
		return nil
	}
	c.mu.Lock()
	var w, old *writeWatch
	if c.slow != nil {
		old = c.slow.writing
	}
	if old != nil && old.done == done {
		w = old
	}
	c.mu.Unlock()
	if w == nil {
		if old != nil {
			old.cancel()
		}
		w = &writeWatch{c: c, done: done}
		w.cancel = context.AfterFunc(ctx, w.fire)
	}
	c.mu.Lock()
	w.active = true
	if w.fired {
		c.stopWriting()
	}
	keep := c.life != closed
	if keep {
		c.slowly().writing = w
	}
	c.mu.Unlock()
	if !keep {
		w.cancel()
	}
	return w
}

func (w *writeWatch) fire() {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	w.fired = true
	if w.active {
		w.c.stopWriting()
	}
}

// endWatch is called by the same caller, who still has the role.
func (c *Conn) endWatch(w *writeWatch) {
	if w == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	w.active = false
	if c.writeStop {
		c.writeStop = false
		_ = c.nc.SetWriteDeadline(time.Time{})
	}
}

// stopWriting throws the holder of the writer role out of the wire. c.mu is held.
func (c *Conn) stopWriting() {
	c.writeStop = true
	_ = c.nc.SetWriteDeadline(longAgo) // see poke
}
