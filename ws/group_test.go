package ws_test

import (
	"bufio"
	"context"
	"errors"
	"math"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/ws"
)

// crowd runs a server whose connections are in the group, and n clients of it. ended gets each client's last error.
func crowd(t *testing.T, g *ws.Group, n int) (dial func() (*ws.Conn, error), ended chan error, stop func()) {
	ln := testnet.Listen()
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := ws.Accept(w, r, &ws.AcceptOptions{Group: g}); err == nil {
			echo(c)
		}
	})}
	go srv.Serve(ln)
	dial = func() (*ws.Conn, error) {
		return ws.Dial(t.Context(), "ws://tidewire.test/", &ws.DialOptions{NetDial: ln.DialContext})
	}
	ended = make(chan error, n)
	var clients sync.WaitGroup
	for range n {
		c, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		clients.Go(func() {
			_, _, err := c.Read(context.Background())
			ended <- err
		})
	}
	return dial, ended, func() {
		srv.Close()
		clients.Wait()
	}
}

func TestDrainClosesAllAtSpreadTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &ws.Group{Code: ws.CloseServiceRestart, Reason: "back soon", Spread: 10 * time.Second}
		dial, ended, stop := crowd(t, g, 100)
		defer stop()
		synctest.Wait()
		if g.Len() != 100 {
			t.Fatalf("%d connections", g.Len())
		}
		start := time.Now()
		var times sync.Map
		var clients sync.WaitGroup
		clients.Go(func() {
			for range 100 {
				err := <-ended
				e, ok := errors.AsType[*ws.CloseError](err)
				if !ok || e.Code != ws.CloseServiceRestart || e.Reason != "back soon" || e.Local {
					t.Errorf("a client got %v", err)
				}
				times.Store(time.Since(start).Truncate(time.Millisecond), true)
			}
		})
		g.BeginDrain()
		if _, err := dial(); err == nil {
			t.Error("a connection was made")
		} else if e, ok := errors.AsType[*ws.HandshakeError](err); !ok || e.StatusCode != 503 || e.Header.Get("Retry-After") == "" {
			t.Errorf("Dial: %v", err)
		}
		if err := g.Drain(t.Context()); err != nil {
			t.Errorf("Drain: %v", err)
		}
		if d := time.Since(start); d < 5*time.Second || d > 10*time.Second {
			t.Errorf("it took %v", d)
		}
		clients.Wait()
		n := 0
		times.Range(func(any, any) bool { n++; return true })
		if n < 50 {
			t.Errorf("only %d different moments", n)
		}
		if err := g.Drain(t.Context()); err != nil || g.Len() != 0 {
			t.Errorf("again: %v, %d connections", err, g.Len())
		}
	})
}

func TestDrainStopsWaitingWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &ws.Group{Spread: time.Hour}
		_, ended, stop := crowd(t, g, 10)
		defer stop()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain: %v", err)
		}
		for range 10 {
			<-ended
		}
		if g.Len() != 0 {
			t.Errorf("%d connections are left", g.Len())
		}
	})
}

func TestGroupAddAndLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var server ws.Group
		dial, _, stop := crowd(t, &server, 0)
		defer stop()
		c, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		a, b := &ws.Group{Spread: -1}, &ws.Group{}
		if err := a.Add(c); err != nil || a.Len() != 1 {
			t.Errorf("Add: %v, %d", err, a.Len())
		}
		if err := b.Add(c); err != nil || a.Len() != 0 || b.Len() != 1 {
			t.Errorf("Add to another: %v, %d, %d", err, a.Len(), b.Len())
		}
		if err := b.Add(c); err != nil || b.Len() != 1 {
			t.Errorf("Add again: %v, %d", err, b.Len())
		}
		for member := range b.All() {
			if member != c {
				t.Error("another connection")
			}
		}
		if err := a.Drain(t.Context()); err != nil {
			t.Errorf("Drain of an empty group: %v", err)
		}
		if err := a.Add(c); !errors.Is(err, ws.ErrDraining) || a.Len() != 0 || b.Len() != 0 {
			t.Errorf("Add to a drained group: %v, %d, %d", err, a.Len(), b.Len())
		}
		if err := b.Add(c); err != nil || b.Len() != 0 {
			t.Errorf("Add of a dead connection: %v, %d", err, b.Len())
		}
	})
}

// As the documentation shows it: Drain, then Shutdown.
func TestDrainThenShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &ws.Group{Spread: -1}
		ln := testnet.Listen()
		srv := &http.Server{Handler: accept(t, &ws.AcceptOptions{Group: g}, echo)}
		srv.RegisterOnShutdown(g.BeginDrain)
		go srv.Serve(ln)
		c, err := ws.Dial(t.Context(), "ws://tidewire.test/", &ws.DialOptions{NetDial: ln.DialContext})
		if err != nil {
			t.Fatal(err)
		}
		read := make(chan error, 1)
		go func() {
			_, _, err := c.Read(context.Background())
			read <- err
		}()
		synctest.Wait()
		if err := errors.Join(g.Drain(t.Context()), srv.Shutdown(t.Context())); err != nil {
			t.Error(err)
		}
		if err := <-read; ws.CloseStatus(err) != ws.CloseGoingAway {
			t.Errorf("the client got %v", err)
		}
	})
}

