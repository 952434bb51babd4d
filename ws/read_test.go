package ws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
)

// expectRead reads one message.
func expectRead(t testing.TB, c *Conn, typ MessageType, want string) {
	t.Helper()
	gotTyp, got, err := c.Read(context.Background())
	if err != nil || gotTyp != typ || string(got) != want {
		t.Fatalf("Read: %v %.100q, %v; want %v %.100q", gotTyp, got, err, typ, want)
	}
}

// A read is cancelled before a frame, inside its header, inside its payload, and between the frames of a message, and
// each time the next read goes on where it was.
func TestCancelledReadLosesNothing(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		for _, form := range []string{"Read", "ReadAppend", "Reader"} {
			t.Run(form, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, p := wire(t, server, nil)
					var sent []byte
					want := []string{"hello", "", strings.Repeat("fragmented ", 1000), strings.Repeat("long ", 2000)}
					sent = append(sent, p.frame(opText, true, want[0])...)
					sent = append(sent, p.frame(opText, true, want[1])...)
					sent = append(sent, p.frame(opText, false, want[2][:700])...)
					sent = append(sent, p.frame(opContinuation, false, want[2][700:5000])...)
					sent = append(sent, p.frame(opContinuation, true, want[2][5000:])...)
					sent = append(sent, p.frame(opText, true, want[3])...)

					cancelled := 0
					read := func() (string, error) {
						ctx, cancel := context.WithTimeout(t.Context(), time.Second)
						defer cancel()
						switch form {
						case "Read":
							_, b, err := c.Read(ctx)
							return string(b), err
						case "ReadAppend":
							_, b, err := c.ReadAppend(ctx, []byte("before "))
							if !strings.HasPrefix(string(b), "before ") || err != nil && len(b) != 7 {
								t.Fatalf("ReadAppend: %q, %v", b, err)
							}
							return strings.TrimPrefix(string(b), "before "), err
						}
						_, r, err := c.Reader(ctx)
						if err != nil {
							return "", err
						}
						// The reader is bound to ctx; from here on there must be no end to it.
						b, err := io.ReadAll(&messageReader{c: c, ctx: context.Background(), number: r.(*messageReader).number})
						return string(b), err
					}
					go func() {
						for i := 0; i < len(sent); {
							n := min(1+i%9, len(sent)-i)
							if i > 3000 {
								n = min(1500, len(sent)-i)
							}
							time.Sleep(1500 * time.Millisecond)
							p.Write(sent[i : i+n])
							i += n
						}
					}()
					for i := 0; i < len(want); {
						got, err := read()
						switch {
						case errors.Is(err, context.DeadlineExceeded):
							cancelled++
						case err != nil:
							t.Fatalf("message %d: %v", i, err)
						default:
							if got != want[i] {
								t.Fatalf("message %d: %d bytes %.50q, want %d bytes", i, len(got), got, len(want[i]))
							}
							i++
						}
					}
					if cancelled < 3 {
						t.Errorf("%d reads were cancelled", cancelled)
					}
				})
			})
		}
	})
}

func TestReadWithAContextThatHasEndedTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := wire(t, true, nil)
		p.send(p.frame(opText, true, "hello"))
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		for range 3 {
			if _, _, err := c.Read(ctx); !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
				t.Fatalf("Read: %v", err)
			}
		}
		expectRead(t, c, Text, "hello")
	})
}

// A context that served one read and ends during the next, which has another, does that one no harm.
func TestLateCancellationDoesNotHitTheNextRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := wire(t, true, nil)
		for i := range 100 {
			first, cancel := context.WithCancel(t.Context())
			p.send(p.frame(opText, true, "first"))
			if _, _, err := c.Read(first); err != nil {
				t.Fatal(err)
			}
			go cancel()
			go func() {
				if i%2 == 0 {
					synctest.Wait()
				}
				p.Write(p.frame(opText, true, "second"))
			}()
			second, cancelSecond := context.WithCancel(t.Context())
			if _, b, err := c.Read(second); err != nil || string(b) != "second" {
				t.Fatalf("round %d: %q, %v", i, b, err)
			}
			cancelSecond()
		}
	})
}

func TestReadsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := wire(t, true, nil)
		got := make(chan string, 10)
		for range 10 {
			go func() {
				_, b, err := c.Read(t.Context())
				got <- fmt.Sprint(string(b), err)
			}()
		}
		// One that waits for its turn can be cancelled.
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Read: %v", err)
		}
		for i := range 10 {
			p.send(p.frame(opText, true, fmt.Sprint(i)))
			if s := <-got; s != fmt.Sprint(i)+"<nil>" {
				t.Errorf("message %d: %s", i, s)
			}
		}
	})
}

