package netio

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httputil"
	"strconv"
	"testing"
	"time"
)

// chunked is the framing of HTTP/1.1 (RFC 9112, section 7.1).
var chunked = &Framing{
	Head: func(dst []byte, size int) []byte { return append(strconv.AppendInt(dst, int64(size), 16), "\r\n"...) },
	Tail: []byte("\r\n"),
}

// Frames come with their heads and tails, whole, once and in order, however the socket cuts them.
func TestTrySendFramed(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		l := newLines()
		c, peer := tr.start(t, l, func(g *Config) { g.QueueLimit = 32 << 10 })
		l.c = c
		c.Serve()
		rnd := rand.New(rand.NewPCG(1, 2))
		frames := make([][]byte, 3000)
		var want []byte
		for i := range frames {
			frames[i] = randomBytes(rnd, rnd.IntN(1<<rnd.IntN(13))) // some are empty
			if i%500 == 0 {
				frames[i] = randomBytes(rnd, 40<<10) // larger than the queue
			}
			want = append(want, frames[i]...)
		}
		go func() {
			rnd := rand.New(rand.NewPCG(3, 4))
			for left := frames; len(left) > 0; {
				k := min(len(left), 1+rnd.IntN(50))
				n, err := c.TrySendFramed(chunked, left[:k])
				left = left[n:]
				if err == nil {
					if n != k {
						t.Errorf("%d of %d, and no error", n, k)
					}
					continue
				}
				if err != ErrFull {
					t.Error(err)
					return
				}
				again := make(chan struct{})
				c.NotifyWritable(func() { close(again) })
				if q := c.Queued(); q > 50<<10 {
					t.Errorf("%d bytes queued", q)
				}
				get(t, "NotifyWritable", again)
			}
			if err := c.FinishWith(nil, []byte("0\r\n\r\n"), errReason, time.Minute); err != nil {
				t.Errorf("FinishWith: %v", err)
			}
		}()
		body := bufio.NewReader(peer)
		var got []byte
		r := httputil.NewChunkedReader(body)
		for buf := make([]byte, 20_000); ; {
			n, err := r.Read(buf[:1+rnd.IntN(len(buf))])
			got = append(got, buf[:n]...)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes came, differently; want %d", len(got), len(want))
		}
		peer.Close()
		get(t, "the end", l.closed)
	})
}

func TestTrySendFramedAfterTheEnd(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		_, c, _, _ := sealed(t, tr, nil)
		c.CloseNow(errReason)
		if n, err := c.TrySendFramed(chunked, [][]byte{{1}}); n != 0 || !errors.Is(err, errReason) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("TrySendFramed = %d, %v", n, err)
		}
		if err := c.FinishWith([]byte("a"), []byte("b"), nil, time.Minute); !errors.Is(err, errReason) {
			t.Errorf("FinishWith after the end: %v", err)
		}
		if err := c.WriteQueued(t.Context(), []byte("a")); !errors.Is(err, errReason) {
			t.Errorf("WriteQueued: %v", err)
		}
	})
}

// A WriteQueued that is cancelled has sent nothing or all, and the connection lives; the last word comes last.
func TestWriteQueuedAndFinishWith(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		_, c, peer, sent := sealed(t, tr, nil)
		p := bytes.Repeat([]byte("x"), 10_000)
		ctx, cancel := context.WithCancel(t.Context())
		taken := 0
		waiting := make(chan error, 1)
		go func() {
			for {
				if err := c.WriteQueued(ctx, p); err != nil {
					waiting <- err
					return
				}
				taken += len(p)
			}
		}()
		eventually(t, "the queue is full", func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.slow != nil && len(c.slow.waiters) > 0
		})
		cancel()
		if err := get(t, "WriteQueued", waiting); !errors.Is(err, context.Canceled) {
			t.Errorf("WriteQueued: %v", err)
		}
		if err := c.WriteQueued(ctx, make([]byte, 1<<20)); !errors.Is(err, context.Canceled) {
			t.Errorf("WriteQueued of much: %v", err)
		}
		if err := c.FinishWith(make([]byte, 1<<20), []byte("end"), nil, time.Minute); !errors.Is(err, ErrFull) {
			t.Errorf("FinishWith with more than there was room for: %v", err)
		}
		peer.SetReadDeadline(time.Now().Add(time.Minute))
		got, err := io.ReadAll(peer)
		if err != nil {
			t.Fatal(err)
		}
		if want := sent + taken + len("end"); len(got) != want || !bytes.HasSuffix(got, []byte("end")) {
			t.Errorf("%d bytes came, want %d", len(got), want)
		}
	})
}
