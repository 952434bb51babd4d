package ws_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
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
