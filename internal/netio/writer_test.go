package netio

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// sealed is a Conn whose peer does not read, with both their buffers and the queue full.
func sealed(t *testing.T, tr transport, change func(*Config)) (*lines, *Conn, net.Conn, int) {
	t.Helper()
	l := newLines()
	c, peer := tr.start(t, l, func(g *Config) {
		g.QueueLimit = 64 << 10
		if change != nil {
			change(g)
		}
	})
	l.c = c
	n := fill(t, c)
	return l, c, peer, n
}

func TestSlowReaderHoldsNoMoreThanTheQueue(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		_, c, peer, n := sealed(t, tr, func(g *Config) { g.Policy = Refuse })
		for {
			if err := c.Send(nil, make([]byte, 1000)); err != nil {
				break
			}
			n += 1000
		}
		full, ok := errors.AsType[*FullError](c.Send([]byte("he"), make([]byte, 998)))
		if !ok || full.Size != 1000 || full.Limit != 64<<10 || full.Queued+1000 <= full.Limit {
			t.Fatalf("Send: %+v", full)
		}
		if !errors.Is(full, ErrFull) || c.Dropped() != 2 {
			t.Errorf("%v; %d dropped", full, c.Dropped())
		}
		if q := c.Queued(); q > 64<<10+16<<10 { // and one frame of TrySend
			t.Errorf("%d bytes queued", q)
		}
		if err := c.SendUrgent(make([]byte, 127)); err != nil { // the reserve
			t.Errorf("SendUrgent: %v", err)
		}
		for c.SendUrgent(make([]byte, 127)) == nil {
			n += 127
			if n > 1<<30 {
				t.Fatal("the reserve has no end")
			}
		}
		n += 127
		if err := c.Err(); err != nil {
			t.Fatal(err)
		}
		c.Finish(nil, time.Minute)
		got, err := io.ReadAll(peer)
		if err != nil || len(got) != n {
			t.Errorf("read %d bytes, %v; want %d", len(got), err, n)
		}
	})
}

func TestSlowReaderIsDisconnected(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		l, c, _, _ := sealed(t, tr, nil)
		for c.Send(nil, make([]byte, 1000)) == nil {
			runtime.Gosched()
		}
		err := get(t, "the end", l.closed)
		if full, ok := errors.AsType[*FullError](err); !ok || full.Limit != 64<<10 {
			t.Errorf("Closed(%v)", err)
		}
		if err := c.Write(t.Context(), nil, []byte("x")); !errors.Is(err, ErrFull) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write: %v", err)
		}
	})
}

// A Write that is cancelled while waiting has sent nothing; the others keep their order.
func TestWriteWaitsForRoomInOrder(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		_, c, peer, n := sealed(t, tr, nil)
		const writers = 20
		var all sync.WaitGroup
		var cancelled int
		for i := range writers {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			var done atomic.Bool
			size := 20 << 10
			switch i % 5 {
			case 3:
				size = 100 // there is room for it, but not yet its turn
			case 4:
				size = 100 << 10 // larger than the queue
			}
			waiting := c.waiting()
			all.Go(func() {
				err := c.Write(ctx, []byte{byte(i)}, bytes.Repeat([]byte{byte(i)}, size-1))
				done.Store(true)
				if cause := context.Cause(ctx); cause != nil {
					if !errors.Is(err, errReason) || !errors.Is(err, context.Canceled) {
						t.Errorf("writer %d: %v, want %v", i, err, cause)
					}
				} else if err != nil {
					t.Errorf("writer %d: %v", i, err)
				}
			})
			eventually(t, "waits or is queued", func() bool { return c.waiting() > waiting || done.Load() })
			if i%7 == 6 {
				cancel(errReason)
				eventually(t, "left", func() bool { return c.waiting() == waiting })
				cancelled++
				continue
			}
			n += size
		}
		if cancelled != 2 {
			t.Fatal(cancelled)
		}
		go func() {
			all.Wait()
			c.Flush(context.Background())
			c.Finish(nil, time.Minute)
		}()
		got, err := io.ReadAll(peer)
		if err != nil || len(got) != n {
			t.Fatalf("read %d bytes, %v; want %d", len(got), err, n)
		}
		last := byte(0)
		for i, b := range got {
			if b < last || b == 6 || b == 13 {
				t.Fatalf("byte %d is of writer %d after one of %d", i, b, last)
			}
			last = b
		}
		if last != writers-1 {
			t.Errorf("the last byte is of %d", last)
		}
	})
}

func (c *Conn) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slow == nil {
		return 0
	}
	return len(c.slow.waiters)
}

