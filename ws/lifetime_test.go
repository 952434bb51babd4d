package ws_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/ws"
)

// A handler that just returns leaves nothing behind: the connection is closed with 1001.
func TestHandlersEndClosesTheConnection(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		for _, how := range []string{"returns", "panics"} {
			t.Run(how, func(t *testing.T) {
				h := accept(t, nil, func(c *ws.Conn) {
					c.Write(context.Background(), ws.Text, []byte("hello"))
					if how == "panics" {
						panic(http.ErrAbortHandler)
					}
				})
				url, opts := tr.serve(t, h)
				c := dial(t, url, opts)
				if _, p, err := c.Read(patient(t)); err != nil || string(p) != "hello" {
					t.Fatalf("Read: %q, %v", p, err)
				}
				_, _, err := c.Read(patient(t))
				if e, ok := errors.AsType[*ws.CloseError](err); !ok || e.Code != ws.CloseGoingAway || e.Local {
					t.Errorf("Read: %v", err)
				}
			})
		}
	})
}

func TestDetachedConnectionOutlivesTheHandler(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		returned := make(chan struct{})
		conns := make(chan *ws.Conn, 1)
		url, opts := tr.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := ws.Accept(w, r, nil)
			if err != nil {
				t.Errorf("Accept: %v", err)
				return
			}
			c.Detach()
			c.Detach()
			context.AfterFunc(r.Context(), func() { close(returned) })
			conns <- c
		}))
		c := dial(t, url, opts)
		<-returned
		server := <-conns
		go echo(server)
		for i := range 10 {
			want := fmt.Sprint("still here ", i)
			if err := c.Write(patient(t), ws.Text, []byte(want)); err != nil {
				t.Fatal(err)
			}
			if _, p, err := c.Read(patient(t)); err != nil || string(p) != want {
				t.Fatalf("Read: %q, %v", p, err)
			}
		}
		go c.Read(patient(t)) // which answers the close
		if err := server.Close(ws.CloseServiceRestart, ""); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

// The deadlines that http.Server's timeouts set are lifted.
func TestServerTimeoutsDoNotReachTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := testnet.Listen()
		srv := &http.Server{Handler: accept(t, &ws.AcceptOptions{PingInterval: -1}, echo), ReadTimeout: time.Second, WriteTimeout: time.Second, IdleTimeout: time.Second}
		go srv.Serve(ln)
		defer srv.Close()
		c, err := ws.Dial(t.Context(), "ws://tidewire.test/", &ws.DialOptions{NetDial: ln.DialContext})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(time.Minute)
			if err := c.Write(t.Context(), ws.Text, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if _, p, err := c.Read(t.Context()); err != nil || string(p) != "hello" {
				t.Fatalf("Read: %q, %v", p, err)
			}
		}
		if err := c.Close(ws.CloseNormal, ""); err != nil {
			t.Error(err)
		}
		synctest.Wait()
	})
}

// A server and a client that keep each other alive for a day, with the defaults.
func TestIdleConnectionLivesForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := testnet.Listen()
		srv := &http.Server{Handler: accept(t, nil, echo)}
		go srv.Serve(ln)
		defer srv.Close()
		c, err := ws.Dial(t.Context(), "ws://tidewire.test/", &ws.DialOptions{NetDial: ln.DialContext})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		if _, _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Read: %v", err)
		}
		if err := c.Close(ws.CloseNormal, ""); err != nil {
			t.Error(err)
		}
	})
}

// The peer vanishes without a word: the handler's read ends, and nothing is left.
func TestVanishedPeerIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := testnet.Listen()
		ended := make(chan error, 1)
		srv := &http.Server{Handler: accept(t, nil, func(c *ws.Conn) {
			_, _, err := c.Read(context.Background())
			ended <- err
		})}
		go srv.Serve(ln)
		defer srv.Close()
		nc, err := ln.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		io.WriteString(nc, upgradeRequest(""))
		start := time.Now()
		err = <-ended
		if e, ok := errors.AsType[*ws.LimitError](err); !ok || e.Option != "PongTimeout" || time.Since(start) != 45*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestValueAndAddresses(t *testing.T) {
	url, opts := overTCP.serve(t, accept(t, nil, echo))
	c := dial(t, url, opts)
	if c.Value() != nil {
		t.Errorf("Value: %v", c.Value())
	}
	c.SetValue("ann")
	if c.Value() != "ann" || "ws://"+c.RemoteAddr().String() != url || c.LocalAddr().String() == c.RemoteAddr().String() {
		t.Errorf("Value %v, RemoteAddr %v, LocalAddr %v", c.Value(), c.RemoteAddr(), c.LocalAddr())
	}
}

