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
	s.drainInside = func(fd uintptr) { s.drain(fd) }
	s.readInside, s.peek = s.inside, s.readable
}

// drain receives, and has the protocol consume, until the socket is empty or somebody wants the reader outside.
func (s *stay) drain(fd uintptr) (dry bool) {
	c := s.c
	for s.recv(fd) {
		if s.err != nil {
			return false
		}
		s.feed()
		if c.is(flagCorked | flagMore) {
			c.uncorkIn(fd)
		}
		if s.next == Pause || c.is(flagAttention) {
			return false
		}
		if !s.more {
			return true
		}
	}
	return true
}

// inside is the whole activity of a callback form that has no park: one RawConn.Read from the first byte on, in which the
// protocol runs. False means wait. A wait needs no receive that fails first: an edge that comes after the last receive
// is latched in the runtime's poller until the wait that follows.
func (s *stay) inside(fd uintptr) bool {
	if !s.drain(fd) {
		return true
	}
	s.settle()
	return false
}

// attend is a turn of the callback form: it receives until there is nothing more, and parks. Whoever calls it has the role, and
// has looked at the state. It reports true if it still has the role, because the epoll would not take the socket.
func (c *Conn) attend(s *stay) bool {
	for {
		err := c.raw.Control(s.drainInside)
		if err == nil {
			err = s.err
		}
		if err != nil {
			s.err = nil
			c.receiveFailed(err)
			return false
		}
		pause := s.next == Pause
		dry := !pause && !s.more
		if dry || pause {
			s.settle()
		}
		c.mu.Lock()
		do := refused
		switch {
		case pause:
			s.next = More
			do = c.step(evPause)
		case dry && c.added:
			do = c.step(evIdle)
		case dry: // for the first time
			c.mu.Unlock()
			if c.park() {
				return false
			}
			if s.parks = c.canPark(); !s.parks {
				return true
			}
			c.mu.Lock()
		}
		goOn := do&refused != 0
		left := goOn && !c.looks(s)
		c.mu.Unlock()
		if left {
			c.leave()
		}
		if left || !goOn {
			return false
		}
	}
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
	n, full, e := sysRecv(c.cfg.faults, fd, p)
	// The peer's end may have come with the last bytes, and then they were all that was told. The epoll tells of the end by
	// itself; otherwise only a receive that finds it does.
	s.more = full || !c.tcp || !s.parks || c.is(flagEnded)
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
		s.err = c.sysErr("read", "recvfrom", e)
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
		op.once = op.send
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

// result is what the attempt came to; a full socket is no error.
func (op *sendOp) result(err error) (int, error) {
	c, n, e := op.c, op.n, op.e
	op.free()
	return c.sendResult(n, e, err)
}

func (c *Conn) sendResult(n int, e syscall.Errno, err error) (int, error) {
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

// writeFast waits until the socket has taken some of p. What it waits with is small, because it may be long.
func (c *Conn) writeFast(p []byte) (n int, err error) {
	var e syscall.Errno
	err = c.raw.Write(func(fd uintptr) bool {
		n, e = sysSend(c.cfg.faults, fd, p)
		return e != syscall.EAGAIN
	})
	return c.sendResult(n, e, err)
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
