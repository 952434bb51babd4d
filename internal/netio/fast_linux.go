//go:build linux && (amd64 || arm64)

package netio

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

func (s *stay) bind() {
	s.readInside, s.peek = s.inside, s.readable
}

// inside is the callback form's whole activity: it runs in one RawConn.Read from the first byte after a silence to the
// next silence, and the protocol runs in it. False means wait. A wait needs no receive that fails first: an edge that
// comes after the last receive is latched in the runtime's poller until the wait that follows.
func (s *stay) inside(fd uintptr) bool {
	c := s.c
	for {
		if !s.recv(fd) {
			return s.sleepyOrSettled()
		}
		if s.err != nil {
			return true
		}
		s.feed()
		if c.is(flagCorked) || c.is(flagMore) {
			c.uncorkIn(fd)
		}
		if s.next == Pause || c.is(flagAttention) {
			return true
		}
		if !s.more {
			if s.parks && s.waits < watchAfter {
				s.watchSoon(fd)
			}
			return s.sleepyOrSettled()
		}
	}
}

// watchAfter is how many waits a stay makes before it has the epoll watch for the peer's end, and no longer asks with each
// receive.
const watchAfter = 16

func (s *stay) watchSoon(fd uintptr) {
	if s.waits++; s.waits == watchAfter {
		s.watched = s.c.watchEnd(fd)
	}
}

// askInq is called once before the callback form begins: the blocking one does not need it.
func (c *Conn) askInq() {
	if c.wire != fast || c.inq != inqUnknown {
		return
	}
	c.inq = inqNever
	_ = c.raw.Control(func(fd uintptr) { // it fails if the socket is closed, and then so will the receive
		if tellInq(fd) {
			c.inq = inqTold
		}
	})
}

// sleepyOrSettled says whether to leave for the park, and prepares for a wait if not.
func (s *stay) sleepyOrSettled() bool {
	if s.sleepy() {
		return true
	}
	s.settle()
	return false
}

// ear is what a Pump waits with. It is pooled, so that its function is made once, and small, because it lasts as long as
// the wait: the stay is given back before that, with the buffer.
type ear struct {
	s    *stay // nil after a receive that found nothing
	hear func(fd uintptr) bool
}

var ears sync.Pool

func newEar() *ear {
	if e, ok := ears.Get().(*ear); ok {
		return e
	}
	e := new(ear)
	// It receives, and leaves. Every new wait begins with a receive anyway, so it need not be told what is left. After the
	// wait it leaves, too, so that another buffer is taken, which would go too deep for a small stack here.
	e.hear = func(fd uintptr) bool {
		s := e.s
		if s == nil {
			return true
		}
		n, _, errno := sysRecv(s.c.cfg.faults, fd, s.takenAt)
		if errno == syscall.EAGAIN {
			e.s = nil
			s.nothing()
			return false
		}
		s.heard(n, errno)
		return true
	}
	return e
}

// nothing gives back what was taken for a receive, and the stay with it.
func (s *stay) nothing() {
	if s.room != nil || s.taken != s.c.in {
		s.taken.spare()
	} else {
		s.settle() // place has made room behind what is left over
	}
	s.free()
}

// heard takes note of what a receive came to.
func (s *stay) heard(n int, e syscall.Errno) {
	b := s.taken
	s.taken, s.takenAt = nil, nil
	s.placed(b, n)
	switch {
	case e != 0:
		s.err = s.c.sysErr("read", "recvfrom", e)
	case n == 0:
		s.err = io.EOF
	}
}

func (s *stay) readable(fd uintptr) bool { return sysReadable(s.c.cfg.faults, fd, s.one[:]) }

