package sse_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/backoff"
	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/sse"
)

// What a client of a log may begin with.
func TestClientFirstCursor(t *testing.T) {
	for kind, newLog := range logs {
		for _, tt := range []struct {
			cursor func(ids []string) string
			want   []string
		}{
			{func([]string) string { return "" }, []string{"3", "4"}},
			{func([]string) string { return sse.Start }, []string{"0", "1", "2", "3", "4"}},
			{func([]string) string { return sse.Live }, []string{"3", "4"}},
			{func(ids []string) string { return ids[1] }, []string{"2", "3", "4"}},
			{func([]string) string { return "Start" }, []string{"gap", "0", "1", "2", "3", "4"}},
		} {
			synctest.Test(t, func(t *testing.T) {
				l := newLog(10)
				cursor := tt.cursor(publish(t, l, 0, 3))
				server := piped[1].start(t, l, nil)
				c := &sse.Client{URL: server.url, HTTP: &http.Client{Transport: server.rt}}
				c.Read.LastEventID = cursor
				c.OnOpen = func(*http.Response) { publish(t, l, 3, 5) }
				var got []string
				for e, err := range c.Events(t.Context()) {
					if err != nil {
						t.Errorf("%s, %q: %v", kind, cursor, err)
						break
					}
					if _, ok := sse.ParseGap(&e); ok {
						got = append(got, "gap")
					} else {
						got = append(got, string(e.Data))
					}
					if got[len(got)-1] == "4" {
						break
					}
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("%s, from %q: %q, want %q", kind, cursor, got, tt.want)
				}
			})
		}
	}
}

// A whole life: the connection is cut again and again, at any byte, and the
// client has every event once.
func TestClientFollowsALogOverCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := sse.NewLog(nil)
		cuts := 0
		server := piped[1].start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			cuts++
			cut := &cutting{ResponseWriter: w, left: 150 + 37*cuts%301}
			defer func() {
				if cut.left <= 0 {
					panic(http.ErrAbortHandler)
				}
			}()
			l.ServeHTTP(cut, r)
		}), nil)
		c := &sse.Client{URL: server.url, HTTP: &http.Client{Transport: server.rt}}
		var publisher sync.WaitGroup
		defer publisher.Wait()
		first := sync.OnceFunc(func() {
			publisher.Go(func() {
				for i := range 300 {
					publish(t, l, i, i+1)
					time.Sleep(100 * time.Millisecond)
				}
			})
		})
		c.OnOpen = func(*http.Response) { first() }
		n := 0
		for e, err := range c.Events(t.Context()) {
			if err != nil || string(e.Data) != strconv.Itoa(n) {
				t.Errorf("event %d is %q of %q, %v", n, e.Name, e.Data, err)
				break
			}
			if n++; n == 300 {
				break
			}
		}
		if cuts < 20 {
			t.Errorf("%d connections", cuts)
		}
	})
}

// cutting lets some bytes through and then fails.
type cutting struct {
	http.ResponseWriter
	left int
}

func (c *cutting) Write(p []byte) (int, error) {
	if len(p) > c.left {
		n, _ := c.ResponseWriter.Write(p[:max(c.left, 0)])
		c.left = 0
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		return n, io.ErrShortWrite
	}
	c.left -= len(p)
	return c.ResponseWriter.Write(p)
}

func (c *cutting) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func TestClientFollowsALogEverywhere(t *testing.T) {
	everywhere(t, func(t *testing.T, tr transport) {
		l := sse.NewLog(nil)
		ids := publish(t, l, 0, 20)
		s := tr.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if i := slices.Index(ids, sse.LastEventID(r)); i < 15 {
				w = &cutting{ResponseWriter: w, left: 150} // a few events each time
			}
			_ = l.Serve(w, r, &sse.ServeOptions{Stream: sse.Options{Retry: -1}}) // or the client would wait
		}), nil)
		c := &sse.Client{URL: s.url, HTTP: &http.Client{Transport: s.rt}, Policy: backoff.Policy{Max: time.Millisecond, Base: time.Millisecond}}
		c.Read.LastEventID = ids[0]
		n := 1
		for e, err := range c.Events(t.Context()) {
			if err != nil || e.ID != ids[n] || string(e.Data) != strconv.Itoa(n) {
				t.Fatalf("event %d is %+v, %v", n, e, err)
			}
			if n++; n == len(ids) {
				break
			}
		}
	})
}

// faults are what a connection may do at its k-th call.
func faults(k int) map[string]testnet.Plan {
	return map[string]testnet.Plan{
		"write fails":        {FailWrite: k},
		"write half done":    {FailWrite: k, Partial: 20},
		"write stalls":       {StallWrite: k},
		"read fails":         {FailRead: k},
		"read ends":          {FailRead: k, Err: io.EOF},
		"read stalls":        {StallRead: k},
		"one byte reads":     {ReadSize: 1},
		"three byte writes":  {WriteSize: 3},
		"late stall, pieces": {StallWrite: 7 * k, WriteSize: 5},
	}
}

// Whatever fails on a connection's server end, the handler ends, and the client
// comes back and has every event once.
func TestServerFaults(t *testing.T) {
	for k := 1; k <= 8; k++ {
		for name, plan := range faults(k) {
			t.Run(name+" "+strconv.Itoa(k), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { runFaults(t, plan, testnet.Plan{}) })
			})
		}
	}
}

func TestClientFaults(t *testing.T) {
	for k := 1; k <= 8; k++ {
		for name, plan := range faults(k) {
			t.Run(name+" "+strconv.Itoa(k), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { runFaults(t, testnet.Plan{}, plan) })
			})
		}
	}
}

func runFaults(t *testing.T, server, client testnet.Plan) {
	const published, broken = 40, 5
	l := sse.NewLog(nil)
	first := headOf(t, l)
	ids := publish(t, l, 0, published/2)
	var handlers sync.WaitGroup
	listener := testnet.Listen()
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Done()
		l.ServeHTTP(w, r)
	})}
	go func() {
		_ = srv.Serve(testnet.FaultListener(listener, func(n int) testnet.Plan {
			if n > broken {
				return testnet.Plan{}
			}
			return server
		}))
	}()
	dialed := 0
	rt := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := listener.DialContext(ctx, network, addr)
		if dialed++; err != nil || dialed > broken {
			return conn, err
		}
		return testnet.Fault(conn, client), nil
	}}
	c := &sse.Client{URL: "http://board.test/", HTTP: &http.Client{Transport: rt}}
	c.Read.LastEventID = first
	var publisher sync.WaitGroup
	publisher.Go(func() {
		for i := published / 2; i < published; i++ {
			time.Sleep(20 * time.Second)
			ids = append(ids, publish(t, l, i, i+1)...)
		}
	})
	var got [][]byte
	for e, err := range c.Events(t.Context()) {
		if err != nil {
			t.Errorf("ended with %v", err)
			break
		}
		if got = append(got, e.Data); len(got) == published {
			break
		}
	}
	publisher.Wait()
	for i, data := range got {
		if !bytes.Equal(data, strconv.AppendInt(nil, int64(i), 10)) {
			t.Errorf("event %d is %q", i, data)
			break
		}
	}
	_ = srv.Close()
	handlers.Wait()
}
