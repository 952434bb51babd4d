package ws_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/ws"
)

// serveEvents runs a server in a bubble, whose connections are told to events, and gives a client's end of one.
func serveEvents(t *testing.T, opts *ws.AcceptOptions, ln *testnet.Listener, open func(c *ws.Conn, r *http.Request) ws.Events, f func(t *testing.T, dial func() *ws.Conn)) {
	srv := &http.Server{Handler: ws.Handler(opts, open), ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan struct{})
	go func() { srv.Serve(ln); close(served) }()
	f(t, func() *ws.Conn {
		c, err := ws.Dial(t.Context(), "ws://tidewire.test/", &ws.DialOptions{NetDial: ln.DialContext, PingInterval: -1})
		if err != nil {
			t.Fatal(err)
		}
		return c
	})
	srv.Close()
	<-served
}

// history notes what was told, in order.
type history struct {
	mu    sync.Mutex
	lines []string
}

func (h *history) add(line string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, line)
}

func (h *history) expect(t *testing.T, want ...string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.lines, want) {
		t.Errorf("told %q, want %q", h.lines, want)
	}
}

// record notes all events.
func (h *history) record() ws.Events {
	return ws.Events{
		Open:    func(c *ws.Conn) { h.add("open") },
		Message: func(c *ws.Conn, typ ws.MessageType, data []byte) { h.add(typ.String() + " " + string(data)) },
		Pong:    func(c *ws.Conn, rtt time.Duration) { h.add("pong " + rtt.String()) },
		Close:   func(c *ws.Conn, err error) { h.add("close " + ws.CloseStatus(err).String()) },
	}
}

func TestEventsComeInOrderAndCloseLast(t *testing.T) {
	for _, end := range []string{"the peer closes", "the peer vanishes", "this side closes", "this side closes now"} {
		t.Run(end, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var h history
				conns := make(chan *ws.Conn, 1)
				serveEvents(t, nil, testnet.Listen(), func(c *ws.Conn, r *http.Request) ws.Events {
					h.add("handler " + r.URL.Path)
					conns <- c
					return h.record()
				}, func(t *testing.T, dial func() *ws.Conn) {
					c := dial()
					server := <-conns
					c.Write(t.Context(), ws.Text, []byte("one"))
					c.Write(t.Context(), ws.Binary, []byte("two"))
					c.Write(t.Context(), ws.Text, nil)
					synctest.Wait()
					if err := server.Ping(t.Context()); err != nil {
						t.Errorf("Ping: %v", err)
					}
					go func() {
						time.Sleep(time.Second)
						c.Read(context.Background()) // which answers
					}()
					time.Sleep(2 * time.Second)
					status := ""
					switch end {
					case "the peer closes":
						c.Close(4321, "")
						status = "4321"
					case "the peer vanishes":
						c.CloseNow()
						status = "1006 (abnormal closure)"
					case "this side closes":
						if err := server.Close(4000, ""); err != nil {
							t.Errorf("Close: %v", err)
						}
						status = "4000"
					default:
						server.CloseNow()
						status = "1006 (abnormal closure)"
					}
					synctest.Wait()
					h.expect(t, "handler /", "open", "text one", "binary two", "text ", "pong 1s", "close "+status)
					for range 2 {
						if err := server.Write(t.Context(), ws.Text, nil); err == nil || err.Error() == "" {
							t.Errorf("Write: %v", err)
						}
					}
					c.CloseNow()
				})
			})
		})
	}
}

