package ws

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
)

// narrow is a pipe that a small write fills.
func narrow() (*testnet.Conn, *testnet.Conn) { return testnet.PipeSize(16) }

func TestWriteCancelledBeforeItsTurnHasWrittenNothing(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		bubble(t, func(t *testing.T, start time.Time) {
			c, p := wireOver(t, server, func(o *AcceptOptions) { o.QueueLimit = 1 }, narrow)
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			if err := c.Write(ended, Text, []byte("never")); !errors.Is(err, context.Canceled) {
				t.Errorf("Write: %v", err)
			}
			long := strings.Repeat("long ", 100)
			first := make(chan error, 1)
			go func() { first <- c.Write(t.Context(), Text, []byte(long)) }()
			synctest.Wait()
			for range 3 {
				waiting, cancel := context.WithTimeout(t.Context(), time.Second)
				if err := c.Write(waiting, Text, []byte("never")); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Write: %v", err)
				}
				if _, err := c.Writer(waiting, Text); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Writer: %v", err)
				}
				cancel()
			}
			p.expect(opText, true, long)
			if err := <-first; err != nil {
				t.Errorf("the first Write: %v", err)
			}
			go c.Write(t.Context(), Text, []byte("next"))
			p.expect(opText, true, "next")
		})
	})
}

func TestWriteCancelledInMidFrameEndsTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, _ := wireOver(t, true, nil, narrow)
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(cause) })
		err := c.Write(ctx, Text, make([]byte, 100))
		if !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
			t.Errorf("Write: %v", err)
		}
		_, _, err = c.Read(t.Context())
		if e, ok := errors.AsType[*CloseError](err); !ok || e.Code != CloseAbnormal || !e.Local || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read: %v", err)
		}
	})
}

// A context that served one write and ends later does no harm to the writes of others.
func TestLateCancellationDoesNotHitTheNextWrite(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, p := wire(t, true, nil)
		for range 100 {
			ctx, cancel := context.WithCancel(t.Context())
			if err := c.Write(ctx, Text, []byte("first")); err != nil {
				t.Fatal(err)
			}
			go cancel()
			other, cancelOther := context.WithCancel(t.Context())
			if err := c.Write(other, Text, []byte("second")); err != nil {
				t.Fatal(err)
			}
			p.expect(opText, true, "first")
			p.expect(opText, true, "second")
			cancelOther()
		}
	})
}

func TestTextThatIsNotUTF8IsNotSent(t *testing.T) {
	c, p := wire(t, true, nil)
	if err := c.Write(t.Context(), Text, []byte("a\xff")); !errors.Is(err, ErrInvalidUTF8) {
		t.Errorf("Write: %v", err)
	}
	for _, typ := range []MessageType{0, 3, 8, -1, 257} {
		if err := c.Write(t.Context(), typ, nil); err == nil {
			t.Errorf("Write with %v: no error", typ)
		}
		if _, err := c.Writer(t.Context(), typ); err == nil {
			t.Errorf("Writer with %v: no error", typ)
		}
	}
	w, err := c.Writer(t.Context(), Text)
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("\xe2\x82"))
	if err := w.Close(); !errors.Is(err, ErrInvalidUTF8) {
		t.Errorf("Close: %v", err)
	}
	if err := c.Write(t.Context(), Binary, []byte("\xff")); err != nil {
		t.Fatal(err)
	}
	p.expect(opBinary, true, "\xff")
}

func TestMessageIsOneFrameAndOneWrite(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		near, far := testnet.PipeSize(1 << 20)
		counter := testnet.Fault(near, testnet.Plan{})
		c := newConn(counter, server, "", nil, (&AcceptOptions{}).config())
		defer c.CloseNow()
		p := &peer{t: t, Conn: far, client: server}
		p.r = bufio.NewReader(far)
		for i, size := range []int{0, 10, 200, 4000, 5000, 60_000} {
			data := bytes.Repeat([]byte("x"), size)
			if err := c.Write(t.Context(), Binary, data); err != nil {
				t.Fatal(err)
			}
			if counter.Writes() != i+1 {
				t.Errorf("%d bytes: %d writes", size, counter.Writes()-i)
			}
			p.expect(opBinary, true, string(data))
			if bytes.Count(data, []byte("x")) != size {
				t.Error("the caller's bytes were changed")
			}
		}
		go c.Write(t.Context(), Binary, make([]byte, 1<<20+7))
		p.expect(opBinary, true, string(make([]byte, 1<<20+7)))
	})
}

