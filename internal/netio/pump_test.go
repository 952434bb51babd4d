package netio

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
)

func TestPumpIsAloneAndInOneForm(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		l := newLines()
		c, peer := tr.start(t, l, nil)
		l.c, l.blocking = c, true
		ctx, cancel := context.WithCancel(t.Context())
		first := make(chan error, 1)
		go func() { first <- c.Pump(ctx) }()
		eventually(t, "Pump reads", func() bool { return c.state() == busy })
		if err := c.Pump(t.Context()); err != ErrReading {
			t.Errorf("second Pump: %v", err)
		}
		c.Serve() // does nothing
		cancel()
		if err := get(t, "Pump", first); !errors.Is(err, context.Canceled) {
			t.Errorf("Pump: %v", err)
		}
		if c.Listening() {
			t.Error("listens between Pumps")
		}
		l.blocking = false
		c.Serve()
		if err := c.Pump(t.Context()); err != ErrReading {
			t.Errorf("Pump beside Serve: %v", err)
		}
		f := frame([]byte("still alive"))
		peer.Write(f)
		mustReadFull(t, peer, make([]byte, len(f)))
		eventually(t, "listens", c.Listening)
	})
}

// Cancelling a Pump never harms the connection, wherever it strikes; and it never strikes a later one.
func TestCancelledPumpGoesOn(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		l := newLines()
		c, peer := tr.start(t, l, nil)
		l.c, l.blocking = c, true
		rnd := rand.New(rand.NewPCG(5, 6))
		const messages = 300
		want := make([][]byte, messages)
		for i := range want {
			want[i] = randomBytes(rnd, rnd.IntN(2000))
		}
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			wr := rand.New(rand.NewPCG(7, 8))
			for _, p := range want {
				for rest := frame(p); len(rest) > 0; {
					n := 1 + wr.IntN(len(rest))
					if _, err := peer.Write(rest[:n]); err != nil {
						t.Error(err)
						return
					}
					rest = rest[n:]
				}
			}
		}()
		cancelled := 0
		for i := 0; i < messages; {
			ctx, cancel := context.WithCancelCause(t.Context())
			switch rnd.IntN(4) {
			case 0:
				cancel(errReason)
			case 1:
				go cancel(errReason)
			}
			p, err := l.read(ctx)
			cancel(nil)
			switch {
			case err == nil:
				if !bytes.Equal(p, want[i]) {
					t.Fatalf("message %d is different", i)
				}
				i++
			case errors.Is(err, errReason) && errors.Is(err, context.Canceled):
				cancelled++
			default:
				t.Fatal(err)
			}
		}
		if cancelled == 0 {
			t.Error("nothing was cancelled")
		}
		<-sent
		c.CloseNow(nil)
	})
}

// The same context serves many Pumps, ends all of them, and no other.
func TestOneContextForManyPumps(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		l := newLines()
		c, peer := tr.start(t, l, nil)
		l.c, l.blocking = c, true
		ctx, cancel := context.WithCancel(t.Context())
		for range 10 {
			peer.Write(frame([]byte("x")))
			if _, err := l.read(ctx); err != nil {
				t.Fatal(err)
			}
		}
		w := c.watch
		cancel()
		eventually(t, "the watch has fired", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return w.fired })
		peer.Write(frame([]byte("y")))
		if _, err := l.read(t.Context()); err != nil {
			t.Errorf("with another context: %v", err)
		}
		if _, err := l.read(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("with the ended context: %v", err)
		}
	})
}

func TestEarlyBytesComeFirst(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		bothForms(t, func(t *testing.T, blocking bool) {
			server, peer := tr.pair(t)
			defer peer.Close()
			l := newLines()
			var got []byte
			done := make(chan struct{}, 3)
			l.onMessage = func(p []byte) Next {
				got = append(got, p...)
				done <- struct{}{}
				return More
			}
			l.c = New(server, l, &tr.cfg, append(frame([]byte("a")), 0, 0, 0))
			if blocking {
				go l.c.Pump(context.Background())
			} else {
				l.c.Serve()
			}
			get(t, "the first", done)
			peer.Write(append([]byte{1, 'b'}, frame([]byte("c"))...))
			get(t, "the second", done)
			get(t, "the third", done)
			if string(got) != "abc" {
				t.Errorf("got %q", got)
			}
			l.c.CloseNow(nil)
			get(t, "the end", l.closed)
		})
	})
}

// While the protocol pauses nothing is received, so the peer comes to a stop; Serve goes on with what was left over.
func TestPauseHoldsThePeer(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		l := newLines()
		paused := make(chan struct{}, 1)
		count := 0
		l.onMessage = func(p []byte) Next {
			if count++; count%3 == 0 {
				paused <- struct{}{}
				return Pause
			}
			return More
		}
		c, peer := tr.start(t, l, nil)
		l.c = c
		c.Serve()
		var all []byte
		for range 30 {
			all = append(all, frame([]byte("x"))...)
		}
		peer.Write(all)
		for i := 3; i <= 30; i += 3 {
			get(t, "the pause", paused)
			eventually(t, "still", func() bool { return c.state() == still })
			if count != i {
				t.Fatalf("%d messages before pause %d", count, i/3)
			}
			c.Serve()
		}
		peer.Close()
		if err := get(t, "the end", l.closed); err != io.EOF {
			t.Errorf("Closed(%v)", err)
		}
	})
}

func TestTooMuchLeftOver(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		l := newLines()
		c, peer := tr.start(t, l, func(g *Config) { g.InputLimit = 20_000 })
		l.c = c
		c.Serve()
		go peer.Write(frame(make([]byte, 100_000)))
		if err := get(t, "the end", l.closed); err != ErrInput {
			t.Errorf("Closed(%v)", err)
		}
	})
}

// In a bubble of in-memory connections time is fake, and nothing is shared with the world outside.
func TestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peer, server := testnet.Pipe()
		l := newLines()
		start := time.Now()
		var rang atomic.Int64
		l.onAlarm = func() { rang.Store(int64(time.Since(start))) }
		l.c = New(server, l, nil, nil)
		l.c.Serve()
		l.c.SetAlarm(30 * time.Second)
		peer.Write(frame([]byte("x")))
		got := make([]byte, 5)
		io.ReadFull(peer, got)
		time.Sleep(time.Minute)
		if d := time.Duration(rang.Load()); d != 30*time.Second {
			t.Errorf("rang after %v", d)
		}
		before := l.c.Activity()
		time.Sleep(time.Hour)
		if l.c.Activity() != before || !l.c.Listening() {
			t.Error("silence was not silence")
		}
		l.c.Finish(nil, time.Minute)
		io.ReadAll(peer)
		finished := time.Now()
		<-l.closed // the peer never ends
		if d := time.Since(finished); d != time.Minute {
			t.Errorf("lingered for %v", d)
		}
	})
}

// A peer that takes nothing is given up, in fake time.
func TestBubbleStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, server := testnet.PipeSize(10)
		l := newLines()
		l.c = New(server, l, nil, nil)
		l.c.Serve()
		l.c.Send(nil, make([]byte, 11))
		start := time.Now()
		if err := <-l.closed; err != ErrStalled {
			t.Errorf("Closed(%v)", err)
		}
		if d := time.Since(start); d != defaultWriteTimeout {
			t.Errorf("after %v", d)
		}
	})
}
