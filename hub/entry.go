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
	off     uint64
	tag     uint32
	prev    uint32 // tag of the entry before this one
	deleted bool
	time    time.Time
	name    string
	key     string
	data    []byte

	// Guarded by the topic's mu: a later write of the same key is in the log.
	superseded bool

	// decoded is the list of typed forms, each made by the first reader that
	// wants it. See eventOf.
	decoded atomic.Pointer[decoded]
}

func (e *entry) cost() int64 {
	return int64(len(e.data)+len(e.key)+len(e.name)) + entryOverhead
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
	r.bytes -= e.cost()
	if len(r.buf) > minRing && r.n <= len(r.buf)/8 {
		r.resize(len(r.buf) / 4)
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