// No key twice in a thousand frames, and no pattern in their low bits.
func TestMaskKeysAreUnpredictable(t *testing.T) {
	c, _ := wire(t, false, nil)
	seen := map[uint32]bool{}
	var odd int
	for range 1000 {
		h := c.frameHeader(opText, true)
		if !h.masked || seen[h.key] && len(seen) > 990 {
			t.Fatalf("%+v", h)
		}
		seen[h.key] = true
		odd += int(h.key & 1)
	}
	if len(seen) < 999 || odd < 400 || odd > 600 {
		t.Errorf("%d keys, %d odd", len(seen), odd)
	}
}

func TestWriterSendsFragmentsAndControlFramesGoBetween(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		bubble(t, func(t *testing.T, start time.Time) {
			c, p := wireOver(t, server, nil, func() (*testnet.Conn, *testnet.Conn) { return testnet.PipeSize(1 << 20) })
			go c.Read(t.Context())
			w, err := c.Writer(t.Context(), Text)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Repeat("€uro", 20_000) // runes cut by frames
			for part := range slicesChunk(text[:100_000], 777) {
				if n, err := io.WriteString(w, part); n != len(part) || err != nil {
					t.Fatal(n, err)
				}
			}
			// A message has to wait, a pong does not.
			other := make(chan error, 1)
			go func() { other <- c.Write(t.Context(), Text, []byte("after")) }()
			p.send(p.frame(opPing, true, "now"))
			var got strings.Builder
			want := opText
			for range 3 {
				h, b, err := p.read()
				if err != nil || h.opcode != want || h.fin || len(b) != fragmentSize {
					t.Fatal(h, len(b), err)
				}
				got.Write(b)
				want = opContinuation
			}
			p.expect(opPong, true, "now")
			if _, err := io.WriteString(w, text[100_000:]); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			for {
				h, b, err := p.read()
				if err != nil || h.opcode != opContinuation {
					t.Fatal(h, err)
				}
				got.Write(b)
				if h.fin {
					break
				}
			}
			if got.String() != text {
				t.Errorf("%d bytes, want %d", got.Len(), len(text))
			}
			p.expect(opText, true, "after")
			if err := <-other; err != nil {
				t.Error(err)
			}
			if err := w.Close(); err != nil {
				t.Errorf("second Close: %v", err)
			}
			if _, err := w.Write([]byte("x")); err == nil {
				t.Error("Write after Close")
			}
		})
	})
}

func slicesChunk(s string, n int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for len(s) > 0 {
			m := min(n, len(s))
			if !yield(s[:m]) {
				return
			}
			s = s[m:]
		}
	}
}

func TestWriterOfAnEmptyMessage(t *testing.T) {
	c, p := wire(t, true, nil)
	w, err := c.Writer(t.Context(), Binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	p.expect(opBinary, true, "")
}

// A writer that its owner forgot keeps the others waiting only as long as its context lives.
func TestForgottenWriter(t *testing.T) {
	t.Run("nothing sent", func(t *testing.T) {
		bubble(t, func(t *testing.T, start time.Time) {
			c, p := wire(t, true, func(o *AcceptOptions) { o.PingInterval = -1 })
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			w, err := c.Writer(ctx, Text)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(w, "half")
			if err := c.Write(t.Context(), Text, []byte("whole")); err != nil {
				t.Fatal(err)
			}
			expectAfter(t, start, time.Minute)
			p.expect(opText, true, "whole")
			if err := w.Close(); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Close: %v", err)
			}
		})
	})
	t.Run("half sent", func(t *testing.T) {
		bubble(t, func(t *testing.T, start time.Time) {
			c, p := wire(t, true, func(o *AcceptOptions) { o.PingInterval = -1 })
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			w, err := c.Writer(ctx, Binary)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(make([]byte, fragmentSize+1)); err != nil {
				t.Fatal(err)
			}
			err = c.Write(t.Context(), Text, []byte("whole"))
			if e, ok := errors.AsType[*CloseError](err); !ok || e.Code != CloseInternalError || !e.Local {
				t.Errorf("Write: %v", err)
			}
			expectAfter(t, start, time.Minute)
			p.expect(opBinary, false, string(make([]byte, fragmentSize)))
			p.expectClose(CloseInternalError)
			p.Close()
		})
	})
}

