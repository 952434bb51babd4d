//go:build linux && (amd64 || arm64)

package netio

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// ticket is a connection's place in the park, of which it keeps the slot: Conn.place, which belongs to the holder of the
// reader role, and at the end to release, which comes when there is none.
type ticket struct {
	slot int32 // from 1
	gen  uint32
}

// parkingLot is the one epoll in which all connections of the process lie that wait for their peers. It is itself a file that
// the runtime's own poller waits for, so it costs no thread, and a goroutine or two: see crew.
type parkingLot struct {
	f     *os.File
	raw   syscall.RawConn
	bell  uintptr               // an eventfd that lies in the epoll, at no place, and is closed when nobody is inside f any more
	begin func(fd uintptr) bool // of poll
	evs   [eventsAtOnce]syscall.EpollEvent
	n     int           // how many of evs
	since int           // how many there were since the clock was read, or somebody had to wait
	quick time.Duration // since when there was always something; 0 if that is not known

	mu    sync.Mutex
	slots []slot
	free  []int32
	woken int // times that a parked connection was woken
	crew
}

// eventsAtOnce is how many events are taken from the epoll with one call.
const eventsAtOnce = 1024

// detourAfter is for how long there may always be something, without a wait, until whoever polls waits all the same; the clock is
// read once in so many events. More often costs more, because the runtime's poller has then to tell of each socket that was
// heard meanwhile, too.
const (
	detourAfter = 4 * time.Millisecond
	clockEvery  = 32
)

// slot is what the kernel's event leads to. Its generation tells an event for the connection that is here now from one
// for a connection that was.
type slot struct {
	c   *Conn
	gen uint32
}

// lot is shared by all connections that have ever parked and not yet ended; the last one closes it.
var lot struct {
	mu    sync.Mutex
	users int
	*parkingLot
}

// enterLot gives c a place, if it has none, and returns the lot and the place.
func enterLot(c *Conn) (*parkingLot, ticket, error) {
	lot.mu.Lock()
	defer lot.mu.Unlock()
	if c.place != 0 {
		return lot.parkingLot, lot.ticket(c.place), nil
	}
	if lot.users == 0 {
		p, err := newLot()
		if err != nil {
			return nil, ticket{}, err
		}
		lot.parkingLot = p
		p.mu.Lock()
		p.call()
	}
	lot.users++
	t := lot.take(c)
	c.place = t.slot
	return lot.parkingLot, t, nil
}

// leaveLot gives the place back. The kernel forgets a descriptor that is closed.
func leaveLot(c *Conn) {
	lot.mu.Lock()
	defer lot.mu.Unlock()
	if c.place == 0 {
		return
	}
	lot.give(c.place)
	c.place = 0
	lot.users--
	if lot.users == 0 {
		_ = lot.f.Close() // throws out who polls, and waits until that one is out
		_ = syscall.Close(int(lot.bell))
		lot.dismiss()
		lot.parkingLot = nil
	}
}

func newLot() (*parkingLot, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // so that NewFile gives it to the poller
		_ = syscall.Close(fd)
		return nil, os.NewSyscallError("setnonblock", err)
	}
	bell, err := sysBell(fd)
	if err != nil {
		_ = syscall.Close(fd)
		return nil, err
	}
	p := &parkingLot{f: os.NewFile(uintptr(fd), "epoll"), bell: bell}
	p.begin = p.look
	p.idle = make([]*hand, 0, runtime.GOMAXPROCS(0))
	if err = p.f.SetReadDeadline(time.Time{}); err == nil { // it fails if the runtime's poller has not taken the file
		p.raw, err = p.f.SyscallConn()
	}
	if err != nil {
		_ = p.f.Close()
		_ = syscall.Close(int(bell))
		return nil, err
	}
	return p, nil
}

func (p *parkingLot) take(c *Conn) ticket {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		p.slots = append(p.slots, slot{})
		p.free = append(p.free, int32(len(p.slots)))
	}
	n := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	s := &p.slots[n-1]
	s.c = c
	return ticket{n, s.gen}
}

// ticket is that of a place which is taken.
func (p *parkingLot) ticket(place int32) ticket {
	p.mu.Lock()
	defer p.mu.Unlock()
	return ticket{place, p.slots[place-1].gen}
}

func (p *parkingLot) give(place int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.slots[place-1]
	s.c = nil
	s.gen++
	p.free = append(p.free, place)
}

