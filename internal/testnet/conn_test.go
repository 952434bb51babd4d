package testnet

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func mustWrite(t *testing.T, w io.Writer, s string) {
	t.Helper()
	if n, err := io.WriteString(w, s); n != len(s) || err != nil {
		t.Fatalf("Write(%q) = %d, %v", s, n, err)
	}
}

func mustRead(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got[:n], err, want)
	}
}

func mustFail(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: error %v, want %v", what, err, want)
	}
	if _, ok := errors.AsType[*net.OpError](err); !ok && err != io.EOF {
		t.Fatalf("%s: error %#v is no *net.OpError", what, err)
	}
}

func readOne(c io.Reader) error {
	_, err := c.Read(make([]byte, 1))
	return err
}

func TestPipeCarriesBytesBothWays(t *testing.T) {
	a, b := Pipe()
	mustWrite(t, a, "ping")
	mustWrite(t, b, "pong")
	mustRead(t, a, "pong")
	mustRead(t, b, "ping")
	if a.LocalAddr().String() != b.RemoteAddr().String() || a.LocalAddr().String() == b.LocalAddr().String() {
		t.Errorf("addresses: %v-%v and %v-%v", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
	}
	if _, _, err := net.SplitHostPort(a.RemoteAddr().String()); err != nil {
		t.Error(err)
	}
}

func TestPipeKeepsOrderThroughSmallBuffers(t *testing.T) {
	for _, size := range []int{1, 2, 3, 7, 511, 512, 513, 4096, 0} {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, uint64(size)))
			want := make([]byte, 10_000)
			for i := range want {
				want[i] = byte(rnd.Uint32())
			}
			a, b := PipeSize(size)
			go func() {
				for rest := want; len(rest) > 0; {
					n := min(len(rest), 1+rnd.IntN(700))
					if _, err := a.Write(rest[:n]); err != nil {
						t.Errorf("size %d: %v", size, err)
					}
					rest = rest[n:]
				}
				a.CloseWrite()
			}()
			got, err := io.ReadAll(b)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("size %d: read %d bytes, %v; equal %v", size, len(got), err, bytes.Equal(got, want))
			}
		})
	}
}

func TestPipeGrowsWithUnreadBytesInTheMiddle(t *testing.T) {
	a, b := Pipe()
	text := strings.Repeat("0123456789", 300)
	mustWrite(t, a, text[:500])
	mustRead(t, b, text[:400])
	mustWrite(t, a, text[500:700]) // wraps around
	mustWrite(t, a, text[700:])    // grows
	mustRead(t, b, text[400:])
}

func TestPipeWriteBlocksWhenFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := PipeSize(4)
		wrote := false
		go func() {
			mustWrite(t, a, "12345")
			wrote = true
		}()
		synctest.Wait()
		if wrote {
			t.Fatal("five bytes went into a pipe of four")
		}
		mustRead(t, b, "1")
		synctest.Wait()
		if !wrote {
			t.Fatal("the Write did not go on")
		}
		mustRead(t, b, "2345")
	})
}

func TestPipeWritesNeverInterleave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := PipeSize(3)
		var writers sync.WaitGroup
		for _, s := range []string{"aaaaaaaa", "bbbbbbbb", "cccccccc"} {
			writers.Go(func() { mustWrite(t, a, s) })
		}
		go func() {
			writers.Wait()
			a.Close()
		}()
		got, err := io.ReadAll(Fault(b, Plan{ReadSize: 1})) // each byte of room is one chance to cut in
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+8 <= len(got); i += 8 {
			if !bytes.Equal(got[i:i+8], bytes.Repeat(got[i:i+1], 8)) {
				t.Fatalf("interleaved: %q", got)
			}
		}
	})
}

func TestPipeCloseIsOrderlyAfterEverythingWasRead(t *testing.T) {
	a, b := Pipe()
	mustWrite(t, a, "last")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	mustRead(t, b, "last")
	if err := readOne(b); err != io.EOF {
		t.Errorf("Read after the peer's Close: %v, want a bare io.EOF", err)
	}
	_, err := b.Write([]byte("x"))
	mustFail(t, "Write to a closed peer", err, syscall.EPIPE)
	mustFail(t, "own Read", readOne(a), net.ErrClosed)
	_, err = a.Write([]byte("x"))
	mustFail(t, "own Write", err, net.ErrClosed)
	mustFail(t, "second Close", a.Close(), net.ErrClosed)
	mustFail(t, "second Close by Reset", a.Reset(), net.ErrClosed)
	mustFail(t, "SetDeadline", a.SetDeadline(time.Time{}), net.ErrClosed)
	mustFail(t, "CloseWrite", a.CloseWrite(), net.ErrClosed)
	mustFail(t, "CloseRead", a.CloseRead(), net.ErrClosed)
}

func TestPipeCloseWithUnreadBytesResets(t *testing.T) {
	a, b := Pipe()
	mustWrite(t, a, "never read")
	mustWrite(t, b, "sent before")
	b.Close()
	mustRead(t, a, "sent before")
	mustFail(t, "Read", readOne(a), syscall.ECONNRESET)
}

