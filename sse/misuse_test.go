package sse_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// Whatever a stream is given, it answers, and lives on.
func TestStreamMisuse(t *testing.T) {
	inBubbles(t, func(t *testing.T, tr transport) {
		h, streams, _ := hand(&sse.Options{Retry: -1})
		br := bufio.NewReader(tr.start(t, h, nil).get().Body)
		readBlock(t, br)
		s := <-streams
		var ctx context.Context // nil
		var bad *sse.FieldError
		if err := s.Send(ctx, &sse.Event{}); err == nil || s.Err() != nil {
			t.Errorf("Send with a nil context: %v; the stream's %v", err, s.Err())
		}
		if err := s.SendEncoded(ctx, []byte(":\n\n")); err == nil || s.Err() != nil {
			t.Errorf("SendEncoded with a nil context: %v; the stream's %v", err, s.Err())
		}
		ctx = t.Context()
		if err := s.Send(ctx, nil); !errors.As(err, &bad) {
			t.Errorf("Send of a nil event: %v", err)
		}
		if err := s.Push(&sse.Event{}, nil); !errors.As(err, &bad) {
			t.Errorf("Push of a nil event: %v", err)
		}
		s.NotifyWritable(nil)
		if n, err := s.TrySend([][]byte{nil, {}}); n != 2 || err != nil {
			t.Errorf("TrySend of empty frames: %d, %v", n, err)
		}
		if err := errors.Join(s.SendEncoded(ctx, nil), s.SendEncoded(ctx), s.Push(), s.Send(ctx), s.Send(ctx, &sse.Event{Data: []byte("x")})); err != nil {
			t.Error(err)
		}
		if block := readBlock(t, br); block != "data: x\n\n" {
			t.Errorf("%q", block)
		}
		if err := s.Close(&sse.Event{Name: "bye"}, nil); !errors.As(err, &bad) {
			t.Errorf("Close with a nil event: %v", err)
		}
		if b, err := br.ReadByte(); err == nil {
			t.Errorf("then %q", b)
		}
	})
}

func TestNilContext(t *testing.T) {
	var ctx context.Context // nil
	l, c, g := sse.NewLog(nil), &sse.Client{URL: "http://127.0.0.1:1/"}, sse.NewGroup(nil)
	if _, err := l.Append(ctx, &sse.Event{}); err == nil {
		t.Error("Append")
	}
	for _, err := range l.Follow(ctx, sse.Live) {
		if err == nil {
			t.Error("Follow")
		}
	}
	for _, err := range c.Events(ctx) {
		if err == nil {
			t.Error("Events")
		}
	}
	if err := g.Drain(ctx); err == nil {
		t.Error("Drain")
	}
	g = sse.NewGroup(nil)
	s := stream(t, &sse.Options{Group: g}, func(s *sse.Writer, r *http.Request) {
		if err := s.Send(ctx, &sse.Event{}); err == nil || s.Err() != nil {
			t.Errorf("Send: %v; the stream's %v", err, s.Err())
		}
	})
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if g.Len() != 0 {
		t.Error("a stream is left")
	}
}

