package sse_test

import (
	"bufio"
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/backoff"
	"github.com/tidewire/tidewire/sse"
)

var lastRetry = regexp.MustCompile(`retry: (\d+)\n\n$`)

// open opens n streams and waits until all have begun.
func open(t *testing.T, s *site, n int) []*bufio.Reader {
	t.Helper()
	bodies := make([]*bufio.Reader, n)
	for i := range bodies {
		bodies[i] = bufio.NewReader(s.get().Body)
		readBlock(t, bodies[i])
	}
	return bodies
}

func TestGroupDrainEndsAThousandStreams(t *testing.T) {
	inBubbles(t, func(t *testing.T, tr transport) {
		const n = 1000
		g := sse.NewGroup(&sse.GroupOptions{Rate: 10})
		s := tr.start(t, stream(t, &sse.Options{Group: g, Heartbeat: -1}, func(s *sse.Writer, r *http.Request) {
			<-s.Done()
			if s.Err() != sse.ErrDraining {
				t.Errorf("ended with %v", s.Err())
			}
			if err := s.Send(context.Background(), &sse.Event{}); err != sse.ErrDraining {
				t.Errorf("Send: %v", err)
			}
		}), func(srv *http.Server) {
			srv.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 2 * n}
		})
		bodies := open(t, s, n)
		if g.Len() != n {
			t.Fatalf("%d streams, want %d", g.Len(), n)
		}
		start := time.Now()
		if err := g.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != 0 || g.Len() != 0 {
			t.Errorf("Drain took %v and left %d", d, g.Len())
		}
		// 1000 streams at 10 a second come back over some 100 s: each has its
		// own moment, and no tenth of the window has more than twice its share.
		window := backoff.Spread(n, 10)
		tenths := make([]int, 11)
		for i, br := range bodies {
			m := lastRetry.FindStringSubmatch(readBlock(t, br))
			if m == nil {
				t.Fatalf("stream %d was not told when to come back", i)
			}
			ms, _ := strconv.Atoi(m[1])
			retry := time.Duration(ms) * time.Millisecond
			if retry < 1500*time.Millisecond || retry > window+4500*time.Millisecond {
				t.Fatalf("retry %v", retry)
			}
			tenths[int(retry*10/window)]++
		}
		for i, k := range tenths {
			if k > 2*n/10 {
				t.Errorf("%d of %d come back in tenth %d", k, n, i)
			}
		}
		if err := g.Drain(t.Context()); err != nil { // again
			t.Error(err)
		}
		if resp := s.get(); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("a new request got %d %v", resp.StatusCode, resp.Header)
		}
	})
}

func TestGroupBeginDrainEndsShutdown(t *testing.T) {
	inBubbles(t, func(t *testing.T, tr transport) {
		g := sse.NewGroup(nil)
		s := tr.start(t, stream(t, &sse.Options{Group: g}, func(s *sse.Writer, r *http.Request) { <-s.Done() }), nil)
		s.server.RegisterOnShutdown(g.BeginDrain)
		bodies := open(t, s, 10)
		for _, br := range bodies {
			go func() { _, _ = br.WriteTo(discard{}) }()
		}
		start := time.Now()
		if err := s.server.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d > 2*time.Second { // Shutdown polls, and HTTP/2 says goodbye for a second
			t.Errorf("Shutdown took %v", d)
		}
	})
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func TestGroupDrainGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := sse.NewGroup(nil)
		release := make(chan struct{})
		s := piped[1].start(t, stream(t, &sse.Options{Group: g}, func(s *sse.Writer, r *http.Request) { <-release }), nil)
		open(t, s, 3)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := g.Drain(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "3 streams") {
			t.Errorf("Drain: %v", err)
		}
		close(release)
		if err := g.Drain(t.Context()); err != nil {
			t.Errorf("second Drain: %v", err)
		}
	})
}

