package netio

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

var errReason = errors.New("reason")

func TestCloseNowInsideTheProtocol(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		bothForms(t, func(t *testing.T, blocking bool) {
			l := newLines()
			inside := make(chan error, 10)
			l.onMessage = func([]byte) Next {
				l.c.CloseNow(errReason)
				l.c.CloseNow(nil)
				inside <- l.c.Write(context.Background(), nil, []byte("late"))
				return More
			}
			c, peer := tr.start(t, l, nil)
			l.c = c
			if blocking {
				go c.Pump(context.Background())
			} else {
				c.Serve()
			}
			go peer.Write(append(frame([]byte("x")), frame(make([]byte, 100_000))...))
			if err := get(t, "the end", l.closed); err != errReason {
				t.Errorf("Closed(%v)", err)
			}
			if err := get(t, "Write inside", inside); !errors.Is(err, errReason) {
				t.Errorf("Write: %v", err)
			}
			if n := l.calls.Load(); n != 1 {
				t.Errorf("Data was called %d times", n)
			}
			if _, err := io.ReadAll(peer); err != nil && tr.wire != plain {
				t.Logf("peer: %v", err) // a reset is allowed
			}
		})
	})
}

// The peer hears of the end at once, and CloseNow returns, also when the protocol never comes back.
func TestCloseNowWhileTheProtocolBlocks(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		bothForms(t, func(t *testing.T, blocking bool) {
			l := newLines()
			entered, free := make(chan struct{}), make(chan struct{})
			l.onMessage = func([]byte) Next {
				close(entered)
				<-free
				return More
			}
			c, peer := tr.start(t, l, nil)
			l.c = c
			if blocking {
				go c.Pump(context.Background())
			} else {
				c.Serve()
			}
			peer.Write(frame([]byte("x")))
			get(t, "the message", entered)
			c.CloseNow(errReason)
			if _, err := io.ReadAll(peer); err != nil && errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			select {
			case <-l.closed:
				t.Error("Closed while the protocol was in Data")
			default:
			}
			close(free)
			if err := get(t, "the end", l.closed); err != errReason {
				t.Errorf("Closed(%v)", err)
			}
		})
	})
}

// What is sent last arrives, although the peer has sent what nobody reads.
func TestFinishSendsEverythingAndDrains(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		for _, state := range []string{"still", "pumping", "serving", "parked", "paused"} {
			t.Run(state, func(t *testing.T) {
				l := newLines()
				seen := make(chan struct{}, 1)
				l.onMessage = func([]byte) Next {
					select {
					case seen <- struct{}{}:
					default:
					}
					if state == "paused" {
						return Pause
					}
					return More
				}
				c, peer := tr.start(t, l, func(g *Config) {
					if state == "parked" {
						g.ParkAfter = time.Millisecond
					}
				})
				l.c = c
				pumped := make(chan error, 1)
				switch state {
				case "pumping":
					go func() { pumped <- c.Pump(context.Background()) }()
				case "serving", "paused", "parked":
					c.Serve()
					peer.Write(frame([]byte("x")))
					get(t, "the message", seen)
				}
				if state == "parked" && tr.wire != plain {
					eventually(t, "parked", func() bool { return c.state() == parked })
				}
				want := bytes.Repeat([]byte("last words "), 10_000)
				go c.Write(context.Background(), nil, want)
				got := make([]byte, 1)
				mustReadFull(t, peer, got)
				go peer.Write(bytes.Repeat([]byte{0}, 100_000)) // nobody wants it
				rest := make([]byte, len(want)-1)
				mustReadFull(t, peer, rest[:len(rest)/2])
				if err := c.Flush(context.Background()); err != nil && tr.name != "pipe" {
					t.Error(err)
				}
				c.Finish(errReason, time.Minute)
				all, err := io.ReadAll(peer)
				got = append(append(got, rest[:len(rest)/2]...), all...)
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("read %d bytes, %v; want %d", len(got), err, len(want))
				}
				if state == "pumping" {
					if err := get(t, "Pump", pumped); !errors.Is(err, errReason) {
						t.Errorf("Pump: %v", err)
					}
				}
				select {
				case err := <-l.closed:
					t.Fatalf("Closed(%v) before the peer ended", err)
				default:
				}
				peer.Close()
				if err := get(t, "the end", l.closed); err != errReason {
					t.Errorf("Closed(%v)", err)
				}
			})
		}
	})
}

func TestFinishEndsAtItsTime(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		bothForms(t, func(t *testing.T, blocking bool) {
			l := newLines()
			_, peer := echoServer(t, tr, l, blocking, nil)
			peer.Write(frame(nil))
			mustReadFull(t, peer, make([]byte, 4))
			l.c.Finish(errReason, time.Millisecond) // the peer never ends
			if err := get(t, "the end", l.closed); err != errReason {
				t.Errorf("Closed(%v)", err)
			}
		})
	})
}

func TestFinishUnderAFullSocketEndsAtItsTime(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		l := newLines()
		c, _ := tr.start(t, l, nil)
		l.c = c
		fill(t, c)
		c.Finish(errReason, time.Millisecond)
		if err := get(t, "the end", l.closed); err != errReason {
			t.Errorf("Closed(%v)", err)
		}
	})
}

// A peer that ends its direction still gets what is queued for it.
func TestEndOfInputFlushes(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		bothForms(t, func(t *testing.T, blocking bool) {
			l := newLines()
			_, peer := echoServer(t, tr, l, blocking, func(g *Config) { g.QueueLimit = 1 << 20 })
			want := frame(bytes.Repeat([]byte("abc"), 20_000))
			go func() {
				for range 15 {
					peer.Write(want)
				}
				peer.(interface{ CloseWrite() error }).CloseWrite()
			}()
			got, err := io.ReadAll(peer)
			if err != nil || !bytes.Equal(got, bytes.Repeat(want, 15)) {
				t.Fatalf("read %d bytes, %v; want %d", len(got), err, 15*len(want))
			}
			if err := get(t, "the end", l.closed); err != io.EOF {
				t.Errorf("Closed(%v)", err)
			}
		})
	})
}

func TestProtocolThatEndsItsGoroutine(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		for _, pumps := range []bool{false, true} {
			l := newLines()
			l.onMessage = func([]byte) Next {
				l.inData.Add(-1)
				defer l.inData.Add(1)
				goexit()
				return More
			}
			c, peer := tr.start(t, l, nil)
			l.c = c
			if pumps {
				go c.Pump(t.Context())
			} else {
				c.Serve()
			}
			peer.Write(frame([]byte("x")))
			if err := get(t, "the end", l.closed); err != ErrAbandoned {
				t.Errorf("Closed(%v)", err)
			}
		}
	})
}

// Whoever holds on to the net.Conn may close it: nothing else is hit, and the connection ends.
func TestNetConnClosedBehindOurBack(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		for _, state := range []string{"parked", "serving", "pumping"} {
			if state == "parked" && tr.wire != plain {
				continue // the epoll forgets a closed descriptor: only a write finds out
			}
			t.Run(state, func(t *testing.T) {
				l := newLines()
				c, _ := tr.start(t, l, func(g *Config) {
					if state != "parked" {
						g.ParkAfter = -1
					}
				})
				l.c = c
				if state == "pumping" {
					go c.Pump(context.Background())
				} else {
					c.Serve()
				}
				eventually(t, "reading", func() bool { return c.state() != still })
				c.nc.Close()
				if err := get(t, "the end", l.closed); err != io.EOF && !errors.Is(err, net.ErrClosed) {
					t.Errorf("Closed(%v)", err)
				}
			})
		}
	})
}
