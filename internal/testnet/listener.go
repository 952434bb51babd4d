package testnet

import (
	"context"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// backlog is how many dialled connections wait for Accept before Dial blocks.
const backlog = 128

// Listener is an in-memory net.Listener: each Dial makes a pipe whose other end Accept returns. Inside a
// testing/synctest bubble it lets a whole http.Server run on fake time.
type Listener struct {
	size   int
	queue  chan *Conn // sent by Dial, never closed
	dialed atomic.Int64

	closeOnce sync.Once
	done      chan struct{} // closed by Close
}

var _ net.Listener = (*Listener)(nil)

// Listen returns a listener whose connections hold DefaultSize bytes each way. In a bubble, call it there.
func Listen() *Listener { return ListenSize(DefaultSize) }

// ListenSize is Listen with connections as from PipeSize(size).
func ListenSize(size int) *Listener {
	return &Listener{size: size, queue: make(chan *Conn, backlog), done: make(chan struct{})}
}

// Dial returns the client's end of a new connection. As with TCP it does not wait for Accept, unless 128 others do.
// It fails with ctx's cause while it waits, and with syscall.ECONNREFUSED after Close.
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	// A round over the ephemeral ports, so that clients have addresses of their own.
	local := tcpAddr(firstClientPort + int(l.dialed.Add(1)-1)%(1<<16-firstClientPort))
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Source: local, Addr: l.Addr(), Err: err}
	}
	if ctx.Err() != nil {
		return fail(context.Cause(ctx))
	}
	if l.closed() {
		return fail(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	}
	client, server := pipe(l.size, local, l.Addr())
	select {
	case l.queue <- server:
		if l.closed() { // Close may have emptied the queue before server was in it
			l.refuseQueued()
		}
		return client, nil
	case <-l.done:
		return fail(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	case <-ctx.Done():
		return fail(context.Cause(ctx))
	}
}

// DialContext is Dial in the form that http.Transport.DialContext wants. Network and address are ignored.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return l.Dial(ctx)
}

// Dialed counts the calls of Dial, those that failed too.
func (l *Listener) Dialed() int { return int(l.dialed.Load()) }

// Accept returns net.ErrClosed, in a *net.OpError, after Close.
func (l *Listener) Accept() (net.Conn, error) {
	if !l.closed() {
		select {
		case c := <-l.queue:
			return c, nil
		case <-l.done:
		}
	}
	return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
}

// Close refuses further Dials and resets connections that nobody accepted. Accepted ones live on.
func (l *Listener) Close() error {
	first := false
	l.closeOnce.Do(func() {
		close(l.done)
		l.refuseQueued()
		first = true
	})
	if !first {
		return &net.OpError{Op: "close", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
	return nil
}

// Addr is 127.0.0.1:80, so that http://127.0.0.1/ is a good URL, and so is any other.
func (l *Listener) Addr() net.Addr { return tcpAddr(listenPort) }

func (l *Listener) closed() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

func (l *Listener) refuseQueued() {
	for {
		select {
		case c := <-l.queue:
			_ = c.Reset() // it can only be open: nobody else has it
		default:
			return
		}
	}
}
