package sse_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/sse"
)

func encode(t testing.TB, e *sse.Event) []byte {
	t.Helper()
	p, err := sse.AppendEvent(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// feed gives a stream all frames, as a hub would: it never waits in TrySend, and
// comes again when NotifyWritable says so. full is told each time that it has to.
func feed(t *testing.T, s *sse.Stream, frames [][]byte, most int, full func()) {
	for len(frames) > 0 {
		k := min(len(frames), most)
		n, err := s.TrySend(frames[:k])
		frames = frames[n:]
		if err == nil {
			if n != k {
				t.Errorf("%d of %d frames, and no error", n, k)
			}
			continue
		}
		if f, ok := err.(interface{ Full() bool }); !ok || !f.Full() || err != sse.ErrQueueFull {
			t.Errorf("TrySend: %v", err)
			return
		}
		full()
		again := make(chan struct{})
		s.NotifyWritable(func() { close(again) }) // a second call would panic
		select {
		case <-again:
		case <-time.After(patience):
			t.Error("NotifyWritable never came")
			return
		}
	}
}

// Shared frames arrive whole, once and in order, over every transport, however
// slowly the client reads; and they are not changed.
func TestTrySendFrames(t *testing.T) {
	everywhere(t, func(t *testing.T, tr transport) {
		const limit = 32 << 10
		h, streams, _ := hand(&sse.Options{QueueLimit: limit, Retry: -1, Heartbeat: -1})
		s := tr.start(t, h, nil)
		rnd := rand.New(rand.NewPCG(1, 2))
		some := make([][]byte, 500)
		for i := range some {
			for range rnd.IntN(4) { // none is an empty frame
				some[i], _ = sse.AppendEvent(some[i], &sse.Event{ID: strconv.Itoa(i), Data: bytes.Repeat([]byte("x"), rnd.IntN(1<<rnd.IntN(13)))})
			}
			if i%100 == 50 { // larger than the whole queue
				some[i] = encode(t, &sse.Event{Data: bytes.Repeat([]byte("y"), 2*limit)})
			}
		}
		// More than what lies between here and a client that does not read.
		want := []byte(": stream\n\n")
		var frames [][]byte
		for len(want) < 12<<20 {
			frames = append(frames, some...)
			want = append(want, bytes.Join(some, nil)...)
		}
		resp := s.get()
		st := receive(t, "the stream", streams)
		full, fed := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(fed)
			feed(t, st, frames, 40, sync.OnceFunc(func() { close(full) }))
			_ = st.Close()
		}()
		receive(t, "a full queue", full)
		got := make([]byte, 0, len(want))
		for buf := make([]byte, 50_000); ; {
			n, err := resp.Body.Read(buf[:1+rnd.IntN(len(buf))])
			if got = append(got, buf[:n]...); err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes came, differently; want %d", len(got), len(want))
		}
		receive(t, "the end of feeding", fed)
		if again := append([]byte(": stream\n\n"), bytes.Join(frames, nil)...); !bytes.Equal(again, want) {
			t.Error("the frames were changed")
		}
	})
}

// stall makes a stream full, whose client reads nothing, and returns what it
// took. settle waits until nothing moves any more, where that can be known; else
// what was queued may still leave.
func stall(t *testing.T, s *sse.Stream, settle func()) (taken int) {
	t.Helper()
	frame := encode(t, &sse.Event{Data: make([]byte, 1000)})
	for full := 0; full < 2; {
		n, err := s.TrySend([][]byte{frame})
		if taken += n * len(frame); n > 0 {
			full = 0
		}
		if err != nil {
			if err != sse.ErrQueueFull {
				t.Fatal(err)
			}
			full++
			settle()
		}
	}
	return taken
}

func unsettled() {}

// What a slow client is not given is told, and memory is bounded: by the policy
// the stream ends, or goes on without.
func TestPushToASlowClient(t *testing.T) {
	everywhere(t, func(t *testing.T, tr transport) { testPushToASlowClient(t, tr, nil) })
	t.Run("on fake time", func(t *testing.T) {
		inBubbles(t, func(t *testing.T, tr transport) { testPushToASlowClient(t, tr, synctest.Wait) })
	})
}

// wait is nil where nothing tells that nothing moves any more.
func testPushToASlowClient(t *testing.T, tr transport, wait func()) {
	const limit = 64 << 10
	settle := wait
	if wait == nil {
		settle = unsettled
	}
	for _, policy := range []sse.QueuePolicy{sse.Disconnect, sse.Refuse} {
		h, streams, closed := hand(&sse.Options{QueueLimit: limit, QueuePolicy: policy, Heartbeat: -1, Retry: -1})
		s := tr.start(t, h, nil)
		ctx, cancel := context.WithCancel(t.Context())
		resp := s.do(ctx, http.MethodGet)
		st := receive(t, "the stream", streams)
		taken := stall(t, st, settle)
		e := &sse.Event{Data: make([]byte, 1000)}
		size := len(encode(t, e))
		var err error
		for err == nil {
			settle()
			if err = st.Push(e); err == nil {
				taken += size
			}
		}
		full, ok := errors.AsType[*sse.QueueError](err)
		if !ok || !errors.Is(err, sse.ErrQueueFull) || full.Limit != limit || full.Size < size || full.Size > size+20 ||
			full.Queued+full.Size <= limit || full.Ended != (policy == sse.Disconnect) || full.Full() == full.Ended {
			t.Fatalf("Push: %+v", err)
		}
		if policy == sse.Disconnect {
			if end := receive(t, "the end", closed); end != err || st.Err() != err {
				t.Errorf("ended with %v, want %v", end, err)
			}
			if _, err := st.TrySend([][]byte{{1}}); err.(interface{ Full() bool }).Full() {
				t.Error("an ended stream says that it is full for now")
			}
			if _, err := io.Copy(io.Discard, resp.Body); err == nil && resp.ProtoMajor == 1 && resp.ProtoMinor == 1 && !strings.Contains(tr.name, "only") {
				t.Error("the client takes what it got for the whole")
			}
			cancel()
			continue
		}
		// The last word finds no room either, and that is said; what was
		// accepted arrives.
		bye := &sse.Event{Data: make([]byte, limit/2)}
		closeErr := st.Close(bye)
		if last, ok := errors.AsType[*sse.QueueError](closeErr); ok && last.Ended {
			size = 0
		} else if size = len(encode(t, bye)); closeErr != nil || wait != nil {
			t.Errorf("Close: %v", closeErr)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		if want := len(": stream\n\n") + taken + size; n != int64(want) || err != nil {
			t.Errorf("%d bytes came, %v; want %d", n, err, want)
		}
		if end := receive(t, "the end", closed); end != sse.ErrClosed {
			t.Errorf("ended with %v", end)
		}
		cancel()
	}
}

// A Send that waits for a slow client gives up with its context and has sent
// nothing, and the stream lives on.
func TestStreamSendWaits(t *testing.T) {
	everywhere(t, func(t *testing.T, tr transport) { testStreamSendWaits(t, tr, unsettled) })
	t.Run("on fake time", func(t *testing.T) {
		inBubbles(t, func(t *testing.T, tr transport) { testStreamSendWaits(t, tr, synctest.Wait) })
	})
}

func testStreamSendWaits(t *testing.T, tr transport, settle func()) {
	h, streams, _ := hand(&sse.Options{QueueLimit: 32 << 10, Heartbeat: -1, Retry: -1})
	s := tr.start(t, h, nil)
	resp := s.get()
	st := receive(t, "the stream", streams)
	taken := stall(t, st, settle)
	for _, size := range []int{1000, 100_000} { // into the queue, and larger than that
		ctx, cancel := context.WithCancelCause(t.Context())
		mine := errors.New("mine")
		gaveUp := make(chan error, 1)
		go func() {
			for {
				if err := st.Send(ctx, &sse.Event{Data: make([]byte, size)}); err != nil {
					gaveUp <- err
					return
				}
				taken += len("data: \n\n") + size
			}
		}()
		settle() // elsewhere it may wait already or not: that makes no difference
		cancel(mine)
		if err := receive(t, "Send", gaveUp); err != mine {
			t.Errorf("Send: %v", err)
		}
	}
	if err := st.Err(); err != nil {
		t.Errorf("the stream has ended: %v", err)
	}
	// One that does not give up goes on when the client reads.
	sent := make(chan error, 1)
	go func() {
		sent <- errors.Join(
			st.Send(t.Context(), &sse.Event{Data: make([]byte, 100_000)}),
			st.SendEncoded(t.Context(), encode(t, &sse.Event{Data: make([]byte, 1000)})),
			st.Close())
	}()
	taken += 2*len("data: \n\n") + 101_000
	n, err := io.Copy(io.Discard, resp.Body)
	if want := len(": stream\n\n") + taken; n != int64(want) || err != nil {
		t.Errorf("%d bytes came, %v; want %d", n, err, want)
	}
	if err := receive(t, "Send", sent); err != nil {
		t.Error(err)
	}
}

// One client of a thousand stops reading. The others get every event, in order,
// and nobody waits for it; then the group drains, and each is told its own time
// to come back.
func TestOneStalledOfAThousand(t *testing.T) {
	const clients, events = 1000, 20
	g := sse.NewGroup(&sse.GroupOptions{Rate: 10})
	h, streams, closed := hand(&sse.Options{Group: g, Heartbeat: -1, WriteTimeout: -1})
	s := real[0].start(t, h, nil)
	var want bytes.Buffer
	frames := make([][]byte, events)
	for i := range frames {
		frames[i] = encode(t, &sse.Event{ID: strconv.Itoa(i), Data: bytes.Repeat([]byte("x"), 2000)})
		want.Write(frames[i])
	}
	ask := func() net.Conn {
		conn := s.dial(t)
		if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	gone := ask() // and never read
	stalled := receive(t, "the stalled stream", streams)
	stall(t, stalled, unsettled)
	all := make([]*sse.Stream, 0, clients-1)
	var readers sync.WaitGroup
	var told sync.Map
	for range clients - 1 {
		conn := ask()
		all = append(all, receive(t, "a stream", streams))
		readers.Go(func() {
			got, err := io.ReadAll(conn)
			_, body, _ := bytes.Cut(got, []byte("\n\n")) // the first block
			last, ok := bytes.CutPrefix(body, want.Bytes())
			if m := lastRetry.FindSubmatch(last); err == nil && ok && m != nil {
				told.Store(string(m[1]), true)
				return
			}
			t.Errorf("a client got %d bytes, %v, and last %q", len(got), err, last)
		})
	}
	for i := range frames {
		if n, err := stalled.TrySend(frames[i : i+1]); n != 0 || err != sse.ErrQueueFull {
			t.Fatalf("stalled: %d, %v", n, err)
		}
		for _, st := range all {
			feed(t, st, frames[i:i+1], 1, func() {})
		}
	}
	if err := stalled.Err(); err != nil || g.Len() != clients {
		t.Errorf("the stalled stream has ended: %v; %d streams", err, g.Len())
	}
	g.BeginDrain()
	readers.Wait() // all but the one have everything
	for range all {
		if err := receive(t, "the end", closed); err != sse.ErrDraining {
			t.Errorf("ended with %v", err)
		}
	}
	times := 0
	told.Range(func(any, any) bool { times++; return true })
	if times < clients*9/10 {
		t.Errorf("the clients were told %d times to come back", times)
	}
	_ = gone.Close()
	if err := g.Drain(t.Context()); err != nil || g.Len() != 0 {
		t.Errorf("Drain: %v; %d streams", err, g.Len())
	}
}

// A heartbeat comes to a socket that sleeps in the park, too.
func TestStreamHeartbeatOnASocket(t *testing.T) {
	for _, tr := range real[:2] {
		t.Run(tr.name, func(t *testing.T) {
			h, streams, _ := hand(&sse.Options{Heartbeat: 1200 * time.Millisecond}) // long enough for the shared wheel
			s := tr.start(t, h, nil)
			br := bufio.NewReader(s.get().Body)
			readBlock(t, br)
			for range 2 {
				if block := readBlock(t, br); block != ":\n\n" {
					t.Errorf("%q", block)
				}
			}
			_ = (<-streams).Close()
		})
	}
}

// Whatever fails on a stream's connection, Close comes, in the time that is set,
// and nothing is left behind.
func TestStreamFaults(t *testing.T) {
	for k := 1; k <= 6; k++ {
		for name, plan := range faults(k) {
			t.Run(name+" "+strconv.Itoa(k), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g := sse.NewGroup(nil)
					h, streams, closed := hand(&sse.Options{Group: g, WriteTimeout: 5 * time.Second})
					l := testnet.Listen()
					srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
					served := make(chan error, 1)
					go func() { served <- srv.Serve(testnet.FaultListener(l, func(int) testnet.Plan { return plan })) }()
					conn, err := l.DialContext(t.Context(), "tcp", "")
					if err != nil {
						t.Fatal(err)
					}
					_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
					var read sync.WaitGroup
					read.Go(func() { _, _ = io.Copy(io.Discard, conn) })
					select {
					case st := <-streams:
						frame := encode(t, &sse.Event{Data: []byte("x")})
						for range 5 {
							_, _ = st.TrySend([][]byte{frame})
							_ = st.Push(&sse.Event{})
							_ = st.Send(t.Context(), &sse.Event{})
							time.Sleep(20 * time.Second)
						}
						_ = st.Close(&sse.Event{Name: "bye"})
						start := time.Now()
						if err := <-closed; err == nil || err != st.Err() {
							t.Errorf("Close: %v, Err %v", err, st.Err())
						}
						if d := time.Since(start); d > 6*time.Second {
							t.Errorf("the end took %v", d)
						}
					case <-time.After(time.Minute): // the request never came
					}
					if err := g.Drain(t.Context()); err != nil {
						t.Error(err)
					}
					_ = conn.Close()
					read.Wait()
					time.Sleep(10 * time.Second) // a socket may wait for its peer's end for so long
					_ = srv.Close()
					<-served
				})
			})
		}
	}
}

