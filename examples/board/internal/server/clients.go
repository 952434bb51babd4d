package server

import (
	"container/list"
	"time"
)

// maxRejects is how many refused operations of a client are remembered. Beyond
// it a repetition is answered with a plain ack, on which the client drops the
// operation just the same.
const maxRejects = 128

// A client is what a board knows of one page load that has sent operations.
// Guarded by the board's mu.
type client struct {
	id      string
	acked   uint64 // the last operation that was dealt with
	effect  uint64 // the last one that had an effect, and so an echo
	rejects []rejected
	seen    time.Time
	place   *list.Element // in the table; nil while it has sent nothing
}

type rejected struct {
	seq      uint64
	code, id string
}

func (c *client) reject(r rejected) {
	if len(c.rejects) == maxRejects {
		c.rejects = append(c.rejects[:0], c.rejects[1:]...)
	}
	c.rejects = append(c.rejects, r)
}

// rejected returns how the operation of that number was refused, if it was.
func (c *client) rejected(seq uint64) (rejected, bool) {
	for _, r := range c.rejects {
		if r.seq == seq {
			return r, true
		}
	}
	return rejected{}, false
}

// A clientTable remembers clients, so that what they send twice takes effect
// once: the newest max of them, and none that was silent for longer than age.
// A client that never sent anything needs no memory.
type clientTable struct {
	max   int
	age   time.Duration
	byID  map[string]*client
	order list.List // of *client, the longest silent first
}

// find returns a client, a new one if it is not known.
func (t *clientTable) find(id string) (c *client, known bool) {
	if c, ok := t.byID[id]; ok {
		return c, true
	}
	return &client{id: id}, false
}

// touch notes that the client has sent something.
func (t *clientTable) touch(c *client, now time.Time) {
	c.seen = now
	if c.place != nil {
		t.order.MoveToBack(c.place)
		return
	}
	if t.byID == nil {
		t.byID = make(map[string]*client)
	}
	t.byID[c.id] = c
	c.place = t.order.PushBack(c)
	for t.order.Len() > t.max {
		t.forget(t.order.Front())
	}
}

// expire forgets those who were silent for too long.
func (t *clientTable) expire(now time.Time) {
	for e := t.order.Front(); e != nil && now.Sub(e.Value.(*client).seen) > t.age; e = t.order.Front() {
		t.forget(e)
	}
}

func (t *clientTable) forget(e *list.Element) {
	c := t.order.Remove(e).(*client)
	c.place = nil
	delete(t.byID, c.id)
}

func (t *clientTable) len() int { return t.order.Len() }
