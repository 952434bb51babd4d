package hub_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/hub/hubtest"
)

// far runs a test with a store and hubs on nodes of it.
func far(t *testing.T, f func(t *testing.T, s *hubtest.Store, open func() (*hub.Hub, *hubtest.Remote))) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := hubtest.NewStore(1, 10*time.Millisecond)
		defer s.Close()
		f(t, s, func() (*hub.Hub, *hubtest.Remote) {
			node := s.Node()
			h := hub.New(&hub.Options{Broker: node, Configure: func(name string) (hub.TopicConfig, error) {
				if strings.HasPrefix(name, "keyed") {
					return hub.TopicConfig{Kind: hub.Keyed}, nil
				}
				return hub.TopicConfig{MaxEvents: 100}, nil
			}})
			t.Cleanup(func() { h.Close() })
			return h, node
		})
	})
}

// arrive waits longer than anything is under way.
func arrive() {
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
}

func publish(t *testing.T, topic *hub.Topic[string], values ...string) (pos hub.Position) {
	t.Helper()
	for _, v := range values {
		var err error
		if pos, err = topic.Publish(t.Context(), v); err != nil {
			t.Fatalf("Publish(%q): %v", v, err)
		}
	}
	return pos
}

func subscribe(t *testing.T, topic *hub.Topic[string], from hub.From) *hub.Sub[string] {
	t.Helper()
	s, err := topic.Subscribe(t.Context(), &hub.SubOptions[string]{From: from, Policy: hub.SkipWithGap})
	if err != nil {
		t.Fatalf("Subscribe: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// drain reads what there is within a second.
func drain(t *testing.T, s *hub.Sub[string]) string {
	t.Helper()
	var all []*hub.Event[string]
	for {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		events, err := s.Next(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return hub.Show(all)
		}
		if err != nil {
			t.Fatalf("Next: %v", err)
		}
		all = append(all, events...)
	}
}

// A feed that was cut is repaired by one read, however many follow, and nobody
// sees anything of it.
func TestFeedDropIsRepairedOnce(t *testing.T) {
	far(t, func(t *testing.T, s *hubtest.Store, open func() (*hub.Hub, *hubtest.Remote)) {
		h, node := open()
		topic := hub.TopicOf[string](h, "log", nil)
		var subs []*hub.Sub[string]
		for range 50 {
			subs = append(subs, subscribe(t, topic, hub.Start()))
		}
		publish(t, topic, "a")
		arrive()
		before := node.Reads()
		mend := s.Interrupt()
		publish(t, topic, "b", "c", "d")
		arrive()
		if n := h.Stats().FeedsDown; n != 1 {
			t.Errorf("%d feeds are down", n)
		}
		mend()
		arrive()
		if n := node.Reads() - before; n != 1 {
			t.Errorf("%d reads for one repair", n)
		}
		for _, s := range subs {
			if got := drain(t, s); got != "live a b c d" && got != "a live b c d" {
				t.Errorf("got %q", got)
			}
		}
		if st := h.Stats(); st.Gaps != 0 || st.FeedsDown != 0 || st.Breaks != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// The answer to a write is lost: nobody knows. The same write again, with its
// id, gets the position it has.
func TestLostAcknowledgement(t *testing.T) {
	far(t, func(t *testing.T, s *hubtest.Store, open func() (*hub.Hub, *hubtest.Remote)) {
		h, node := open()
		topic := hub.TopicOf[string](h, "log", nil)
		sub := subscribe(t, topic, hub.Start())
		node.LoseAcks(2)
		for range 2 {
			if _, err := topic.Publish(t.Context(), "a", hub.Idempotent("1")); !errors.Is(err, hub.ErrUncertain) {
				t.Errorf("%v, want ErrUncertain", err)
			}
		}
		pos, err := topic.Publish(t.Context(), "a", hub.Idempotent("1"))
		if err != nil {
			t.Fatal(err)
		}
		if head, err := topic.Head(t.Context()); err != nil || head != pos {
			t.Errorf("the head is %s, %v, want %s", head, err, pos)
		}
		if got := drain(t, sub); got != "live a" {
			t.Errorf("got %q", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
		defer cancel()
		if _, err := topic.Publish(ctx, "b"); err == nil || errors.Is(err, hub.ErrUncertain) {
			t.Errorf("given up before it was sent: %v", err)
		}
		if n := h.Stats().Uncertain; n != 2 {
			t.Errorf("%d uncertain writes are counted", n)
		}
	})
}

// Without the broker nothing is written; what is attached is read on; what is
// not says so, and works again afterwards.
func TestPartition(t *testing.T) {
	far(t, func(t *testing.T, s *hubtest.Store, open func() (*hub.Hub, *hubtest.Remote)) {
		h, node := open()
		topic := hub.TopicOf[string](h, "log", nil)
		keep := subscribe(t, topic, hub.Start())
		publish(t, topic, "a", "b")
		arrive()
		node.Part(true)
		if _, err := topic.Publish(t.Context(), "c"); !errors.Is(err, hub.ErrUnavailable) {
			t.Errorf("Publish: %v", err)
		}
		if got := drain(t, subscribe(t, topic, hub.Start())); got != "a b live" {
			t.Errorf("from the copy: %q", got)
		}
		other := hub.TopicOf[string](h, "log.other", nil)
		if _, err := other.Subscribe(t.Context(), nil); !errors.Is(err, hub.ErrUnavailable) {
			t.Errorf("Subscribe: %v", err)
		}
		forged := hub.MakePosition(7, 7, 7)
		if _, err := topic.Subscribe(t.Context(), &hub.SubOptions[string]{From: hub.After(forged)}); !errors.Is(err, hub.ErrUnavailable) {
			t.Errorf("a position that only the broker could judge: %v", err)
		}
		node.Part(false)
		publish(t, topic, "c")
		subscribe(t, other, hub.Start())
		if got := drain(t, keep); got != "live a b c" {
			t.Errorf("got %q", got)
		}
	})
}

// A position from another node can be ahead of the feed here. That is no fork.
func TestPositionAheadOfTheFeed(t *testing.T) {
	far(t, func(t *testing.T, s *hubtest.Store, open func() (*hub.Hub, *hubtest.Remote)) {
		a, _ := open()
		b, _ := open()
		here, there := hub.TopicOf[string](b, "log", nil), hub.TopicOf[string](a, "log", nil)
		keep := subscribe(t, here, hub.Start())
		publish(t, there, "1")
		arrive()
		mend := s.Interrupt()
		pos := publish(t, there, "2", "3")
		page, err := here.Since(t.Context(), pos, 0)
		if err != nil || len(page.Events) != 0 || page.Next != pos {
			t.Errorf("Since: %+v, %v", page, err)
		}
		if got := drain(t, subscribe(t, here, hub.After(pos))); got != "live" {
			t.Errorf("got %q", got)
		}
		if got := drain(t, keep); got != "live 1 2 3" {
			t.Errorf("the others: %q", got)
		}
		mend()
	})
}

// One attachment serves all; it outlives the last reader for a while, and comes
// back if need be.
func TestLinger(t *testing.T) {
	far(t, func(t *testing.T, s *hubtest.Store, open func() (*hub.Hub, *hubtest.Remote)) {
		h, node := open()
		topic := hub.TopicOf[string](h, "log", nil)
		pos := publish(t, topic, "a")
		if n := len(h.Topics()); n != 0 {
			t.Errorf("publishing attached %d topics", n)
		}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				sub, err := topic.Subscribe(t.Context(), nil)
				if err != nil {
					t.Error(err)
					return
				}
				sub.Close()
			})
		}
		wg.Wait()
		if n := node.Reads(); n != 1 {
			t.Errorf("%d reads for one attachment", n)
		}
		for range 5 {
			time.Sleep(20 * time.Second) // less than it lingers
			subscribe(t, topic, hub.After(pos)).Close()
		}
		if n := node.Reads(); n != 1 || len(h.Topics()) != 1 {
			t.Errorf("%d reads, %d topics", n, len(h.Topics()))
		}
		time.Sleep(time.Minute)
		if n := len(h.Topics()); n != 0 {
			t.Errorf("%d topics linger", n)
		}
		if b := h.Stats().Bytes; b != 0 {
			t.Errorf("%d bytes are accounted for nothing", b)
		}
		if got := drain(t, subscribe(t, topic, hub.Start())); got != "a live" {
			t.Errorf("again: %q", got)
		}
	})
}

// Who waits for a topic to be attached can give up, and Close ends all.
func TestAttachingCanBeLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hubtest.NewStore(1, time.Hour)
		defer s.Close()
		h := hub.New(&hub.Options{Broker: s.Node()})
		topic := hub.TopicOf[string](h, "log", nil)
		errGone := errors.New("gone")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, errGone)
		defer cancel()
		if _, err := topic.Subscribe(ctx, nil); err != errGone {
			t.Errorf("%v, want the context's cause", err)
		}
		done := make(chan error)
		go func() {
			_, err := topic.Subscribe(t.Context(), nil)
			done <- err
		}()
		synctest.Wait()
		h.Close()
		if err := <-done; err != hub.ErrClosed {
			t.Errorf("%v, want ErrClosed", err)
		}
	})
}

type textSink struct {
	mu  sync.Mutex
	got strings.Builder
}

func (s *textSink) TrySend(frames [][]byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range frames {
		s.got.Write(f)
	}
	return len(frames), nil
}
func (s *textSink) NotifyWritable(f func()) {}

type text struct{}

func (text) Format() string { return "text" }
func (text) AppendFrame(dst []byte, ev *hub.Event[[]byte]) ([]byte, error) {
	if ev.Gap != nil {
		return fmt.Appendf(dst, "gap(%s) ", ev.Gap.Reason), nil
	}
	return fmt.Appendf(dst, "%s%s ", ev.Marker, ev.Data), nil
}

// Connections see of a broker's failures what readers see.
func TestPushOverABroker(t *testing.T) {
	far(t, func(t *testing.T, s *hubtest.Store, open func() (*hub.Hub, *hubtest.Remote)) {
		h, _ := open()
		topic := h.Topic("log")
		put := func(values ...string) {
			for _, v := range values {
				if _, err := topic.Publish(t.Context(), []byte(v)); err != nil {
					t.Fatal(err)
				}
			}
			arrive()
		}
		var sinks []*textSink
		for range 10 {
			sink := &textSink{}
			sinks = append(sinks, sink)
			c, err := h.Connect(sink, hub.ConnOptions{Encoder: text{}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.Follow(t.Context(), "log", nil); err != nil {
				t.Fatal(err)
			}
		}
		put("a", "b")
		mend := s.Interrupt()
		put("c")
		mend()
		put("d", "e")
		s.LoseTail("log", 2)
		put("f")
		s.Restart()
		put("g")
		for _, sink := range sinks {
			sink.mu.Lock()
			if got := sink.got.String(); got != "live a b c d e gap(fork) f gap(epoch) g " {
				t.Errorf("got %q", got)
			}
			sink.mu.Unlock()
		}
	})
}
