package hub

import (
	"math/rand/v2"
	"time"
)

// A memlog is the log of one topic in memory: it assigns the positions and
// decides conditions, all in one step under the topic's lock, which guards it.
// What readers see is its replica, so that nothing is copied.
type memlog struct {
	replica
	idem   idemWindow
	leased leasedKeys
}

// empty reports whether nothing is retained.
func (l *memlog) empty() bool {
	return l.ring.n == 0 && (l.table == nil || l.table.live == 0) && l.idem.len() == 0
}

// ages reports whether something retained has a time to go.
func (l *memlog) ages() bool {
	return l.cfg.MaxAge != unlimited && (l.ring.n > 0 || l.cfg.Kind == Ephemeral && l.table.live > 0) || l.idem.len() > 0
}

// trim drops what is too old.
func (l *memlog) trim(now time.Time) {
	if l.idem.len() > 0 {
		l.idem.trim(now, l.cfg.IdempotencyWindow)
	}
	l.replica.trim(now)
}

// commit appends a write to the log of a topic, for an owner's lease if it has
// one, or says why not and changes nothing. An ephemeral log puts it in the ring
// only if it is followed. A write by a lease that has expired can't be refused. (The
// parameters are not gathered in a struct: the compiler would take w for kept.)
func (l *memlog) commit(in *topic, owner *lease, w *Write, now time.Time, followed, expired bool) (p Position, appended bool, err error) {
	l.trim(now)
	if w.ID != "" {
		if p, ok := l.idem.lookup(w.ID); ok {
			return p, false, nil
		}
	}
	if w.Owner != "" && (owner == nil || !owner.claim(in)) {
		return Position{}, false, ErrLeaseLost
	}
	var old *entry // the key's value before
	if l.table != nil && w.Op != OpPublish {
		old = l.table.get(w.Key)
	}
	if w.Conditional {
		var current Position
		if old != nil {
			current = old.rev()
		}
		if current != w.Match {
			return Position{}, false, &ConflictError{Topic: in.name, Key: w.Key, Current: current}
		}
	}
	if w.Op == OpDelete && old == nil {
		return Position{}, false, ErrNoKey
	}
	e := &entry{
		off: l.top + 1, tag: rand.Uint32(), prev: l.topTag, deleted: w.Op == OpDelete, expired: expired,
		time: now, name: w.Name, key: w.Key, data: w.Data,
	}
	if l.cfg.Kind != Ephemeral {
		e.epoch = l.epoch
	}
	inRing := l.cfg.Kind != Ephemeral || followed
	if err := l.makeRoom(e, old, w.Op, inRing); err != nil && !expired {
		return Position{}, false, err
	}
	l.push(e, inRing)
	if l.cfg.Kind == Keyed {
		if w.Op == OpDelete {
			owner = nil
		}
		l.leased.set(in, w.Key, owner)
	}
	if w.ID != "" {
		l.idem.remember(w.ID, l.head(), now, l.cfg.MaxIdempotencyKeys)
	}
	return l.head(), true, nil
}

// makeRoom checks the limits. The hub's own makes the log give up its oldest
// entries first: readers are told of that as of any trimming.
func (l *memlog) makeRoom(e, old *entry, op Op, inRing bool) error {
	cost := e.cost()
	if inRing && cost > l.cfg.MaxBytes {
		return &LimitError{Limit: "bytes of a log", Option: "TopicConfig.MaxBytes", Max: l.cfg.MaxBytes, Got: cost}
	}
	var grow int64
	if op == OpPut {
		grow = cost
		if old != nil {
			grow -= old.cost()
		} else if l.table.live >= l.cfg.MaxKeys {
			return &LimitError{Limit: "keys of a topic", Option: "TopicConfig.MaxKeys", Max: int64(l.cfg.MaxKeys), Got: int64(l.table.live) + 1}
		}
		if got := l.table.bytes + grow; grow > 0 && got > l.cfg.MaxTableBytes {
			return &LimitError{Limit: "bytes of a table", Option: "TopicConfig.MaxTableBytes", Max: l.cfg.MaxTableBytes, Got: got}
		}
	}
	if inRing {
		grow += cost
	}
	if grow <= 0 {
		return nil
	}
	if got := l.total.used.Load() + grow; got-l.ring.bytes > l.total.max {
		return &LimitError{Limit: "bytes of the hub", Option: "Options.MaxBytes", Max: l.total.max, Got: got}
	}
	for l.ring.n > 0 && l.total.used.Load()+grow > l.total.max {
		l.pop()
	}
	return nil
}