// One client that stopped reading holds its own handler, and nothing else.
func TestGroupDrainWithAStalledClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := sse.NewGroup(nil)
		s := piped[1].start(t, stream(t, &sse.Options{Group: g, Heartbeat: -1}, func(s *sse.Writer, r *http.Request) {
			if r.Header.Get("X-Stall") == "" {
				<-s.Done()
				return
			}
			for s.Send(r.Context(), &sse.Event{Data: make([]byte, 1<<20)}) == nil {
			}
		}), nil)
		s.get("X-Stall", "1") // and never read
		bodies := open(t, s, 100)
		synctest.Wait()
		start := time.Now()
		drained := make(chan error, 1)
		go func() { drained <- g.Drain(t.Context()) }()
		for _, br := range bodies {
			if block := readBlock(t, br); !lastRetry.MatchString(block) {
				t.Fatalf("last block %q", block)
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("the others waited %v for the stalled one", d)
		}
		if err := <-drained; err != nil || time.Since(start) > 10*time.Second {
			t.Errorf("Drain: %v after %v", err, time.Since(start))
		}
	})
}

func TestGroupDrainKeepsTheLastEventsRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := sse.NewGroup(nil)
		s := piped[1].start(t, stream(t, &sse.Options{Group: g}, func(s *sse.Writer, r *http.Request) {
			<-s.Done()
			_ = s.Close(&sse.Event{Name: "bye", Retry: 7 * time.Second})
		}), nil)
		bodies := open(t, s, 1)
		if err := g.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if block := readBlock(t, bodies[0]); block != "retry: 7000\nevent: bye\ndata: \n\n" {
			t.Errorf("last block %q", block)
		}
		if b, err := bodies[0].ReadByte(); err == nil {
			t.Errorf("then %q", b)
		}
	})
}

// The window that clients need to come back grows with their number; those who
// came early are told with a heartbeat.
func TestGroupTellsEarlyClientsOfALargerWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := sse.NewGroup(&sse.GroupOptions{Rate: 1})
		s := piped[1].start(t, stream(t, &sse.Options{Group: g}, func(s *sse.Writer, r *http.Request) { <-s.Done() }), nil)
		first := open(t, s, 1)[0]
		open(t, s, 499)
		if block := readBlock(t, first); !strings.HasPrefix(block, ":\nretry: ") {
			t.Errorf("first heartbeat %q", block)
		}
		if block := readBlock(t, first); block != ":\n\n" {
			t.Errorf("second heartbeat %q", block)
		}
	})
}

// With nobody there, a drain is over at once.
func TestGroupDrainOfNobody(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, g := range map[string]*sse.Group{"zero": new(sse.Group), "new": sse.NewGroup(nil)} {
		for range 2 {
			if err := g.Drain(ctx); err != nil {
				t.Errorf("%s, ended context: %v", name, err)
			}
			if err := g.Drain(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// A rate that is no number is the default one, not none.
func TestGroupRateThatIsNoNumber(t *testing.T) {
	for _, rate := range []float64{0, -1, math.NaN(), math.Inf(-1)} {
		g := sse.NewGroup(&sse.GroupOptions{Rate: rate})
		rec := httptest.NewRecorder()
		s, err := sse.NewWriter(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), &sse.Options{Group: g})
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
		m := opening.FindStringSubmatch(rec.Body.String())
		if m == nil {
			t.Fatalf("%q", rec.Body)
		}
		if ms, _ := strconv.Atoi(m[1]); ms > 5000 {
			t.Errorf("rate %v: retry %s", rate, m[1])
		}
	}
}

func TestGroupNil(t *testing.T) {
	var g *sse.Group
	g.BeginDrain()
	if err := g.Drain(t.Context()); err != nil || g.Len() != 0 {
		t.Errorf("%v, %d", err, g.Len())
	}
}

// A handler that takes its time after the drain began sends no heartbeats: the
// goodbye is the last that the client hears.
func TestGroupDrainSilencesHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := sse.NewGroup(nil)
		s := piped[1].start(t, stream(t, &sse.Options{Group: g}, func(s *sse.Writer, r *http.Request) {
			<-s.Done()
			time.Sleep(time.Minute)
		}), nil)
		br := open(t, s, 1)[0]
		if err := g.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if block := readBlock(t, br); !lastRetry.MatchString(block) {
			t.Errorf("%q after the drain began", block)
		}
	})
}
