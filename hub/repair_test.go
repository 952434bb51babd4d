package hub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A handFed broker feeds what is written to it before Append returns, so that a
// test knows when; and not at all while it is cut.
type handFed struct {
	*Memory
	before func() // of Append

	mu    sync.Mutex
	feeds []Feed
	cut   bool
	limit int   // of records a Read returns, 0: none
	fail  error // of the Reads after the first page
	last  Position
}

func (b *handFed) Attach(_ context.Context, _ BrokerTopic, f Feed) (func(), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.feeds = append(b.feeds, f)
	return func() {}, nil
}

func (b *handFed) Append(ctx context.Context, t BrokerTopic, w *Write) (Position, error) {
	if b.before != nil {
		b.before()
	}
	pos, err := b.Memory.Append(ctx, t, w)
	if err != nil {
		return pos, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	seg, err := b.Memory.Read(ctx, t, b.last, 1000)
	b.last = pos
	if !b.cut {
		for _, f := range b.feeds {
			f.Deliver(seg.Records...)
		}
	}
	return pos, err
}

func (b *handFed) Read(ctx context.Context, t BrokerTopic, after Position, limit int) (Segment, error) {
	b.mu.Lock()
	if b.limit > 0 {
		limit = min(limit, b.limit)
	}
	fail := b.fail
	if b.limit > 0 && fail != nil {
		b.limit = 0
		fail = nil
	}
	b.mu.Unlock()
	if fail != nil {
		return Segment{}, fail
	}
	return b.Memory.Read(ctx, t, after, limit)
}

// sever stops the feed, mend starts it again and says so.
func (b *handFed) sever() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cut = true
}

func (b *handFed) mend() {
	b.mu.Lock()
	b.cut = false
	feeds := b.feeds
	b.mu.Unlock()
	for _, f := range feeds {
		f.Up()
	}
}

func handFedHub(t *testing.T, f func(t *testing.T, h *Hub, b *handFed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(nil)
		defer m.Close()
		b := &handFed{Memory: m}
		h := New(&Options{Broker: b, Configure: kindsByPrefix(TopicConfig{})})
		defer h.Close()
		f(t, h, b)
	})
}

// TestPublishBetweenTheStepsOfRepair forces a write between any two steps of a
// repair, and when it has just ended: readers who sleep and sinks get it without
// anything else happening, once and in order.
func TestPublishBetweenTheStepsOfRepair(t *testing.T) {
	for _, point := range []string{"repair begins", "repair reads", "repair has read", "repair ends"} {
		for _, times := range []int{1, 5} {
			t.Run(fmt.Sprintf("%s/%d", point, times), func(t *testing.T) {
				handFedHub(t, func(t *testing.T, h *Hub, b *handFed) { publishWhileRepairing(t, h, b, point, times) })
			})
		}
	}
}

func publishWhileRepairing(t *testing.T, h *Hub, b *handFed, point string, times int) {
	topic := TopicOf[string](h, "log", nil)
	var mu sync.Mutex
	n := 0
	write := func() {
		mu.Lock()
		defer mu.Unlock()
		publish(t, topic, fmt.Sprint(n))
		n++
	}
	sink := &fakeSink{room: -1}
	follow(t, connect(t, h, sink, ConnOptions{}), "log", nil)
	s := subscribe(t, topic, nil)
	var got []*Event[string]
	ended := make(chan error)
	go func() {
		for e, err := range s.Events() {
			if err != nil {
				ended <- err
				return
			}
			got = append(got, e)
		}
	}()
	synctest.Wait()
	write()
	b.sever()
	write() // nobody here knows
	forced := 0
	SetHook(h, func(at string) {
		if at == point && forced < times {
			forced++
			write()
		}
	})
	b.mend()
	synctest.Wait()
	for i := 0; forced < times && i < times; i++ { // another repair; none after the last write
		b.mend()
		synctest.Wait()
	}
	if err := h.topics["log"].settled(); err != nil {
		t.Error(err)
	}
	want := []string{"live"}
	for i := range n {
		want = append(want, fmt.Sprint(i))
	}
	if forced != times {
		t.Errorf("%d writes were forced, want %d", forced, times)
	}
	if text := sink.text(); text != strings.Join(want, " ") {
		t.Errorf("the sink got %q, want %q", text, want)
	}
	s.Close()
	if err := <-ended; err != ErrUnsubscribed {
		t.Errorf("the reader ended with %v", err)
	}
	wantShow(t, "the reader", got, strings.Join(want, " "))
}

// settled says what lies unread though nothing is under way.
func (t *topic) settled() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.link; l.syncing || l.dirty || len(l.pending) > 0 || len(l.waiting) > 0 {
		return fmt.Errorf("at rest: syncing %v, dirty %v, %d pending, %d waiting", l.syncing, l.dirty, len(l.pending), len(l.waiting))
	}
	return nil
}

// What a repair has read is handed out, though it can't read the rest.
func TestReadersGetWhatARepairHasReadSoFar(t *testing.T) {
	handFedHub(t, func(t *testing.T, h *Hub, b *handFed) {
		topic := TopicOf[string](h, "log", nil)
		s := subscribe(t, topic, nil)
		wantShow(t, "at first", drain(t, s), "live")
		sink := &fakeSink{room: -1}
		follow(t, connect(t, h, sink, ConnOptions{}), "log", nil)
		read := make(chan string, 1)
		go func() {
			events, err := s.Next(t.Context())
			read <- fmt.Sprint(show(events), " ", err)
		}()
		synctest.Wait()
		b.sever()
		publish(t, topic, "a", "b", "c")
		b.mu.Lock()
		b.limit, b.fail = 2, errors.New("not now")
		b.mu.Unlock()
		b.mend()
		synctest.Wait()
		select {
		case got := <-read:
			if got != "a b <nil>" {
				t.Errorf("got %q", got)
			}
		default:
			t.Error("the reader sleeps on")
		}
		wantText(t, "sink", sink, "live a b")
		b.mu.Lock()
		b.fail = nil
		b.mu.Unlock()
		b.mend()
		wantText(t, "sink, then", sink, "c")
		wantShow(t, "reader, then", drain(t, s), "c")
	})
}

// A topic that is attached between the two halves of a write, and not fed yet,
// is read with that write nevertheless.
func TestOwnWriteIsReadThoughTheTopicWasAttachedMeanwhile(t *testing.T) {
	handFedHub(t, func(t *testing.T, h *Hub, b *handFed) {
		topic := TopicOf[string](h, "keyed", nil)
		b.sever()
		b.before = func() {
			b.before = nil
			subscribe(t, topic, nil)
		}
		writeAll(t, topic, "k=1")
		if e, err := topic.Get(t.Context(), "k"); err != nil || e.Value != "1" {
			t.Errorf("got %v, %v", e, err)
		}
	})
}

// What came by a repair alone grows old as everything does.
func TestWhatARepairBroughtIsSwept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(nil)
		defer m.Close()
		b := &handFed{Memory: m}
		h := New(&Options{Broker: b, Configure: kindsByPrefix(TopicConfig{MaxAge: time.Minute})})
		defer h.Close()
		topic := TopicOf[string](h, "log", nil)
		subscribe(t, topic, nil)
		b.sever()
		publish(t, topic, "a", "b")
		b.mend()
		synctest.Wait()
		if used := h.total.used.Load(); used == 0 {
			t.Error("nothing was brought")
		}
		time.Sleep(2*time.Minute + sweepInterval)
		synctest.Wait()
		if used := h.total.used.Load(); used != 0 {
			t.Errorf("%d bytes are still there", used)
		}
	})
}
