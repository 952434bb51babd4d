package hub

import (
	"sync"
	"time"
)

// inlineWakes is how many sleeping readers a publisher wakes itself. More are
// left to the dispatcher, so that publishing costs the same whoever sleeps.
const inlineWakes = 8

// A topic is a log and those who follow it.
type topic struct {
	// Immutable.
	hub  *Hub
	name string
	kind Kind

	// mu is held for a few steps in memory at a time, never across user code,
	// I/O or a wait. Lock order: Hub.mu, topic.mu, cursor.mu.
	mu sync.Mutex

	// Guarded by mu.
	log     memlog
	subs    int
	dead    bool // reclaimed: whoever still holds the pointer looks it up again
	waiters []*cursor
	waitGen uint64 // which list of waiters a cursor's index belongs to
}

func newTopic(h *Hub, name string, cfg TopicConfig, epoch uint64) *topic {
	t := &topic{hub: h, name: name, kind: cfg.Kind, log: memlog{cfg: cfg, total: &h.total, epoch: epoch}}
	if cfg.Kind != Log {
		t.log.table = newTable()
	}
	return t
}

// append commits a write and wakes whom it concerns.
func (t *topic) append(w *write) (Position, error) {
	t.mu.Lock()
	if t.dead {
		t.mu.Unlock()
		return Position{}, errDead
	}
	if t.hub.closed.Load() {
		t.mu.Unlock()
		return Position{}, ErrClosed
	}
	pos, appended, err := t.log.commit(t.name, w, time.Now(), t.subs > 0)
	var wake []*cursor
	if appended {
		wake = t.takeWaiters()
	}
	idle := t.idle()
	ages := t.log.ages()
	t.mu.Unlock()

	t.hub.dispatcher.wake(wake)
	if idle {
		t.hub.reclaim(t)
	} else if ages {
		t.hub.janitor.arm()
	}
	if t.kind == Ephemeral {
		pos = Position{}
	}
	return pos, err
}

// join makes c a subscription of the topic.
func (t *topic) join(c *cursor, from From) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dead {
		return errDead
	}
	if t.hub.closed.Load() {
		return ErrClosed
	}
	t.log.trim(time.Now())
	t.subs++
	c.t = t
	c.start(from)
	return nil
}

// epoch is that of the topic's positions, 0 if it has none.
func (t *topic) epoch() uint64 {
	if t.kind == Ephemeral {
		return 0
	}
	return t.log.epoch // never changes
}

// idle reports whether nothing keeps the topic. Called with mu held.
func (t *topic) idle() bool { return t.subs == 0 && t.log.empty() }

// takeWaiters wakes the sleeping readers if they are few; else it hands the
// list out, which costs the same however long it is. Called with mu held.
func (t *topic) takeWaiters() []*cursor {
	if len(t.waiters) > inlineWakes {
		list := t.waiters
		t.waiters = nil
		t.waitGen++
		return list
	}
	for i, c := range t.waiters {
		c.signal()
		t.waiters[i] = nil
	}
	t.waiters = t.waiters[:0]
	t.waitGen++
	return nil
}

// await puts c on the list of those to wake. Called with mu held.
func (t *topic) await(c *cursor) {
	if c.waiting && c.waitGen == t.waitGen {
		return
	}
	c.waiting, c.waitGen, c.waitIdx = true, t.waitGen, len(t.waiters)
	t.waiters = append(t.waiters, c)
}

// unawait takes c off the list. If the dispatcher has the list by now, c is
// woken once for nothing. Called with mu held.
func (t *topic) unawait(c *cursor) {
	if !c.waiting || c.waitGen != t.waitGen {
		return
	}
	last := len(t.waiters) - 1
	moved := t.waiters[last]
	t.waiters[c.waitIdx] = moved
	moved.waitIdx = c.waitIdx
	t.waiters[last] = nil
	t.waiters = t.waiters[:last]
	c.waiting = false
}

// leave ends a subscription's claim on the topic.
func (t *topic) leave(c *cursor) {
	t.mu.Lock()
	t.unawait(c)
	if c.view != nil {
		t.log.table.release(c.view)
		c.view = nil
	}
	t.subs--
	if t.subs == 0 && t.kind == Ephemeral {
		t.log.clearRing()
	}
	idle := t.idle()
	t.mu.Unlock()
	if idle {
		t.hub.reclaim(t)
	}
}

// sweep drops what is too old and reports whether the topic has more to come
// and whether anything keeps it.
func (t *topic) sweep(now time.Time) (ages, idle bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dead {
		return false, false
	}
	t.log.trim(now)
	return t.log.ages(), t.idle()
}

// info describes the topic.
func (t *topic) info() TopicInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := TopicInfo{
		Name: t.name, Kind: t.kind, Subscribers: t.subs,
		Events: t.log.ring.n, Bytes: t.log.bytes(),
	}
	if t.kind != Ephemeral {
		i.Head = t.log.head()
	}
	if t.log.table != nil {
		i.Keys = t.log.table.live
	}
	return i
}
