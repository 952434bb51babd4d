package sse_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// heap is what is in use on the heap, of what can't be collected.
func heap() int64 {
	debug.FreeOSMemory()
	debug.FreeOSMemory() // pools give up what they have at the second collection
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Streams by the thousand come and go: some closed by the client, some reset,
// some closed by the server or ended by a panic. Descriptors, goroutines and
// heap end where they began.
func TestHandlerChurn(t *testing.T) {
	conns, atOnce := 6000, 500
	if raceEnabled {
		conns, atOnce = 1000, 100
	}
	g := sse.NewGroup(nil)
	var opened, closed atomic.Int64
	h := sse.Handler(&sse.Options{Group: g, WriteTimeout: 5 * time.Second}, func(s *sse.Stream, r *http.Request) sse.StreamEvents {
		opened.Add(1)
		end := r.URL.Path
		return sse.StreamEvents{
			Open: func(s *sse.Stream) {
				_ = s.Send(s.Context(), &sse.Event{Data: []byte("hello")})
				switch end {
				case "/close":
					_ = s.Close(&sse.Event{Name: "bye"})
				case "/panic":
					panic(http.ErrAbortHandler)
				}
			},
			Close: func(*sse.Stream, error) { closed.Add(1) },
		}
	})
	s := real[0].start(t, h, nil)
	paths := []string{"/", "/close", "/panic", "/reset"}
	client := func(i int) {
		conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/"))
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(2 * patience))
		path := paths[i%len(paths)]
		if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Error(err)
		}
		switch path {
		case "/", "/reset":
			buf := make([]byte, 4096)
			for got := ""; !strings.Contains(got, "hello"); {
				n, err := conn.Read(buf)
				if got += string(buf[:n]); err != nil {
					t.Errorf("%v after %q", err, got)
					return
				}
			}
			if path == "/reset" {
				_ = conn.(*net.TCPConn).SetLinger(0)
			}
		case "/close":
			if got, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(got), "event: bye\ndata: \n\n\r\n0\r\n\r\n") {
				t.Errorf("%v after %q", err, got)
			}
		case "/panic":
			_, err := io.Copy(io.Discard, conn)
			if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
				t.Error(err)
			}
		}
	}
	crowd := func(conns, atOnce int) {
		var clients sync.WaitGroup
		for i := range atOnce {
			clients.Go(func() {
				for j := i; j < conns; j += atOnce {
					client(j)
				}
			})
		}
		clients.Wait()
		await(t, "the streams' ends", func() bool { return g.Len() == 0 && opened.Load() == closed.Load() })
	}
	crowd(atOnce, atOnce) // what grows once has grown
	before, goroutines, files := heap(), runtime.NumGoroutine(), descriptors()
	crowd(conns, atOnce)
	await(t, "goroutines", func() bool { return runtime.NumGoroutine() <= goroutines })
	await(t, "descriptors", func() bool { return descriptors() <= files })
	if n := opened.Load(); n != int64(conns+atOnce) {
		t.Errorf("%d streams were opened, want %d", n, conns+atOnce)
	}
	// The runtime keeps a few hundred bytes of each goroutine that has ever lived
	// at the same time as the others; a stream that is kept weighs more.
	limit := before + int64(100*conns) + 1<<20
	after := heap()
	for deadline := time.Now().Add(patience); after > limit && time.Now().Before(deadline); after = heap() {
		runtime.Gosched()
	}
	t.Logf("%d streams; heap %d KiB, then %d KiB", conns, before>>10, after>>10)
	if after > limit {
		t.Errorf("the heap has grown by %d bytes", after-before)
	}
}
