package hub

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
)

// A checker is a sink that follows topics and proves each frame: a log goes on
// from where it was, or says what is missing.
type checker struct {
	fakeSink
	next map[string]uint64            // offset that is due; absent: any
	rows map[string]map[string]string // the table as the follower has it
	// merges: the keyed topic is followed with Coalesce, so offsets are left out.
	merges bool
}

func (c *checker) take(t *testing.T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for line := range strings.Lines(string(c.got)) {
		f := strings.Split(strings.TrimSpace(line), "|")
		topic, kind, key, value := f[0], f[1], f[3], f[4]
		var off uint64
		fmt.Sscan(f[2], &off)
		switch kind {
		case "gap":
			c.next[topic] = off + 1
			continue
		case "reset":
			c.rows[topic] = map[string]string{}
			delete(c.next, topic)
			continue
		case "live":
			if n := c.next[topic]; n != 0 && n != off+1 && !(c.merges && topic == "keyed") {
				t.Errorf("%s: live at %d, due is %d", topic, off, n)
			}
			c.next[topic] = off + 1
			continue
		case "row":
			c.rows[topic][key] = value
			continue
		}
		if n := c.next[topic]; n != 0 && n != off && !(c.merges && topic == "keyed" && n < off) {
			t.Fatalf("%s: got offset %d, due is %d", topic, off, n)
		}
		c.next[topic] = off + 1
		if c.rows[topic] != nil {
			if c.rows[topic][key] = value; kind == "del" {
				delete(c.rows[topic], key)
			}
		}
	}
	c.got = nil
}

type lines struct{ format string }

func (l lines) Format() string { return l.format }
func (lines) AppendFrame(dst []byte, ev *Event[[]byte]) ([]byte, error) {
	kind := "event"
	switch {
	case ev.Marker != NoMarker:
		kind = ev.Marker.String()
	case ev.Deleted:
		kind = "del"
	case ev.Pos.IsZero():
		kind = "row"
	}
	return fmt.Appendf(dst, "%s|%s|%d|%s|%s\n", ev.Topic, kind, ev.Pos.off, ev.Key, ev.Data), nil
}

// Random writes, sinks that fill and drain, topics that are left and entered
// again, from where they were: each stream is whole, or says what is missing,
// tables come out equal, and the accounts add up.
func TestPushModel(t *testing.T) {
	for seed := range uint64(100) {
		bubble(t, TopicConfig{MaxEvents: []int{3, 20, 400}[seed%3]}, func(t *testing.T, h *Hub) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			for _, s := range h.shards {
				s.turn = 1 + rnd.IntN(5) // interrupts the rounds
			}
			topics := []string{"log", "keyed", "log.b"}
			var conns []*Conn
			var sinks []*checker
			for i := range 12 {
				s := &checker{next: map[string]uint64{}, rows: map[string]map[string]string{}}
				s.room = -1
				sinks = append(sinks, s)
				conns = append(conns, connect(t, h, s, ConnOptions{Encoder: lines{fmt.Sprint(i % 2)}}))
			}
			begin := make([]map[string]uint64, len(conns))
			for i := range begin {
				begin[i] = map[string]uint64{}
			}
			for range 400 {
				i := rnd.IntN(len(conns))
				c, s, topic := conns[i], sinks[i], topics[rnd.IntN(3)]
				switch rnd.IntN(10) {
				case 0:
					o := &FollowOptions{Policy: SkipWithGap}
					if topic == "keyed" && rnd.IntN(3) == 0 {
						o.Policy = Coalesce
					}
					if n := c.follower(topic); n != nil {
						continue
					}
					synctest.Wait()
					s.take(t)
					head, _ := h.Topic(topic).Head(t.Context())
					begin[i][topic] = head.off
					delete(s.next, topic)
					delete(s.rows, topic)
					if topic == "keyed" {
						s.rows[topic] = map[string]string{}
					}
					if o.Policy == Coalesce {
						s.merges = true
					}
					follow(t, c, topic, o)
				case 1:
					s.grant(0)
				case 2, 3:
					s.grant(rnd.IntN(4))
				case 4:
					s.grant(-1)
				case 5:
					synctest.Wait()
				default:
					for range 1 + rnd.IntN(3) {
						if topic != "keyed" {
							h.Topic(topic).Publish(t.Context(), fmt.Append(nil, rnd.IntN(100)))
						} else if k := fmt.Sprint("k", rnd.IntN(5)); rnd.IntN(4) == 0 {
							h.Topic(topic).Delete(t.Context(), k)
						} else {
							h.Topic(topic).Put(t.Context(), k, fmt.Append(nil, rnd.IntN(100)))
						}
					}
				}
			}
			table := map[string]string{}
			snap, _ := h.Topic("keyed").Snapshot(t.Context())
			for e := range snap.All() {
				table[e.Key] = string(e.Data)
			}
			for i, s := range sinks {
				for range 200 {
					s.grant(-1)
					synctest.Wait()
				}
				for _, topic := range conns[i].Topics() {
					head, _ := h.Topic(topic).Head(t.Context())
					a := conns[i].Stats(topic)
					if sum := a.Delivered + a.Filtered + a.Superseded + a.Missed; sum != head.off-begin[i][topic] || conns[i].Position(topic) != head {
						t.Errorf("seed %d: %s of connection %d: accounts %+v, %d published since; at %s, head %s", seed, topic, i, a, head.off-begin[i][topic], conns[i].Position(topic), head)
					}
				}
				s.take(t)
				if rows := s.rows["keyed"]; rows != nil && fmt.Sprint(rows) != fmt.Sprint(table) {
					t.Errorf("seed %d: connection %d has %v, want %v", seed, i, rows, table)
				}
			}
		})
		if t.Failed() {
			return
		}
	}
}