// hijackHook calls before when the connection is taken over.
type hijackHook struct {
	http.ResponseWriter
	before func()
}

func (h hijackHook) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	h.before()
	return http.NewResponseController(h.ResponseWriter).Hijack()
}

// A connection whose handshake was under way when the drain began is closed too, and waited for.
func TestDrainWaitsForHandshakesUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g ws.Group
		begun := make(chan struct{})
		_, opts := serveMemory(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := ws.Accept(hijackHook{w, func() {
				g.BeginDrain()
				close(begun)
				time.Sleep(time.Second)
			}}, r, &ws.AcceptOptions{Group: &g})
			if !errors.Is(err, ws.ErrDraining) {
				t.Errorf("Accept: %v", err)
			}
		}), testnet.Listen())
		start := time.Now()
		read := make(chan error, 1)
		go func() {
			c, err := ws.Dial(t.Context(), "ws://tidewire.test/", opts)
			if err == nil {
				time.Sleep(time.Second)
				_, _, err = c.Read(context.Background())
			}
			read <- err
		}()
		<-begun
		if err := g.Drain(t.Context()); err != nil || time.Since(start) != 2*time.Second {
			t.Errorf("Drain: %v, after %v", err, time.Since(start))
		}
		if err := <-read; ws.CloseStatus(err) != ws.CloseGoingAway {
			t.Errorf("the client got %v", err)
		}
	})
}

// Nothing that is wrong with a call panics, and a group of nobody's holds nothing.
func TestGroupOfNothing(t *testing.T) {
	var none *ws.Group
	if err := none.Add(nil); err == nil {
		t.Error("Add to a nil group")
	}
	none.BeginDrain()
	if err := none.Drain(t.Context()); err != nil || none.Len() != 0 {
		t.Errorf("a nil group: %v, %d", err, none.Len())
	}
	for c := range none.All() {
		t.Errorf("a nil group has %v", c)
	}
	var zero ws.Group
	if err := zero.Add(nil); err == nil || zero.Len() != 0 {
		t.Errorf("Add of nil: %v, %d", err, zero.Len())
	}
	var noContext context.Context
	if err := zero.Drain(noContext); err == nil {
		t.Error("Drain without a context")
	}
	if err := zero.Drain(t.Context()); err != nil {
		t.Errorf("Drain of the zero group: %v", err)
	}
}

// Without a context nobody waits, but the drain has begun.
func TestDrainWithoutAContextClosesAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &ws.Group{Spread: -1}
		_, ended, stop := crowd(t, g, 3)
		defer stop()
		synctest.Wait()
		var none context.Context
		if err := g.Drain(none); err == nil {
			t.Error("no error")
		}
		for range 3 {
			if err := <-ended; ws.CloseStatus(err) != ws.CloseGoingAway {
				t.Errorf("a client got %v", err)
			}
		}
	})
}

// Whoever adds a connection to which group at the same time, it is in one of them at the end, and that one drains it.
func TestGroupsThatFightForAConnection(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			var server ws.Group
			dial, _, stop := crowd(t, &server, 0)
			defer stop()
			c, err := dial()
			if err != nil {
				t.Fatal(err)
			}
			groups := []*ws.Group{{Spread: -1}, {Spread: -1}, {Spread: -1}}
			var wg sync.WaitGroup
			for range 4 {
				for _, g := range groups {
					wg.Go(func() {
						if err := g.Add(c); err != nil {
							t.Error(err)
						}
					})
				}
			}
			wg.Wait()
			sum := 0
			for _, g := range groups {
				sum += g.Len()
			}
			if sum != 1 {
				t.Errorf("it is in %d groups", sum)
			}
			for _, g := range groups {
				if err := g.Drain(t.Context()); err != nil || g.Len() != 0 {
					t.Errorf("Drain: %v, %d", err, g.Len())
				}
			}
			if err := c.Write(t.Context(), ws.Text, nil); ws.CloseStatus(err) != ws.CloseGoingAway {
				t.Errorf("it was not closed: %v", err)
			}
		})
	}
}

// Add and Drain at the same time: what was added is closed by the drain or by Add, never left.
func TestAddWhileItDrains(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			var server ws.Group
			dial, _, stop := crowd(t, &server, 0)
			defer stop()
			g := &ws.Group{Spread: time.Millisecond}
			var wg sync.WaitGroup
			var conns []*ws.Conn
			for range 10 {
				c, err := dial()
				if err != nil {
					t.Fatal(err)
				}
				conns = append(conns, c)
			}
			for i, c := range conns {
				wg.Go(func() {
					if err := g.Add(c); err != nil && !errors.Is(err, ws.ErrDraining) {
						t.Error(err)
					}
				})
				if i == 5 {
					wg.Go(func() {
						if err := g.Drain(t.Context()); err != nil {
							t.Error(err)
						}
					})
				}
			}
			wg.Wait()
			for _, c := range conns {
				if err := c.Write(t.Context(), ws.Text, nil); ws.CloseStatus(err) != ws.CloseGoingAway {
					t.Errorf("one was not closed: %v", err)
				}
			}
			if g.Len() != 0 {
				t.Errorf("%d are left", g.Len())
			}
		})
	}
}

