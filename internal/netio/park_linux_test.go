//go:build linux && (amd64 || arm64)

package netio

import (
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func lotUsers() int {
	lot.mu.Lock()
	defer lot.mu.Unlock()
	return lot.users
}

// wordsTo makes n parked connections of which each has said a word, and their peers.
func wordsTo(t *testing.T, tr transport, n int, after time.Duration) (all []*lines, peers []net.Conn) {
	for range n {
		l := newLines()
		_, peer := echoServer(t, tr, l, false, func(g *Config) { g.ParkAfter = after })
		f := frame([]byte("word"))
		peer.Write(f)
		mustReadFull(t, peer, make([]byte, len(f)))
		all, peers = append(all, l), append(peers, peer)
	}
	for _, l := range all {
		eventually(t, "parked", func() bool { return l.c.state() == parked })
	}
	return all, peers
}

func parkable(t *testing.T, f func(t *testing.T, tr transport)) {
	run(t, func(t *testing.T, tr transport) {
		if tr.wire != plain {
			f(t, tr)
		}
	})
}

func TestParkedHasNeitherGoroutineNorBuffer(t *testing.T) {
	parkable(t, func(t *testing.T, tr transport) {
		all, peers := wordsTo(t, tr, 30, time.Millisecond)
		eventually(t, "no goroutine", func() bool {
			buf := make([]byte, 1<<20)
			return !strings.Contains(string(buf[:runtime.Stack(buf, true)]), "(*Conn).serve")
		})
		for i, l := range all {
			l.c.mu.Lock()
			if l.c.in != nil || l.c.queue != nil || l.c.slow != nil || l.c.watch != nil {
				t.Errorf("connection %d holds memory while parked", i)
			}
			l.c.mu.Unlock()
			if !l.c.Listening() {
				t.Errorf("connection %d does not listen while parked", i)
			}
		}
		// A word from us does not wake it, one from the peer does.
		f := frame([]byte("again"))
		if err := all[0].c.Write(t.Context(), nil, f); err != nil || all[0].c.state() != parked {
			t.Errorf("Write: %v, state %d", err, all[0].c.state())
		}
		mustReadFull(t, peers[0], make([]byte, len(f)))
		peers[0].Write(f)
		mustReadFull(t, peers[0], make([]byte, len(f)))
		eventually(t, "parked again", func() bool { return all[0].c.state() == parked })
	})
}

// What is left over moves to a buffer of its size.
func TestParkedInTheMiddleOfAFrame(t *testing.T) {
	parkable(t, func(t *testing.T, tr transport) {
		all, peers := wordsTo(t, tr, 1, time.Millisecond)
		c := all[0].c
		f := frame(make([]byte, 100))
		before := c.Activity()
		peers[0].Write(f[:50])
		eventually(t, "parked again", func() bool { return c.Activity() > before && c.state() == parked })
		c.mu.Lock() // orders this before the reader that comes next
		if c.in == nil || c.in.len() != 50 || len(c.in.b) != waitSize {
			t.Errorf("holds %+v", c.in)
		}
		c.mu.Unlock()
		peers[0].Write(f[50:])
		mustReadFull(t, peers[0], make([]byte, len(f)))
	})
}

// A bare socket goes back to its park after each message. Over TLS quiet input does not keep a parked connection awake; other
// input does, for a while.
func TestQuietInputGoesBackToThePark(t *testing.T) {
	parkable(t, func(t *testing.T, tr transport) {
		l := newLines()
		next := Quiet
		heard := make(chan struct{}, 1)
		l.onMessage = func([]byte) Next {
			heard <- struct{}{}
			return next
		}
		c, peer := tr.start(t, l, func(g *Config) { g.ParkAfter = time.Hour })
		l.c = c
		if c.Serve(); tr.wire == overTLS {
			// It has looked for what came with the handshake, and now waits for a first silence.
			peer.Write(frame(nil))
			get(t, "the message", heard)
		}
		for range 5 {
			eventually(t, "parked", func() bool { return c.state() == parked })
			peer.Write(frame(nil))
			get(t, "the message", heard)
		}
		eventually(t, "parked", func() bool { return c.state() == parked })
		next = More
		peer.Write(frame(nil))
		get(t, "the message", heard)
		if tr.wire == fast {
			eventually(t, "parked", func() bool { return c.state() == parked })
			return
		}
		for range 20 {
			if c.state() != busy {
				t.Fatal("does not stay awake")
			}
			runtime.Gosched()
		}
	})
}

// An epoll that refuses the socket costs the connection its park, not its life.
func TestEpollThatRefuses(t *testing.T) {
	parkable(t, func(t *testing.T, tr transport) {
		l := newLines()
		c, peer := tr.start(t, l, func(g *Config) {
			g.ParkAfter = time.Millisecond
			g.faults = func(call sysCall, p []byte) ([]byte, syscall.Errno) {
				if call == callArm {
					return nil, syscall.ENOSPC
				}
				return p, 0
			}
		})
		l.c = c
		c.Serve()
		for range 3 {
			f := frame([]byte("word"))
			peer.Write(f)
			mustReadFull(t, peer, make([]byte, len(f)))
		}
		eventually(t, "stays with its goroutine", func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.noPark && c.reader == busy
		})
	})
}

