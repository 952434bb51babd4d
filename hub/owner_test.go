package hub

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// onBoth runs a test on a hub that keeps its logs itself and on one that has a
// broker.
func onBoth(t *testing.T, cfg TopicConfig, f func(t *testing.T, h *Hub)) {
	t.Helper()
	for _, name := range []string{"memory", "broker"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &Options{Configure: kindsByPrefix(cfg)}
				if name == "broker" {
					m := NewMemory(nil)
					defer m.Close()
					o.Broker = m
				}
				h := New(o)
				defer h.Close()
				f(t, h)
			})
		})
	}
}

func enter(t *testing.T, h *Hub, ttl time.Duration) *Owner {
	t.Helper()
	o, err := h.Enter(context.Background(), &OwnerOptions{TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// pause stops the sign of life.
func (o *Owner) pause() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.timer.Stop()
}

func put(t *testing.T, topic *Topic[string], key, value string, opts ...WriteOption) Position {
	t.Helper()
	pos, err := topic.Put(context.Background(), key, value, opts...)
	if err != nil {
		t.Fatalf("Put(%s): %v", key, err)
	}
	return pos
}

// When a lease ends each of its keys ends with one tombstone, and nothing else
// does: not what others hold, nor what somebody has written over since.
func TestLeaseEndIsOneTombstoneEach(t *testing.T) {
	onBoth(t, TopicConfig{}, func(t *testing.T, h *Hub) {
		topic := TopicOf[string](h, "keyed", nil)
		s, err := topic.Subscribe(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		a, b := enter(t, h, time.Minute), enter(t, h, time.Minute)
		put(t, topic, "free", "1")
		put(t, topic, "mine", "1", OwnedBy(a))
		put(t, topic, "mine", "2", OwnedBy(a))
		put(t, topic, "given", "1", OwnedBy(a))
		put(t, topic, "given", "2", OwnedBy(b))
		put(t, topic, "freed", "1", OwnedBy(a))
		put(t, topic, "freed", "2")
		put(t, topic, "gone", "1", OwnedBy(a))
		if _, err := topic.Delete(t.Context(), "gone", OwnedBy(a)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		drain(t, s)
		for range 2 {
			if err := a.Close(t.Context()); err != nil {
				t.Error(err)
			}
			<-a.Lost()
		}
		time.Sleep(time.Hour + time.Second) // not just when b gives a sign
		events := drain(t, s)
		wantShow(t, "after the end", events, "-mine")
		if len(events) == 1 && !events[0].Expired {
			t.Error("the tombstone is not marked as expired")
		}
		if _, err := topic.Get(t.Context(), "mine"); !errors.Is(err, ErrNoKey) {
			t.Errorf("mine: %v", err)
		}
		b.pause()
		time.Sleep(2 * time.Minute)
		wantShow(t, "the other's", drain(t, s), "-given")
	})
}

// An owner that is away for longer than its lease finds itself refused, and
// enters again as somebody else; one that is not stays.
func TestLateOwnerIsRefused(t *testing.T) {
	onBoth(t, TopicConfig{}, func(t *testing.T, h *Hub) {
		topic := TopicOf[string](h, "keyed", nil)
		o, steady := enter(t, h, 15*time.Second), enter(t, h, 15*time.Second)
		put(t, topic, "k", "1", OwnedBy(o))
		put(t, topic, "s", "1", OwnedBy(steady))
		o.pause()
		time.Sleep(time.Hour)
		for range 2 {
			if _, err := topic.Put(t.Context(), "k", "late", OwnedBy(o)); !errors.Is(err, ErrLeaseLost) {
				t.Errorf("late Put: %v", err)
			}
			if _, err := topic.Delete(t.Context(), "s", OwnedBy(o)); !errors.Is(err, ErrLeaseLost) {
				t.Errorf("late Delete: %v", err)
			}
		}
		<-o.Lost()
		if _, err := topic.Get(t.Context(), "k"); !errors.Is(err, ErrNoKey) {
			t.Errorf("the key outlived its owner: %v", err)
		}
		if _, err := topic.Get(t.Context(), "s"); err != nil {
			t.Errorf("the other's key: %v", err)
		}
		again := enter(t, h, 15*time.Second)
		if again.ID() == o.ID() {
			t.Error("the same life again")
		}
		put(t, topic, "k", "2", OwnedBy(again))
		if _, err := h.Topic("log").Publish(t.Context(), nil, OwnedBy(again)); !isKind(err) {
			t.Errorf("owned event in a log: %v", err)
		}
	})
}

// A tombstone of a lease is written whatever the limits say.
func TestLeaseEndCannotBeRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(&Options{Configure: kindsByPrefix(TopicConfig{}), MaxBytes: 1500})
		defer h.Close()
		topic := TopicOf[string](h, "keyed", nil)
		o := enter(t, h, time.Minute)
		for _, k := range []string{"a", "b", "c"} {
			put(t, topic, k, "", OwnedBy(o))
		}
		for i := 0; ; i++ {
			if _, err := topic.Put(t.Context(), string(rune('d'+i)), ""); err != nil {
				break
			}
		}
		if err := o.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := h.Topics()[0].Keys; n >= 6 {
			t.Errorf("%d keys", n)
		}
		if _, err := topic.Get(t.Context(), "a"); !errors.Is(err, ErrNoKey) {
			t.Errorf("%v", err)
		}
	})
}

// A lease that lasts, that of a node, does not keep the topics in which it has no
// key any more, nor those where its writes were refused.
func TestLeaseForgetsTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, TopicConfig{MaxAge: time.Second})
		defer h.Close()
		o := enter(t, h, 0)
		held := func() int {
			l := h.leases.get(o.ID())
			l.mu.Lock()
			defer l.mu.Unlock()
			return len(l.topics)
		}
		const topics = 10
		for i := range topics {
			topic := TopicOf[string](h, fmt.Sprint("keyed.", i), nil)
			for range 2 {
				if _, err := topic.Put(t.Context(), "k", "v", OwnedBy(o)); err != nil {
					t.Fatal(err)
				}
			}
			if i == 0 {
				continue // stays
			}
			switch i % 3 {
			case 0:
				writeAll(t, topic, "k=other's", "-k")
			case 1:
				writeAll(t, topic, "-k")
			default:
				if _, err := topic.Delete(t.Context(), "k", OwnedBy(o)); err != nil {
					t.Fatal(err)
				}
			}
			var conflict *ConflictError
			if _, err := topic.Put(t.Context(), "k", "v", OwnedBy(o), IfMatch(Position{1, 1, 1})); !errors.As(err, &conflict) {
				t.Fatal(err)
			}
		}
		if n := held(); n != 1 {
			t.Errorf("the lease holds %d topics, want 1", n)
		}
		o.Close(t.Context())
		if _, err := TopicOf[string](h, "keyed.0", nil).Get(t.Context(), "k"); !errors.Is(err, ErrNoKey) {
			t.Errorf("after the lease: %v", err)
		}
		time.Sleep(2 * time.Minute)
		if n := len(h.Topics()); n != 0 {
			t.Errorf("%d topics are left", n)
		}
	})
}

