package ws

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
)

// bubble runs the test in a synctest bubble, where hours pass at once, and notes the time.
func bubble(t *testing.T, f func(t *testing.T, start time.Time)) {
	synctest.Test(t, func(t *testing.T) { f(t, time.Now()) })
}

func expectAfter(t testing.TB, start time.Time, want time.Duration) {
	t.Helper()
	if got := time.Since(start); got != want {
		t.Fatalf("%v have passed, want %v", got, want)
	}
}

func expectLimit(t testing.TB, err error, option string) {
	t.Helper()
	if e, ok := errors.AsType[*LimitError](err); !ok || e.Option != option {
		t.Fatalf("%v; want a LimitError that names %s", err, option)
	}
}

func TestSilentPeerIsPingedAndThenDropped(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		bubble(t, func(t *testing.T, start time.Time) {
			c, p := wire(t, server, nil)
			go func() {
				h, _, err := p.read()
				if err != nil || h.opcode != opPing {
					t.Errorf("the peer got opcode %d, %v", h.opcode, err)
				}
				if d := time.Since(start); d != 30*time.Second {
					t.Errorf("a ping after %v", d)
				}
			}()
			_, _, err := c.Read(t.Context())
			expectLimit(t, err, "PongTimeout")
			expectAfter(t, start, 45*time.Second)
			if !errors.Is(err, os.ErrDeadlineExceeded) || CloseStatus(err) != CloseAbnormal {
				t.Errorf("Read: %v", err)
			}
			if err2 := c.Write(t.Context(), Text, nil); err2 != err {
				t.Errorf("Write: %v", err2)
			}
		})
	})
}

func TestAnswersKeepTheConnectionAlive(t *testing.T) {
	for _, answer := range []string{"pong", "message", "half a frame"} {
		t.Run(answer, func(t *testing.T) {
			bubble(t, func(t *testing.T, start time.Time) {
				c, p := wire(t, true, func(o *AcceptOptions) { o.FrameTimeout = -1 })
				pings := 0
				go func() {
					for range 20 {
						_, payload, err := p.read()
						if err != nil {
							return
						}
						pings++
						time.Sleep(14 * time.Second)
						switch answer {
						case "pong":
							p.Write(p.frame(opPong, true, string(payload)))
						case "message":
							p.Write(p.frame(opText, true, "busy"))
						case "half a frame":
							if b := p.frame(opText, true, "busy"); pings%2 == 1 {
								p.Write(b[:7])
							} else {
								p.Write(b[7:])
							}
						}
					}
				}()
				for {
					_, _, err := c.Read(t.Context())
					if err != nil {
						expectLimit(t, err, "PongTimeout")
						break
					}
				}
				if pings != 20 {
					t.Errorf("%d pings", pings)
				}
			})
		})
	}
}

func TestTrafficPutsThePingOff(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, p := wire(t, true, nil)
		go func() {
			for range 10 {
				time.Sleep(29 * time.Second)
				p.Write(p.frame(opText, true, "x"))
			}
		}()
		go func() {
			for {
				if _, _, err := c.Read(t.Context()); err != nil {
					return
				}
			}
		}()
		p.read()
		expectAfter(t, start, 10*29*time.Second+30*time.Second)
	})
}

// A handler that is busy for an hour does not kill a healthy peer: nobody has looked for the pong.
func TestMissingPongCountsOnlyWhileSomebodyReads(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, p := wire(t, true, nil)
		time.Sleep(time.Hour)
		for range 119 { // one every 30 s, for whatever stands between the two
			p.expectPing()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 14*time.Second)
		defer cancel()
		if _, _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Read: %v", err)
		}
		time.Sleep(time.Hour)
		p.send(p.frame(opText, true, "here"))
		expectRead(t, c, Text, "here")
	})
}

func (p *peer) expectPing() (payload string) {
	p.t.Helper()
	h, b, err := p.read()
	if err != nil || h.opcode != opPing {
		p.t.Fatalf("the peer got opcode %d, %v; want a ping", h.opcode, err)
	}
	return string(b)
}