// In the callback form Close never waits, also in an event, and the closing goes on while the event blocks.
func TestCloseInAnEventDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		closed := make(chan time.Duration, 1)
		serveEvents(t, nil, testnet.Listen(), func(c *ws.Conn, r *http.Request) ws.Events {
			return ws.Events{
				Message: func(c *ws.Conn, typ ws.MessageType, data []byte) {
					if err := c.Close(4000, "enough"); err != nil {
						t.Errorf("Close: %v", err)
					}
					if err := c.Close(4001, "again"); err != nil {
						t.Errorf("Close: %v", err)
					}
					if d := time.Since(start); d != 0 {
						t.Errorf("Close took %v", d)
					}
					time.Sleep(time.Hour)
				},
				Close: func(c *ws.Conn, err error) {
					if e, ok := errors.AsType[*ws.CloseError](err); !ok || e.Code != 4000 || e.Reason != "enough" || !e.Local {
						t.Errorf("told %v", err)
					}
					closed <- time.Since(start)
				},
			}
		}, func(t *testing.T, dial func() *ws.Conn) {
			c := dial()
			c.Write(t.Context(), ws.Text, []byte("x"))
			c.Write(t.Context(), ws.Text, []byte("is not told any more"))
			if _, _, err := c.Read(t.Context()); ws.CloseStatus(err) != 4000 {
				t.Errorf("the peer got %v", err)
			}
			if d := time.Since(start); d != 0 {
				t.Errorf("the peer saw the end after %v", d)
			}
			if d := <-closed; d != time.Hour {
				t.Errorf("Close was told after %v, while another event was under way", d)
			}
		})
	})
}

func TestReadingAConnectionOfHandlerIsAnError(t *testing.T) {
	opened := make(chan *ws.Conn, 1)
	url, opts := overMemory.serve(t, ws.Handler(nil, func(c *ws.Conn, r *http.Request) ws.Events {
		c.Detach() // does nothing
		opened <- c
		return ws.Events{Message: func(c *ws.Conn, typ ws.MessageType, data []byte) { c.Write(patient(t), typ, data) }}
	}))
	peer := dial(t, url, opts)
	c := <-opened
	ctx := patient(t)
	all := func() map[string]error {
		errs := map[string]error{}
		_, _, errs["Read"] = c.Read(ctx)
		_, _, errs["ReadAppend"] = c.ReadAppend(ctx, nil)
		_, _, errs["Reader"] = c.Reader(ctx)
		for _, err := range c.Messages(ctx) {
			errs["Messages"] = err
		}
		closing := c.CloseRead(ctx)
		<-closing.Done()
		errs["CloseRead"] = context.Cause(closing)
		_, errs["ReadJSON"] = ws.ReadJSON[int](ctx, c)
		_, errs["NetConn"] = ws.NetConn(c).Read(make([]byte, 1))
		return errs
	}
	for name, err := range all() {
		if !errors.Is(err, ws.ErrReadByHandler) {
			t.Errorf("%s: %v", name, err)
		}
	}
	peer.Write(ctx, ws.Text, []byte("alive"))
	if _, p, err := peer.Read(ctx); err != nil || string(p) != "alive" {
		t.Errorf("Read: %q, %v", p, err)
	}
	c.CloseNow()
	for name, err := range all() {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s after the end: %v", name, err)
		}
	}
}

