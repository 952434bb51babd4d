package hub

import (
	"slices"
	"sync/atomic"
)

// chunkRows is how many rows a write copies while a snapshot is being read.
const chunkRows = 64

// A table holds the latest entry of each key.
//
// A snapshot of 100,000 keys must neither be copied under the topic's lock nor
// stop the writers while a slow reader goes through it. So the rows stand
// densely in chunks: taking a view copies the list of chunks, 1/64 of the table,
// and freezes them; the first write to a frozen chunk copies that chunk. Views
// taken between two writes are one and the same. (A persistent tree would make
// taking a view O(1), and every write dearer whether anyone looks or not.)
//
// What a stalled reader can pin is bounded by the log: a view that is older than
// the log's oldest entry is useless, for its reader could not go on from there,
// and its rows are taken away (see expire). Until then each write can have
// displaced one entry and copied two chunks.
type table struct {
	index  map[string]*row
	chunks []*chunk
	live   int    // rows in chunks
	gen    uint64 // chunks of an older generation are frozen
	bytes  int64

	total *budget // of the frames of rows
	view  *view   // of the table as it is now, nil after a write
	views []*view // those in use by readers, by ascending off

	// The rows from the least to the most recently written, tombstones
	// excepted.
	oldest, newest *row
}

// A row is what the table knows of a key: the entry that is its value or, while
// the log still has it, its tombstone.
type row struct {
	e            *entry
	slot         int // -1: a tombstone
	older, newer *row
}

type chunk struct {
	gen  uint64
	rows [chunkRows]*entry
}

// A view is the table as it was at off. The chunks and n never change; chunks
// becomes nil when the view has expired.
type view struct {
	off    uint64
	chunks []*chunk
	n      int
	refs   int

	framed int64                     // bytes of frames, counted in the hub
	frames atomic.Pointer[rowFrames] // see rowFrame
}

// row returns the entry at index i of a view that has not expired.
func (v *view) row(i int) *entry { return v.chunks[i/chunkRows].rows[i%chunkRows] }

// A fixed is what a view shows, for those who keep it as long as they like.
type fixed struct {
	chunks []*chunk
	n      int
}

func (f *fixed) row(i int) *entry { return f.chunks[i/chunkRows].rows[i%chunkRows] }

func newTable() *table { return &table{index: make(map[string]*row)} }

// get returns the value of key, nil if there is none.
func (t *table) get(key string) *entry {
	if r := t.index[key]; r != nil && r.slot >= 0 {
		return r.e
	}
	return nil
}

// put makes e the value of its key.
func (t *table) put(e *entry) {
	t.touch()
	r := t.index[e.key]
	if r == nil {
		r = &row{slot: -1}
		t.index[e.key] = r
	} else {
		r.e.superseded = true
	}
	if r.slot < 0 {
		r.slot = t.live
		if t.live%chunkRows == 0 {
			t.chunks = append(t.chunks, &chunk{gen: t.gen})
		}
		t.live++
	} else {
		t.bytes -= r.e.cost()
		t.unlink(r)
	}
	r.e = e
	t.bytes += e.cost()
	t.own(r.slot).rows[r.slot%chunkRows] = e
	t.link(r)
}

// delete removes the value of e's key. The tombstone e stays known if the log
// keeps it. There may be no such key: a copy of the table can begin behind its
// last write.
func (t *table) delete(e *entry, kept bool) {
	r := t.index[e.key]
	if r == nil {
		r = &row{slot: -1}
		t.index[e.key] = r
	} else {
		r.e.superseded = true
		if r.slot >= 0 {
			t.drop(r)
		}
	}
	if kept {
		r.e = e
	} else {
		delete(t.index, e.key)
	}
}

// forget drops what the table knows of a tombstone that left the log.
func (t *table) forget(e *entry) {
	if r := t.index[e.key]; r != nil && r.e == e {
		delete(t.index, e.key)
	}
}

// drop takes a row's value out; the last row moves into its place.
func (t *table) drop(r *row) {
	t.touch()
	t.bytes -= r.e.cost()
	t.unlink(r)
	t.live--
	last := t.own(t.live).rows[t.live%chunkRows]
	t.own(t.live).rows[t.live%chunkRows] = nil
	if r.slot != t.live {
		t.own(r.slot).rows[r.slot%chunkRows] = last
		t.index[last.key].slot = r.slot
	}
	r.slot = -1
	if t.live%chunkRows == 0 {
		t.chunks[len(t.chunks)-1] = nil
		t.chunks = t.chunks[:len(t.chunks)-1]
	}
}

// touch parts the table from its latest view before a write.
func (t *table) touch() {
	if t.view != nil {
		t.view = nil
		t.gen++
	}
}

// own returns the chunk of a slot, copied first if a view has it.
func (t *table) own(slot int) *chunk {
	c := t.chunks[slot/chunkRows]
	if c.gen != t.gen {
		dup := *c
		dup.gen = t.gen
		c = &dup
		t.chunks[slot/chunkRows] = c
	}
	return c
}

// look returns a view of the table, which is at off.
func (t *table) look(off uint64) *view {
	if t.view == nil || t.view.off != off {
		t.touch()
		t.view = &view{off: off, chunks: slices.Clone(t.chunks), n: t.live}
	}
	return t.view
}

// acquire is look for a reader that may stall; release ends it.
func (t *table) acquire(off uint64) *view {
	v := t.look(off)
	if v.refs == 0 {
		t.views = append(t.views, v)
	}
	v.refs++
	return v
}

func (t *table) release(v *view) {
	if v.refs--; v.refs == 0 {
		t.unframe(v)
		if i := slices.Index(t.views, v); i >= 0 {
			t.views = slices.Delete(t.views, i, i+1)
		}
	}
}

// expire takes the rows of views away that a log whose oldest entry is first
// can't be joined to.
func (t *table) expire(first uint64) {
	n := 0
	for n < len(t.views) && t.views[n].off+1 < first {
		t.views[n].chunks = nil
		t.unframe(t.views[n])
		if t.view == t.views[n] {
			t.touch()
		}
		n++
	}
	t.views = slices.Delete(t.views, 0, n)
}

func (t *table) link(r *row) {
	r.older, r.newer = t.newest, nil
	if t.newest != nil {
		t.newest.newer = r
	} else {
		t.oldest = r
	}
	t.newest = r
}

func (t *table) unlink(r *row) {
	if r.older != nil {
		r.older.newer = r.newer
	} else {
		t.oldest = r.newer
	}
	if r.newer != nil {
		r.newer.older = r.older
	} else {
		t.newest = r.older
	}
	r.older, r.newer = nil, nil
}