// poll waits until the epoll reports something, and fails when the file is closed. It is called by one goroutine at a time.
//
// If there is always something, it would never wait, and on one core nobody would look what else has come, but every 10 ms: the
// runtime asks its own poller when it has nothing to run. So from time to time it rings the bell and waits for that, in the
// runtime's poller, which finds whoever else is ready.
func (p *parkingLot) poll() error {
	p.n = 0
	return p.raw.Read(p.begin)
}

// look is the callback of poll. Every poll begins with it, so what was reported and not taken by the last one is seen; or else
// with the bell, which Linux passes on as an edge of the epoll whatever lies in it, and the look comes after that.
func (p *parkingLot) look(fd uintptr) bool {
	if p.since >= clockEvery {
		p.since = 0
		switch now := Now(); {
		case p.quick == 0:
			p.quick = now
		case now-p.quick >= detourAfter:
			p.quick = now
			sysRing(p.bell)
			return false
		}
	}
	for {
		n := sysEpollWait(fd, p.evs[:])
		for _, ev := range p.evs[:n] {
			if ev.Fd != 0 { // not the bell
				p.evs[p.n] = ev
				p.n++
			}
		}
		p.since += p.n
		if p.n > 0 {
			return true
		}
		if n == 0 {
			p.since, p.quick = 0, 0
			return false
		}
	}
}

// find returns the connection that the event leads to. An event that was on its way while its connection ended, and another
// perhaps took its place, leads to nobody. p.mu is held.
func (p *parkingLot) find(ev *syscall.EpollEvent) found {
	if s := p.slots[ev.Fd-1]; s.c != nil && s.gen == uint32(ev.Pad) {
		return found{s.c, ev.Events&(syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLPRI) != 0}
	}
	return found{}
}

// found is what an event leads to.
type found struct {
	c     *Conn
	ended bool // the peer has ended its direction, or is gone; or has sent urgent data, before which a receive stops short
}

// wakes takes the reader role of a connection of which the epoll has told something. If somebody else has it, or nobody is
// to read now, then whoever reads next, or has begun, is told to look at what has come: the epoll will not tell again. s is
// what to read with.
func (f found) wakes(s *stay) bool {
	c := f.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.ended {
		c.flags.Or(flagEnded)
	}
	if c.step(evWake)&refused != 0 {
		c.flags.Or(flagAttention)
		return false
	}
	if s != nil {
		c.looks(s)
	}
	return true
}

// park gives the caller's reader role to the epoll; false: it was refused, and the caller still has it.
//
// The state changes first, so that whoever the epoll wakes finds it parked. What has come since the last receive is seen
// by the kernel while it arms, and reported at once. Control has both descriptors referenced: they can't be closed, and
// so not be another's, for as long as the call takes.
//
// A bare socket is armed for edges, and only when it first parks or is served anew after a pause. What comes between its
// last receive and its park was told to the reader, as attention, and keeps it from parking.
func (c *Conn) park() bool {
	p, t, err := enterLot(c)
	if err != nil {
		c.noPark = true // the goroutine stays
		return false
	}
	op := syscall.EPOLL_CTL_MOD
	c.mu.Lock()
	added := c.added
	if !added {
		op, c.added = syscall.EPOLL_CTL_ADD, true
	}
	do := c.step(evIdle)
	if do&refused != 0 {
		c.added = added
	}
	c.mu.Unlock()
	if do&refused != 0 {
		return false
	}
	ev := t.event(syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT)
	if c.wire == fast {
		ev = t.event(syscall.EPOLLIN | syscall.EPOLLPRI | syscall.EPOLLRDHUP | edge)
	}
	// If either Control fails, the connection has ended meanwhile, by somebody who has seen it parked.
	_ = c.raw.Control(func(fd uintptr) {
		_ = p.raw.Control(func(epfd uintptr) { err = sysEpollCtl(c.cfg.faults, epfd, op, fd, &ev) })
	})
	if err != nil { // no room in the epoll
		c.unparked()
	}
	return true
}

const edge = 1 << 31 // syscall.EPOLLET, which is negative

func (t ticket) event(what uint32) syscall.EpollEvent {
	return syscall.EpollEvent{Events: what, Fd: t.slot, Pad: int32(t.gen)}
}

// unparked goes on with a connection that the epoll would not take.
func (c *Conn) unparked() {
	c.mu.Lock()
	do := c.step(evWake)
	if do&refused == 0 {
		c.noPark, c.added = true, false
	}
	c.mu.Unlock()
	if do&refused == 0 {
		c.apply(do)
	}
}

func (c *Conn) canPark() bool {
	return c.wire != plain && !c.noPark && c.cfg.parkAfter() > 0
}
