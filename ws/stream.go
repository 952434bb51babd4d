package ws

import (
	"io"
	"net"
	"sync"
	"time"
)

// stream is what a connection stands on: TCP, TLS, an in-memory pipe, and whatever else carries bytes both ways. Its
// methods may be called by several goroutines, Close unblocks Read and Write, and a read that ran into a deadline
// lost nothing. A net.Conn is one.
type stream interface {
	io.ReadWriteCloser
	SetReadDeadline(time.Time) error
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}

// halfCloser is a stream that can end its sending side alone. *net.TCPConn and *tls.Conn can.
type halfCloser interface{ CloseWrite() error }

// abort closes s without farewell. (*tls.Conn).Close would first send an alert, for up to five seconds to a peer that
// does not read; what is under it ends at once.
func abort(s stream) {
	if inner, ok := s.(interface{ NetConn() net.Conn }); ok {
		_ = inner.NetConn().Close() // the connection is over, whatever this says
	}
	_ = s.Close()
}

// lock is a mutex that one can stop waiting for. The holder has put a token in. Waiters are served in order.
type lock chan struct{}

func newLock() lock { return make(lock, 1) }

func (l lock) try() bool {
	select {
	case l <- struct{}{}:
		return true
	default:
		return false
	}
}

func (l lock) unlock() { <-l }

// Buffers for one frame or one read. Owned by whoever got one, until put; never larger than this.
const (
	smallBuffer = 4 << 10
	largeBuffer = 64 << 10
)

var (
	smallBuffers = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	largeBuffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
)

// withBuffer calls f with an empty buffer of capacity n or largeBuffer, whichever is less.
func withBuffer(n int, f func(b []byte) error) error {
	if n <= smallBuffer {
		b := smallBuffers.Get().(*[smallBuffer]byte)
		defer smallBuffers.Put(b)
		return f(b[:0])
	}
	b := largeBuffers.Get().(*[largeBuffer]byte)
	defer largeBuffers.Put(b)
	return f(b[:0])
}