func TestReaderHandsOutAMessageInPieces(t *testing.T) {
	for _, size := range []int{1, 3, 100, 5000, 100_000} {
		c, p := wire(t, true, nil)
		want := strings.Repeat("tide", 20_000)
		go p.Write(append(append(p.frame(opBinary, false, want[:30_000]), p.frame(opPing, true, "x")...), p.frame(opContinuation, true, want[30_000:])...))
		typ, r, err := c.Reader(context.Background())
		if err != nil || typ != Binary {
			t.Fatal(typ, err)
		}
		if n, err := r.Read(nil); n != 0 || err != nil {
			t.Errorf("Read of nothing: %d, %v", n, err)
		}
		var got strings.Builder
		b := make([]byte, size)
		for {
			n, err := r.Read(b)
			got.Write(b[:n])
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if got.String() != want {
			t.Errorf("pieces of %d: %d bytes, want %d", size, got.Len(), len(want))
		}
		p.expect(opPong, true, "x") // answered while nobody was in Read
		for range 2 {
			if n, err := r.Read(b); n != 0 || err != io.EOF {
				t.Errorf("after the end: %d, %v", n, err)
			}
		}
	}
}

func TestUnfinishedReaderIsSkipped(t *testing.T) {
	for _, rest := range []string{"Read", "Reader"} {
		t.Run(rest, func(t *testing.T) {
			c, p := wire(t, true, nil)
			go p.Write(slicesConcat(p.frame(opText, false, strings.Repeat("first ", 2000)), p.frame(opContinuation, true, "end"), p.frame(opText, true, "second")))
			_, r, err := c.Reader(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
			if rest == "Read" {
				expectRead(t, c, Text, "second")
			} else {
				_, r, err := c.Reader(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				if b, err := io.ReadAll(r); err != nil || string(b) != "second" {
					t.Errorf("%q, %v", b, err)
				}
			}
			if n, err := r.Read(make([]byte, 10)); n != 0 || !errors.Is(err, errStaleReader) {
				t.Errorf("the first reader: %d, %v", n, err)
			}
		})
	}
}

func slicesConcat(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// A Reader whose message is being thrown away says so, and does not call it whole; what a cancelled Read had got of that
// message does not get into the next one.
func TestSkippedMessageLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := wire(t, true, nil)
		cancelled := func() {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
		}
		p.send(p.frame(opText, false, "begin "))
		cancelled()
		_, r, err := c.Reader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		cancelled() // begins to skip
		if n, err := r.Read(make([]byte, 10)); n != 0 || !errors.Is(err, errStaleReader) {
			t.Errorf("the reader of a message that is being skipped: %d, %v", n, err)
		}
		p.send(p.frame(opContinuation, true, "end"))
		cancelled() // has skipped, and waits for the next
		if n, err := r.Read(make([]byte, 10)); n != 0 || !errors.Is(err, errStaleReader) {
			t.Errorf("the reader of a message that was skipped: %d, %v", n, err)
		}
		p.send(p.frame(opText, true, "next"))
		expectRead(t, c, Text, "next")
	})
}

// What a cancelled Read had got of a message comes first from a Reader too.
func TestReaderGoesOnWithACancelledRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := wire(t, true, nil)
		p.send(p.frame(opText, false, "begin "))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		p.send(p.frame(opContinuation, true, "end"))
		typ, r, err := c.Reader(t.Context())
		if err != nil || typ != Text {
			t.Fatal(typ, err)
		}
		if b, err := io.ReadAll(r); err != nil || string(b) != "begin end" {
			t.Errorf("%q, %v", b, err)
		}
	})
}

func TestMessagesEndsWithOneErrorAndBreakLeavesTheConnection(t *testing.T) {
	c, p := wire(t, true, nil)
	for i := range 4 {
		p.send(p.frame(opText, true, fmt.Sprint(i)))
	}
	for m, err := range c.Messages(t.Context()) {
		if err != nil || string(m.Data) != "0" {
			t.Fatal(m, err)
		}
		break
	}
	p.send(p.closeFrame(CloseNormal, "done"))
	go p.answerFrom()
	var got []string
	for m, err := range c.Messages(t.Context()) {
		if err != nil {
			got = append(got, CloseStatus(err).String())
		} else {
			got = append(got, m.Type.String()+" "+string(m.Data))
		}
	}
	if s := strings.Join(got, ", "); s != "text 1, text 2, text 3, 1000 (normal closure)" {
		t.Error(s)
	}
}

// answerFrom reads until the end, and ends.
func (p *peer) answerFrom() {
	io.Copy(io.Discard, p.r)
	p.Close()
}

// Nothing is allocated ahead of the bytes that have come but a little.
func TestDeclaredLengthAllocatesNothing(t *testing.T) {
	c, p := wire(t, true, func(o *AcceptOptions) { o.MessageLimit = 1 << 30 })
	before := c.heardAt.Load()
	p.send(p.header(opBinary, true, 1<<30), []byte("abc"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Read(ctx)
	}()
	for c.heardAt.Load() == before { // until the bytes are there
		runtime.Gosched()
	}
	cancel()
	<-done
	if n := cap(c.msg.dst); n > 2*maxAhead {
		t.Errorf("%d bytes for 3", n)
	}
}

func TestOneByteReads(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		near, far := testnet.Pipe()
		if server {
			near, far = far, near
		}
		c := newConn(testnet.Fault(near, testnet.Plan{ReadSize: 1, WriteSize: 1}), server, "", nil, (&AcceptOptions{}).config())
		defer c.CloseNow()
		_, p := wire(t, server, nil)
		go far.Write(slicesConcat(p.frame(opText, false, "é"), p.frame(opPing, true, "x"), p.frame(opContinuation, true, strings.Repeat("€", 1000))))
		expectRead(t, c, Text, "é"+strings.Repeat("€", 1000))
	})
}
