package hub

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A strange broker is a Memory that does as it is told.
type strange struct {
	*Memory
	read     func(after Position) (Segment, error) // instead of Memory's, if set
	snapshot func(Position) Position               // changes what Snapshot says
	left     func(Feed)                            // called by detach
	feed     Feed
	reads    atomic.Int64
}

func (b *strange) Read(ctx context.Context, t BrokerTopic, after Position, n int) (Segment, error) {
	b.reads.Add(1)
	if b.read != nil {
		return b.read(after)
	}
	return b.Memory.Read(ctx, t, after, n)
}

func (b *strange) Snapshot(ctx context.Context, t BrokerTopic, row func(Record) error) (Position, error) {
	pos, err := b.Memory.Snapshot(ctx, t, row)
	if b.snapshot != nil {
		pos = b.snapshot(pos)
	}
	return pos, err
}

func (b *strange) Attach(ctx context.Context, t BrokerTopic, f Feed) (func(), error) {
	b.feed = f
	detach, err := b.Memory.Attach(ctx, t, f)
	return func() {
		detach()
		if b.left != nil {
			b.left(f)
		}
	}, err
}

// strangely runs a test with a hub of a strange broker.
func strangely(t *testing.T, o Options, f func(t *testing.T, h *Hub, b *strange)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &strange{Memory: NewMemory(nil)}
		defer b.Close()
		o.Broker = b
		h := New(&o)
		defer h.Close()
		f(t, h, b)
	})
}

// ahead is a position of the same log, further on.
func ahead(p Position, n uint64) Position { return Position{p.epoch, p.off + n, p.tag + 1} }

// A table that never fits the log is an error for who asks, and for who reads
// already a repair that fails and is tried again.
func TestTableThatNeverFitsItsLog(t *testing.T) {
	var failed atomic.Int64
	o := Options{Configure: kindsByPrefix(TopicConfig{}), Observe: func(i Incident) {
		if i.What == RepairFailed {
			failed.Add(1)
		}
	}}
	strangely(t, o, func(t *testing.T, h *Hub, b *strange) {
		topic := TopicOf[string](h, "keyed", nil)
		writeAll(t, topic, "a=1", "b=1")
		b.snapshot = func(p Position) Position { return ahead(p, 100) }
		if s, err := topic.Subscribe(t.Context(), nil); !errors.Is(err, errChain) {
			t.Fatalf("Subscribe: %v, %v", s, err)
		}
		b.snapshot = nil
		s := subscribe(t, topic, nil)
		defer s.Close()
		synctest.Wait()
		wantShow(t, "table", drain(t, s), "a=1* b=1* live")

		b.snapshot = func(p Position) Position { return ahead(p, 100) }
		b.read = func(after Position) (Segment, error) {
			if after.IsZero() {
				return b.Memory.Read(t.Context(), BrokerTopic{Name: "keyed"}, after, readPage)
			}
			return Segment{Head: after, Reason: Epoch}, nil
		}
		b.feed.Up()
		time.Sleep(time.Second)
		if failed.Load() == 0 {
			t.Error("no repair has failed")
		}
		b.snapshot, b.read = nil, nil
		writeAll(t, topic, "c=1")
		time.Sleep(time.Minute)
		wantShow(t, "when the broker is well again", drain(t, s), "c=1")
	})
}

