package hub

import (
	"context"
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
	link *link // to the broker; nil: the log is in memory

	// mu is held for a few steps in memory at a time, never across user code,
	// I/O or a wait. Lock order: Hub.mu, topic.mu, then cursor.mu or lease.mu.
	mu sync.Mutex

	// Guarded by mu.
	log     memlog
	breaks  breaks
	members []*cursor // the subscriptions, each knows its index
	dead    bool      // reclaimed: whoever still holds the pointer looks it up again
	waiters []*cursor
	waitGen uint64  // which list of waiters a cursor's index belongs to
	drain   bool    // nobody reads beyond the end
	end     uint64  // if drain
	lanes   []*lane // one for each shard with followers
	passed  uint64  // by all lanes: frames up to here are gone
}

func newTopic(h *Hub, name string, cfg TopicConfig, epoch uint64) *topic {
	t := &topic{hub: h, name: name, kind: cfg.Kind}
	t.log.replica = replica{cfg: cfg, total: &h.total, epoch: epoch}
	if cfg.Kind != Log {
		t.log.table = newTable()
		t.log.table.total = &h.total
	}
	return t
}

// append commits a write to a log in memory and wakes whom it concerns.
func (t *topic) append(w *Write) (Position, error) {
	l := t.hub.leases.get(w.Owner)
	t.mu.Lock()
	if t.dead {
		t.mu.Unlock()
		return Position{}, errDead
	}
	if t.hub.closed.Load() {
		t.mu.Unlock()
		return Position{}, ErrClosed
	}
	pos, appended, err := t.log.commit(t, l, w, time.Now(), len(t.members) > 0, false)
	t.log.leased.settle(t, l) // the write was refused, or a Delete
	var wake []*cursor
	if appended {
		t.hub.stats.published.Add(1)
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

// expire ends some keys of a lease that is over and reports whether there are
// more.
func (t *topic) expire(l *lease) (more bool) {
	t.mu.Lock()
	if t.dead || t.hub.closed.Load() {
		t.mu.Unlock()
		return false
	}
	n := 0
	now := time.Now()
	for key := range t.log.leased.keys[l] {
		if n++; n > expireBatch {
			more = true
			break
		}
		t.hub.stats.published.Add(1)
		t.log.commit(t, nil, &Write{Op: OpDelete, Key: key}, now, false, true)
	}
	wake := t.takeWaiters()
	idle := t.idle()
	ages := t.log.ages()
	t.mu.Unlock()
	t.hub.dispatcher.wake(wake)
	if idle {
		t.hub.reclaim(t)
	} else if ages {
		t.hub.janitor.arm()
	}
	return more
}

// join makes c a subscription of the topic.
func (t *topic) join(c *cursor, from From) error {
	return t.admit(func() {
		t.enter(c)
		c.start(from)
	})
}

// admit runs f with mu held, the log ready for a new subscription, unless there
// may be none; then it leaves nothing behind.
func (t *topic) admit(f func()) error {
	t.mu.Lock()
	if t.dead {
		t.mu.Unlock()
		return errDead
	}
	if err := t.hub.refusal(); err != nil {
		t.mu.Unlock()
		t.hub.reclaim(t)
		return err
	}
	defer t.mu.Unlock()
	t.log.trim(time.Now())
	f()
	return nil
}

// enter puts c on the list of members, leaves takes it off. Called with mu held.
func (t *topic) enter(c *cursor) {
	c.t = t
	c.branch = t.breaks.n
	c.index = len(t.members)
	t.members = append(t.members, c)
	t.hub.subs.Add(1)
}

func (t *topic) leaves(c *cursor) {
	if t.hub.subs.Add(-1) == 0 {
		t.hub.empty()
	}
	last := len(t.members) - 1
	t.members[c.index] = t.members[last]
	t.members[c.index].index = c.index
	t.members[last] = nil
	t.members = t.members[:last]
	if 4*len(t.members) < cap(t.members) && cap(t.members) > 64 {
		t.members = append(make([]*cursor, 0, 2*len(t.members)), t.members...)
	}
}

// idle reports whether nothing keeps the topic. Called with mu held.
func (t *topic) idle() bool {
	if t.link != nil {
		return false // it lingers, see link.rest
	}
	return len(t.members) == 0 && t.log.empty()
}

// takeWaiters tells the lanes that there is something new and wakes the sleeping readers if they are few; else it hands the
// list out, which costs the same however long it is. Called with mu held.
func (t *topic) takeWaiters() []*cursor {
	for _, ln := range t.lanes {
		ln.s.push(ln)
	}
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
	c.gone = true
	if c.push != nil {
		t.unlane(c.push.lane)
	}
	if c.view != nil {
		t.log.table.release(c.view)
		c.view = nil
	}
	t.leaves(c)
	if len(t.members) == 0 && t.kind == Ephemeral {
		t.log.clearRing()
	}
	idle := t.idle()
	if t.link != nil {
		t.link.rest()
	}
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
		Name: t.name, Kind: t.kind, Subscribers: len(t.members),
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

// get returns the value of a key, nil if there is none.
func (t *topic) get(key string) *entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log.trim(time.Now())
	return t.log.table.get(key)
}

// table returns a view of the table that does not expire, and its position.
func (t *topic) table() (fixed, Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log.trim(time.Now())
	look := t.log.table.look(t.log.top)
	v := fixed{look.chunks, look.n}
	if t.kind == Ephemeral {
		return v, Position{}
	}
	return v, t.log.head()
}

// head is the position of the newest event, zero on ephemeral topics.
func (t *topic) head() Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kind == Ephemeral {
		return Position{}
	}
	return t.log.head()
}

// hold keeps the topic and waits until it can be read from after pos, zero for
// anywhere, if it has a broker; release lets go. errDead means to look it up again.
func (t *topic) hold(ctx context.Context, pos Position) error {
	if t.link == nil {
		return nil
	}
	return t.link.hold(ctx, pos)
}

func (t *topic) release() {
	if t.link != nil {
		t.link.release()
	}
}