func TestStaleEventFindsNobody(t *testing.T) {
	p := new(parkingLot)
	a, b := new(Conn), new(Conn)
	was := p.take(a)
	p.give(was.slot)
	is := p.take(b)
	if is.slot != was.slot || is.gen == was.gen {
		t.Fatalf("places %+v, %+v", was, is)
	}
	find := func(t ticket) *Conn { return p.find(&syscall.EpollEvent{Fd: t.slot, Pad: int32(t.gen)}).c }
	if was, is := find(was), find(is); was != nil || is != b {
		t.Errorf("found %p, %p; want nobody, %p", was, is, b)
	}
	p.give(is.slot)
	if find(is) != nil {
		t.Error("found somebody in an empty place")
	}
}

// The peer's last bytes and its end are there before anybody polls, so that they raise one event; as the first that is heard
// of it, and after a conversation.
func TestEndThatComesWithTheLastBytes(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	parkable(t, func(t *testing.T, tr transport) {
		for _, words := range []int{0, 1, 2, 3, 30} {
			l := newLines()
			_, peer := echoServer(t, tr, l, false, func(g *Config) { g.ParkAfter = time.Hour })
			f := frame([]byte("word"))
			for range words {
				peer.Write(f)
				mustReadFull(t, peer, make([]byte, len(f)))
			}
			if raw, ok := peer.(syscall.Conn); ok {
				rc, err := raw.SyscallConn()
				if err != nil {
					t.Fatal(err)
				}
				rc.Control(func(fd uintptr) {
					if n, e := sysSend(nil, fd, f); n != len(f) || e != 0 {
						t.Errorf("sent %d, %v", n, e)
					}
					sysShutdown(fd, syscall.SHUT_WR)
				})
			} else { // TLS
				peer.Write(f)
				peer.(interface{ CloseWrite() error }).CloseWrite()
			}
			mustReadFull(t, peer, make([]byte, len(f)))
			get(t, "the end", l.closed)
			if n := int(l.calls.Load()); n != words+1 {
				t.Errorf("%d messages, want %d", n, words+1)
			}
			peer.Close()
		}
	})
}

// After conversations it parks as before them, and is woken by bytes.
func TestParksAndWakesBetweenConversations(t *testing.T) {
	parkable(t, func(t *testing.T, tr transport) {
		for range 5 {
			l := newLines()
			c, peer := echoServer(t, tr, l, false, func(g *Config) { g.ParkAfter = 20 * time.Millisecond })
			f := frame([]byte("word"))
			for range 3 {
				for range 30 {
					peer.Write(f)
					mustReadFull(t, peer, make([]byte, len(f)))
				}
				eventually(t, "parked", func() bool { return c.state() == parked })
			}
			if c.is(flagEnded) {
				t.Error("its end was noticed, and has not come")
			}
			peer.Close()
			get(t, "the end", l.closed)
		}
	})
}

// A receive that is given less room than its buffer has does not look short.
func TestGoesOnAfterFullReceives(t *testing.T) {
	parkable(t, func(t *testing.T, tr transport) {
		l := newLines()
		_, peer := echoServer(t, tr, l, false, func(g *Config) {
			g.ParkAfter = time.Hour
			g.faults = func(call sysCall, p []byte) ([]byte, syscall.Errno) {
				if call == callRecv {
					p = p[:1]
				}
				return p, 0
			}
		})
		f := frame([]byte("word"))
		for range 30 {
			peer.Write(f)
			mustReadFull(t, peer, make([]byte, len(f)))
		}
	})
}