// A broker that knows of more and does not give it has not answered: what it says
// is not taken for all there is, and it is not asked again without a pause.
func TestBrokerThatKeepsRecordsBack(t *testing.T) {
	for _, again := range []bool{false, true} {
		strangely(t, Options{}, func(t *testing.T, h *Hub, b *strange) {
			topic := TopicOf[string](h, "log", nil)
			s := subscribe(t, topic, nil)
			defer s.Close()
			head := publish(t, topic, "a", "b")
			synctest.Wait()
			all, err := b.Memory.Read(t.Context(), BrokerTopic{Name: "log"}, Position{}, readPage)
			if err != nil {
				t.Fatal(err)
			}
			b.reads.Store(0)
			b.read = func(Position) (Segment, error) {
				seg := Segment{Head: ahead(head, 5)}
				if again {
					seg.Records = all.Records
				}
				if b.reads.Load() > 1000 {
					return Segment{}, errors.New("asked in a loop")
				}
				return seg, nil
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := topic.Since(ctx, ahead(head, 5), 1); !errors.Is(err, errChain) {
				t.Errorf("the same again %t: Since: %v, want %v", again, err, errChain)
			}
			if n := b.reads.Load(); n > 20 {
				t.Errorf("the same again %t: %d reads in a second", again, n)
			}
		})
	}
}

// A feed may be told things until it is detached; the hub does not count them for
// ever.
func TestFeedGoesDownWhileItIsDetached(t *testing.T) {
	strangely(t, Options{Linger: -1}, func(t *testing.T, h *Hub, b *strange) {
		b.left = func(f Feed) {
			f.Deliver(Record{})
			f.Down(errors.New("detached"))
			f.Up()
			f.Down(nil)
		}
		subscribe(t, h.Topic("log"), nil).Close()
		synctest.Wait()
		if st := h.Stats(); st.FeedsDown != 0 || st.Topics != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// No broker keeps an ephemeral topic's keys, so it can't limit them: the copy does.
func TestCopyOfAnEphemeralTableIsBounded(t *testing.T) {
	for _, tt := range []struct {
		cfg   TopicConfig
		total int64
		most  int
	}{
		{TopicConfig{MaxKeys: 10, MaxAge: -1}, 0, 10},
		{TopicConfig{MaxTableBytes: 20 * (entryOverhead + 10), MaxAge: -1}, 0, 20},
		{TopicConfig{MaxEvents: 1, MaxAge: -1}, 21 * (entryOverhead + 10), 20},
	} {
		strangely(t, Options{Configure: kindsByPrefix(tt.cfg), MaxBytes: tt.total}, func(t *testing.T, h *Hub, b *strange) {
			s := subscribe(t, TopicOf[string](h, "eph", nil), nil)
			defer s.Close()
			for i := range 100 {
				b.feed.Deliver(Record{Time: time.Now(), Key: fmt.Sprintf("k%04d", i), Data: []byte(`"123"`)})
			}
			if got := h.Topics()[0].Keys; got != tt.most {
				t.Errorf("%+v: %d keys, want %d", tt.cfg, got, tt.most)
			}
			e, err := TopicOf[string](h, "eph", nil).Get(t.Context(), "k0099")
			if err != nil || e.Value != "123" {
				t.Errorf("the newest: %v, %v", e, err)
			}
		})
	}
}

// A log that begins anew while it is drained has less than there was.
func TestDrainWhenTheLogBreaks(t *testing.T) {
	strangely(t, Options{}, func(t *testing.T, h *Hub, b *strange) {
		topic := TopicOf[string](h, "log", nil)
		s := subscribe(t, topic, nil)
		publish(t, topic, "a", "b", "c")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		drained := make(chan error, 1)
		go func() { drained <- h.Drain(ctx) }()
		synctest.Wait()
		other := NewMemory(nil)
		defer other.Close()
		at := BrokerTopic{Name: "log", Config: TopicConfig{}.withDefaults()}
		if _, err := other.Append(t.Context(), at, &Write{Data: []byte(`"x"`)}); err != nil {
			t.Fatal(err)
		}
		b.read = func(after Position) (Segment, error) { return other.Read(t.Context(), at, after, readPage) }
		b.feed.Up()
		synctest.Wait()
		var got []*Event[string]
		for ev, err := range s.Events() {
			if err == nil {
				got = append(got, ev)
			} else if err != ErrDraining {
				t.Errorf("Events: %v", err)
			}
		}
		wantShow(t, "drained", got, "gap(epoch,-1) x live")
		if err := <-drained; err != nil {
			t.Errorf("Drain: %v", err)
		}
	})
}

// Whoever gives up waiting for a broker that hangs is forgotten.
func TestWhoGivesUpIsForgotten(t *testing.T) {
	strangely(t, Options{}, func(t *testing.T, h *Hub, b *strange) {
		topic := TopicOf[string](h, "log", nil)
		s := subscribe(t, topic, nil)
		defer s.Close()
		head := publish(t, topic, "a")
		synctest.Wait()
		hangs := make(chan struct{})
		b.read = func(Position) (Segment, error) { <-hangs; return Segment{}, ErrUnavailable }
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			if _, err := topic.Since(ctx, ahead(head, 1), 1); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Since: %v", err)
			}
			cancel()
		}
		l := h.topics["log"].link
		l.t.mu.Lock()
		n := len(l.waiting)
		l.t.mu.Unlock()
		if n != 0 {
			t.Errorf("%d are waited for", n)
		}
		close(hangs)
	})
}

// What arrives while the broker does not answer a repair waits, but no more of it
// than the log would retain; the rest is read when it answers.
func TestWhatWaitsForARepairIsBounded(t *testing.T) {
	const most = 20_000
	strangely(t, Options{Configure: kindsByPrefix(TopicConfig{MaxBytes: most})}, func(t *testing.T, h *Hub, b *strange) {
		topic := h.Topic("log")
		s := subscribe(t, topic, nil)
		defer s.Close()
		hangs := make(chan struct{})
		b.read = func(Position) (Segment, error) { <-hangs; return Segment{}, ErrUnavailable }
		b.feed.Up()
		synctest.Wait()
		for range 100 {
			if _, err := topic.Publish(t.Context(), make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		l := h.topics["log"].link
		l.t.mu.Lock()
		n, bytes := len(l.pending), 0
		for i := range l.pending {
			bytes += len(l.pending[i].Data)
		}
		l.t.mu.Unlock()
		if n == 0 || bytes > most {
			t.Errorf("%d records of %d bytes wait", n, bytes)
		}
		head, err := b.Memory.Read(t.Context(), BrokerTopic{Name: "log"}, Position{}, 1)
		if err != nil {
			t.Fatal(err)
		}
		b.read = nil
		close(hangs)
		time.Sleep(time.Minute)
		if got, err := topic.Head(t.Context()); err != nil || got != head.Head {
			t.Errorf("the copy is at %s, %v, the log at %s", got, err, head.Head)
		}
	})
}

// What is fed while the log is being read for the first time is not lost.
func TestFedWhileAttaching(t *testing.T) {
	strangely(t, Options{}, func(t *testing.T, h *Hub, b *strange) {
		topic := TopicOf[string](h, "log", nil)
		at := BrokerTopic{Name: "log", Config: TopicConfig{}.withDefaults()}
		b.read = func(after Position) (Segment, error) {
			seg, err := b.Memory.Read(t.Context(), at, after, readPage)
			if b.reads.Load() == 1 {
				if _, err := b.Memory.Append(t.Context(), at, &Write{Data: []byte(`"a"`)}); err != nil {
					t.Error(err)
				}
				synctest.Wait() // until it is fed
			}
			return seg, err
		}
		s := subscribe(t, topic, from(Start()))
		defer s.Close()
		synctest.Wait()
		wantShow(t, "attached", drain(t, s), "a live")
	})
}