func TestCloseGoesBetweenTheFragmentsOfAWriter(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, p := wire(t, true, nil)
		w, err := c.Writer(t.Context(), Binary)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(make([]byte, fragmentSize+1))
		p.expect(opBinary, false, string(make([]byte, fragmentSize)))
		go p.answerClose(CloseNormal)
		if err := c.Close(CloseNormal, ""); err != nil {
			t.Error(err)
		}
		if err := w.Close(); CloseStatus(err) != CloseNormal {
			t.Errorf("Close of the writer: %v", err)
		}
	})
}

func TestPongsAreIdenticalAndInOrder(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		c, p := wire(t, server, nil)
		go c.Read(t.Context())
		for _, payload := range []string{"", "a", strings.Repeat("z", 125), "\x00\xff", "b"} {
			p.send(p.frame(opPing, true, payload))
			p.expect(opPong, true, payload)
		}
		for i := range 10 {
			p.send(p.frame(opPing, true, fmt.Sprint(i)))
		}
		for i := range 10 {
			p.expect(opPong, true, fmt.Sprint(i))
		}
	})
}

// A peer that pings without pause and never reads costs a bounded number of pongs, the latest among them, and a
// message in between is still read.
func TestPingFloodIsBoundedAndTheLatestIsAnswered(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, p := wireOver(t, true, func(o *AcceptOptions) { o.WriteTimeout = -1 }, narrow)
		const pings = 100_000
		var flood sync.WaitGroup
		flood.Go(func() {
			for i := range pings {
				p.Write(p.frame(opPing, true, fmt.Sprint(i)))
			}
			p.Write(p.frame(opText, true, "are you there?"))
		})
		expectRead(t, c, Text, "are you there?")
		flood.Wait()
		if n := len(c.pings.pongs().at); n > maxPongs {
			t.Errorf("%d pongs wait", n)
		}
		last, pongs := "", 0
		for last != fmt.Sprint(pings-1) {
			h, b, err := p.read()
			if err != nil || h.opcode != opPong {
				t.Fatal(h, err)
			}
			last = string(b)
			pongs++
		}
		if pongs > 2*maxPongs+2 {
			t.Errorf("%d pongs", pongs)
		}
	})
}

// Pings without pause don't keep a writer from its turn.
func TestPingFloodDoesNotStarveWriters(t *testing.T) {
	c, p := wire(t, true, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { c.Read(ctx) })
	all.Go(func() { io.Copy(io.Discard, p.Conn) })
	all.Go(func() {
		for {
			if _, err := p.Write(p.frame(opPing, true, "x")); err != nil {
				return
			}
		}
	})
	for range 1000 {
		if err := c.Write(t.Context(), Text, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	c.CloseNow()
	p.Close()
	all.Wait()
}

func TestNothingIsAnsweredAfterTheCloseFrame(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, p := wire(t, true, nil)
		go c.Close(CloseNormal, "")
		p.expectClose(CloseNormal)
		p.send(p.frame(opPing, true, "x"), p.closeFrame(CloseNormal, ""), p.frame(opPing, true, "y"), p.closeFrame(CloseNormal, ""))
		p.expectEOF()
		p.Close()
	})
}

// justEnded is a context that ends just after it was asked for the first time whether it has.
type justEnded struct {
	context.Context // has ended
	asked           atomic.Bool
}

func (c *justEnded) Err() error {
	if c.asked.CompareAndSwap(false, true) {
		return nil
	}
	return c.Context.Err()
}

// The context of a Writer may end while Writer is under way; then the message is dropped and the turn given back.
func TestWriterWhoseContextEndsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, p := wire(t, true, nil)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for range 1000 {
			w, err := c.Writer(&justEnded{Context: ended}, Text)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if _, err := w.Write([]byte("x")); !errors.Is(err, context.Canceled) {
				t.Fatalf("Write: %v", err)
			}
		}
		if err := c.Write(t.Context(), Text, []byte("next")); err != nil {
			t.Fatal(err)
		}
		p.expect(opText, true, "next")
	})
}