// recv reports false if there was nothing.
func (s *stay) recv(fd uintptr) bool {
	b, p := s.place(readSize)
	c := s.c
	n, call := 0, "recvfrom"
	var e syscall.Errno
	switch f := c.cfg.faults; {
	case s.watched:
		n, s.more, e = sysRecv(f, fd, p)
		s.more = s.more || c.is(flagEnded)
	case c.inq == inqTold:
		n, s.more, e = sysRecvInq(f, fd, b, p)
		call = "recvmsg"
	default:
		n, _, e = sysRecv(f, fd, p)
		s.more = true // until it finds nothing
	}
	switch {
	case e == syscall.EAGAIN:
		if s.room != nil || b != s.c.in {
			s.room = nil
			b.spare()
		}
		s.more = false
		return false
	case e != 0:
		s.placed(b, 0)
		s.err = c.sysErr("read", call, e)
	case n == 0:
		s.placed(b, 0)
		s.err = io.EOF
	default:
		s.placed(b, n)
	}
	return true
}

func (c *Conn) sysErr(op, call string, e syscall.Errno) error {
	return &net.OpError{Op: op, Net: c.nc.LocalAddr().Network(), Source: c.nc.LocalAddr(), Addr: c.nc.RemoteAddr(), Err: os.NewSyscallError(call, e)}
}

// receiveFast waits for bytes, for a Pump. It returns the stay to go on with, which has them or the error.
func (c *Conn) receiveFast(s *stay) *stay {
	e := newEar()
	for {
		s.taken, s.takenAt = s.place(readSize)
		e.s = s
		waited := c.raw.Read(e.hear)
		if e.s == nil { // the wait is over
			s = c.newStay(false)
		} else if waited == nil {
			break // it has heard something
		} else { // it did not come to that
			b := s.taken
			s.taken, s.takenAt = nil, nil
			s.placed(b, 0)
		}
		if waited != nil {
			s.err = waited
			break
		}
	}
	e.s = nil
	ears.Put(e)
	return s
}

// receiveTLS waits on the socket without a buffer, and takes one when bytes are there. tls.Conn reads what the socket
// has, so it may hold further records that no edge will tell of. It does not say, but it can be asked: with a deadline
// that has passed it gives what it holds and fails without a system call when it needs more. Such an error is temporary,
// which crypto/tls lets pass without harm.
func (c *Conn) receiveTLS(s *stay) error {
	for {
		if c.tlsMore {
			if n, err := c.readHeld(s); n > 0 || err != nil && !isTimeout(err) {
				return err
			}
			c.tlsMore = false
		}
		if s.more = false; s.sleepy() {
			return errQuiet
		}
		s.settle() // readHeld has made room behind what is left over
		if !c.rearm(s) {
			return os.ErrDeadlineExceeded
		}
		if err := c.raw.Read(s.peek); err != nil {
			return err
		}
		c.tlsMore = true
		b, p := s.place(readSize)
		n, err := c.nc.Read(p)
		s.more = true
		s.placed(b, n)
		if n > 0 {
			return nil
		}
		if err != nil {
			return plainErr(err)
		}
	}
}

// readHeld reads what tls.Conn holds, without the socket.
func (c *Conn) readHeld(s *stay) (int, error) {
	c.mu.Lock()
	if c.deadline != dlPast {
		_ = c.nc.SetReadDeadline(longAgo)
		c.deadline = dlHeld
	}
	c.mu.Unlock()
	b, p := s.place(readSize)
	n, err := c.nc.Read(p)
	s.more = n > 0
	s.placed(b, n)
	if n > 0 {
		return n, nil
	}
	return 0, plainErr(err)
}

// rearm sets the deadline of a wait anew after readHeld has moved it, unless somebody wants the reader out.
func (c *Conn) rearm(s *stay) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.is(flagAttention) {
		return false
	}
	if c.deadline == dlHeld {
		c.armDeadline(s)
	}
	return true
}

var (
	shutWrite = func(fd uintptr) { sysShutdown(fd, syscall.SHUT_WR) }
	shutBoth  = func(fd uintptr) { sysShutdown(fd, syscall.SHUT_RDWR) }
)

