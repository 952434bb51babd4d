package testnet

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// echoServer answers each byte in kind, and half-closes after the client has.
func echoServer(t *testing.T) (addr string, greeting func(string)) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var hello string
	var wg sync.WaitGroup
	conns := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[c] = true
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				mu.Lock()
				h := hello
				mu.Unlock()
				io.WriteString(c, h)
				io.Copy(c, c)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return ln.Addr().String(), func(s string) {
		mu.Lock()
		defer mu.Unlock()
		hello = s
	}
}

func newProxy(t *testing.T, target string) *Proxy {
	t.Helper()
	p, err := NewProxy(t, target)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// broken is true of the errors of a connection that was reset, whichever call met the reset first.
func broken(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func open(n int) func(int, int) bool { return func(open, _ int) bool { return open == n } }

func TestProxyPassesBytesAndHalfCloses(t *testing.T) {
	addr, _ := echoServer(t)
	p := newProxy(t, addr)
	c := dial(t, p.Addr())
	want := strings.Repeat("0123456789", 100_000)
	go func() {
		io.WriteString(c, want)
		c.CloseWrite()
	}()
	if got, err := io.ReadAll(c); string(got) != want || err != nil {
		t.Fatalf("read %d bytes, %v", len(got), err)
	}
	if err := p.Wait(t.Context(), open(0)); err != nil {
		t.Error(err)
	}
	if p.Accepted() != 1 {
		t.Errorf("Accepted = %d", p.Accepted())
	}
}

func TestProxyCutResetsAndRefusesUntilHeal(t *testing.T) {
	addr, greeting := echoServer(t)
	p := newProxy(t, addr)
	c := dial(t, p.Addr())
	mustWrite(t, c, "a")
	mustRead(t, c, "a")
	p.Cut()
	if n := p.Connections(); n != 0 {
		t.Errorf("%d connections after Cut", n)
	}
	if err := readOne(c); !broken(err) {
		t.Errorf("Read after Cut: %v", err)
	}
	late, err := net.Dial("tcp", p.Addr())
	if err == nil { // the kernel answers before the proxy can refuse
		if err := readOne(late); !broken(err) {
			t.Errorf("a connection while cut: %v", err)
		}
		late.Close()
	}
	if err := p.Wait(t.Context(), func(_, accepted int) bool { return accepted == 2 }); err != nil {
		t.Error(err)
	}

	other, greet := echoServer(t)
	greet("moved")
	greeting("old")
	p.SetTarget(other)
	p.Heal()
	mustRead(t, dial(t, p.Addr()), "moved")
}

func TestProxyResetsWhereNoServerAnswers(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	p := newProxy(t, addr)
	c, err := net.Dial("tcp", p.Addr())
	if err == nil { // the reset may come before connect returns
		err = readOne(c)
		c.Close()
	}
	if !broken(err) {
		t.Error(err)
	}
}

func TestProxyBlackholeHoldsAndLoses(t *testing.T) {
	addr, greeting := echoServer(t)
	p := newProxy(t, addr)
	c := dial(t, p.Addr())
	mustWrite(t, c, "a")
	mustRead(t, c, "a")
	p.Blackhole(true)
	p.Blackhole(true)
	mustWrite(t, c, "held")
	c.CloseWrite()
	late := dial(t, p.Addr())
	if err := p.Wait(t.Context(), open(2)); err != nil {
		t.Fatal(err)
	}
	if err := readNow(c); !isTimeout(err) {
		t.Errorf("a Read in the blackhole: %v", err)
	}
	greeting("made after")
	p.Blackhole(false)
	if got, err := io.ReadAll(c); string(got) != "held" || err != nil {
		t.Errorf("after the blackhole: %q, %v", got, err)
	}
	mustRead(t, late, "made after")

	p.Blackhole(true)
	mustWrite(t, late, "x")
	p.Cut()
	if err := readOne(late); !broken(err) {
		t.Errorf("cut in the blackhole: %v", err)
	}
}

func TestProxyDropsServerBytesAndHealResets(t *testing.T) {
	addr, greeting := echoServer(t)
	greeting("hi")
	p := newProxy(t, addr)
	p.DropServerBytesAfter(5) // counts from the start of those to come
	c := dial(t, p.Addr())
	mustWrite(t, c, "abcdef")
	mustRead(t, c, "hiabc")
	if err := readNow(c); !isTimeout(err) {
		t.Errorf("Read past the limit: %v", err)
	}
	p.DropServerBytesAfter(1000) // no byte may follow the hole
	mustWrite(t, c, "ghi")
	if err := readNow(c); !isTimeout(err) {
		t.Errorf("Read after a higher limit: %v", err)
	}
	c.CloseWrite() // the echo server ends too: its end is swallowed
	if err := readNow(c); !isTimeout(err) {
		t.Errorf("Read after the server's end: %v", err)
	}
	whole := dial(t, p.Addr())
	mustRead(t, whole, "hi")
	p.Heal()
	if err := readOne(c); !broken(err) {
		t.Errorf("Read after Heal: %v", err)
	}
	mustWrite(t, whole, "on")
	mustRead(t, whole, "on")
}

func TestProxyDropsClientBytes(t *testing.T) {
	addr, _ := echoServer(t)
	p := newProxy(t, addr)
	c := dial(t, p.Addr())
	mustWrite(t, c, "a")
	mustRead(t, c, "a")
	p.DropClientBytesAfter(2) // counts from now for those that are open
	mustWrite(t, c, "bcd")
	mustRead(t, c, "bc")
	if err := readNow(c); !isTimeout(err) {
		t.Errorf("Read: %v", err)
	}
	p.DropClientBytesAfter(-7)
	if err := readOne(c); !broken(err) {
		t.Errorf("Read: %v", err)
	}
}

func TestProxyCutAfterExactlyThatManyBytes(t *testing.T) {
	addr, _ := echoServer(t)
	p := newProxy(t, addr)
	for n := range 10 {
		p.CutAfter(int64(n))
		c := dial(t, p.Addr())
		mustWrite(t, c, "0123456789")
		got, err := io.ReadAll(c)
		if string(got) != "0123456789"[:n] || !broken(err) {
			t.Errorf("CutAfter(%d): %q, %v", n, got, err)
		}
	}
	p.CutAfter(-1)
	c := dial(t, p.Addr())
	mustWrite(t, c, "0123456789")
	mustRead(t, c, "0123456789")
}

func TestProxyDelayKeepsOrderAndThroughput(t *testing.T) {
	addr, _ := echoServer(t)
	p := newProxy(t, addr)
	const d = 20 * time.Millisecond
	p.Delay(d)
	c := dial(t, p.Addr())
	start := time.Now()
	mustWrite(t, c, "one")
	mustWrite(t, c, "two")
	mustRead(t, c, "onetwo")
	if got := time.Since(start); got < 2*d {
		t.Errorf("there and back in %v, with %v each way", got, d)
	}
	p.Delay(time.Hour)
	mustWrite(t, c, "x")
	p.Close() // does not wait for what is on its way
	if err := readOne(c); !broken(err) {
		t.Error(err)
	}
}

func TestProxyCloseLeavesNothing(t *testing.T) {
	addr, _ := echoServer(t)
	p, err := NewProxy(nil, addr)
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, p.Addr())
	mustWrite(t, c, "a")
	mustRead(t, c, "a")
	p.Blackhole(true)
	mustWrite(t, c, "b")
	p.Close()
	p.Close()
	if err := readOne(c); !broken(err) {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", p.Addr()); err == nil {
		c.Close()
		t.Error("it still listens")
	}
	if err := p.Wait(t.Context(), open(1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Wait: %v", err)
	}
	buf := make([]byte, 1<<20)
	if stacks := string(buf[:runtime.Stack(buf, true)]); strings.Contains(stacks, "testnet.(*link)") ||
		strings.Contains(stacks, "testnet.(*Proxy)") {
		t.Errorf("goroutines left:\n%s", stacks)
	}
}

func TestProxyWaitEndsWithItsContext(t *testing.T) {
	addr, _ := echoServer(t)
	p := newProxy(t, addr)
	cause := errors.New("cause")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if err := p.Wait(ctx, open(1)); err != cause {
		t.Error(err)
	}
	if _, err := NewProxy(t, "no port"); err == nil {
		t.Error("a target without a port was taken")
	}
}

// Everything at once, for the race detector: no call blocks, and Close ends it.
func TestProxyConcurrentFaults(t *testing.T) {
	addr, greeting := echoServer(t)
	greeting("hello")
	p := newProxy(t, addr)
	var clients, faults sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 20 {
				c, err := net.Dial("tcp", p.Addr())
				if err != nil {
					continue
				}
				c.SetDeadline(time.Now().Add(50 * time.Millisecond))
				io.WriteString(c, "ping")
				readOne(c)
				c.Close()
			}
		})
	}
	for i := range 4 {
		faults.Go(func() {
			for range 20 {
				switch i {
				case 0:
					p.Cut()
				case 1:
					p.Blackhole(true)
					p.Blackhole(false)
				case 2:
					p.DropServerBytesAfter(3)
					p.CutAfter(2)
				}
				p.Heal()
			}
		})
	}
	faults.Wait()
	clients.Wait()
	p.Close()
	if n := p.Connections(); n != 0 {
		t.Errorf("%d connections after Close", n)
	}
}

// readNow reads for a moment. What a fault holds can't come however long the moment is, so a short one proves no
// less than the absence of what could have come at once.
func readNow(c net.Conn) error {
	c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	defer c.SetReadDeadline(time.Time{})
	return readOne(c)
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}
