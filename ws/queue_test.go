package ws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
)

// stuck is a connection whose peer does not read, and whose queue is full.
func stuck(t *testing.T, server bool, options func(*AcceptOptions)) (*Conn, *peer, int) {
	t.Helper()
	c, p := wireOver(t, server, func(o *AcceptOptions) {
		o.QueueLimit = 1000
		o.QueueFull = DropWhenFull
		if options != nil {
			options(o)
		}
	}, narrow)
	sent := 0
	for refused := 0; refused < 3; { // the flusher takes what comes first
		if err := c.Send(Binary, make([]byte, 100)); err != nil {
			refused++
			synctest.Wait()
			continue
		}
		sent++
	}
	return c, p, sent
}

// Send never waits: what has no room is dropped and told, with the option's name, and counted; what was accepted comes.
func TestSendDropsWhenTheQueueIsFull(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		bubble(t, func(t *testing.T, start time.Time) {
			c, p, sent := stuck(t, server, nil)
			dropped := c.Dropped()
			m, err := Prepare(Text, bytes.Repeat([]byte("x"), 2000))
			if err != nil {
				t.Fatal(err)
			}
			for what, err := range map[string]error{"Send": c.Send(Text, make([]byte, 200)), "SendPrepared": c.SendPrepared(m)} {
				e, ok := errors.AsType[*LimitError](err)
				if !ok || e.Option != "QueueLimit" || e.Max != 1000 || !errors.Is(err, ErrFull) || e.Code != 0 {
					t.Errorf("%s: %v", what, err)
				}
			}
			if n := c.Dropped() - dropped; n != 2 {
				t.Errorf("%d dropped", n)
			}
			expectAfter(t, start, 0)
			for range sent {
				p.expect(opBinary, true, string(make([]byte, 100)))
			}
			synctest.Wait()
			if err := c.Send(Text, []byte("again")); err != nil {
				t.Errorf("Send: %v", err)
			}
			p.expect(opText, true, "again")
		})
	})
}

// The default is to close with 1013, behind what was accepted, so that nobody misses anything without knowing it.
func TestSendClosesWhenTheQueueIsFull(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		bubble(t, func(t *testing.T, start time.Time) {
			var told *LimitError
			c, p, sent := stuck(t, server, func(o *AcceptOptions) {
				o.Observer = &Observer{Limit: func(c *Conn, err *LimitError) { told = err }}
			})
			c.cfg = func() *shared { s := *c.cfg; s.queueFull = CloseWhenFull; return &s }()
			err := c.Send(Text, make([]byte, 2000))
			expectLimit(t, err, "QueueLimit")
			if CloseStatus(err) != CloseTryAgainLater || told != err {
				t.Errorf("%v, told %v", err, told)
			}
			if again := c.Send(Text, nil); again != err {
				t.Errorf("again: %v", again)
			}
			for range sent {
				p.expect(opBinary, true, string(make([]byte, 100)))
			}
			p.expectClose(CloseTryAgainLater)
			p.expectEOF()
			p.Close()
			expectAfter(t, start, 0)
		})
	})
}

// Write waits for room, with its context, and has written nothing when that ends.
func TestWriteWaitsForRoomInTheQueue(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		bubble(t, func(t *testing.T, start time.Time) {
			c, p, sent := stuck(t, server, nil)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := c.Write(ctx, Text, make([]byte, 500)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Write: %v", err)
			}
			expectAfter(t, start, time.Second)
			written := make(chan error, 1)
			go func() { written <- c.Write(t.Context(), Text, []byte(strings.Repeat("y", 500))) }()
			synctest.Wait()
			for range sent {
				p.expect(opBinary, true, string(make([]byte, 100)))
			}
			if err := <-written; err != nil {
				t.Errorf("Write: %v", err)
			}
			p.expect(opText, true, strings.Repeat("y", 500))
		})
	})
}

// While a message of Writer is under way, who can't wait is told.
func TestSendAndTrySendDeferToAWriter(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, p := wireOver(t, true, nil, func() (*testnet.Conn, *testnet.Conn) { return testnet.PipeSize(1 << 20) })
		w, err := c.Writer(t.Context(), Text)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Send(Text, []byte("x")); !errors.Is(err, ErrFull) {
			t.Errorf("Send: %v", err)
		}
		frame, _ := AppendFrame(nil, Text, []byte("frame"))
		if n, err := c.TrySend([][]byte{frame}); n != 0 || err != ErrFull {
			t.Errorf("TrySend: %d, %v", n, err)
		}
		if full, ok := ErrFull.(interface{ Full() bool }); !ok || !full.Full() {
			t.Error("ErrFull is not full")
		}
		told := make(chan struct{}, 2)
		c.NotifyWritable(func() { told <- struct{}{} })
		synctest.Wait()
		if len(told) > 0 {
			t.Error("told while the message is under way")
		}
		w.Write([]byte("streamed"))
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if len(told) != 1 {
			t.Errorf("told %d times", len(told))
		}
		if n, err := c.TrySend([][]byte{frame, frame}); n != 2 || err != nil {
			t.Errorf("TrySend: %d, %v", n, err)
		}
		p.expect(opText, true, "streamed")
		p.expect(opText, true, "frame")
		p.expect(opText, true, "frame")
	})
}

