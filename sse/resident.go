package sse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/netio"
)

// A resident is a response whose handler stays, as the net.Conn that a Stream's
// netio.Conn wants: writing is writing and flushing, there is nothing to read,
// and its end is the handler's leave to return.
type resident struct {
	http    *httpStream
	addr    requestAddr
	vacated chan struct{} // closed when netio has let go of it
	ended   chan struct{} // closed when Read shall say that the peer has ended

	// writing holds one token; whoever has put it in writes. A channel, because
	// it is held while the client takes its time. deadlines is for whoever sets
	// the deadline, which is how a write is cut short. The handler takes both, in
	// this order, before it returns.
	writing   chan struct{}
	deadlines sync.Mutex

	// Guarded by deadlines.
	deadline time.Time
	orderly  bool // the response ends as it should
	cut      bool // it ends in the middle: nobody may use the response any more

	failed error // guarded by writing: of the write that ended the stream
}

// stay serves the stream in the handler's own goroutine until it has ended.
func (s *Stream) stay(w http.ResponseWriter, r *http.Request, base func() error) {
	o := &s.h.opts
	hs := newHTTPStream(w, base, o.Logger)
	opened := false
	defer func() {
		if !opened { // also when a middleware panics with http.ErrAbortHandler
			s.end(ErrClosed)
			o.Group.remove(s)
		}
	}()
	buf := getBuffer()
	defer putBuffer(buf)
	*buf = o.appendOpening((*buf)[:0], &s.window)
	if hs.open(*buf, deadlineAfter(o.WriteTimeout), r.ProtoMajor < 2 && hasBody(r)) != nil {
		return
	}
	opened = true
	h := newResident(hs, r)
	s.house = h
	s.c = netio.New(h, carrier{s}, &s.h.wire, nil)
	s.arm(0)
	unwatch := context.AfterFunc(r.Context(), func() { s.abort(h.lost(context.Cause(r.Context()))) })
	defer func() { // also when open panics
		<-h.vacated
		unwatch()
		h.leave(o.WriteTimeout)
	}()
	s.begin(r)
}

func newResident(hs *httpStream, r *http.Request) *resident {
	return &resident{
		http: hs, addr: requestAddr(r.RemoteAddr),
		vacated: make(chan struct{}), ended: make(chan struct{}), writing: make(chan struct{}, 1),
	}
}

func deadlineAfter(d time.Duration) time.Time {
	if d == 0 {
		return time.Time{}
	}
	return time.Now().Add(d)
}

// lost returns why the stream ends when the request's context has. net/http also
// ends that when a write fails, and then it is the write that tells the reason.
func (h *resident) lost(cause error) error {
	h.writing <- struct{}{}
	defer func() { <-h.writing }()
	switch {
	case h.failed == nil:
		return fmt.Errorf("%w: %w", ErrGone, cause)
	case errors.Is(h.failed, os.ErrDeadlineExceeded):
		return errStalled
	}
	return fmt.Errorf("%w: %w", ErrGone, h.failed)
}

// leave waits for a write that is under way when netio has let go of the
// response. None follows: either all had been written, or it was cut. The bytes
// with which net/http ends a response in order are bounded by timeout.
func (h *resident) leave(timeout time.Duration) {
	h.writing <- struct{}{}
	defer func() { <-h.writing }()
	h.deadlines.Lock()
	defer h.deadlines.Unlock()
	if h.orderly {
		h.http.finish(deadlineAfter(timeout))
	}
}

func (h *resident) Write(p []byte) (n int, err error) {
	h.writing <- struct{}{}
	defer func() { <-h.writing }()
	if h.isCut() {
		return 0, net.ErrClosed
	}
	defer func() {
		// This is no handler's goroutine, where net/http recovers from a
		// response writer that panics; here it would end the process.
		if v := recover(); v != nil {
			n, err = 0, fmt.Errorf("sse: response writer panicked: %v", v)
		}
		if err != nil {
			h.failed = err
		}
	}()
	if _, err = h.http.w.Write(p); err == nil {
		err = h.http.flush()
	}
	if err == nil {
		return len(p), nil
	}
	if h.late() {
		err = fmt.Errorf("%w (%w)", os.ErrDeadlineExceeded, err)
	}
	return 0, err
}

func (h *resident) isCut() bool {
	h.deadlines.Lock()
	defer h.deadlines.Unlock()
	return h.cut
}

func (h *resident) late() bool {
	h.deadlines.Lock()
	defer h.deadlines.Unlock()
	return !h.deadline.IsZero() && !time.Now().Before(h.deadline)
}

func (h *resident) SetWriteDeadline(t time.Time) error {
	h.deadlines.Lock()
	defer h.deadlines.Unlock()
	if h.cut {
		return net.ErrClosed
	}
	h.deadline = t
	return h.http.setDeadline(t)
}

// Read waits for the end: what else a client sends is net/http's business.
func (h *resident) Read([]byte) (int, error) {
	<-h.ended
	return 0, io.EOF
}

// CloseWrite is the end in order: all has been written.
func (h *resident) CloseWrite() error {
	h.deadlines.Lock()
	defer h.deadlines.Unlock()
	h.orderly = true
	h.end()
	return nil
}

// Close throws out whoever writes, unless the response has ended in order. The
// deadline stays in the past, also when that write succeeds all the same, so that
// net/http can't end the response as if it were whole.
func (h *resident) Close() error {
	h.deadlines.Lock()
	defer h.deadlines.Unlock()
	h.end()
	if !h.orderly {
		h.cut = true
		h.deadline = time.Unix(1, 0)
		_ = h.http.setDeadline(h.deadline) // without deadlines the write ends when the network does
	}
	return nil
}

// end lets the reader go. deadlines is held.
func (h *resident) end() {
	select {
	case <-h.ended:
	default:
		close(h.ended)
	}
}

func (h *resident) SetDeadline(t time.Time) error     { return h.SetWriteDeadline(t) }
func (h *resident) SetReadDeadline(t time.Time) error { return nil }

func (h *resident) LocalAddr() net.Addr  { return requestAddr("") }
func (h *resident) RemoteAddr() net.Addr { return h.addr }

// requestAddr is http.Request.RemoteAddr.
type requestAddr string

func (requestAddr) Network() string  { return "tcp" }
func (a requestAddr) String() string { return string(a) }