// A panic ends its connection, and nothing else; it is logged as net/http does it, or told to the Observer.
func TestEventThatPanics(t *testing.T) {
	boom := func() { panic("boom") }
	for _, test := range []struct {
		where, how string
		f          func()
		logged     bool
		closes     bool // Close is told
	}{
		{"handler", "panic", boom, true, false},
		{"open", "panic", boom, true, true},
		{"message", "panic", boom, true, true},
		{"message", "http.ErrAbortHandler", func() { panic(http.ErrAbortHandler) }, false, true},
		{"message", "runtime.Goexit", runtime.Goexit, false, true},
		{"pong", "panic", boom, true, true},
		{"close", "panic", boom, true, true},
		{"close", "runtime.Goexit", runtime.Goexit, false, true},
	} {
		for _, observed := range []string{"logged", "observed"} {
			t.Run(test.where+" "+test.how+" "+observed, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var logged bytes.Buffer
					var h, panics history
					strike := func(where string) {
						h.add(where)
						if where == test.where {
							test.f()
						}
					}
					opts := &ws.AcceptOptions{}
					if observed == "observed" {
						opts.Observer = &ws.Observer{Panic: func(c *ws.Conn, v any, stack []byte) {
							if strings.Contains(string(stack), "TestEventThatPanics") {
								panics.add("a panic")
							}
						}}
					}
					conns := make(chan *ws.Conn, 1)
					ln := testnet.Listen()
					srv := &http.Server{ErrorLog: log.New(&logged, "", 0), Handler: ws.Handler(opts, func(c *ws.Conn, r *http.Request) ws.Events {
						conns <- c
						strike("handler")
						return ws.Events{
							Open:    func(c *ws.Conn) { strike("open") },
							Message: func(*ws.Conn, ws.MessageType, []byte) { strike("message") },
							Pong:    func(*ws.Conn, time.Duration) { strike("pong") },
							Close:   func(*ws.Conn, error) { strike("close") },
						}
					})}
					served := make(chan struct{})
					go func() { srv.Serve(ln); close(served) }()
					c, err := ws.Dial(t.Context(), "ws://tidewire.test/", &ws.DialOptions{NetDial: ln.DialContext})
					if err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					server := <-conns
					server.Ping(t.Context())
					c.Write(t.Context(), ws.Text, []byte("x"))
					if test.where == "close" {
						c.Close(ws.CloseInternalError, "")
					}
					if _, _, err := c.Read(t.Context()); ws.CloseStatus(err) != ws.CloseInternalError {
						t.Errorf("the peer got %v", err)
					}
					srv.Close()
					<-served
					synctest.Wait()
					if err := server.Write(t.Context(), ws.Text, nil); ws.CloseStatus(err) != ws.CloseInternalError {
						t.Errorf("Write: %v", err)
					}
					if last := h.lines[len(h.lines)-1]; (last == "close") != test.closes || strings.Count(strings.Join(h.lines, " "), "close") > 1 {
						t.Errorf("told %q", h.lines)
					}
					toLog := test.logged && (observed == "logged" || test.where == "handler") // net/http's
					if got := strings.Contains(logged.String(), "boom") && strings.Contains(logged.String(), "TestEventThatPanics"); got != toLog {
						t.Errorf("logged: %q", logged.String())
					}
					if told := observed == "observed" && test.how != "runtime.Goexit" && test.where != "handler"; (len(panics.lines) == 1) != told {
						t.Errorf("observed: %q", panics.lines)
					}
				})
			})
		}
	}
}

// A handler that is busy for a minute, or for an hour, does not kill a healthy peer.
func TestBusyEventDoesNotKillAHealthyPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := make(chan struct{})
		serveEvents(t, nil, testnet.Listen(), func(c *ws.Conn, r *http.Request) ws.Events {
			return ws.Events{Message: func(c *ws.Conn, typ ws.MessageType, data []byte) {
				if string(data) == "work" {
					time.Sleep(time.Hour)
					return
				}
				c.Write(context.Background(), typ, data)
			}}
		}, func(t *testing.T, dial func() *ws.Conn) {
			c := dial()
			c.Write(t.Context(), ws.Text, []byte("work"))
			c.Write(t.Context(), ws.Text, []byte("still here"))
			if _, p, err := c.Read(t.Context()); err != nil || string(p) != "still here" {
				t.Errorf("Read: %q, %v", p, err)
			}
			if err := c.Close(ws.CloseNormal, ""); err != nil {
				t.Errorf("Close: %v", err)
			}
			close(done)
		})
		<-done
	})
}

// One connection's event blocks; the others go on.
func TestBlockedEventHarmsNoOther(t *testing.T) {
	release := make(chan struct{})
	url, opts := overTCP.serve(t, ws.Handler(nil, func(c *ws.Conn, r *http.Request) ws.Events {
		return ws.Events{Message: func(c *ws.Conn, typ ws.MessageType, data []byte) {
			if string(data) == "block" {
				<-release
			}
			c.Write(patient(t), typ, data)
		}}
	}))
	blocked := dial(t, url, opts)
	blocked.Write(patient(t), ws.Text, []byte("block"))
	for range 10 {
		c := dial(t, url, opts)
		c.Write(patient(t), ws.Text, []byte("hello"))
		if _, p, err := c.Read(patient(t)); err != nil || string(p) != "hello" {
			t.Fatalf("Read: %q, %v", p, err)
		}
	}
	close(release)
	if _, p, err := blocked.Read(patient(t)); err != nil || string(p) != "block" {
		t.Errorf("Read: %q, %v", p, err)
	}
}