// TrySend takes whole messages and nothing else, in order, says how many, and goes on after NotifyWritable.
func TestTrySendTakesWhatThereIsRoomFor(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		var sizes []int64
		c, p := wireOver(t, true, func(o *AcceptOptions) {
			o.QueueLimit = 1000
			o.Observer = &Observer{Sent: func(c *Conn, typ MessageType, size int64) { sizes = append(sizes, size) }}
		}, narrow)
		var frames [][]byte
		for i := range 50 {
			f, err := AppendFrame(nil, Binary, bytes.Repeat([]byte{byte(i)}, 10*i))
			if err != nil {
				t.Fatal(err)
			}
			frames = append(frames, f)
		}
		go func() {
			for left := frames; len(left) > 0; {
				n, err := c.TrySend(left)
				if (err == nil) != (n == len(left)) || err != nil && err != ErrFull {
					t.Errorf("TrySend: %d of %d, %v", n, len(left), err)
					return
				}
				left = left[n:]
				again := make(chan struct{})
				c.NotifyWritable(func() { close(again) })
				<-again
			}
		}()
		for i := range frames {
			p.expect(opBinary, true, string(bytes.Repeat([]byte{byte(i)}, 10*i)))
		}
		synctest.Wait()
		if len(sizes) != 50 || sizes[49] != 490 {
			t.Errorf("told of %v", sizes)
		}
		good, _ := AppendFrame(nil, Text, []byte("good"))
		for name, bad := range map[string][]byte{
			"empty": {}, "cut": good[:3], "second cut": append(bytes.Clone(good), good[:5]...), "masked": []byte("\x81\x80abcd"),
			"ping": []byte("\x89\x00"), "a piece": []byte("\x01\x00"), "reserved bit": []byte("\xc1\x00"),
		} {
			if n, err := c.TrySend([][]byte{good, bad, good}); n != 1 || err != ErrBadFrame {
				t.Errorf("%s: %d, %v", name, n, err)
			}
			p.expect(opText, true, "good")
			synctest.Wait()
		}
		sizes = nil
		if n, err := c.TrySend([][]byte{append(bytes.Clone(good), good...), good}); n != 2 || err != nil {
			t.Errorf("two in one: %d, %v", n, err)
		}
		for range 3 {
			p.expect(opText, true, "good")
		}
		synctest.Wait()
		if !slices.Equal(sizes, []int64{4, 4, 4}) {
			t.Errorf("told of %v for two in one and one", sizes)
		}
		c.CloseNow()
		if n, err := c.TrySend(frames); n != 0 || err != c.ended() {
			t.Errorf("after the end: %d, %v", n, err)
		}
		told := make(chan struct{})
		c.NotifyWritable(func() { close(told) })
		<-told
	})
	c, _ := wire(t, false, nil)
	if n, err := c.TrySend([][]byte{{0x82, 0}}); n != 0 || err != ErrNotServer {
		t.Errorf("a client's TrySend: %d, %v", n, err)
	}
}

// A prepared message is encoded once, and comes as any other, from both sides.
func TestPreparedMessages(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		c, p := wireOver(t, server, nil, func() (*testnet.Conn, *testnet.Conn) { return testnet.PipeSize(1 << 20) })
		for _, size := range []int{0, 1, 125, 126, 65535, 65536, 100_000} {
			data := bytes.Repeat([]byte("p"), size)
			m, err := Prepare(Text, data)
			if err != nil {
				t.Fatal(err)
			}
			clear(data)
			for _, err := range []error{c.WritePrepared(t.Context(), m), c.SendPrepared(m)} {
				if err != nil {
					t.Errorf("%d bytes: %v", size, err)
				}
				p.expect(opText, true, strings.Repeat("p", size))
			}
		}
		var zero Prepared
		for _, m := range []*Prepared{nil, &zero} {
			for _, err := range []error{c.WritePrepared(t.Context(), m), c.SendPrepared(m)} {
				if err != errNotPrepared {
					t.Errorf("what nobody prepared: %v", err)
				}
			}
		}
		if err := c.Write(t.Context(), Text, []byte("next")); err != nil {
			t.Error(err)
		}
		p.expect(opText, true, "next") // and nothing before it
	})
	if _, err := Prepare(Text, []byte("\xff")); !errors.Is(err, ErrInvalidUTF8) {
		t.Errorf("Prepare: %v", err)
	}
	if b, err := AppendFrame([]byte("before"), 3, nil); err == nil || string(b) != "before" {
		t.Errorf("AppendFrame: %q, %v", b, err)
	}
}

// Connections that are made with the same options have their settings in common.
func TestConnectionsShareTheirSettings(t *testing.T) {
	a, b := (&AcceptOptions{}).config().share(), (&AcceptOptions{MessageLimit: 1 << 20}).config().share()
	if a != b {
		t.Error("two of the same")
	}
	for i := range 20 {
		if s := (&AcceptOptions{FrameLimit: 100 + i}).config().share(); s.frameLimit != 100+i {
			t.Error(fmt.Sprint(s.frameLimit))
		}
	}
}

// Who waits for a Writer that nobody closes is told when the connection ends, and no more of them wait than a few.
func TestNotifyWritableWithAForgottenWriter(t *testing.T) {
	bubble(t, func(t *testing.T, start time.Time) {
		c, _ := wire(t, true, nil)
		if _, err := c.Writer(context.Background(), Text); err != nil {
			t.Fatal(err)
		}
		var told atomic.Int32
		expectTold := func(when string, want int32) {
			t.Helper()
			synctest.Wait()
			if n := told.Load(); n != want {
				t.Errorf("%s: told %d times, want %d", when, n, want)
			}
		}
		for range maxTold {
			c.NotifyWritable(func() { told.Add(1) })
		}
		expectTold("while the message is under way", 0)
		c.NotifyWritable(func() { told.Add(1) })
		expectTold("too many", 1)
		c.CloseNow()
		expectTold("at the end", maxTold+1)
		c.NotifyWritable(func() { told.Add(1) })
		expectTold("after the end", maxTold+2)
	})
}
