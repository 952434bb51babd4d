package netio

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	wheelTick  = 100 * time.Millisecond
	wheelSlots = 512 // a turn takes 51 s; an alarm that is further off stays where it is for another
)

// wheel is a ring of slots, each a ring of the connections whose alarms fall due at its tick. Setting, moving and firing
// an alarm are a few pointer writes under one lock.
type wheel struct {
	stop chan struct{} // closed by the last user

	mu    *sync.Mutex // turning's
	now   uint32      // ticks since the start; wraps
	slots [wheelSlots]*Conn
}

// turning is shared by all connections that have ever had an alarm on the wheel and not yet ended. Its lock comes after
// Conn.mu.
var turning struct {
	mu    sync.Mutex
	users int
	w     *wheel
}

// start is what Now counts from.
var start = time.Now()

// Now is a time by the monotonic clock, above 0 also in a testing/synctest bubble, where it is the year 2000. It takes a third
// of a Time's memory.
func Now() time.Duration { return time.Since(start) + 100*365*24*time.Hour }

// lately is the Now of the wheel's last tick.
var lately atomic.Int64

// Recently is Now for the price of a load from memory, for a connection that is [Conn.OnWheel]. It is up to a tenth of a second
// ahead, and behind only as far as the wheel is late.
func Recently() time.Duration { return time.Duration(lately.Load()) + wheelTick }

// OnWheel reports whether an alarm of the connection's has been put on the wheel, which turns from then on until it ends.
func (c *Conn) OnWheel() bool {
	turning.mu.Lock()
	defer turning.mu.Unlock()
	return c.onWheel
}

// setOnWheel puts c's alarm d away from now.
func setOnWheel(c *Conn, d time.Duration) {
	turning.mu.Lock()
	defer turning.mu.Unlock()
	if !c.onWheel {
		c.onWheel = true
		turning.users++
		if turning.users == 1 {
			turning.w = &wheel{stop: make(chan struct{}), mu: &turning.mu}
			lately.Store(int64(Now()))
			go turning.w.run()
		}
	}
	w := turning.w
	w.remove(c)
	c.due = w.now + 1 + uint32((d+wheelTick-1)/wheelTick) // the tick under way does not count
	w.insert(c)
}

// takeOffWheel undoes setOnWheel. If c leaves for good, it does not use the wheel any more.
func takeOffWheel(c *Conn, leaves bool) {
	turning.mu.Lock()
	defer turning.mu.Unlock()
	if !c.onWheel {
		return
	}
	turning.w.remove(c)
	if leaves {
		c.onWheel = false
		turning.users--
		if turning.users == 0 {
			close(turning.w.stop)
			turning.w = nil
		}
	}
}

func (w *wheel) insert(c *Conn) {
	first := &w.slots[c.due%wheelSlots]
	if *first == nil {
		*first = c
		c.alarm.next, c.alarm.prev = c, c
	} else {
		n := *first
		p := n.alarm.prev
		c.alarm.next, c.alarm.prev = n, p
		p.alarm.next, n.alarm.prev = c, c
	}
}

func (w *wheel) remove(c *Conn) {
	n, p := c.alarm.next, c.alarm.prev
	if n == nil {
		return
	}
	if first := &w.slots[c.due%wheelSlots]; *first == c {
		if *first = n; n == c {
			*first = nil
		}
	}
	p.alarm.next, n.alarm.prev = n, p
	c.alarm.next, c.alarm.prev = nil, nil
}

// run turns the wheel. It ends with the last user. Alarms are rung without the lock.
func (w *wheel) run() {
	began := time.Now()
	t := time.NewTicker(wheelTick)
	defer t.Stop()
	var due []*Conn
	for {
		select {
		case <-w.stop:
			return
		case <-t.C:
		}
		lately.Store(int64(Now()))
		due = w.advance(uint32(time.Since(began)/wheelTick), due)
		for i, c := range due {
			due[i] = nil
			c.ring()
		}
		due = due[:0]
	}
}

// advance turns to the tick to, which may be several away, and takes off what is due.
func (w *wheel) advance(to uint32, due []*Conn) []*Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.now != to {
		w.now++
		c := w.slots[w.now%wheelSlots]
		for c != nil {
			next := c.alarm.next
			if next == w.slots[w.now%wheelSlots] {
				next = nil
			}
			if int32(c.due-w.now) <= 0 {
				w.remove(c)
				due = append(due, c)
			}
			c = next
		}
	}
	return due
}
