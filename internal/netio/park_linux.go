//go:build linux && (amd64 || arm64)

package netio

import (
	"os"
	"sync"
	"syscall"
)

// ticket is a connection's place in the park, of which it keeps the slot: Conn.place, which belongs to the holder of the
// reader role, and at the end to release, which comes when there is none.
type ticket struct {
	slot int32 // from 1
	gen  uint32
}

// parkingLot is the one epoll in which all silent connections of the process lie. It is itself a file that the runtime's
// poller can wait for, so it costs one goroutine and no thread.
type parkingLot struct {
	f    *os.File
	raw  syscall.RawConn
	evs  [128]syscall.EpollEvent
	wake [128]found

	mu    sync.Mutex
	slots []slot
	free  []int32
	woken int // times that a parked connection was woken
}

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
		go p.run()
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
		_ = lot.f.Close() // ends run
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
	p := &parkingLot{f: os.NewFile(uintptr(fd), "epoll")}
	p.raw, err = p.f.SyscallConn()
	return p, err
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

// run hands every connection of which the epoll reports something to a goroutine of its own. It ends when the file is
// closed. It never calls the protocol.
func (p *parkingLot) run() {
	_ = p.raw.Read(func(fd uintptr) bool {
		for {
			n, err := syscall.EpollWait(int(fd), p.evs[:], 0)
			if err == syscall.EINTR {
				continue
			}
			if n <= 0 {
				return false
			}
			p.find(p.evs[:n])
			woken := 0
			for i, f := range p.wake[:n] {
				if p.wake[i] = (found{}); f.c != nil && f.c.woken(f.ended) {
					woken++
				}
			}
			p.mu.Lock()
			p.woken += woken
			p.mu.Unlock()
		}
	})
}

// find puts the connections that evs lead to into wake. An event that was on its way while its connection ended, and
// another perhaps took its place, leads to nobody.
func (p *parkingLot) find(evs []syscall.EpollEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, ev := range evs {
		p.wake[i] = found{}
		if s := p.slots[ev.Fd-1]; s.c != nil && s.gen == uint32(ev.Pad) {
			p.wake[i] = found{s.c, ev.Events&(syscall.EPOLLRDHUP|syscall.EPOLLHUP) != 0}
		}
	}
}

// found is what an event leads to.
type found struct {
	c     *Conn
	ended bool // the peer has ended its direction, or is gone
}

// woken starts a reader, or has the one that there is look: it may have received the last bytes without noticing that the
// peer's end came with them. It reports whether it has started one.
func (c *Conn) woken(ended bool) bool {
	c.mu.Lock()
	if ended {
		c.flags.Or(flagEnded)
	}
	do := c.step(evWake)
	if do&refused != 0 && ended && c.reader == busy {
		c.poke()
	}
	c.mu.Unlock()
	if do&refused != 0 {
		return false
	}
	c.apply(do)
	return true
}

// park gives the caller's reader role to the epoll; false: it was refused, and the caller still has it.
//
// The state changes first, so that whoever the epoll wakes finds it parked. What has come since the last receive is seen
// by the kernel while it arms, and reported at once. Control has both descriptors referenced: they can't be closed, and
// so not be another's, for as long as the call takes.
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
	// If either Control fails, the connection has ended meanwhile, by somebody who has seen it parked.
	_ = c.raw.Control(func(fd uintptr) {
		_ = p.raw.Control(func(epfd uintptr) { err = syscall.EpollCtl(int(epfd), op, int(fd), &ev) })
	})
	if err != nil { // no room in the epoll
		c.unparked()
	}
	return true
}

// watchEnd has the epoll tell when the peer ends its direction, also if it has by now: as an edge, of which the park is rid
// when it arms for itself. fd is the socket's, and referenced. The caller has the reader role.
func (c *Conn) watchEnd(fd uintptr) bool {
	p, t, err := enterLot(c)
	if err != nil {
		return false
	}
	op := syscall.EPOLL_CTL_MOD
	c.mu.Lock()
	if !c.added {
		op = syscall.EPOLL_CTL_ADD
	}
	c.mu.Unlock()
	ev := t.event(syscall.EPOLLRDHUP | 1<<31) // EPOLLET
	if controlled := p.raw.Control(func(epfd uintptr) { err = syscall.EpollCtl(int(epfd), op, int(fd), &ev) }); controlled != nil || err != nil {
		return false
	}
	c.mu.Lock()
	c.added = true
	c.mu.Unlock()
	return true
}

func (t ticket) event(what uint32) syscall.EpollEvent {
	return syscall.EpollEvent{Events: what, Fd: t.slot, Pad: int32(t.gen)}
}

// unparked goes on with a connection that the epoll would not take.
func (c *Conn) unparked() {
	c.mu.Lock()
	do := c.step(evWake)
	if do&refused == 0 {
		c.noPark = true
	}
	c.mu.Unlock()
	if do&refused == 0 {
		c.apply(do)
	}
}

func (c *Conn) canPark() bool {
	return c.wire != plain && !c.noPark && c.cfg.parkAfter() > 0
}
