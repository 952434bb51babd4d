package sse_test

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidewire/tidewire/sse"
)

func TestServeReplaysAndGoesOn(t *testing.T) {
	everywhere(t, func(t *testing.T, tr transport) {
		l := sse.NewLog(&sse.LogOptions{Count: 3})
		s := tr.start(t, l, nil)
		ids := publish(t, l, 0, 3)

		// A new client gets what is to come, and a cursor at once.
		ctx, cancel := context.WithCancel(t.Context())
		br := bufio.NewReader(s.do(ctx, http.MethodGet).Body)
		readBlock(t, br)
		if block := readBlock(t, br); block != "id: "+ids[2]+"\n\n" {
			t.Errorf("a new client is told %q", block)
		}
		ids = append(ids, publish(t, l, 3, 4)...)
		if block := readBlock(t, br); block != "id: "+ids[3]+"\ndata: 3\n\n" {
			t.Errorf("then %q", block)
		}
		cancel()

		// It comes back, and misses one.
		ids = append(ids, publish(t, l, 4, 6)...)
		ctx, cancel = context.WithCancel(t.Context())
		resp := s.do(ctx, http.MethodGet, "Last-Event-ID", ids[3])
		br = bufio.NewReader(resp.Body)
		readBlock(t, br)
		got := readBlock(t, br) + readBlock(t, br)
		if want := "id: " + ids[4] + "\ndata: 4\n\nid: " + ids[5] + "\ndata: 5\n\n"; got != want {
			t.Errorf("replay %q, want %q", got, want)
		}
		if h := resp.Header.Get("Event-Gap"); h != "" {
			t.Errorf("a gap %q where none is", h)
		}
		cancel()

		// Another one was away for too long.
		ctx, cancel = context.WithCancel(t.Context())
		defer cancel()
		resp = s.do(ctx, http.MethodGet, "Last-Event-ID", ids[0])
		if h := resp.Header.Get("Event-Gap"); h != "trimmed;missed=2" {
			t.Errorf("Event-Gap %q", h)
		}
		br = bufio.NewReader(resp.Body)
		readBlock(t, br)
		want := "id: " + ids[2] + "\nevent: gap\ndata: {\"reason\":\"trimmed\",\"from\":\"" + ids[0] + "\",\"now\":\"" + ids[2] + "\",\"missed\":2}\n\n"
		if block := readBlock(t, br); block != want {
			t.Errorf("gap (-want +got)\n%s", cmp.Diff(want, block))
		}
		if block := readBlock(t, br); block != "id: "+ids[3]+"\ndata: 3\n\n" {
			t.Errorf("then %q", block)
		}
	})
}

// A gap is no event that a filter could keep back.
func TestServeFilterKeepsNoGapBack(t *testing.T) {
	l := sse.NewLog(nil)
	ids := publish(t, l, 0, 1)
	s := piped[1].start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = l.Serve(w, r, &sse.ServeOptions{Filter: func(*sse.Event) bool { return false }})
	}), nil)
	br := bufio.NewReader(s.get("Last-Event-ID", "other."+ids[0]).Body)
	readBlock(t, br)
	if block := readBlock(t, br); !strings.Contains(block, "\nevent: gap\n") {
		t.Errorf("%q, want a gap", block)
	}
}

// A client that asks for what is live is told where that is.
func TestServeLiveCursor(t *testing.T) {
	l := sse.NewLog(nil)
	ids := publish(t, l, 0, 3)
	s := piped[1].start(t, l, nil)
	br := bufio.NewReader(s.get("Last-Event-ID", sse.Live).Body)
	readBlock(t, br)
	if block := readBlock(t, br); block != "id: "+ids[2]+"\n\n" {
		t.Errorf("%q, want the cursor", block)
	}
}

func TestServeFromStart(t *testing.T) {
	for kind, newLog := range logs {
		t.Run(kind, func(t *testing.T) {
			l := newLog(10)
			publish(t, l, 0, 5)
			s := piped[1].start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if err := l.Serve(w, r, &sse.ServeOptions{From: sse.Start}); err == nil {
					t.Error("Serve returned without an error")
				}
			}), nil)
			br := bufio.NewReader(s.get().Body)
			readBlock(t, br)
			for _, want := range []string{"0", "1", "2", "3", "4"} {
				if block := readBlock(t, br); !strings.HasSuffix(block, "\ndata: "+want+"\n\n") {
					t.Errorf("%q, want %s", block, want)
				}
			}
		})
	}
}