func TestWaitingWritesEndWithTheConnection(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		for name, end := range map[string]func(c *Conn){
			"CloseNow": func(c *Conn) { c.CloseNow(errReason) },
			"Finish":   func(c *Conn) { c.Finish(errReason, time.Millisecond) },
		} {
			t.Run(name, func(t *testing.T) {
				l, c, _, _ := sealed(t, tr, nil)
				errs := make(chan error, 3)
				for range cap(errs) {
					go func() { errs <- c.Write(context.Background(), nil, make([]byte, 60<<10)) }()
				}
				eventually(t, "they wait", func() bool { return c.waiting() >= cap(errs)-1 })
				end(c)
				refused := 0
				for range cap(errs) {
					if err := get(t, "Write", errs); errors.Is(err, errReason) {
						refused++
					}
				}
				if refused < cap(errs)-1 {
					t.Errorf("only %d were told", refused)
				}
				get(t, "the end", l.closed)
			})
		}
	})
}

// Only what is larger than the queue, or on a wire that can't be tried, can be cut; then the connection has ended.
func TestWriteCancelledInTheMiddle(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		l := newLines()
		c, peer := tr.start(t, l, func(g *Config) { g.QueueLimit = 4 << 10 })
		l.c = c
		ctx, cancel := context.WithCancel(t.Context())
		wrote := make(chan error, 1)
		go func() { wrote <- c.Write(ctx, []byte("head"), make([]byte, 64<<20)) }()
		mustReadFull(t, peer, make([]byte, 1000))
		cancel()
		if err := get(t, "Write", wrote); !errors.Is(err, context.Canceled) {
			t.Errorf("Write: %v", err)
		}
		if err := get(t, "the end", l.closed); err != ErrCut {
			t.Errorf("Closed(%v)", err)
		}
	})
}

func TestHugeWriteArrives(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		l := newLines()
		c, peer := tr.start(t, l, func(g *Config) { g.QueueLimit = 4 << 10 })
		l.c = c
		body := make([]byte, 3<<20)
		for i := range body {
			body[i] = byte(i >> 8)
		}
		for _, head := range [][]byte{nil, []byte("head"), bytes.Repeat([]byte("x"), 100_000)} {
			go func() {
				if err := c.Write(t.Context(), head, body); err != nil {
					t.Error(err)
				}
				if err := c.SendUrgent([]byte("end")); err != nil {
					t.Error(err)
				}
			}()
			want := append(append(bytes.Clone(head), body...), "end"...)
			got := make([]byte, len(want))
			mustReadFull(t, peer, got)
			if !bytes.Equal(got, want) {
				t.Fatalf("head of %d: came differently", len(head))
			}
		}
	})
}

func TestStalledPeerEndsTheConnection(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		l, c, _, _ := sealed(t, tr, func(g *Config) { g.WriteTimeout = 20 * time.Millisecond })
		if err := get(t, "the end", l.closed); err != ErrStalled {
			t.Errorf("Closed(%v)", err)
		}
		if err := c.Flush(t.Context()); !errors.Is(err, ErrStalled) {
			t.Errorf("Flush: %v", err)
		}
	})
}

func TestFlushHonoursItsContext(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		_, c, peer, _ := sealed(t, tr, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.Flush(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Flush: %v", err)
		}
		go io.Copy(io.Discard, peer)
		if err := c.Flush(t.Context()); err != nil || c.Queued() != 0 {
			t.Errorf("Flush: %v; %d queued", err, c.Queued())
		}
	})
}

// Every Write arrives whole, none twice, and those of one goroutine in their order.
func TestConcurrentWritersKeepTheirOrder(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		l := newLines()
		c, peer := tr.start(t, l, func(g *Config) { g.QueueLimit = 16 << 10 })
		l.c = c
		const writers, each = 8, 300
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for i := range each {
					p := binary.BigEndian.AppendUint32(nil, uint32(w))
					p = binary.BigEndian.AppendUint32(p, uint32(i))
					p = append(p, make([]byte, (i*w*13)%5000)...)
					head := binary.BigEndian.AppendUint32(nil, uint32(len(p)))
					var err error
					switch i % 3 {
					case 0:
						err = c.Write(t.Context(), head, p)
					case 1:
						err = c.Write(context.Background(), nil, append(head, p...))
					case 2:
						f := append(head, p...)
						for {
							var n int
							if n, err = c.TrySend([][]byte{f}); n == 1 {
								err = nil
								break
							}
							if !errors.Is(err, ErrFull) || errors.Is(err, net.ErrClosed) {
								break
							}
							again := make(chan struct{})
							c.NotifyWritable(func() { close(again) })
							<-again
						}
					}
					if err != nil {
						t.Errorf("writer %d, %d: %v", w, i, err)
						return
					}
				}
			})
		}
		go func() {
			all.Wait()
			c.Finish(nil, time.Minute)
		}()
		var next [writers]uint32
		for {
			var head [12]byte
			if _, err := io.ReadFull(peer, head[:]); err != nil {
				if err != io.EOF {
					t.Fatal(err)
				}
				break
			}
			w, i := binary.BigEndian.Uint32(head[4:]), binary.BigEndian.Uint32(head[8:])
			if w >= writers || next[w] != i {
				t.Fatalf("writer %d: %d, want %d", w, i, next[w])
			}
			next[w]++
			io.CopyN(io.Discard, peer, int64(binary.BigEndian.Uint32(head[:])-8))
		}
		for w, n := range next {
			if n != each {
				t.Errorf("writer %d: %d arrived", w, n)
			}
		}
	})
}

