package hub

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// A memlog is the log of one topic in memory: the ring of newest entries, the
// table of a keyed topic and the idempotency keys. It assigns the positions and
// decides conditions, all in one step under the topic's lock, which guards it.
// This is the side of the hub that another broker would take over: a topic uses
// commit, locate, head and at, and nothing else knows where entries come from.
type memlog struct {
	cfg   TopicConfig
	total *budget

	epoch  uint64
	top    uint64 // offset of the newest entry ever; 0 before the first
	topTag uint32

	ring  ring
	table *table // nil on logs
	idem  idemWindow
}

// A budget is the bytes that all logs of a hub may retain together.
type budget struct {
	max  int64
	used atomic.Int64
}

func (l *memlog) head() Position { return Position{l.epoch, l.top, l.topTag} }

// first is the offset of the oldest entry, top+1 if there is none.
func (l *memlog) first() uint64 { return l.top + 1 - uint64(l.ring.n) }

// at returns the entry at an offset, nil if it is not retained.
func (l *memlog) at(off uint64) *entry {
	if off < l.first() || off > l.top {
		return nil
	}
	return l.ring.at(int(off - l.first()))
}

// position is that of an offset from just before the oldest entry to the head.
func (l *memlog) position(off uint64) Position {
	if off == l.top {
		return l.head()
	}
	return Position{l.epoch, off, l.at(off + 1).prev}
}

// before is the position just before the oldest entry.
func (l *memlog) before() Position { return l.position(l.first() - 1) }

// locate tells whether reading can go on after p, 0, or why it can't. The
// entry after p vouches for it by the tag of its predecessor, the head for
// itself.
func (l *memlog) locate(p Position) Reason {
	switch {
	case p.epoch != l.epoch:
		return Epoch
	case p.off > l.top:
		return Fork
	case p.off+1 < l.first():
		return Trimmed
	}
	if l.position(p.off) != p {
		return Fork
	}
	return 0
}

// empty reports whether nothing is retained.
func (l *memlog) empty() bool {
	return l.ring.n == 0 && (l.table == nil || l.table.live == 0) && l.idem.len() == 0
}

// ages reports whether something retained has a time to go.
func (l *memlog) ages() bool {
	return l.cfg.MaxAge != unlimited && (l.ring.n > 0 || l.cfg.Kind == Ephemeral && l.table.live > 0) || l.idem.len() > 0
}

func (l *memlog) bytes() int64 {
	if l.table == nil {
		return l.ring.bytes
	}
	return l.ring.bytes + l.table.bytes
}

// commit appends a write, or says why not and changes nothing. An ephemeral
// log puts it in the ring only if somebody follows.
func (l *memlog) commit(topic string, w *write, now time.Time, followed bool) (p Position, appended bool, err error) {
	l.trim(now)
	if w.idem != "" {
		if p, ok := l.idem.lookup(w.idem); ok {
			return p, false, nil
		}
	}
	var old *entry // the key's value before
	if l.table != nil && w.op != opPublish {
		old = l.table.get(w.key)
	}
	if w.conditional {
		var current Position
		if old != nil {
			current = Position{l.epoch, old.off, old.tag}
		}
		if current != w.match {
			return Position{}, false, &ConflictError{Topic: topic, Key: w.key, Current: current}
		}
	}
	if w.op == opDelete && old == nil {
		return Position{}, false, ErrNoKey
	}
	e := &entry{
		off: l.top + 1, tag: rand.Uint32(), prev: l.topTag, deleted: w.op == opDelete,
		time: now, name: w.name, key: w.key, data: w.data,
	}
	inRing := l.cfg.Kind != Ephemeral || followed
	if err := l.makeRoom(e, old, w.op, inRing); err != nil {
		return Position{}, false, err
	}

	before := l.bytes()
	l.top, l.topTag = e.off, e.tag
	if inRing {
		l.ring.push(e)
	}
	switch w.op {
	case opPut:
		l.table.put(e)
	case opDelete:
		l.table.delete(e, inRing)
	}
	if w.idem != "" {
		l.idem.remember(w.idem, l.head(), now, l.cfg.MaxIdempotencyKeys)
	}
	l.total.used.Add(l.bytes() - before)
	for l.ring.n > l.cfg.MaxEvents || l.ring.bytes > l.cfg.MaxBytes {
		l.pop()
	}
	return l.head(), true, nil
}

// makeRoom checks the limits. The hub's own makes the log give up its oldest
// entries first: readers are told of that as of any trimming.
func (l *memlog) makeRoom(e, old *entry, op writeOp, inRing bool) error {
	cost := e.cost()
	if inRing && cost > l.cfg.MaxBytes {
		return &LimitError{Limit: "bytes of a log", Option: "TopicConfig.MaxBytes", Max: l.cfg.MaxBytes, Got: cost}
	}
	var grow int64
	if op == opPut {
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

// trim drops what is too old.
func (l *memlog) trim(now time.Time) {
	if l.idem.len() > 0 {
		l.idem.trim(now, l.cfg.IdempotencyWindow)
	}
	if l.cfg.MaxAge == unlimited {
		return
	}
	for l.ring.n > 0 && now.Sub(l.ring.at(0).time) > l.cfg.MaxAge {
		l.pop()
	}
	if l.cfg.Kind == Ephemeral {
		for r := l.table.oldest; r != nil && now.Sub(r.e.time) > l.cfg.MaxAge; r = l.table.oldest {
			l.expel(r)
		}
	}
}

// pop drops the oldest entry of the ring.
func (l *memlog) pop() {
	e := l.ring.pop()
	l.total.used.Add(-e.cost())
	if l.table == nil {
		return
	}
	if e.deleted {
		l.table.forget(e)
	}
	l.table.expire(e.off + 1)
}

// expel drops a key of an ephemeral topic whose time is over.
func (l *memlog) expel(r *row) {
	e := r.e
	l.table.drop(r)
	delete(l.table.index, e.key)
	l.total.used.Add(-e.cost())
}

// clearRing drops all entries of the ring, once nobody follows an ephemeral
// topic.
func (l *memlog) clearRing() {
	for l.ring.n > 0 {
		l.pop()
	}
}
