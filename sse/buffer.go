package sse

import "sync"

// Buffers for encoding are shared by all streams and held only during a write,
// so that a quiet stream has none. Larger ones are left to the collector.
const maxPooled = 64 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

func getBuffer() *[]byte { return buffers.Get().(*[]byte) }

func putBuffer(b *[]byte) {
	if cap(*b) <= maxPooled {
		buffers.Put(b)
	}
}

// joinFrames appends the frames to dst.
func joinFrames(dst []byte, frames [][]byte) []byte {
	for _, f := range frames {
		dst = append(dst, f...)
	}
	return dst
}