func TestPipeResetThrowsAwayWhatWasSent(t *testing.T) {
	a, b := Pipe()
	mustWrite(t, a, "lost")
	if err := a.Reset(); err != nil {
		t.Fatal(err)
	}
	mustFail(t, "Read", readOne(b), syscall.ECONNRESET)
	_, err := b.Write([]byte("x"))
	mustFail(t, "Write", err, syscall.EPIPE)
}

func TestPipeCloseWriteLeavesTheOtherDirection(t *testing.T) {
	a, b := Pipe()
	mustWrite(t, a, "request")
	if err := a.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(b); string(got) != "request" || err != nil {
		t.Fatalf("ReadAll = %q, %v", got, err)
	}
	_, err := a.Write([]byte("x"))
	mustFail(t, "Write after CloseWrite", err, syscall.EPIPE)
	mustWrite(t, b, "answer")
	b.Close()
	if got, err := io.ReadAll(a); string(got) != "answer" || err != nil {
		t.Fatalf("ReadAll = %q, %v", got, err)
	}
}

func TestPipeCloseReadSwallowsWithoutTellingThePeer(t *testing.T) {
	a, b := PipeSize(4)
	mustWrite(t, a, "1234")
	if err := b.CloseRead(); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, a, "more than four")
	if err := readOne(b); err != io.EOF {
		t.Errorf("Read after CloseRead: %v", err)
	}
	mustWrite(t, b, "ok")
	b.Close()
	if got, err := io.ReadAll(a); string(got) != "ok" || err != nil {
		t.Errorf("ReadAll = %q, %v", got, err)
	}
}

func TestPipeEndsWakeBlockedCalls(t *testing.T) {
	ends := map[string]struct {
		do          func(own, peer *Conn)
		read, write error
	}{
		"own Close":      {func(own, _ *Conn) { own.Close() }, net.ErrClosed, net.ErrClosed},
		"own Reset":      {func(own, _ *Conn) { own.Reset() }, net.ErrClosed, net.ErrClosed},
		"own CloseBoth":  {func(own, _ *Conn) { own.CloseRead(); own.CloseWrite() }, io.EOF, syscall.EPIPE},
		"peer Reset":     {func(_, peer *Conn) { peer.Reset() }, syscall.ECONNRESET, syscall.EPIPE},
		"peer Close":     {func(_, peer *Conn) { peer.Close() }, syscall.ECONNRESET, syscall.EPIPE},
		"past deadline":  {func(own, _ *Conn) { own.SetDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
		"later deadline": {func(own, _ *Conn) { own.SetDeadline(time.Now().Add(time.Hour)) }, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				own, peer := PipeSize(2)
				var calls sync.WaitGroup
				calls.Go(func() {
					if err := readOne(own); !errors.Is(err, end.read) {
						t.Errorf("Read: %v, want %v", err, end.read)
					}
				})
				for range 2 { // the second waits for its turn
					calls.Go(func() {
						if n, err := own.Write([]byte("123")); n > 2 || !errors.Is(err, end.write) {
							t.Errorf("Write = %d, %v, want %v", n, err, end.write)
						}
					})
				}
				synctest.Wait()
				end.do(own, peer)
				calls.Wait()
			})
		})
	}
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := PipeSize(2)
		start := time.Now()
		a.SetReadDeadline(start.Add(time.Minute))
		err := readOne(a)
		mustFail(t, "Read", err, os.ErrDeadlineExceeded)
		if ne, ok := errors.AsType[net.Error](err); !ok || !ne.Timeout() {
			t.Errorf("%v is no timeout", err)
		}
		if got := time.Since(start); got != time.Minute {
			t.Errorf("Read failed after %v", got)
		}

		mustWrite(t, b, "x")
		mustFail(t, "Read with bytes there", readOne(a), os.ErrDeadlineExceeded)
		a.SetReadDeadline(time.Time{})
		mustRead(t, a, "x")

		// The old timer must not hit the new deadline.
		a.SetReadDeadline(time.Now().Add(time.Second))
		a.SetReadDeadline(time.Now().Add(time.Hour))
		go func() {
			time.Sleep(time.Minute)
			b.Write([]byte("y"))
		}()
		mustRead(t, a, "y")

		a.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := a.Write([]byte("123"))
		mustFail(t, "Write", err, os.ErrDeadlineExceeded)
		if n != 2 {
			t.Errorf("Write = %d, want the 2 bytes that fitted", n)
		}
	})
}

func TestPipeEmptyCalls(t *testing.T) {
	a, b := PipeSize(1)
	if n, err := a.Read(nil); n != 0 || err != nil {
		t.Errorf("Read(nil) = %d, %v", n, err)
	}
	mustWrite(t, a, "x")
	if n, err := a.Write(nil); n != 0 || err != nil {
		t.Errorf("Write(nil) to a full pipe = %d, %v", n, err)
	}
	b.Close()
	_, err := a.Write(nil)
	mustFail(t, "Write(nil) to a closed peer", err, syscall.EPIPE)
}
