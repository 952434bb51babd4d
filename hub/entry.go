package hub

import (
	"sync/atomic"
	"time"
)

// entryOverhead is charged for each retained event beside its own bytes: the
// entry, its slot in the ring and its share of a table row.
const entryOverhead = 200

// An entry is one event in a log. It is shared by the ring, the table and all
// readers, and holds nothing that concerns one of them.
type entry struct {
	// Immutable once the entry is in the log.
	epoch   uint64 // that of its position; 0 on ephemeral topics, which have none
	off     uint64
	tag     uint32
	prev    uint32 // tag of the entry before this one
	deleted bool
	expired bool // a tombstone made by the end of a lease
	time    time.Time
	name    string
	key     string
	data    []byte

	// Guarded by the topic's mu: a later write of the same key is in the log.
	superseded bool
	extra      int64 // bytes of frames, counted in the ring

	// decoded is the list of typed forms, each made by the first reader that
	// wants it. See eventOf.
	decoded atomic.Pointer[decoded]
	// frames is the list of encoded forms that the shards still need. See frameOf.
	frames atomic.Pointer[frame]
}

func (e *entry) cost() int64 {
	return int64(len(e.data)+len(e.key)+len(e.name)) + entryOverhead
}

// rev is the position of the write that made the entry.
func (e *entry) rev() Position {
	if e.epoch == 0 {
		return Position{}
	}
	return Position{e.epoch, e.off, e.tag}
}

// A ring holds the newest entries of a log, with offsets that follow one
// another. It grows as needed and shrinks when it is mostly empty.
type ring struct {
	buf   []*entry // a power of two long
	head  int      // index of the oldest
	n     int
	bytes int64
}

const minRing = 8

func (r *ring) push(e *entry) {
	if r.n == len(r.buf) {
		r.resize(max(minRing, 2*len(r.buf)))
	}
	r.buf[(r.head+r.n)&(len(r.buf)-1)] = e
	r.n++
	r.bytes += e.cost()
}

// pop removes the oldest entry; the ring must not be empty.
func (r *ring) pop() *entry {
	e := r.buf[r.head]
	r.buf[r.head] = nil
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	r.bytes -= e.cost() + e.extra
	e.extra = 0
	if e.frames.Load() != nil {
		e.frames.Store(nil)
	}
	if len(r.buf) > minRing && r.n <= len(r.buf)/8 {
		r.resize(len(r.buf) / 4)
	}
	return e
}

// cut removes the newest entry; the ring must not be empty.
func (r *ring) cut() *entry {
	e := r.at(r.n - 1)
	r.buf[(r.head+r.n-1)&(len(r.buf)-1)] = nil
	r.n--
	r.bytes -= e.cost() + e.extra
	e.extra = 0
	if e.frames.Load() != nil {
		e.frames.Store(nil)
	}
	return e
}

// at returns the i-th oldest entry.
func (r *ring) at(i int) *entry { return r.buf[(r.head+i)&(len(r.buf)-1)] }

func (r *ring) resize(size int) {
	size = max(size, minRing)
	buf := make([]*entry, size)
	for i := range r.n {
		buf[i] = r.at(i)
	}
	r.buf, r.head = buf, 0
}