// One that Handler did not make has ended, as it were.
func TestZeroStream(t *testing.T) {
	var s sse.Stream
	ctx := t.Context()
	n, err := s.TrySend([][]byte{{1}})
	for name, err := range map[string]error{
		"Send": s.Send(ctx, &sse.Event{}), "SendEncoded": s.SendEncoded(ctx, []byte{1}), "Push": s.Push(&sse.Event{}), "TrySend": err,
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n != 0 {
		t.Errorf("%d frames were sent", n)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if s.RemoteAddr() != nil || s.LastEventID() != "" || s.Value() != nil || s.Context() == nil {
		t.Error("a zero Stream has something")
	}
	told := make(chan struct{})
	s.NotifyWritable(func() { close(told) })
	receive(t, "NotifyWritable", told)
}

// Sending nothing is no sign of life: the heartbeat comes all the same.
func TestFormsSendingNothingPutsNoHeartbeatOff(t *testing.T) {
	onFakeTime(t, func(t *testing.T, fm form, tr transport) {
		s := tr.start(t, fm.handler(t, &sse.Options{Retry: -1}, func(s sender, h http.Header) {
			for {
				select {
				case <-s.Done():
					return
				case <-time.After(10 * time.Second):
				}
				_ = errors.Join(s.Send(t.Context()), s.SendEncoded(t.Context(), nil))
				if st, ok := s.(*sse.Stream); ok {
					_ = st.Push()
					_, _ = st.TrySend([][]byte{{}})
				}
			}
		}), nil)
		start := time.Now()
		br := bufio.NewReader(s.get().Body)
		readBlock(t, br)
		for _, want := range []time.Duration{15 * time.Second, 30 * time.Second} {
			if block, at := readBlock(t, br), time.Since(start); block != ":\n\n" || at != want {
				t.Errorf("%q after %v, want it after %v", block, at, want)
			}
		}
	})
}

// A client that reads nothing is sent no heartbeats: for an hour of them there
// would be no room, and they would keep an event out.
func TestNoHeartbeatsForAClientThatReadsNothing(t *testing.T) {
	inBubbles(t, func(t *testing.T, tr transport) {
		h, streams, _ := hand(&sse.Options{Heartbeat: time.Second, WriteTimeout: -1, Retry: -1})
		resp := tr.start(t, h, nil).get()
		s := <-streams
		want := len(": stream\n\n") + stall(t, s, synctest.Wait)
		time.Sleep(time.Hour)
		synctest.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if got := len(readAll(t, resp)); got != want {
			t.Errorf("%d bytes came, want %d", got, want)
		}
	})
}

// A queue that has room for nothing keeps no heartbeat out.
func TestHeartbeatWithTheSmallestQueue(t *testing.T) {
	inBubbles(t, func(t *testing.T, tr transport) {
		h, streams, _ := hand(&sse.Options{QueueLimit: 1, Retry: -1})
		br := bufio.NewReader(tr.start(t, h, nil).get().Body)
		readBlock(t, br)
		start := time.Now()
		if block, at := readBlock(t, br), time.Since(start); block != ":\n\n" || at != 15*time.Second {
			t.Errorf("%q after %v", block, at)
		}
		s := <-streams
		if err := s.Send(t.Context(), &sse.Event{Data: []byte("x")}); err != nil {
			t.Error(err)
		}
		if block := readBlock(t, br); block != "data: x\n\n" {
			t.Errorf("%q", block)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// NotifyWritable says that a stream has ended, and delays its end for nobody.
func TestNotifyWritableOfAnEndedStream(t *testing.T) {
	inBubbles(t, func(t *testing.T, tr transport) {
		h, streams, closed := hand(&sse.Options{WriteTimeout: time.Minute, Heartbeat: -1, Retry: -1})
		resp := tr.start(t, h, nil).get()
		s := <-streams
		stall(t, s, synctest.Wait)
		_ = s.Close(&sse.Event{Name: "bye"})
		told := make(chan struct{}, 100)
		for range 100 {
			s.NotifyWritable(func() { told <- struct{}{} })
		}
		synctest.Wait()
		if len(told) != 100 {
			t.Errorf("%d of 100 were told", len(told))
		}
		if len(closed) > 0 {
			t.Error("Close came before what was queued had been sent")
		}
		readAll(t, resp)
		if err := <-closed; err != sse.ErrClosed {
			t.Error(err)
		}
	})
}

// Events that are larger than the queue are refused as such, though no client
// is slow, and Send takes them.
func TestPushLargerThanTheQueue(t *testing.T) {
	everywhere(t, func(t *testing.T, tr transport) {
		const limit = 16 << 10
		large := &sse.Event{Data: bytes.Repeat([]byte("x"), limit)}
		for _, policy := range []sse.QueuePolicy{sse.Disconnect, sse.Refuse} {
			h, streams, closed := hand(&sse.Options{QueueLimit: limit, QueuePolicy: policy, Heartbeat: -1, Retry: -1})
			resp := tr.start(t, h, nil).get()
			st := receive(t, "the stream", streams)
			sent := make(chan error, 1)
			go func() { sent <- st.Send(t.Context(), large) }()
			want := append([]byte(": stream\n\n"), encode(t, large)...)
			got := make([]byte, len(want))
			if _, err := io.ReadFull(resp.Body, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("the client got %d bytes, %v; want %d", len(got), err, len(want))
			}
			if err := receive(t, "Send", sent); err != nil {
				t.Errorf("Send: %v", err)
			}
			settled := make(chan struct{})
			st.NotifyWritable(func() { close(settled) })
			receive(t, "an empty queue", settled)

			err := st.Push(large)
			full, ok := errors.AsType[*sse.QueueError](err)
			if !ok || full.Queued != 0 || full.Size <= full.Limit || full.Full() || full.Ended != (policy == sse.Disconnect) {
				t.Fatalf("Push: %+v", err)
			}
			if text := err.Error(); strings.Contains(text, "slow") || !strings.Contains(text, "use Send") ||
				strings.HasSuffix(text, "the stream has ended") != full.Ended {
				t.Errorf("Push: %v", err)
			}
			if policy == sse.Disconnect {
				if end := receive(t, "the end", closed); end != err {
					t.Errorf("ended with %v", end)
				}
				continue
			}
			if err := st.Push(&sse.Event{Data: []byte("y")}); err != nil {
				t.Errorf("Push after that: %v", err)
			}
			_ = st.Close()
			if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "data: y\n\n" {
				t.Errorf("then came %q, %v", rest, err)
			}
		}
	})
}