func TestEmptyWritesSendNothing(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		l := newLines()
		c, peer := tr.start(t, l, nil)
		l.c = c
		n, err := c.TrySend([][]byte{nil, {}, []byte("a"), {}})
		if err := errors.Join(err, c.Write(t.Context(), nil, nil), c.Send(nil, nil), c.SendUrgent(nil)); err != nil || n != 4 {
			t.Fatal(n, err)
		}
		if n, err := c.TrySend(nil); n != 0 || err != nil {
			t.Errorf("TrySend(nil) = %d, %v", n, err)
		}
		if n, err := c.TrySend([][]byte{{}}); n != 1 || err != nil {
			t.Errorf("TrySend of one empty frame = %d, %v", n, err)
		}
		c.Finish(nil, time.Minute)
		if got, err := io.ReadAll(peer); string(got) != "a" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

// A handler that blocks for ever holds up neither another connection nor its own earlier replies.
func TestBlockedHandlerHoldsNobodyAndNoReply(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		free := make(chan struct{})
		blocked := make(chan struct{})
		l := newLines()
		l.onMessage = func(p []byte) Next {
			if string(p) == "block" {
				close(blocked)
				<-free
				return More
			}
			l.echo(p)
			return More
		}
		c, peer := tr.start(t, l, nil)
		l.c = c
		c.Serve()
		want := append(frame([]byte("one")), frame([]byte("two"))...)
		peer.Write(append(bytes.Clone(want), append(frame([]byte("block")), frame([]byte("three"))...)...))
		got := make([]byte, len(want))
		mustReadFull(t, peer, got)
		if !bytes.Equal(got, want) {
			t.Errorf("read %q", got)
		}
		get(t, "the handler", blocked)

		_, other := echoServer(t, tr, newLines(), false, nil)
		for i := range 20 {
			f := frame(fmt.Append(nil, i))
			other.Write(f)
			mustReadFull(t, other, f)
		}
		if c.Listening() {
			t.Error("a connection whose protocol is busy says that it listens")
		}
		close(free)
		mustReadFull(t, peer, make([]byte, len(frame([]byte("three")))))
	})
}

func TestRepliesOfABatchGoOutTogether(t *testing.T) {
	for _, tr := range transports() {
		if tr.wire != fast {
			continue
		}
		t.Run(tr.name, func(t *testing.T) {
			noLeaks(t)
			var sends int
			l := newLines()
			c, peer := echoServer(t, tr, l, false, func(g *Config) { g.faults = countSends(&sends) })
			var batch []byte
			for i := range 16 {
				batch = append(batch, frame([]byte{byte(i)})...)
			}
			const rounds = 50
			for range rounds {
				peer.Write(batch)
				mustReadFull(t, peer, make([]byte, len(batch)))
			}
			c.CloseNow(nil)
			get(t, "the end", l.closed)
			if sends > rounds*4 { // the flusher may get in between
				t.Errorf("%d sends for %d batches of 16", sends, rounds)
			}
		})
	}
}

func TestDeadlineErrorsAreTimeouts(t *testing.T) {
	if isTimeout(os.NewSyscallError("read", syscall.ETIMEDOUT)) || !isTimeout(os.ErrDeadlineExceeded) || !isTimeout(&net.OpError{Err: os.ErrDeadlineExceeded}) || isTimeout(io.EOF) || isTimeout(net.ErrClosed) {
		t.Error("isTimeout")
	}
}

// What is larger than the queue never counts against it, however much of it the socket takes at once: else the queue would
// have more room after each such write.
func TestHugeWriteCountsForNothing(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		l := newLines()
		c, peer := tr.start(t, l, func(g *Config) { g.QueueLimit = 1 << 10 })
		l.c = c
		read := make(chan struct{})
		go func() {
			defer close(read)
			io.Copy(io.Discard, peer)
		}()
		for _, size := range []int{100, 1 << 10, 40 << 10, 8 << 20} {
			if err := c.Write(t.Context(), []byte("head"), make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			if err := c.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			accepted, sent := c.Position()
			if q := c.Queued(); q != 0 || accepted != sent {
				t.Errorf("after %d bytes %d are queued, and %d of %d were sent", size, q, sent, accepted)
			}
		}
		c.CloseNow(nil)
		<-read
	})
}
