package hub

import (
	"sync/atomic"
	"time"
)

// A replica is what a node has of one topic's log: the ring of newest entries
// and the table of a keyed topic. The topic's lock guards it. In memory it is
// the log itself (see memlog); with a broker it is a copy (see link). Readers
// don't know the difference.
type replica struct {
	cfg   TopicConfig
	total *budget

	epoch  uint64
	top    uint64 // offset of the newest entry ever; 0 before the first
	topTag uint32

	ring  ring
	table *table // nil on logs
}

// A budget is the bytes that all logs of a hub may retain together.
type budget struct {
	max  int64
	used atomic.Int64
}

func (l *replica) head() Position { return Position{l.epoch, l.top, l.topTag} }

// first is the offset of the oldest entry, top+1 if there is none.
func (l *replica) first() uint64 { return l.top + 1 - uint64(l.ring.n) }

// at returns the entry at an offset, nil if it is not retained.
func (l *replica) at(off uint64) *entry {
	if off < l.first() || off > l.top {
		return nil
	}
	return l.ring.at(int(off - l.first()))
}

// position is that of an offset from just before the oldest entry to the head.
func (l *replica) position(off uint64) Position {
	if off == l.top {
		return l.head()
	}
	return Position{l.epoch, off, l.at(off + 1).prev}
}

// before is the position just before the oldest entry.
func (l *replica) before() Position { return l.position(l.first() - 1) }

// locate tells whether reading can go on after p, 0, or why it can't. The
// entry after p vouches for it by the tag of its predecessor, the head for
// itself.
func (l *replica) locate(p Position) Reason {
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

func (l *replica) bytes() int64 {
	if l.table == nil {
		return l.ring.bytes
	}
	return l.ring.bytes + l.table.bytes
}

// push appends an entry, to the ring too if inRing.
func (l *replica) push(e *entry, inRing bool) {
	before := l.bytes()
	l.top, l.topTag = e.off, e.tag
	if inRing {
		l.ring.push(e)
	}
	if l.table != nil && e.key != "" {
		if e.deleted {
			l.table.delete(e, inRing)
		} else {
			l.table.put(e)
		}
	}
	l.total.used.Add(l.bytes() - before)
	for l.ring.n > l.cfg.MaxEvents || l.ring.bytes > l.cfg.MaxBytes {
		l.pop()
	}
}

// trim drops what is too old.
func (l *replica) trim(now time.Time) {
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
func (l *replica) pop() {
	before := l.ring.bytes
	e := l.ring.pop()
	l.total.used.Add(l.ring.bytes - before)
	if l.table == nil {
		return
	}
	if e.deleted {
		l.table.forget(e)
	}
	l.table.expire(e.off + 1)
}

// expel drops a key of an ephemeral topic whose time is over.
func (l *replica) expel(r *row) {
	e := r.e
	l.table.drop(r)
	delete(l.table.index, e.key)
	l.total.used.Add(-e.cost())
}

// clearRing drops all entries of the ring, once nobody follows an ephemeral
// topic.
func (l *replica) clearRing() {
	for l.ring.n > 0 {
		l.pop()
	}
}
