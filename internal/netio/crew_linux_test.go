//go:build linux && (amd64 || arm64)

package netio

import (
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// hands counts the goroutines of the crew.
func hands() int {
	buf := make([]byte, 8<<20)
	return strings.Count(string(buf[:runtime.Stack(buf, true)]), "(*hand).work(")
}

// bare runs f over bare sockets, on one core and on all.
func bare(t *testing.T, f func(t *testing.T, tr transport)) {
	run(t, func(t *testing.T, tr transport) {
		if tr.wire != fast {
			return
		}
		for _, n := range []int{1, runtime.NumCPU()} {
			old := runtime.GOMAXPROCS(n)
			f(t, tr)
			runtime.GOMAXPROCS(old)
		}
	})
}

// gated echoes, but waits inside a message that is "wait" until it is let go.
func gated(t *testing.T, tr transport) (l *lines, peer net.Conn, inside, letGo chan struct{}) {
	l = newLines()
	inside, letGo = make(chan struct{}, 1), make(chan struct{})
	l.onMessage = func(p []byte) Next {
		if string(p) == "wait" {
			inside <- struct{}{}
			<-letGo
		}
		l.echo(p)
		return More
	}
	_, peer = echoServer(t, tr, l, false, nil)
	return l, peer, inside, letGo
}

func say(t *testing.T, peer net.Conn, p string) {
	t.Helper()
	if _, err := peer.Write(frame([]byte(p))); err != nil {
		t.Error(err)
	}
}

func hear(t *testing.T, peer net.Conn, p string) {
	t.Helper()
	want := frame([]byte(p))
	got := make([]byte, len(want))
	mustReadFull(t, peer, got)
	if string(got) != string(want) {
		t.Errorf("heard %q, want %q", got, want)
	}
}

// Handlers that block cost a goroutine each while they do, and delay nobody: not those that were reported together with them,
// nor those who come later. Afterwards the goroutines go.
func TestHandlersThatBlockDelayNobody(t *testing.T) {
	bare(t, func(t *testing.T, tr transport) {
		const held, free = 60, 20
		var blocked, others []net.Conn
		var ends []*lines
		var gates []chan struct{}
		for i := range held + free {
			l, peer, _, letGo := gated(t, tr)
			ends = append(ends, l)
			if i < held {
				blocked, gates = append(blocked, peer), append(gates, letGo)
			} else {
				others = append(others, peer)
			}
		}
		for _, peer := range blocked {
			say(t, peer, "wait")
		}
		for range 3 {
			for _, peer := range others {
				say(t, peer, "word")
			}
			for _, peer := range others {
				hear(t, peer, "word")
			}
		}
		eventually(t, "all are held up", func() bool { return hands() >= held })
		for _, g := range gates {
			close(g)
		}
		for _, peer := range blocked {
			hear(t, peer, "wait")
		}
		eventually(t, "the crew is small again", func() bool { return hands() <= runtime.GOMAXPROCS(0)+2 })
		for i, peer := range append(blocked, others...) {
			peer.Close()
			get(t, "the end", ends[i].closed)
		}
	})
}

// What comes while the protocol runs, bytes or the end, is told once, and must be remembered until it has returned.
func TestInputDuringATurn(t *testing.T) {
	bare(t, func(t *testing.T, tr transport) {
		for range 20 {
			l, peer, inside, letGo := gated(t, tr)
			for range 3 {
				say(t, peer, "wait")
				get(t, "the message", inside)
				say(t, peer, "more")
				eventually(t, "told", func() bool { return l.c.is(flagAttention) })
				letGo <- struct{}{}
				hear(t, peer, "wait")
				hear(t, peer, "more")
				eventually(t, "parked", func() bool { return l.c.state() == parked })
			}
			say(t, peer, "wait")
			get(t, "the message", inside)
			peer.(interface{ CloseWrite() error }).CloseWrite()
			eventually(t, "told", func() bool { return l.c.is(flagEnded) })
			close(letGo)
			hear(t, peer, "wait")
			if err := get(t, "the end", l.closed); err != io.EOF {
				t.Errorf("Closed(%v)", err)
			}
			peer.Close()
		}
	})
}

// While nobody reads, after a Pause, what comes is told to whoever goes on.
func TestInputDuringAPause(t *testing.T) {
	bare(t, func(t *testing.T, tr transport) {
		for _, pumps := range []bool{false, true} {
			l := newLines()
			paused := make(chan struct{}, 1)
			l.onMessage = func(p []byte) Next {
				l.echo(p)
				paused <- struct{}{}
				return Pause
			}
			c, peer := echoServer(t, tr, l, false, nil)
			for range 5 {
				say(t, peer, "word")
				get(t, "the pause", paused)
				hear(t, peer, "word")
				eventually(t, "paused", func() bool { return c.state() == still })
				say(t, peer, "next")
				if pumps {
					for l.calls.Load()%2 == 1 {
						if err := c.Pump(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
				} else {
					c.Serve()
				}
				get(t, "the pause", paused)
				hear(t, peer, "next")
				eventually(t, "paused", func() bool { return c.state() == still })
				c.Serve()
			}
			peer.(interface{ CloseWrite() error }).CloseWrite()
			if err := get(t, "the end", l.closed); err != io.EOF {
				t.Errorf("Closed(%v)", err)
			}
			peer.Close()
		}
	})
}

// A protocol that ends its goroutine takes one of the crew along, and its connection, and no other.
func TestCrewOutlivesProtocolsThatEndTheirGoroutine(t *testing.T) {
	bare(t, func(t *testing.T, tr transport) {
		_, other, _, _ := gated(t, tr)
		for range 30 {
			l := newLines()
			l.onMessage = func([]byte) Next {
				runtime.Goexit()
				return More
			}
			_, peer := echoServer(t, tr, l, false, nil)
			say(t, peer, "last word")
			if err := get(t, "the end", l.closed); err != ErrAbandoned {
				t.Errorf("Closed(%v)", err)
			}
			say(t, other, "word")
			hear(t, other, "word")
			peer.Close()
		}
	})
}

// The lot closes with the last connection, which may end in a turn, and opens again for the next.
func TestLotOpensAgain(t *testing.T) {
	bare(t, func(t *testing.T, tr transport) {
		for range 50 {
			l := newLines()
			l.onMessage = func(p []byte) Next {
				l.c.CloseNow(nil)
				return More
			}
			_, peer := echoServer(t, tr, l, false, nil)
			say(t, peer, "the last")
			get(t, "the end", l.closed)
			peer.Close()
		}
	})
}

// A receive from a Unix socket stops behind bytes that came with a descriptor, though there are more.
func TestUnixBytesBehindADescriptor(t *testing.T) {
	bare(t, func(t *testing.T, tr transport) {
		l, peer, inside, letGo := gated(t, tr)
		u, ok := peer.(*net.UnixConn)
		if !ok {
			return
		}
		say(t, peer, "wait")
		get(t, "the message", inside)
		for _, p := range []string{"first", "second"} {
			if _, _, err := u.WriteMsgUnix(frame([]byte(p)), syscall.UnixRights(0), nil); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "told", func() bool { return l.c.is(flagAttention) })
		close(letGo)
		for _, p := range []string{"wait", "first", "second"} {
			hear(t, peer, p)
		}
	})
}

// A receive from a TCP socket stops before urgent data, though there are bytes behind it, and the end.
func TestBytesBehindUrgentData(t *testing.T) {
	bare(t, func(t *testing.T, tr transport) {
		l, peer, inside, letGo := gated(t, tr)
		tcp, ok := peer.(*net.TCPConn)
		if !ok {
			return
		}
		say(t, peer, "wait")
		get(t, "the message", inside)
		raw, err := tcp.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		say(t, peer, "first")
		if controlled := raw.Control(func(fd uintptr) { err = syscall.Sendto(int(fd), []byte("!"), syscall.MSG_OOB, nil) }); controlled != nil || err != nil {
			t.Fatal(controlled, err)
		}
		say(t, peer, "second")
		eventually(t, "told", func() bool { return l.c.is(flagEnded) })
		close(letGo)
		for _, p := range []string{"wait", "first", "second"} {
			hear(t, peer, p)
		}
		say(t, peer, "third")
		hear(t, peer, "third")
		tcp.CloseWrite()
		if err := get(t, "the end", l.closed); err != io.EOF {
			t.Errorf("Closed(%v)", err)
		}
	})
}

// Whoever finds the epoll ready time and again waits in between, which takes him through the runtime's poller, and comes back from
// there; and misses nothing.
func TestPollMakesADetour(t *testing.T) {
	p, err := newLot()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		p.f.Close()
		syscall.Close(int(p.bell))
	}()
	var other uintptr
	p.raw.Control(func(epfd uintptr) {
		if other, err = sysBell(int(epfd)); err == nil {
			ev := ticket{slot: 7}.event(syscall.EPOLLIN | edge)
			err = sysEpollCtl(nil, epfd, syscall.EPOLL_CTL_MOD, other, &ev)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(int(other))
	detours := 0
	p.begin = func(fd uintptr) bool {
		is := p.look(fd)
		if !is && p.quick != 0 {
			detours++
		}
		return is
	}
	for detours < 5 {
		sysRing(other)
		if err := p.poll(); err != nil || p.n != 1 || p.evs[0].Fd != 7 {
			t.Fatalf("poll: %v, %d events", err, p.n)
		}
		if p.since == clockEvery && p.quick != 0 {
			p.quick -= detourAfter / 3
		}
	}
}

// A connection whose peer sends without end is one of many.
func TestFloodDelaysNobody(t *testing.T) {
	bare(t, func(t *testing.T, tr transport) {
		l := newLines()
		l.onMessage = func([]byte) Next { return More }
		_, flood := echoServer(t, tr, l, false, nil)
		_, peer, _, _ := gated(t, tr)
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			p := make([]byte, 0, 64<<10)
			for len(p) < 60<<10 {
				p = append(p, frame([]byte("flood"))...)
			}
			for {
				select {
				case <-stop:
					return
				default:
					flood.Write(p)
				}
			}
		}()
		for range 20 {
			say(t, peer, "word")
			hear(t, peer, "word")
		}
		close(stop)
		<-stopped
		flood.Close()
		get(t, "the end", l.closed)
	})
}

// A receive that fails in a turn ends the connection with its error.
func TestReceiveFailsInATurn(t *testing.T) {
	bare(t, func(t *testing.T, tr transport) {
		l := newLines()
		fail := false
		c, peer := tr.start(t, l, func(g *Config) {
			g.faults = func(call sysCall, p []byte) ([]byte, syscall.Errno) {
				if call == callRecv && fail {
					return nil, syscall.ETIMEDOUT
				}
				return p, 0
			}
		})
		l.c = c
		c.Serve()
		say(t, peer, "word")
		hear(t, peer, "word")
		eventually(t, "parked", func() bool {
			c.mu.Lock() // orders fail before the turn that comes
			defer c.mu.Unlock()
			fail = c.reader == parked
			return fail
		})
		say(t, peer, "word")
		if err := get(t, "the end", l.closed); err == nil || isTimeout(err) {
			t.Errorf("Closed(%v)", err)
		}
	})
}

// One who is called while there is something to take lets those in before who wait for the processor.
func TestWhoIsCalledLetsOthersIn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for range 20 { // at times the scheduler takes the one who yields again
		p := &parkingLot{}
		p.last, p.coming, p.let = 3, true, -time.Hour
		var others atomic.Bool
		go others.Store(true)
		p.mu.Lock()
		p.arrived()
		if p.coming {
			t.Error("still coming")
		}
		p.mu.Unlock()
		if others.Load() {
			return
		}
	}
	t.Error("others were not let in")
}

// Others are let in once for what is reported together: they may take long, and one turn that blocks follows another.
func TestOthersAreLetInOnlySoOften(t *testing.T) {
	p := &parkingLot{}
	p.last, p.let = 3, -time.Hour
	p.mu.Lock()
	defer p.mu.Unlock()
	start, before, times := Now(), p.let, 0
	for range 10000 {
		if p.arrived(); p.let != before {
			before = p.let
			times++
		}
	}
	if most := 1 + int((Now()-start)/letInEvery); times == 0 || times > most {
		t.Errorf("%d times, want 1 to %d", times, most)
	}
	p.last, p.let = 0, -time.Hour
	if p.arrived(); p.let != -time.Hour {
		t.Error("others were let in where there is nothing to take")
	}
}

// What a pause leaves over lies in a buffer of its size.
func TestPauseKeepsNoMoreThanWhatIsLeftOver(t *testing.T) {
	bare(t, func(t *testing.T, tr transport) {
		l := newLines()
		paused := make(chan struct{}, 1)
		l.onMessage = func([]byte) Next {
			paused <- struct{}{}
			return Pause
		}
		c, peer := echoServer(t, tr, l, false, nil)
		f := frame([]byte("word"))
		peer.Write(append(f, f[:3]...))
		get(t, "the pause", paused)
		eventually(t, "paused", func() bool { return c.state() == still })
		c.mu.Lock()
		if c.in == nil {
			t.Error("holds nothing")
		} else if c.in.len() != 3 || len(c.in.b) != waitSize {
			t.Errorf("holds %d bytes in %d", c.in.len(), len(c.in.b))
		}
		c.mu.Unlock()
	})
}