// Reads with short timeouts add up.
func TestShortReadsAddUpToAMissingPong(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, _ := wire(t, true, nil)
		for {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, _, err := c.Read(ctx)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				expectLimit(t, err, "PongTimeout")
				break
			}
			time.Sleep(time.Second) // not reading
		}
		// 30 s to the ping, then 15 s of reading, which are 29 or 30 s of the clock.
		if d := time.Since(start); d < 59*time.Second || d > 60*time.Second {
			t.Errorf("dropped after %v", d)
		}
	})
}

func TestKeepaliveCanBeSwitchedOff(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, p := wire(t, true, func(o *AcceptOptions) { o.PingInterval = -1 })
		go func() {
			time.Sleep(24 * time.Hour)
			p.Write(p.frame(opText, true, "finally"))
		}()
		expectRead(t, c, Text, "finally")
		if p.r.Buffered() != 0 {
			t.Error("a ping was sent")
		}
	})
}

func TestKeepaliveIntervalsAreOptions(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, _ := wire(t, true, func(o *AcceptOptions) { o.PingInterval, o.PongTimeout = time.Minute, time.Second })
		_, _, err := c.Read(t.Context())
		expectLimit(t, err, "PongTimeout")
		expectAfter(t, start, 61*time.Second)
	})
}

// A frame that stalls is refused, inside its header and inside its payload, though the connection is young.
func TestStalledFrameIsRefused(t *testing.T) {
	for name, part := range map[string]int{"header": 1, "key": 4, "payload": 8} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, start time.Time) {
				c, p := wire(t, true, func(o *AcceptOptions) { o.FrameTimeout = 10 * time.Second })
				go func() {
					time.Sleep(3 * time.Second)
					p.Write(p.frame(opText, true, "hello")[:part])
					p.expectClose(ClosePolicyViolation)
					expectAfter(t, start, 13*time.Second)
					p.expectEOF()
					p.Close()
				}()
				_, _, err := c.Read(t.Context())
				expectLimit(t, err, "FrameTimeout")
				expectAfter(t, start, 13*time.Second)
			})
		})
	}
}

func TestStallCountsOnlyWhileSomebodyReads(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, p := wire(t, true, func(o *AcceptOptions) { o.FrameTimeout, o.PingInterval = 10*time.Second, -1 })
		b := p.frame(opText, true, "hello")
		p.send(b[:7])
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		if _, _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		p.send(b[7:])
		expectRead(t, c, Text, "hello")
	})
}

// For a peer that does not read the writers wait once the queue is full, with their contexts, and at last the connection
// is given up.
func TestWriteWithoutProgressEndsTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, _ := wireOver(t, true, func(o *AcceptOptions) { o.QueueLimit = 1 }, func() (*testnet.Conn, *testnet.Conn) { return testnet.PipeSize(100) })
		second := make(chan error, 1)
		go func() {
			time.Sleep(time.Second)
			second <- c.Write(t.Context(), Text, []byte("next"))
		}()
		err := c.Write(t.Context(), Text, []byte(strings.Repeat("x", 1000)))
		expectLimit(t, err, "WriteTimeout")
		expectAfter(t, start, 2*time.Minute)
		if err2 := <-second; err2 != err {
			t.Errorf("the other writer: %v", err2)
		}
	})
}

// writePart is a part of a large message.
const writePart = 256 << 10

func TestSlowWriteWithProgressLivesOn(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, p := wireOver(t, true, func(o *AcceptOptions) { o.WriteTimeout = time.Minute }, func() (*testnet.Conn, *testnet.Conn) { return testnet.PipeSize(1000) })
		size := 10 * writePart
		var reader sync.WaitGroup
		defer reader.Wait()
		defer c.CloseNow()
		reader.Go(func() {
			b := make([]byte, writePart/10)
			for {
				time.Sleep(5 * time.Second)
				for n := 0; n < len(b); {
					m, err := p.Conn.Read(b[n:])
					if err != nil {
						return
					}
					n += m
				}
			}
		})
		if err := c.Write(t.Context(), Binary, make([]byte, size)); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d < 5*time.Minute {
			t.Errorf("it took only %v", d)
		}
	})
}