func TestCloseReadForWriters(t *testing.T) {
	t.Run("answers pings and ends with the peer", func(t *testing.T) {
		url, opts := overMemory.serve(t, accept(t, nil, func(c *ws.Conn) {
			ctx := c.CloseRead(context.Background())
			<-ctx.Done()
			if ws.CloseStatus(context.Cause(ctx)) != 4000 {
				t.Errorf("cause: %v", context.Cause(ctx))
			}
			if again := c.CloseRead(context.Background()); again.Err() == nil {
				t.Error("a dead connection's context lives")
			}
		}))
		c := dial(t, url, opts)
		go c.Read(context.Background())
		if err := c.Ping(patient(t)); err != nil {
			t.Errorf("Ping: %v", err)
		}
		if err := c.Close(4000, ""); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	t.Run("refuses messages", func(t *testing.T) {
		url, opts := overMemory.serve(t, accept(t, nil, func(c *ws.Conn) { <-c.CloseRead(context.Background()).Done() }))
		c := dial(t, url, opts)
		c.Write(patient(t), ws.Text, []byte("hello"))
		if _, _, err := c.Read(patient(t)); ws.CloseStatus(err) != ws.ClosePolicyViolation {
			t.Errorf("Read: %v", err)
		}
	})
	t.Run("its context ends the reading alone", func(t *testing.T) {
		url, opts := overMemory.serve(t, accept(t, nil, echo))
		c := dial(t, url, opts)
		ctx, cancel := context.WithCancel(t.Context())
		reading := c.CloseRead(ctx)
		cancel()
		<-reading.Done()
		c.Write(patient(t), ws.Text, []byte("hello"))
		if _, p, err := c.Read(patient(t)); err != nil || string(p) != "hello" {
			t.Errorf("Read: %q, %v", p, err)
		}
	})
}

// Connections come and go in every way; goroutines and descriptors end where they began.
func TestChurnLeavesNothingBehind(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		var servers sync.WaitGroup
		url, opts := tr.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			servers.Add(1)
			defer servers.Done()
			c, err := ws.Accept(w, r, &ws.AcceptOptions{CloseTimeout: 100 * time.Millisecond})
			if err != nil {
				return
			}
			switch r.URL.Path {
			case "/return":
			case "/detach":
				c.Detach()
				servers.Go(func() {
					defer c.CloseNow()
					echo(c)
				})
			case "/closeread":
				<-c.CloseRead(r.Context()).Done()
			default:
				echo(c)
			}
		}))
		url = strings.TrimSuffix(url, "/")
		client := func(i int) {
			path := []string{"/return", "/detach", "/closeread", "/echo"}[i%4]
			c, err := ws.Dial(context.Background(), url+path, opts)
			if err != nil {
				t.Errorf("Dial: %v", err)
				return
			}
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			switch i / 4 % 4 {
			case 0:
				c.CloseNow()
			case 1:
				c.Close(ws.CloseNormal, "")
			case 2:
				c.Write(ctx, ws.Text, []byte("x"))
				c.Read(ctx)
				c.CloseNow()
			case 3:
				defer c.CloseNow()
				if path == "/echo" || path == "/detach" { // the others end by themselves, or not at all
					c.Close(ws.CloseGoingAway, "")
				}
			}
		}
		client(0) // what starts once has started
		servers.Wait()
		before, files := runtime.NumGoroutine(), descriptors()
		const conns, atOnce = 320, 16
		var clients sync.WaitGroup
		for i := range atOnce {
			clients.Go(func() {
				for j := i; j < conns; j += atOnce {
					client(j)
				}
			})
		}
		clients.Wait()
		servers.Wait()
		await(t, "goroutines", func() bool { return runtime.NumGoroutine() <= before })
		await(t, "descriptors", func() bool { return descriptors() <= files })
	})
}

// await waits for what ends a moment after its cause.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !done() {
		if time.Now().After(deadline) {
			b := make([]byte, 1<<20)
			t.Fatalf("%s did not come back to where they were\n%s", what, b[:runtime.Stack(b, true)])
		}
		runtime.Gosched()
	}
}
