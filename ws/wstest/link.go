package wstest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// behind is from how many bytes on a send does not wait until they are written: a peer may echo what it has not read
// to the end, and would wait for us to read.
const behind = 16 << 10

// link is a connection to the peer under test, seen from the suite's end. Its methods do nothing once the exam has
// failed. Owned by the exam's goroutine.
type link struct {
	x    *exam
	nc   net.Conn
	br   *bufio.Reader
	stop func() bool // of the context's hold on nc

	req *head // what the client under test asked for

	writing chan struct{} // closed when the write that goes on behind has ended; nil: none
	broken  atomic.Bool   // a write has failed
	quiet   bool          // frames are too many for the transcript
	frames  int           // received
}

// newLink takes nc over. The end of the run closes it.
func (x *exam) newLink(nc net.Conn) *link {
	l := &link{x: x, nc: nc, br: bufio.NewReader(nc)}
	l.stop = context.AfterFunc(x.ctx, func() { _ = nc.Close() }) // whoever is blocked sees it
	x.links = append(x.links, l)
	return l
}

// nowhere is a link that leads to no peer, for an exam that has failed.
func (x *exam) nowhere() *link { return &link{x: x, req: &head{}} }

func (l *link) close() {
	l.stop()
	_ = l.nc.Close() // what the peer makes of it is not asked
	if l.writing != nil {
		<-l.writing
	}
}

// dead reports whether there is nothing more to do here.
func (l *link) dead() bool { return l.x.failed() || l.nc == nil }

// write writes b, behind if it is long.
func (l *link) write(b []byte) {
	l.settle()
	if l.broken.Load() {
		return
	}
	l.writing = make(chan struct{})
	done := l.writing
	write := func() {
		defer close(done)
		for len(b) > 0 && !l.broken.Load() {
			n := min(len(b), 64<<10) // patience is for a piece, not for all
			_ = l.nc.SetWriteDeadline(time.Now().Add(l.x.patience))
			if _, err := l.nc.Write(b[:n]); err != nil {
				l.broken.Store(true) // reading will tell why
			}
			b = b[n:]
		}
	}
	if len(b) >= behind {
		go write() // ends when it has written, or by close
		return
	}
	write()
}

// settle waits for the write that goes on behind.
func (l *link) settle() {
	if l.writing != nil {
		<-l.writing
		l.writing = nil
	}
}

// busy reports whether a write goes on behind.
func (l *link) busy() bool {
	if l.writing == nil {
		return false
	}
	select {
	case <-l.writing:
		l.writing = nil
		return false
	default:
		return true
	}
}

// encode appends a frame the way this end has to send it.
func (l *link) encode(dst []byte, f frame) []byte {
	return appendFrame(dst, f, l.x.asServer() != f.wrongMask, rand.Uint32())
}

// send sends frames in one piece.
func (l *link) send(frames ...frame) {
	if l.dead() {
		return
	}
	var b []byte
	for _, f := range frames {
		b = l.encode(b, f)
		l.x.sent.add("%v", f)
	}
	l.write(b)
}

// sendBytes sends bytes that are described by what.
func (l *link) sendBytes(b []byte, format string, args ...any) {
	if l.dead() {
		return
	}
	l.x.sent.add(format, args...)
	l.write(b)
}

// pause gives the peer the time to read what was sent before more of it comes. On fake time it is exact. On real time
// it is likely; the two pieces may arrive as one, which makes the case weaker, never wrong.
func (l *link) pause() {
	if !l.dead() {
		time.Sleep(time.Millisecond)
	}
}

// shut ends the sending side.
func (l *link) shut() {
	if l.dead() {
		return
	}
	l.settle()
	l.x.sent.add("(end)")
	if half, ok := l.nc.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // if it fails, the peer has reset the connection, which reading will tell
	} else {
		_ = l.nc.Close() // a connection without halves; the peer sees an end all the same
	}
}

// What Windows says of a connection that was reset; elsewhere no error has these numbers.
const (
	wsaConnAborted = syscall.Errno(10053)
	wsaConnReset   = syscall.Errno(10054)
)

// What there was instead of a frame.
const (
	endClean   = "the connection ended"
	endReset   = "the connection was reset"
	endNothing = "nothing came"
)

// maxFrames bounds what is received on a link. It is more than a peer that echoes has reason to send.
func (l *link) maxFrames() int { return 2*l.x.peer.flood() + 10_000 }

// next returns the peer's next frame. If there is none, what says what there was instead. The peer's own pings are
// answered and passed over.
func (l *link) next() (f frame, what string) {
	for {
		if l.frames++; l.frames > l.maxFrames() {
			return frame{}, fmt.Sprintf("more than %d frames came", l.maxFrames())
		}
		_ = l.nc.SetReadDeadline(time.Now().Add(l.x.patience))
		f, err := readFrame(l.br)
		if err != nil {
			what := l.describe(err)
			l.x.got.add("(%s)", what)
			return frame{}, what
		}
		if !l.quiet {
			l.x.got.add("%v", f)
		}
		if f.op != opPing {
			return f, ""
		}
		if !l.busy() { // else it would have to wait; the peer will too
			l.write(l.encode(nil, frame{op: opPong, payload: f.payload}))
		}
	}
}

// instead is what next returned, in words.
func instead(f frame, what string) string {
	if what != "" {
		return what
	}
	return f.String()
}

func (l *link) describe(err error) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Sprintf("%s for %v", endNothing, l.x.patience)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection ended inside a frame"
	case errors.Is(err, io.EOF):
		return endClean
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, wsaConnReset), errors.Is(err, wsaConnAborted):
		return endReset
	}
	return err.Error()
}