// A TTL in which nobody could give a sign of life (15, say, which is nanoseconds) is
// raised, and the owner neither spins nor dies.
func TestTTLIsNotTooShort(t *testing.T) {
	onBoth(t, TopicConfig{}, func(t *testing.T, h *Hub) {
		o := enter(t, h, 15)
		time.Sleep(time.Second)
		if _, err := TopicOf[string](h, "keyed", nil).Put(t.Context(), "k", "v", OwnedBy(o)); err != nil {
			t.Errorf("Put: %v", err)
		}
	})
}

// A write that is refused ends only the owner for which it was made, and none of
// another hub, which alone knows how that one is.
func TestRefusedWriteEndsNoOtherOwner(t *testing.T) {
	a, b := newHub(t, TopicConfig{}), newHub(t, TopicConfig{})
	o, late := enter(t, a, 0), enter(t, a, 0)
	if err := a.leases.Leave(t.Context(), late.ID()); err != nil {
		t.Fatal(err)
	}
	put := func(h *Hub, opts ...WriteOption) {
		t.Helper()
		if _, err := TopicOf[string](h, "keyed", nil).Put(t.Context(), "k", "v", opts...); !errors.Is(err, ErrLeaseLost) {
			t.Errorf("Put: %v", err)
		}
	}
	put(b, OwnedBy(o))
	put(a, OwnedBy(o), OwnedBy(late)) // the last counts
	select {
	case <-o.Lost():
		t.Error("the wrong owner was ended")
	default:
	}
	select {
	case <-late.Lost():
	default:
		t.Error("the late owner does not know")
	}
}

// Whoever waits for the end of a lease is told when its hub is closed.
func TestCloseEndsOwners(t *testing.T) {
	onBoth(t, TopicConfig{}, func(t *testing.T, h *Hub) {
		o := enter(t, h, 0)
		h.Close()
		synctest.Wait()
		select {
		case <-o.Lost():
		default:
			t.Error("Lost is open")
		}
		if err := o.Close(t.Context()); err != ErrClosed {
			t.Errorf("Close: %v", err)
		}
	})
}