// sendOp is what an attempt to send needs. It is pooled, so that its method is bound once.
type sendOp struct {
	c     *Conn
	once  func(fd uintptr)
	loop  func(fd uintptr) bool
	p     []byte
	parts [][]byte // if p is nil
	n     int
	e     syscall.Errno
	state sendState
	two   [2][]byte

	joined *buffer         // what head, or head and body, were copied to; nil if that is small
	small  [joinLimit]byte // the same for a little
}

var sendOps sync.Pool

func (c *Conn) newSend() *sendOp {
	op, ok := sendOps.Get().(*sendOp)
	if !ok {
		op = new(sendOp)
		op.once, op.loop = op.send, op.sendOrWait
	}
	op.c = c
	return op
}

func (op *sendOp) free() {
	op.c, op.p, op.parts, op.n, op.e, op.two = nil, nil, nil, 0, 0, [2][]byte{}
	if op.joined != nil {
		op.joined.free()
		op.joined = nil
	}
	sendOps.Put(op)
}

func (op *sendOp) send(fd uintptr) {
	if op.p != nil {
		op.n, op.e = sysSend(op.c.cfg.faults, fd, op.p)
	} else {
		op.n, op.e = sysSendParts(op.c.cfg.faults, fd, &op.state, op.parts)
	}
}

func (op *sendOp) sendOrWait(fd uintptr) bool {
	op.send(fd)
	return op.e != syscall.EAGAIN
}

// result is what the attempt came to; a full socket is no error.
func (op *sendOp) result(err error) (int, error) {
	c, n, e := op.c, op.n, op.e
	op.free()
	switch {
	case err != nil:
		return 0, err
	case e != 0 && e != syscall.EAGAIN:
		return 0, c.sysErr("write", "sendmsg", e)
	}
	return n, nil
}

// joinLimit is up to where copying head and body together is cheaper than giving the system two slices.
const joinLimit = 2 << 10

// try sends what the socket has room for. Control references the descriptor for the time of the call, and nothing else:
// a RawConn.Write would also contend for the lock of writers that wait.
func (c *Conn) try(head, body []byte) (int, error) {
	op := c.newSend()
	op.take(head, body)
	return op.result(c.raw.Control(op.once))
}

// take makes head and body what is to be sent. It copies head, which may lie on the caller's stack.
func (op *sendOp) take(head, body []byte) {
	switch {
	case len(head) == 0:
		op.p = body
	case len(head)+len(body) <= joinLimit:
		n := copy(op.small[:], head)
		op.p = op.small[:n+copy(op.small[n:], body)]
	case len(body) == 0, len(head) > joinLimit:
		op.joined = appended(nil, head, body)
		op.p = op.joined.bytes()
	default:
		op.joined = appended(nil, head, nil)
		op.two = [2][]byte{op.joined.bytes(), body}
		op.parts = op.two[:]
	}
}

// tryFrames sends what the socket has room for of up to maxParts frames.
func (c *Conn) tryFrames(frames [][]byte) (int, error) {
	op := c.newSend()
	if len(frames) == 1 {
		op.p = frames[0]
	} else {
		op.parts = frames
	}
	return op.result(c.raw.Control(op.once))
}

// writeFast waits until the socket has taken some of p.
func (c *Conn) writeFast(p []byte) (int, error) {
	op := c.newSend()
	op.p = p
	return op.result(c.raw.Write(op.loop))
}

// uncorkIn is uncork for the reader inside its callback: the descriptor is referenced already.
func (c *Conn) uncorkIn(fd uintptr) {
	b := c.collected()
	if b == nil {
		return
	}
	n, e := sysSend(c.cfg.faults, fd, b.bytes())
	var err error
	if e != 0 && e != syscall.EAGAIN {
		err = c.sysErr("write", "sendmsg", e)
	}
	c.triedQueue(b, n, err)
}
