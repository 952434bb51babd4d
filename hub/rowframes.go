package hub

import (
	"sync"
	"sync/atomic"
)

// When a crowd comes back at once, all its connections read one view of the table.
// So the rows of a view that several followers read are encoded once for each
// format, a chunk at a time by whoever is there first, and others wait for that.
// The frames count as bytes of the hub while they are kept, which is until the
// last reader of the view has left; where there is no room for them they are not
// kept. A view with one reader keeps none.

// rowFrames are the frames of a view's rows in one format, in a list that only
// grows at its front.
type rowFrames struct {
	format string
	chunks []atomic.Pointer[chunkFrames]
	next   *rowFrames
	depth  int
}

// chunkFrames are those of one chunk.
type chunkFrames struct {
	make func() *encodedRows
}

type encodedRows struct {
	frames [chunkRows][]byte
	errs   [chunkRows]error
}

// A rowRef says where a row stands in a view that several read.
type rowRef struct {
	view  *view
	chunk *chunk // frozen
	i     int
}

// rowFrame returns the frame of a row.
func (ln *lane) rowFrame(it *item, enc Encoder, format string) ([]byte, error) {
	ref := it.ref
	v := ref.view
	if v == nil {
		return ln.encode(it.e, enc, true)
	}
	rf := v.framesOf(format)
	if rf == nil {
		return ln.encode(it.e, enc, true)
	}
	slot := &rf.chunks[ref.i/chunkRows]
	c := slot.Load()
	if c == nil {
		made := &chunkFrames{}
		made.make = sync.OnceValue(func() *encodedRows {
			r, size := ln.encodeChunk(ref, v.n, enc)
			if !ln.t.keepRows(v, size) {
				slot.CompareAndSwap(made, nil)
			}
			return r
		})
		if c = made; !slot.CompareAndSwap(nil, made) {
			if c = slot.Load(); c == nil { // not kept meanwhile
				return ln.encode(it.e, enc, true)
			}
		}
	}
	r := c.make()
	return r.frames[ref.i%chunkRows], r.errs[ref.i%chunkRows]
}

// encodeChunk encodes the rows of a chunk of a view of n.
func (ln *lane) encodeChunk(ref rowRef, n int, enc Encoder) (r *encodedRows, size int64) {
	r = &encodedRows{}
	size = int64(2 * chunkRows * 24) // the arrays
	for i := range min(chunkRows, n-ref.i/chunkRows*chunkRows) {
		r.frames[i], r.errs[i] = ln.encode(ref.chunk.rows[i], enc, true)
		size += int64(cap(r.frames[i]))
	}
	return r, size
}

// framesOf returns the frames of a view in a format, nil if there are too many
// formats.
func (v *view) framesOf(format string) *rowFrames {
	for {
		list := v.frames.Load()
		for f := list; f != nil; f = f.next {
			if f.format == format {
				return f
			}
		}
		f := &rowFrames{format: format, next: list, depth: 1}
		if list != nil {
			f.depth = list.depth + 1
		}
		if f.depth > maxFormats {
			return nil
		}
		f.chunks = make([]atomic.Pointer[chunkFrames], (v.n+chunkRows-1)/chunkRows)
		if v.frames.CompareAndSwap(list, f) {
			return f
		}
	}
}

// keepRows counts the bytes of a chunk's frames, or says that there is no room for
// them or nobody who needs them any more.
func (t *topic) keepRows(v *view, n int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	total := &t.hub.total
	if v.refs == 0 || v.chunks == nil || total.used.Load()+n > total.max {
		return false
	}
	v.framed += n
	total.used.Add(n)
	return true
}

// unframe drops the frames of a view that is no longer read.
func (t *table) unframe(v *view) {
	if v.frames.Load() != nil {
		v.frames.Store(nil)
	}
	if v.framed > 0 {
		t.total.used.Add(-v.framed)
		v.framed = 0
	}
}