// The filter is asked when the event is sent, kept or new, and a client that
// it leaves out for long is told where it is.
func TestServeFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := sse.NewLog(&sse.LogOptions{Count: 16})
		var mu sync.Mutex
		allowed := "public"
		s := piped[1].start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = l.Serve(w, r, &sse.ServeOptions{From: sse.Start, Filter: func(e *sse.Event) bool {
				mu.Lock()
				defer mu.Unlock()
				return strings.Contains(allowed, e.Name)
			}})
		}), nil)
		send := func(name string) string {
			id, err := l.Append(t.Context(), &sse.Event{Name: name})
			if err != nil {
				t.Fatal(err)
			}
			return id
		}
		send("secret")
		first := send("public")
		start := time.Now()
		br := bufio.NewReader(s.get().Body)
		readBlock(t, br)
		if block := readBlock(t, br); block != "id: "+first+"\nevent: public\ndata: \n\n" {
			t.Errorf("replay %q", block)
		}
		hidden := send("secret")
		if block := readBlock(t, br); block != ":\nid: "+hidden+"\n\n" || time.Since(start) != 15*time.Second {
			t.Errorf("after %v %q, want a heartbeat with the cursor", time.Since(start), block)
		}
		for range 3 { // with the one before, a quarter of what the log keeps
			hidden = send("secret")
			synctest.Wait()
		}
		if block := readBlock(t, br); block != "id: "+hidden+"\n\n" || time.Since(start) != 15*time.Second {
			t.Errorf("after %v %q, want the cursor", time.Since(start), block)
		}
		hidden = send("secret")
		synctest.Wait()
		shown := send("public") // a later cursor: the one before is not told any more
		if block := readBlock(t, br); block != "id: "+shown+"\nevent: public\ndata: \n\n" {
			t.Errorf("after %s %q", hidden, block)
		}
		if block := readBlock(t, br); block != ":\n\n" {
			t.Errorf("heartbeat %q, want no cursor", block)
		}
		hidden = send("secret")
		for _, want := range []string{":\nid: " + hidden + "\n\n", ":\n\n"} {
			if block := readBlock(t, br); block != want {
				t.Errorf("heartbeat %q, want %q", block, want)
			}
		}
		mu.Lock()
		allowed = "secret"
		mu.Unlock()
		id := send("secret")
		send("public")
		if block := readBlock(t, br); block != "id: "+id+"\nevent: secret\ndata: \n\n" {
			t.Errorf("with other rights %q", block)
		}
	})
}

// One client of many that stops reading changes nothing for the rest or for
// who publishes.
func TestServeStalledClientHoldsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := sse.NewLog(&sse.LogOptions{Count: 4})
		ended := make(chan error, 1)
		s := piped[1].start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			err := l.Serve(w, r, nil)
			select {
			case ended <- err: // the first: the others end with the test
			default:
			}
		}), nil)
		const n = 999
		bodies := make([]*bufio.Reader, n)
		for i := range bodies {
			bodies[i] = bufio.NewReader(s.get().Body)
			readBlock(t, bodies[i])
			readBlock(t, bodies[i])
		}
		s.get() // and never read
		start := time.Now()
		big := strings.Repeat("x", 14<<10) // five are more than a connection holds
		for range 5 {
			if _, err := l.Append(t.Context(), &sse.Event{Data: []byte(big)}); err != nil {
				t.Fatal(err)
			}
			for i, br := range bodies {
				if block := readBlock(t, br); !strings.HasSuffix(block, "\ndata: "+big+"\n\n") {
					t.Fatalf("client %d got %d bytes", i, len(block))
				}
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("the others waited %v", d)
		}
		// It was stalled indeed, and pays for it alone.
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 10*time.Second {
			t.Errorf("after %v the first stream to end did so with %v", time.Since(start), err)
		}
	})
}

func TestServeDrains(t *testing.T) {
	inBubbles(t, func(t *testing.T, tr transport) {
		l := sse.NewLog(nil)
		g := sse.NewGroup(nil)
		ended := make(chan error, 1)
		s := tr.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ended <- l.Serve(w, r, &sse.ServeOptions{Stream: sse.Options{Group: g}})
		}), nil)
		open(t, s, 1)
		if err := g.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != sse.ErrDraining {
			t.Errorf("Serve: %v", err)
		}
		s.get()
		if err := <-ended; !errors.Is(err, sse.ErrDraining) {
			t.Errorf("Serve while draining: %v", err)
		}
	})
}

// A handler that the log makes by itself takes part in the group's limit and
// drain, and does not look at its options again.
func TestLogHandlerJoinsTheGroup(t *testing.T) {
	inBubbles(t, func(t *testing.T, tr transport) {
		l := sse.NewLog(nil)
		g := sse.NewGroup(&sse.GroupOptions{MaxStreams: 2})
		opts := &sse.ServeOptions{Stream: sse.Options{Group: g}}
		h := l.Handler(opts)
		opts.Stream.Group = nil
		s := tr.start(t, h, nil)
		bodies := open(t, s, 2)
		if resp := s.get(); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("the third stream got %d", resp.StatusCode)
		}
		if err := g.Drain(t.Context()); err != nil || g.Len() != 0 {
			t.Fatalf("Drain: %v, %d left", err, g.Len())
		}
		for _, br := range bodies {
			readBlock(t, br) // the cursor
			if block := readBlock(t, br); !lastRetry.MatchString(block) {
				t.Errorf("%q, want a time to come back", block)
			}
		}
	})
	t.Run("nil options", func(t *testing.T) {
		l := sse.NewLog(nil)
		br := bufio.NewReader(piped[1].start(t, l.Handler(nil), nil).get().Body)
		if block := readBlock(t, br); !strings.Contains(block, "retry: ") {
			t.Errorf("%q", block)
		}
	})
}