func TestPingWaitsForItsPongAndMeasuresIt(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		bubble(t, func(t *testing.T, start time.Time) {
			c, p := wire(t, server, nil)
			go c.Read(t.Context())
			if c.RTT() != 0 {
				t.Error("a round trip before the first")
			}
			go func() {
				payload := p.expectPing()
				time.Sleep(time.Second)
				p.Write(p.frame(opPong, true, "unasked"))
				p.Write(p.frame(opPong, true, "12345678"))
				time.Sleep(time.Second)
				p.Write(p.frame(opPong, true, payload))
			}()
			if err := c.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			expectAfter(t, start, 2*time.Second)
			if c.RTT() != 2*time.Second {
				t.Errorf("RTT %v", c.RTT())
			}
		})
	})
}

func TestPongAnswersAllPingsBeforeIt(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, p := wire(t, true, nil)
		go c.Read(t.Context())
		answered := make(chan error, 3)
		var last string
		for range 3 {
			go func() { answered <- c.Ping(t.Context()) }()
			last = p.expectPing()
		}
		p.send(p.frame(opPong, true, last))
		for range 3 {
			if err := <-answered; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestPingCanBeCancelled(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, _ := wire(t, true, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := c.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if len(c.pings.under.waiters) != 0 {
			t.Error("a waiter was left behind")
		}
		go func() {
			time.Sleep(time.Second)
			c.CloseNow()
		}()
		if err := c.Ping(t.Context()); CloseStatus(err) != CloseAbnormal {
			t.Error(err)
		}
	})
}

// A frame whose header was looked at before its payload, as Reader does, but came together with it, is no frame that has
// stalled: the silence after it is that of an idle connection.
func TestFrameThatCameAtOnceIsNotStalled(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		bubble(t, func(t *testing.T, start time.Time) {
			c, p := wire(t, server, nil)
			p.send(p.frame(opText, true, strings.Repeat("x", 300)))
			_, r, err := c.Reader(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(r); err != nil || len(b) != 300 {
				t.Fatalf("%d bytes, %v", len(b), err)
			}
			go func() { // an idle peer, which answers the keepalive
				for time.Since(start) < time.Hour {
					h, payload, err := p.read()
					if err != nil || h.opcode != opPing {
						t.Errorf("after %v the peer got opcode %d, %q, %v", time.Since(start), h.opcode, payload, err)
						return
					}
					p.send(p.frame(opPong, true, string(payload)))
				}
				p.send(p.frame(opText, true, "still there"))
			}()
			expectRead(t, c, Text, "still there")
		})
	})
}

// A program says "never" with the longest of all times, too, and "as much as there is" with the largest of all sizes.
func TestTimesAndSizesThatAreAsLargeAsCanBe(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		bubble(t, func(t *testing.T, start time.Time) {
			c, p := wire(t, server, func(o *AcceptOptions) {
				const never = time.Duration(math.MaxInt64)
				o.PongTimeout, o.FrameTimeout, o.WriteTimeout, o.CloseTimeout = never, never, never, never
				o.QueueLimit, o.MessageLimit, o.FrameLimit = math.MaxInt, math.MaxInt64, math.MaxInt
			})
			go func() {
				p.expect(opPing, true, "\x00\x00\x00\x00\x00\x00\x00\x01") // it is silent for long
				f := p.frame(opText, true, "in two pieces")
				p.send(p.frame(opPing, true, "urgent"), f[:9])
				p.expect(opPong, true, "urgent")
				synctest.Wait()
				p.send(f[9:])
				p.answerClose(CloseNormal)
			}()
			if _, got, err := c.Read(t.Context()); err != nil || string(got) != "in two pieces" {
				t.Errorf("Read: %q, %v", got, err)
			}
			expectAfter(t, start, 30*time.Second)
			if err := c.Close(CloseNormal, ""); err != nil {
				t.Errorf("Close: %v", err)
			}
			silent, peer := wire(t, server, func(o *AcceptOptions) { o.PingInterval = math.MaxInt64 })
			go peer.answerClose(CloseNormal) // no ping comes before that
			synctest.Wait()
			if err := silent.Close(CloseNormal, ""); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	})
}