// A drain that is spread over an hour does not hold a goroutine for each connection meanwhile, and can be cut short.
func TestSpreadDrainHasOneGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &ws.Group{Spread: time.Hour}
		_, ended, stop := crowd(t, g, 100)
		defer stop()
		synctest.Wait()
		before := runtime.NumGoroutine()
		g.BeginDrain()
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > 20 {
			t.Errorf("%d goroutines more", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		if err := g.Drain(ctx); !errors.Is(err, context.Canceled) || time.Since(start) != 0 {
			t.Errorf("Drain: %v after %v", err, time.Since(start))
		}
		for range 100 {
			<-ended
		}
	})
}

// When the drain's context has ended, a handshake that was under way gets no closing handshake either.
func TestDrainThatIsCutShortCutsOffLatecomers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g ws.Group
		begun := make(chan struct{})
		accepted := make(chan error, 1)
		_, opts := serveMemory(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := ws.Accept(hijackHook{w, func() {
				close(begun)
				time.Sleep(2 * time.Second)
			}}, r, &ws.AcceptOptions{Group: &g})
			accepted <- err
		}), testnet.Listen())
		read := make(chan error, 1)
		go func() {
			c, err := ws.Dial(t.Context(), "ws://tidewire.test/", opts)
			if err == nil {
				_, _, err = c.Read(context.Background())
			}
			read <- err
		}()
		<-begun
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain: %v", err)
		}
		start := time.Now()
		if err := <-accepted; !errors.Is(err, ws.ErrDraining) || time.Since(start) != time.Second {
			t.Errorf("Accept: %v, after %v", err, time.Since(start))
		}
		<-read
	})
}

// The Retry-After of a group with an absurd Spread is a number all the same.
func TestRefusalWhileDrainingNamesATime(t *testing.T) {
	for _, spread := range []time.Duration{-1, 0, time.Minute, math.MaxInt64} {
		g := &ws.Group{Spread: spread}
		g.BeginDrain()
		resp, _ := exchange(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ws.Accept(w, r, &ws.AcceptOptions{Group: g})
		}), upgradeRequest(""))
		if n, err := strconv.ParseInt(resp.Header.Get("Retry-After"), 10, 64); resp.StatusCode != 503 || err != nil || n < 1 || n > 1+int64(max(spread, 5*time.Second)/time.Second) {
			t.Errorf("spread %v: status %d, Retry-After %q", spread, resp.StatusCode, resp.Header.Get("Retry-After"))
		}
	}
}

// A code that must not be sent is not, and Drain tells.
func TestDrainWithACodeThatMustNotBeSent(t *testing.T) {
	for code, ok := range map[ws.CloseCode]bool{0: true, ws.CloseNoStatus: true, 4000: true, ws.CloseAbnormal: false, 5000: false, 1: false} {
		synctest.Test(t, func(t *testing.T) {
			g := &ws.Group{Code: code, Spread: -1}
			_, ended, stop := crowd(t, g, 1)
			defer stop()
			synctest.Wait()
			if err := g.Drain(t.Context()); (err == nil) != ok {
				t.Errorf("%d: Drain: %v", code, err)
			}
			got := ws.CloseStatus(<-ended)
			if want := map[bool]ws.CloseCode{true: code, false: ws.CloseInternalError}[ok]; got != want && code != 0 {
				t.Errorf("%d: a client got %v, want %v", code, got, want)
			}
		})
	}
}

// In both forms, over every transport: who drains waits for the closing handshakes, and nobody sees a lost connection.
func TestDrainClosesBothFormsInOrder(t *testing.T) {
	runForms(t, func(t *testing.T, fm form, tr transport) {
		g := &ws.Group{Code: ws.CloseServiceRestart, Spread: 10 * time.Millisecond}
		url, opts := tr.serve(t, fm.echo(t, &ws.AcceptOptions{Group: g}))
		ended := make(chan error, 20)
		for range cap(ended) {
			c := dial(t, url, opts)
			if err := c.Write(patient(t), ws.Text, []byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, _, err := c.Read(patient(t)); err != nil {
				t.Fatal(err)
			}
			go func() {
				_, _, err := c.Read(context.Background())
				ended <- err
			}()
		}
		if err := g.Drain(patient(t)); err != nil || g.Len() != 0 {
			t.Errorf("Drain: %v, %d left", err, g.Len())
		}
		for range cap(ended) {
			if err := <-ended; ws.CloseStatus(err) != ws.CloseServiceRestart {
				t.Errorf("a client got %v", err)
			}
		}
	})
}
