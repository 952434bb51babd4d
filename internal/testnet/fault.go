package testnet

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// ErrInjected is the failure of a Plan that names no other.
var ErrInjected = errors.New("testnet: injected fault")

// Plan says what a FaultConn does wrong. The zero Plan does nothing wrong and counts.
//
// Calls are counted from 1, Reads and Writes apart. A call that is both to fail and to stall fails.
type Plan struct {
	// FailRead and FailWrite name the first Read and Write that return Err. 0: none.
	FailRead, FailWrite int
	// Err is what a failing call returns, in a *net.OpError (io.EOF: bare). nil: ErrInjected.
	Err error
	// Partial is how many bytes of a failing Write still reach the peer, at most what it had. 0: none.
	Partial int

	// StallRead and StallWrite name the first Read and Write that block until Close or the deadline. 0: none.
	StallRead, StallWrite int

	// Once limits a failure or stall to the one call. By default every later call meets the same.
	Once bool

	// ReadSize bounds the bytes that one Read returns; 1 gives one-byte reads. 0: no bound.
	ReadSize int
	// WriteSize passes each Write on in pieces of at most this size. 0: whole.
	WriteSize int
}

// FaultConn is a net.Conn that follows a Plan. It is as safe for concurrent use as the connection inside.
type FaultConn struct {
	net.Conn
	plan   Plan
	reads  atomic.Int64
	writes atomic.Int64
	fired  atomic.Bool

	mu      sync.Mutex // never held across I/O or a wait but for cond.Wait
	cond    sync.Cond  // on mu: calls that stall wait here
	closed  bool       // guarded by mu
	readBy  deadline   // guarded by mu
	writeBy deadline   // guarded by mu
}

// Fault wraps conn, which it then owns.
func Fault(conn net.Conn, plan Plan) *FaultConn {
	f := &FaultConn{Conn: conn, plan: plan}
	f.cond.L = &f.mu
	return f
}

// Reads is how often Read was called.
func (f *FaultConn) Reads() int { return int(f.reads.Load()) }

// Writes is how often Write was called.
func (f *FaultConn) Writes() int { return int(f.writes.Load()) }

// Fired reports whether a failure or a stall has hit a call. A test that tries every k can stop at the first k
// that no longer fires.
func (f *FaultConn) Fired() bool { return f.fired.Load() }

// hit reports whether the call of that number is one that the plan's k means.
func (f *FaultConn) hit(call int64, k int) bool {
	if k < 1 || call < int64(k) || f.plan.Once && call > int64(k) {
		return false
	}
	f.fired.Store(true)
	return true
}

func (f *FaultConn) failure(op string) error {
	switch err := f.plan.Err; {
	case err == nil:
		return opError(f, op, ErrInjected)
	case errors.Is(err, io.EOF):
		return err
	default:
		return opError(f, op, err)
	}
}

func (f *FaultConn) Read(p []byte) (int, error) {
	call := f.reads.Add(1)
	if f.hit(call, f.plan.FailRead) {
		return 0, f.failure("read")
	}
	if f.hit(call, f.plan.StallRead) {
		return 0, opError(f, "read", f.stall(&f.readBy))
	}
	if f.plan.ReadSize > 0 && len(p) > f.plan.ReadSize {
		p = p[:f.plan.ReadSize]
	}
	return f.Conn.Read(p)
}

func (f *FaultConn) Write(p []byte) (int, error) {
	call := f.writes.Add(1)
	if f.hit(call, f.plan.FailWrite) {
		n, err := f.pass(p[:min(len(p), max(0, f.plan.Partial))])
		if err == nil {
			err = f.failure("write")
		}
		return n, err
	}
	if f.hit(call, f.plan.StallWrite) {
		return 0, opError(f, "write", f.stall(&f.writeBy))
	}
	return f.pass(p)
}

// pass writes p to the connection inside, in pieces where the plan says so.
func (f *FaultConn) pass(p []byte) (n int, err error) {
	size := f.plan.WriteSize
	if size < 1 || len(p) <= size {
		if len(p) == 0 {
			return 0, nil
		}
		return f.Conn.Write(p)
	}
	for n < len(p) && err == nil {
		var m int
		m, err = f.Conn.Write(p[n:min(len(p), n+size)])
		n += m
	}
	return n, err
}

// stall waits for Close or the deadline and says which it was.
func (f *FaultConn) stall(by *deadline) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case f.closed:
			return net.ErrClosed
		case by.passed:
			return os.ErrDeadlineExceeded
		}
		f.cond.Wait()
	}
}

// Close ends stalls and closes the connection inside.
func (f *FaultConn) Close() error {
	f.mu.Lock()
	f.closed = true
	f.readBy.stop()
	f.writeBy.stop()
	f.cond.Broadcast()
	f.mu.Unlock()
	return f.Conn.Close()
}

// CloseWrite half-closes the connection inside, or returns errors.ErrUnsupported where it can't.
func (f *FaultConn) CloseWrite() error {
	if c, ok := f.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return opError(f, "close", errors.ErrUnsupported)
}

// CloseRead half-closes the connection inside, or returns errors.ErrUnsupported where it can't.
func (f *FaultConn) CloseRead() error {
	if c, ok := f.Conn.(interface{ CloseRead() error }); ok {
		return c.CloseRead()
	}
	return opError(f, "close", errors.ErrUnsupported)
}

// SetDeadline sets both deadlines, here and inside.
func (f *FaultConn) SetDeadline(t time.Time) error {
	f.setDeadlines(t, &f.readBy, &f.writeBy)
	return f.Conn.SetDeadline(t)
}

// SetReadDeadline ends stalled Reads too.
func (f *FaultConn) SetReadDeadline(t time.Time) error {
	f.setDeadlines(t, &f.readBy)
	return f.Conn.SetReadDeadline(t)
}

// SetWriteDeadline ends stalled Writes too.
func (f *FaultConn) SetWriteDeadline(t time.Time) error {
	f.setDeadlines(t, &f.writeBy)
	return f.Conn.SetWriteDeadline(t)
}

func (f *FaultConn) setDeadlines(t time.Time, which ...*deadline) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	for _, d := range which {
		d.set(&f.cond, t)
	}
}

// FaultListener wraps each connection that l accepts with the Plan that plan gives for its number, from 1.
func FaultListener(l net.Listener, plan func(n int) Plan) net.Listener {
	return &faultListener{Listener: l, plan: plan}
}

type faultListener struct {
	net.Listener
	plan     func(n int) Plan
	accepted atomic.Int64
}

func (l *faultListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return Fault(c, l.plan(int(l.accepted.Add(1)))), nil
}
