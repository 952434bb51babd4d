package netio

import (
	"sync"
	"sync/atomic"
)

// buffer is a piece of pooled memory. Its bytes from r to w are filled. Whoever holds the pointer owns it.
type buffer struct {
	b    []byte // of one of the classes, or of any size above the largest
	r, w int
}

// readSize is the class that is read into. 8 KiB holds a hundred small messages, and is read in less time than a
// system call takes.
const readSize = 8 << 10

// waitSize is the class that a portable reader, which can't wait without a buffer, holds while it waits.
const waitSize = 512

// classes are the pooled sizes. A larger buffer is made when it is needed and left to the collector.
var classes = [...]int{waitSize, 2 << 10, readSize, 32 << 10, 128 << 10, 512 << 10}

var pools [len(classes)]sync.Pool

// newBuffer returns an empty buffer with room for at least n bytes.
func newBuffer(n int) *buffer {
	if n == readSize {
		if b := spareBuffer(); b != nil {
			return b
		}
	}
	for i, size := range classes {
		if n > size {
			continue
		}
		if b, ok := pools[i].Get().(*buffer); ok {
			return b
		}
		return &buffer{b: make([]byte, size)}
	}
	return &buffer{b: make([]byte, n)}
}

// free gives b back. What it held may be overwritten from now on.
func (b *buffer) free() {
	b.r, b.w = 0, 0
	for i, size := range classes {
		if len(b.b) == size {
			pools[i].Put(b)
			return
		}
	}
}

func (b *buffer) bytes() []byte { return b.b[b.r:b.w] }
func (b *buffer) len() int      { return b.w - b.r }
func (b *buffer) space() []byte { return b.b[b.w:] }

// withSpace returns a buffer with the same bytes and n bytes of space, which is b if it can be.
func (b *buffer) withSpace(n int) *buffer {
	if len(b.b)-b.w >= n {
		return b
	}
	if len(b.b)-b.len() >= n && b.r > 0 {
		b.w = copy(b.b, b.bytes())
		b.r = 0
		return b
	}
	size := b.len() + n
	if size > classes[len(classes)-1] {
		size = max(size, b.len()+b.len()/2) // beyond the classes each piece would be a move
	}
	return b.moved(size)
}

// fitted returns a buffer of the smallest class that holds the bytes, for a time in which nothing comes to them.
func (b *buffer) fitted() *buffer {
	if len(b.b) == waitSize || b.len() > len(b.b)/4 {
		return b
	}
	return b.moved(b.len())
}

func (b *buffer) moved(size int) *buffer {
	to := newBuffer(size)
	to.w = copy(to.b, b.bytes())
	b.free()
	return to
}

// appended returns a buffer with head and body behind what b, which may be nil, holds.
func appended(b *buffer, head, body []byte) *buffer {
	n := len(head) + len(body)
	if b == nil {
		b = newBuffer(max(n, 2<<10))
	} else {
		b = b.withSpace(n)
	}
	b.w += copy(b.b[b.w:], head)
	b.w += copy(b.b[b.w:], body)
	return b
}

// spares are some buffers that readers have put aside because nothing had come. They are not in a pool because a pool goes
// deep into a stack that shall stay small: these readers are about to wait, for long perhaps.
var spares struct {
	mu sync.Mutex
	n  atomic.Int32 // how many; changed with mu held
	b  [64]*buffer
}

// spare puts b, which is empty, aside; or to the collector, when there are enough.
func (b *buffer) spare() {
	spares.mu.Lock()
	if n := spares.n.Load(); int(n) < len(spares.b) && len(b.b) == readSize {
		spares.b[n] = b
		spares.n.Store(n + 1)
	}
	spares.mu.Unlock()
}

// spareBuffer returns a buffer of readSize, or nil. All readers come here for each message, so the lock, which they share,
// is taken only when there is something.
func spareBuffer() (b *buffer) {
	if spares.n.Load() == 0 {
		return nil
	}
	spares.mu.Lock()
	if n := spares.n.Load(); n > 0 {
		b = spares.b[n-1]
		spares.b[n-1] = nil
		spares.n.Store(n - 1)
	}
	spares.mu.Unlock()
	return b
}
