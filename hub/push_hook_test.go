package hub

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// pushPoints are the places between two steps of following and sending where
// something may come in between.
var pushPoints = []string{
	"found", "joined", "follower reads", "follower settles", "lane reads", "lane sends", "lane ends",
	"conn is full", "conn waits", "conn is writable", "task ends",
}

// TestPublishBetweenAnyStepsOfAPush forces a write, and room in the sink, when a
// point is passed for the n-th time after a write, for sinks that take all and
// sinks that take a piece at a time: nothing is missing, nothing twice, and
// nothing is left lying until something else happens.
func TestPublishBetweenAnyStepsOfAPush(t *testing.T) {
	for _, kind := range []string{"log", "keyed"} {
		for _, point := range pushPoints {
			for _, room := range []int{-1, 1} {
				t.Run(fmt.Sprintf("%s/%s/room %d", kind, point, room), func(t *testing.T) {
					bubble(t, TopicConfig{}, func(t *testing.T, h *Hub) { pushBetween(t, h, kind, point, room) })
				})
			}
		}
	}
}

// A pusher is the state of one run.
type pusher struct {
	h     *Hub
	topic *Topic[string]
	sinks []*fakeSink
	conns []*Conn
	room  int

	mu     sync.Mutex // held while writing, so that a write does not force another
	n      int        // the next value
	due    int        // the point is passed this often before something is forced; 0: never
	forced int
}

func pushBetween(t *testing.T, h *Hub, kind, point string, room int) {
	p := &pusher{h: h, topic: TopicOf[string](h, kind, nil), room: room}
	p.write(t)
	SetHook(h, func(at string) {
		if at != point || !p.mu.TryLock() {
			return
		}
		yes := p.due == 1
		if p.due > 0 {
			p.due--
		}
		if yes {
			p.forced++
			p.put(t)
		}
		p.mu.Unlock()
		if yes && room > 0 {
			p.grant(1)
		}
	})
	for nth := 1; nth <= 6; nth++ {
		p.arm(nth)
		if nth <= 2 {
			s := &fakeSink{room: min(room, 0)}
			c := connect(t, h, s, ConnOptions{})
			p.sinks, p.conns = append(p.sinks, s), append(p.conns, c)
			o := &FollowOptions{From: Last(1)}
			if nth == 2 {
				o.Filter = func(*Event[[]byte]) bool { return true } // on its own
			}
			follow(t, c, kind, o)
			p.settle(t, point, nth)
		}
		if room > 0 {
			p.grant(0)
		}
		p.arm(nth)
		p.write(t)
		p.settle(t, point, nth)
	}
	p.arm(0)
	if p.forced == 0 && (room > 0 || !strings.HasPrefix(point, "conn")) {
		t.Error("nothing was forced")
	}
}

func (p *pusher) arm(nth int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.due = nth
}

func (p *pusher) write(t *testing.T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.put(t)
}

func (p *pusher) put(t *testing.T) {
	if p.topic.Name() == "log" {
		publish(t, p.topic, fmt.Sprint(p.n))
	} else {
		writeAll(t, p.topic, fmt.Sprintf("k=%d", p.n))
	}
	p.n++
}

func (p *pusher) grant(n int) {
	for _, s := range p.sinks {
		s.grant(n)
	}
}

// settle lets the sinks take what there is, and checks that they have all of it.
func (p *pusher) settle(t *testing.T, point string, nth int) {
	t.Helper()
	synctest.Wait()
	for range 8 {
		if p.room > 0 {
			p.grant(0) // for nothing
			synctest.Wait()
			p.grant(1)
			synctest.Wait()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	head, _ := p.topic.Head(t.Context())
	for i, c := range p.conns {
		s := p.sinks[i]
		if pos := c.Position(p.topic.Name()); pos != head {
			t.Errorf("the %d. %q: sink %d is at %s, head %s", nth, point, i, pos, head)
		}
		s.mu.Lock()
		got := strings.Fields(string(s.got))
		s.mu.Unlock()
		due, live := -1, 0
		for _, w := range got {
			if w == "live" {
				live++
				continue
			}
			var v int
			if _, err := fmt.Sscan(strings.TrimPrefix(w, "k="), &v); err != nil || due >= 0 && v != due {
				t.Fatalf("the %d. %q: sink %d got %q, due is %d", nth, point, i, got, due)
			}
			due = v + 1
		}
		if live != 1 || due != p.n {
			t.Fatalf("the %d. %q: sink %d got %q, up to %d of %d", nth, point, i, got, due, p.n)
		}
	}
}

// After a log has broken offsets come again; what is sent there is encoded once
// for each format, too.
func TestEncodedOnceAfterABreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, young := NewMemory(nil), NewMemory(nil)
		defer old.Close()
		defer young.Close()
		b := &handFed{Memory: old}
		h := New(&Options{Broker: b})
		defer h.Close()
		enc := &words{format: "words"}
		var sinks []*fakeSink
		for range 2 * len(h.shards) {
			s := &fakeSink{room: -1}
			sinks = append(sinks, s)
			follow(t, connect(t, h, s, ConnOptions{Encoder: enc}), "log", nil)
		}
		topic := TopicOf[string](h, "log", nil)
		publish(t, topic, "a", "b", "c", "d", "e")
		synctest.Wait()
		b.mu.Lock()
		b.Memory, b.last = young, Position{}
		b.mu.Unlock()
		b.mend() // the broker has lost everything
		synctest.Wait()
		enc.calls.Store(0)
		publish(t, topic, "x", "y", "z")
		for _, s := range sinks {
			wantText(t, "sink", s, "live a b c d e gap(epoch,-1) x y z")
		}
		if n := enc.calls.Load(); n != 3 {
			t.Errorf("%d calls of the encoder for 3 events", n)
		}
	})
}

// Once Unfollow has returned, nothing is sent but what is under way: not by a round
// that was about to begin, of which a new Follow of the topic would send the same
// events again.
func TestUnfollowedGetsNothingMore(t *testing.T) {
	for _, point := range []string{"lane reads", "lane sends"} {
		bubble(t, TopicConfig{}, func(t *testing.T, h *Hub) {
			log := TopicOf[string](h, "log", nil)
			s, other := &fakeSink{room: -1}, &fakeSink{room: -1}
			c, oc := connect(t, h, s, ConnOptions{}), connect(t, h, other, ConnOptions{})
			follow(t, c, "log", nil)
			follow(t, oc, "log", nil)
			wantText(t, "one", s, "live")
			wantText(t, "other", other, "live")
			var once sync.Once
			SetHook(h, func(at string) {
				if at != point {
					return
				}
				once.Do(func() {
					c.Unfollow("log")
					follow(t, c, "log", &FollowOptions{From: Live()})
					publish(t, log, "b")
				})
			})
			publish(t, log, "a")
			wantText(t, point+": one", s, "live b")
			wantText(t, point+": other", other, "a b")
			publish(t, log, "c")
			wantText(t, point+": one, then", s, "c")
			if got := c.Stats("log").Delivered; got != 2 {
				t.Errorf("%s: %d delivered, want 2", point, got)
			}
		})
	}
}