// Any method may be called by any goroutine at any time.
func TestStreamCalledFromEverywhere(t *testing.T) {
	everywhere(t, func(t *testing.T, tr transport) {
		for round := range 3 {
			g := sse.NewGroup(nil)
			h, streams, closed := hand(&sse.Options{Group: g, Heartbeat: time.Millisecond, QueueLimit: 16 << 10, QueuePolicy: sse.Refuse})
			s := tr.start(t, h, nil)
			resp := s.get()
			st := receive(t, "the stream", streams)
			frame := encode(t, &sse.Event{Data: bytes.Repeat([]byte("f"), 3000)})
			var all sync.WaitGroup
			for i := range 12 {
				all.Go(func() {
					for n := range 200 {
						switch (i + n) % 6 {
						case 0:
							_, _ = st.TrySend([][]byte{frame, frame})
						case 1:
							_ = st.Push(&sse.Event{Data: bytes.Repeat([]byte("p"), 500)})
						case 2:
							_ = st.Send(t.Context(), &sse.Event{Data: bytes.Repeat([]byte("s"), 20)})
						case 3:
							_ = st.SendEncoded(t.Context(), frame)
						case 4:
							st.NotifyWritable(func() {})
							_, _, _ = st.Value(), st.Err(), st.RemoteAddr()
						case 5:
							st.SetValue(n)
							if i == 0 && n == 100 && round%2 == 0 {
								go g.BeginDrain()
							}
						}
					}
				})
			}
			ended := make(chan struct{})
			go func() {
				all.Wait()
				_ = st.Close(&sse.Event{Name: "bye"})
				close(ended)
			}()
			for _, e := range reference(readAll(t, resp)).events {
				if d := e.Data; len(d) > 0 && (len(d) != map[byte]int{'f': 3000, 'p': 500, 's': 20}[d[0]] || bytes.Count(d, d[:1]) != len(d)) {
					t.Fatalf("an event is broken: %d bytes, %.20q", len(d), d)
				}
			}
			receive(t, "the end", closed)
			receive(t, "the callers", ended)
			if err := g.Drain(t.Context()); err != nil {
				t.Error(err)
			}
			_ = resp.Body.Close()
		}
	})
}
