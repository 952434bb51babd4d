package hub

import (
	"sync"
)

const (
	// maxFormats is how many frames of an event are kept; with more formats the
	// rest are encoded by each shard.
	maxFormats = 8
	// joinBytes is the size up to which neighbouring frames are sent as one.
	joinBytes = 32 << 10
)

// A frame is an entry in one format, in a list that only grows at its front. The
// first shard that wants it makes it, others wait for that; when all shards have
// passed the entry, it goes. Meanwhile it counts as bytes of the log.
type frame struct {
	format string
	make   func() ([]byte, error)
	next   *frame
	depth  int
}

// frameOf returns the frame of an entry of the log.
func (ln *lane) frameOf(e *entry, enc Encoder, format string) ([]byte, error) {
	var made func() ([]byte, error)
	for {
		list := e.frames.Load()
		for f := list; f != nil; f = f.next {
			if f.format == format {
				return f.make()
			}
		}
		if made == nil {
			made = sync.OnceValues(func() ([]byte, error) {
				b, err := ln.encode(e, enc, false)
				ln.t.charge(e, int64(len(b)))
				return b, err
			})
		}
		depth := 1
		if list != nil {
			depth = list.depth + 1
		}
		if depth > maxFormats {
			return ln.encode(e, enc, false)
		}
		if e.frames.CompareAndSwap(list, &frame{format: format, make: made, next: list, depth: depth}) {
			return made()
		}
	}
}

// encode makes the frame of an entry, or of a row.
func (ln *lane) encode(e *entry, enc Encoder, row bool) ([]byte, error) {
	ev, err := eventOf(ln.raw, e)
	if err == nil && row {
		ev, err = rowOf(ln.raw, e)
	}
	if err != nil {
		return nil, err
	}
	return ln.frame(enc, ev)
}

// charge counts the bytes of a frame that was made, unless all have passed the
// entry by now. The oldest events make room for it.
func (t *topic) charge(e *entry, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := &t.log
	if e.off <= t.passed || l.at(e.off) != e {
		e.frames.Store(nil)
		return
	}
	e.extra += n
	l.ring.bytes += n
	l.total.used.Add(n)
	for l.ring.n > 1 && (l.ring.bytes > l.cfg.MaxBytes || l.total.used.Load() > l.total.max) {
		l.pop()
	}
}

// pass notes that a lane is done with the log up to an offset, and drops the
// frames that no lane needs any more. Called with mu held.
func (t *topic) pass() {
	l := &t.log
	upto := l.top
	for _, ln := range t.lanes {
		upto = min(upto, ln.passed)
	}
	for off := max(t.passed+1, l.first()); off <= upto; off++ {
		l.unframe(l.at(off))
	}
	t.passed = max(t.passed, upto)
}

// unpass notes that the log goes on from an offset that lanes have had before, on
// another branch: what comes there now nobody has had. Called with mu held.
func (t *topic) unpass(off uint64) {
	t.passed = min(t.passed, off)
	for _, ln := range t.lanes {
		ln.passed = min(ln.passed, off)
	}
}

// unframe drops the frames of an entry in the ring.
func (l *replica) unframe(e *entry) {
	if e.frames.Load() == nil {
		return
	}
	e.frames.Store(nil)
	l.ring.bytes -= e.extra
	l.total.used.Add(-e.extra)
	e.extra = 0
}

// join puts neighbouring frames together until they are joinBytes long: cheaper
// to send than many, and shared by all that are at the same place. It calls
// piece with each result and the index behind its last frame. Empty frames
// belong to the piece before them.
func join(frames [][]byte, piece func(b []byte, end int)) {
	for i := 0; i < len(frames); {
		n, end, parts := len(frames[i]), i+1, 0
		if n > 0 {
			parts = 1
		}
		for end < len(frames) && (n == 0 || len(frames[end]) == 0 || n+len(frames[end]) <= joinBytes) {
			if len(frames[end]) > 0 {
				parts++
			}
			n += len(frames[end])
			end++
		}
		switch parts {
		case 0: // nothing to send in all that is left
		case 1:
			for _, f := range frames[i:end] {
				if len(f) > 0 {
					piece(f, end)
				}
			}
		default:
			b := make([]byte, 0, n)
			for _, f := range frames[i:end] {
				b = append(b, f...)
			}
			piece(b, end)
		}
		i = end
	}
}