// Nothing is queued for a peer that does not read: the event waits, and at last the connection is given up.
func TestEventThatWritesToAPeerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		closed := make(chan error, 1)
		serveEvents(t, &ws.AcceptOptions{PingInterval: -1}, testnet.Listen(), func(c *ws.Conn, r *http.Request) ws.Events {
			return ws.Events{
				Open: func(c *ws.Conn) {
					err := c.Write(context.Background(), ws.Binary, make([]byte, 1<<20))
					if e, ok := errors.AsType[*ws.LimitError](err); !ok || e.Option != "WriteTimeout" {
						t.Errorf("Write: %v", err)
					}
				},
				Close: func(c *ws.Conn, err error) { closed <- err },
			}
		}, func(t *testing.T, dial func() *ws.Conn) {
			c := dial()
			if e, ok := errors.AsType[*ws.LimitError](<-closed); !ok || e.Option != "WriteTimeout" || time.Since(start) != 2*time.Minute {
				t.Errorf("after %v: %v", time.Since(start), e)
			}
			c.CloseNow()
		})
	})
}

// The HTTP handler returns at once, and what it did not set is no event.
func TestHandlerReturnsAndNeedsNoEvents(t *testing.T) {
	for name, h := range map[string]http.Handler{
		"no func":   ws.Handler(nil, nil),
		"no events": ws.Handler(&ws.AcceptOptions{}, func(*ws.Conn, *http.Request) ws.Events { return ws.Events{} }),
	} {
		t.Run(name, func(t *testing.T) {
			returned := make(chan struct{})
			url, opts := overMemory.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h.ServeHTTP(w, r)
				close(returned)
			}))
			c := dial(t, url, opts)
			<-returned
			c.Write(patient(t), ws.Text, []byte("for nobody"))
			go c.Read(context.Background())
			if err := c.Ping(patient(t)); err != nil {
				t.Errorf("Ping: %v", err)
			}
			if err := c.Close(ws.CloseNormal, ""); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// What Message is given is gone when it returns; large messages and streamed ones are whole.
func TestMessagesOfHandlerAreWhole(t *testing.T) {
	var got [][]byte
	done := make(chan struct{})
	url, opts := overTCP.serve(t, ws.Handler(&ws.AcceptOptions{MessageLimit: 4 << 20}, func(c *ws.Conn, r *http.Request) ws.Events {
		return ws.Events{
			Message: func(c *ws.Conn, typ ws.MessageType, data []byte) {
				got = append(got, bytes.Clone(data))
				clear(data) // it may be changed
			},
			Close: func(*ws.Conn, error) { close(done) },
		}
	}))
	c := dial(t, url, opts)
	ctx := patient(t)
	var want [][]byte
	for i, size := range []int{0, 1, 4081, 4096, 4097, 65535, 65536, 65537, 300_000, 3 << 20, 5, 100_000, 0} {
		m := bytes.Repeat([]byte{byte('a' + i)}, size)
		want = append(want, m)
		if i%3 != 0 {
			c.Write(ctx, ws.Binary, m)
			continue
		}
		w, err := c.Writer(ctx, ws.Binary)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(m)
		w.Close()
	}
	if err := c.Close(ws.CloseNormal, ""); err != nil {
		t.Errorf("Close: %v", err)
	}
	<-done
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("got %d messages, want %d, or others", len(got), len(want))
	}
}

// Drain closes connections of both forms, and waits for their end.
func TestDrainOfTheCallbackForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h history
		g := &ws.Group{Code: ws.CloseServiceRestart}
		serveEvents(t, &ws.AcceptOptions{Group: g}, testnet.Listen(), func(c *ws.Conn, r *http.Request) ws.Events {
			return ws.Events{Close: func(c *ws.Conn, err error) { h.add("close " + ws.CloseStatus(err).String()) }}
		}, func(t *testing.T, dial func() *ws.Conn) {
			for range 3 {
				c := dial()
				go c.Read(context.Background())
			}
			// A connection that meets the drain before its handler has begun is closed without having been opened.
			synctest.Wait()
			if err := g.Drain(t.Context()); err != nil || g.Len() != 0 {
				t.Errorf("Drain: %v, %d left", err, g.Len())
			}
			synctest.Wait()
			h.expect(t, "close 1012 (service restart)", "close 1012 (service restart)", "close 1012 (service restart)")
		})
	})
}
