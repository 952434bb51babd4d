package ws

import "sync"

// Buffers for one frame, or for a message under way. Owned by whoever got one, until put.
const (
	smallBuffer = 4 << 10
	largeBuffer = 64 << 10
)

var (
	smallBuffers = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	largeBuffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
)

// getBuffer returns an empty slice with room for n bytes, pooled up to largeBuffer.
func getBuffer(n int) []byte {
	switch {
	case n <= smallBuffer:
		return smallBuffers.Get().(*[smallBuffer]byte)[:0]
	case n <= largeBuffer:
		return largeBuffers.Get().(*[largeBuffer]byte)[:0]
	}
	return make([]byte, 0, n)
}

// putBuffer gives back what getBuffer returned. What has grown out of the pools is left to the collector.
func putBuffer(b []byte) {
	switch cap(b) {
	case smallBuffer:
		smallBuffers.Put((*[smallBuffer]byte)(b[:smallBuffer]))
	case largeBuffer:
		largeBuffers.Put((*[largeBuffer]byte)(b[:largeBuffer]))
	}
}

// growBuffer returns a slice with the same bytes and room for n more. The room grows with what there is, so that a long
// message that comes in many pieces is not copied for each of them.
func growBuffer(b []byte, n int) []byte {
	if n <= cap(b)-len(b) {
		return b
	}
	to := getBuffer(max(len(b)+n, min(2*cap(b), len(b)+max(maxAhead, len(b)/2))))
	to = append(to, b...)
	putBuffer(b)
	return to
}
