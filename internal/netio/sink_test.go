package netio

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Frames arrive whole, once and in order, however the socket cuts them; and a slow peer costs one frame.
func TestTrySendOfSharedFrames(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		l := newLines()
		c, peer := tr.start(t, l, func(g *Config) { g.QueueLimit = 32 << 10 })
		l.c = c
		rnd := rand.New(rand.NewPCG(9, 10))
		frames := make([][]byte, 3000)
		var want []byte
		for i := range frames {
			frames[i] = randomBytes(rnd, rnd.IntN(1<<rnd.IntN(13)))
			want = append(want, frames[i]...)
		}
		var full int
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			rnd := rand.New(rand.NewPCG(11, 12))
			for left := frames; len(left) > 0; {
				n, err := c.TrySend(left[:min(len(left), 1+rnd.IntN(200))])
				left = left[n:]
				if err == nil {
					continue
				}
				if err != ErrFull {
					t.Error(err)
					return
				}
				full++
				again := make(chan struct{})
				c.NotifyWritable(func() { close(again) })
				if q := c.Queued(); q > 32<<10+1<<12 {
					t.Errorf("%d bytes queued", q)
				}
				get(t, "NotifyWritable", again)
			}
		}()
		got := make([]byte, len(want))
		for off := 0; off < len(got); {
			n, err := peer.Read(got[off:min(len(got), off+1+rnd.IntN(20_000))])
			if err != nil {
				t.Fatal(err)
			}
			off += n
		}
		if !bytes.Equal(got, want) {
			t.Fatal("came differently")
		}
		<-sent
		t.Logf("full %d times", full)
	})
}

func TestTrySendToAFullSocketKeepsOneFrame(t *testing.T) {
	for _, tr := range transports() {
		if tr.wire != fast {
			continue
		}
		t.Run(tr.name, func(t *testing.T) {
			noLeaks(t)
			l := newLines()
			c, _ := tr.start(t, l, nil)
			l.c = c
			f := make([]byte, 10_000)
			for {
				n, err := c.TrySend([][]byte{f, f, f})
				if err == nil {
					continue
				}
				if n == 3 || err != ErrFull {
					t.Fatalf("TrySend = %d, %v", n, err)
				}
				break
			}
			if q := c.Queued(); q > len(f) {
				t.Errorf("%d bytes are kept", q)
			}
			if n, err := c.TrySend([][]byte{f}); n != 0 || err != ErrFull {
				t.Errorf("TrySend = %d, %v", n, err)
			}
		})
	}
}

func TestNotifyWritableFiresOnce(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		l, c, peer, _ := sealed(t, tr, nil)
		var fired atomic.Int32
		var all sync.WaitGroup
		const n = 2 * maxNotify // the oldest fire early
		all.Add(n)
		for range n {
			c.NotifyWritable(func() { fired.Add(1); all.Done() })
		}
		eventually(t, "the oldest fire", func() bool { return fired.Load() == n-maxNotify })
		go io.Copy(io.Discard, peer)
		all.Wait()
		again := make(chan struct{})
		c.NotifyWritable(func() { close(again) }) // it is writable already
		get(t, "NotifyWritable", again)
		c.CloseNow(nil)
		get(t, "the end", l.closed)
		if fired.Load() != n {
			t.Errorf("fired %d times", fired.Load())
		}
	})
}

func TestNotifyWritableFiresAtTheEnd(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		_, c, _, _ := sealed(t, tr, nil)
		told := make(chan struct{})
		c.NotifyWritable(func() { close(told) })
		c.CloseNow(errReason)
		get(t, "NotifyWritable", told)
		if n, err := c.TrySend([][]byte{{1}}); n != 0 || !errors.Is(err, errReason) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("TrySend = %d, %v", n, err)
		}
	})
}

// One stalled subscriber among many costs the others nothing.
func TestStalledSinkHoldsNobody(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		_, stalled, _, _ := sealed(t, tr, nil)
		f := frame([]byte("event"))
		for range 10 {
			l := newLines()
			c, peer := tr.start(t, l, nil)
			l.c = c
			for range 10 {
				stalled.TrySend([][]byte{f})
				if n, err := c.TrySend([][]byte{f, f}); n != 2 || err != nil {
					t.Fatalf("TrySend = %d, %v", n, err)
				}
				mustReadFull(t, peer, make([]byte, 2*len(f)))
			}
			c.Finish(nil, time.Minute)
		}
	})
}

// A frame that is larger than the queue goes out all the same: who waits for room would wait for ever.
func TestTrySendOfAFrameLargerThanTheQueue(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		l := newLines()
		c, peer := tr.start(t, l, func(g *Config) { g.QueueLimit = 100 })
		l.c = c
		frames := [][]byte{bytes.Repeat([]byte{1}, 5000), bytes.Repeat([]byte{2}, 5000), bytes.Repeat([]byte{3}, 5000)}
		go func() {
			for left := frames; len(left) > 0; {
				n, err := c.TrySend(left)
				left = left[n:]
				if n == 0 && err != ErrFull {
					t.Errorf("TrySend = %d, %v", n, err)
					return
				}
				again := make(chan struct{})
				c.NotifyWritable(func() { close(again) })
				<-again
			}
		}()
		got := make([]byte, 15_000)
		mustReadFull(t, peer, got)
		if !bytes.Equal(got, slices.Concat(frames...)) {
			t.Error("came differently")
		}
	})
}
