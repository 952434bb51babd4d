package hub

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// A connection gets what a reader by Next would get, from every start.
func TestPushStarts(t *testing.T) {
	bubble(t, TopicConfig{MaxEvents: 4}, func(t *testing.T, h *Hub) {
		log, keyed, eph := TopicOf[string](h, "log", nil), TopicOf[string](h, "keyed", nil), TopicOf[string](h, "eph", nil)
		a := publish(t, log, "a")
		publish(t, log, "b", "c", "d", "e")
		f := publish(t, log, "f")
		k := writeAll(t, keyed, "a=1")
		writeAll(t, keyed, "b=1", "c=1", "d=1", "-b", "a=2")
		writeAll(t, eph, "k=1")
		sinks := map[string]*fakeSink{}
		for _, tt := range []struct {
			name, topic string
			from        From
			want        string
		}{
			{"log", "log", From{}, "live"},
			{"log start", "log", Start(), "c d e f live"},
			{"log last", "log", Last(2), "e f live"},
			{"log after the head", "log", After(f), "live"},
			{"log too old", "log", After(a), "gap(trimmed,1) c d e f live"},
			{"keyed", "keyed", From{}, "a=2* c=1* d=1* live"},
			{"keyed live", "keyed", Live(), "live"},
			{"keyed too old", "keyed", After(k), "reset(trimmed,5) a=2* c=1* d=1* live"},
			{"ephemeral", "eph", Start(), "k=1* live*"},
		} {
			s := &fakeSink{room: -1}
			c := connect(t, h, s, ConnOptions{})
			follow(t, c, tt.topic, &FollowOptions{From: tt.from})
			if synctest.Wait(); tt.topic == "keyed" {
				got := strings.Fields(s.text())
				if want := strings.Fields(tt.want); len(got) != len(want) || got[0] != want[0] && got[0][0] == 'r' || got[len(got)-1] != "live" {
					t.Errorf("%s: got %q, want %q", tt.name, got, want)
				}
			} else {
				wantText(t, tt.name, s, tt.want)
			}
			if head, _ := h.Topic(tt.topic).Head(t.Context()); c.Position(tt.topic) != head {
				t.Errorf("%s: position %s, head %s", tt.name, c.Position(tt.topic), head)
			}
			sinks[tt.name] = s
		}
		publish(t, log, "g", "h")
		writeAll(t, keyed, "z=1")
		writeAll(t, eph, "k=2")
		synctest.Wait()
		for name, s := range sinks {
			want := map[string]string{"l": "g h", "k": "z=1", "e": "k=2*"}[name[:1]]
			wantText(t, name+", then", s, want)
		}
	})
}

// Whoever is full stays behind, at whatever piece, and goes on exactly there;
// others are not concerned.
func TestFullSinkGoesOnWhereItWas(t *testing.T) {
	bubble(t, TopicConfig{}, func(t *testing.T, h *Hub) {
		log := TopicOf[string](h, "log", nil)
		keyed := TopicOf[string](h, "keyed", nil)
		writeAll(t, keyed, "a=1", "b=1")
		fast, slow := &fakeSink{room: -1}, &fakeSink{}
		fc, sc := connect(t, h, fast, ConnOptions{}), connect(t, h, slow, ConnOptions{})
		for _, c := range []*Conn{fc, sc} {
			follow(t, c, "log", nil)
			follow(t, c, "keyed", nil)
		}
		wantText(t, "fast", fast, "live a=1* b=1* live")
		publish(t, log, "x", "y")
		writeAll(t, keyed, "c=1")
		wantText(t, "fast", fast, "x y c=1")
		wantText(t, "slow", slow, "")
		var got []string
		for i := 0; len(got) < 8 && i < 30; i++ {
			slow.grant(1)
			synctest.Wait()
			got = append(got, strings.Fields(slow.text())...)
		}
		var logs, keys []string
		lives := 0
		for _, w := range got {
			switch {
			case w == "live":
				lives++
			case strings.Contains(w, "="):
				keys = append(keys, w)
			default:
				logs = append(logs, w)
			}
		}
		if fmt.Sprint(logs, keys, lives) != "[x y] [a=1* b=1* c=1] 2" {
			t.Errorf("slow: %q", got)
		}
		slow.grant(-1)
		publish(t, log, "z")
		wantText(t, "slow, again with the others", slow, "z")
		wantText(t, "fast", fast, "z")
		want := SubStats{Delivered: 3}
		if a, b := fc.Stats("log"), sc.Stats("log"); a != want || b != want {
			t.Errorf("accounts %+v and %+v, want %+v", a, b, want)
		}
		if a, b := fc.Position("log"), sc.Position("log"); a != b || a.off != 3 {
			t.Errorf("positions %s and %s", a, b)
		}
	})
}

// The policies are those of readers.
func TestPushPolicies(t *testing.T) {
	bubble(t, TopicConfig{MaxEvents: 3}, func(t *testing.T, h *Hub) {
		log, keyed := TopicOf[string](h, "log", nil), TopicOf[string](h, "keyed", nil)
		var ended []string
		var mu sync.Mutex
		o := ConnOptions{Ended: func(topic string, pos Position, err error) {
			mu.Lock()
			defer mu.Unlock()
			slow, _ := errors.AsType[*SlowError](err)
			ended = append(ended, fmt.Sprint(topic, " ", slow != nil && slow.Pos == pos && slow.Missed == 2))
		}}
		skip, cut, merge := &fakeSink{room: -1}, &fakeSink{room: -1}, &fakeSink{room: -1}
		follow(t, connect(t, h, skip, o), "log", &FollowOptions{Policy: SkipWithGap})
		cutConn := connect(t, h, cut, o)
		follow(t, cutConn, "log", nil)
		follow(t, connect(t, h, merge, o), "keyed", &FollowOptions{Policy: Coalesce})
		synctest.Wait()
		for _, s := range []*fakeSink{skip, cut, merge} {
			s.text()
			s.grant(0)
		}
		for i := range 5 {
			publish(t, log, fmt.Sprint(i))
			writeAll(t, keyed, fmt.Sprintf("k=%d", i%2), fmt.Sprintf("m=%d", i))
			synctest.Wait()
		}
		skip.grant(-1)
		cut.grant(-1)
		merge.grant(-1)
		wantText(t, "skip", skip, "gap(dropped,2) 2 3 4")
		wantText(t, "cut", cut, "")
		wantText(t, "merge", merge, "reset(dropped,10) k=0* m=4* live")
		mu.Lock()
		if fmt.Sprint(ended) != "[log true]" {
			t.Errorf("ended: %q", ended)
		}
		mu.Unlock()
		if n := cutConn.Topics(); len(n) != 0 {
			t.Errorf("still followed: %q", n)
		}
		merge.grant(0)
		writeAll(t, keyed, "k=1", "k=2")
		synctest.Wait()
		merge.grant(-1)
		wantText(t, "merge, within the log", merge, "k=2")
	})
}

// Each event is encoded once for each format, however many follow and in however
// many shards; afterwards the frames are gone, and so are their bytes.
func TestEncodedOncePerEventAndFormat(t *testing.T) {
	bubble(t, TopicConfig{}, func(t *testing.T, h *Hub) {
		topic := TopicOf[string](h, "log", nil)
		encoders := []*words{{format: "a"}, {format: "b"}}
		var sinks []*fakeSink
		for i := range 100 {
			s := &fakeSink{room: -1}
			sinks = append(sinks, s)
			follow(t, connect(t, h, s, ConnOptions{Encoder: encoders[i%2]}), "log", nil)
		}
		synctest.Wait()
		for _, e := range encoders {
			e.calls.Store(0)
		}
		const events = 50
		for i := range events {
			publish(t, topic, fmt.Sprint(i))
			if i%7 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		for _, e := range encoders {
			if n := e.calls.Load(); n != events {
				t.Errorf("format %s: %d calls, want %d", e.format, n, events)
			}
		}
		var want strings.Builder
		for i := range events {
			want.WriteString(fmt.Sprint(" ", i))
		}
		for i, s := range sinks {
			wantText(t, fmt.Sprint("sink ", i), s, "live"+want.String())
		}
		in, _ := h.open("log")
		for i := range in.log.ring.n {
			if in.log.ring.at(i).frames.Load() != nil {
				t.Fatalf("event %d still has frames", i)
			}
		}
		if got, want := in.log.bytes(), int64(events*(entryOverhead+4)-10); got != want || h.total.used.Load() != want {
			t.Errorf("%d bytes in the log, %d in the hub, want %d", got, h.total.used.Load(), want)
		}
	})
}

// While frames are needed they count: old events give way to them.
func TestFramesCountAsBytes(t *testing.T) {
	bubble(t, TopicConfig{MaxEvents: -1, MaxBytes: 10 * (entryOverhead + 102)}, func(t *testing.T, h *Hub) {
		topic := TopicOf[string](h, "log", nil)
		for range 20 {
			publish(t, topic, strings.Repeat("x", 100))
		}
		if n := h.Topics()[0].Events; n != 10 {
			t.Fatalf("%d events", n)
		}
		var most int64
		s := &fakeSink{room: -1}
		c := connect(t, h, s, ConnOptions{Encoder: probe{func() { most = max(most, h.Topics()[0].Bytes) }}})
		follow(t, c, "log", nil)
		synctest.Wait()
		for range 5 {
			publish(t, topic, strings.Repeat("x", 100))
			synctest.Wait()
		}
		if most > 10*(entryOverhead+102) {
			t.Errorf("%d bytes", most)
		}
		if n := h.Topics()[0].Events; n >= 10 {
			t.Errorf("%d events: nothing gave way to the frames", n)
		}
	})
}

// What does not fit is an end, or is refused, and says so.
func TestPushEnds(t *testing.T) {
	bubble(t, TopicConfig{}, func(t *testing.T, h *Hub) {
		topic := TopicOf[string](h, "log", nil)
		errDead := errors.New("cable cut")
		type end struct {
			topic string
			err   error
		}
		var ends []end
		var mu sync.Mutex
		take := func() (list []end) {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			list, ends = ends, nil
			return list
		}
		o := ConnOptions{Ended: func(topic string, pos Position, err error) {
			mu.Lock()
			defer mu.Unlock()
			ends = append(ends, end{topic, err})
		}}

		s := &fakeSink{room: -1}
		c := connect(t, h, s, o)
		follow(t, c, "log", nil)
		if err := c.Follow(t.Context(), "log", nil); err == nil {
			t.Error("followed twice")
		}
		if !c.Unfollow("log") || c.Unfollow("log") {
			t.Error("Unfollow")
		}
		follow(t, c, "log", nil)
		if l := take(); len(l) != 0 {
			t.Errorf("Unfollow was told: %v", l)
		}
		s.mu.Lock()
		s.err = errDead
		s.mu.Unlock()
		publish(t, topic, "a")
		if l := take(); len(l) != 1 || !errors.Is(l[0].err, errDead) {
			t.Errorf("dead sink: %v", l)
		}
		if err := c.Follow(t.Context(), "log", nil); !errors.Is(err, errDead) {
			t.Errorf("Follow on a dead sink: %v", err)
		}

		// A frame that is larger than all the room there ever is.
		never := &fakeSink{}
		follow(t, connect(t, h, never, o), "log", nil)
		for range maxRefusals + 2 {
			synctest.Wait()
			never.grant(0)
		}
		if l := take(); len(l) != 1 || !errors.Is(l[0].err, ErrFull) {
			t.Errorf("a sink that is never writable: %v", l)
		}

		// An encoder that refuses: those in a group and those on their own.
		bad, other := connect(t, h, &fakeSink{room: -1}, o), &fakeSink{room: -1}
		follow(t, bad, "log", nil)
		follow(t, connect(t, h, other, ConnOptions{Encoder: probe{func() {}}}), "log", nil)
		synctest.Wait()
		publish(t, topic, "bad", "c")
		l := take()
		if len(l) != 1 {
			t.Fatalf("refused by the encoder: %v", l)
		}
		if e, ok := errors.AsType[*EncodeError](l[0].err); !ok || e.Topic != "log" {
			t.Errorf("refused by the encoder: %v", l)
		}
		if n := len(other.text()); n != 3*500 {
			t.Errorf("the other format got %d bytes", n)
		}

		// Close tells nobody, the hub's Close everybody.
		closed := connect(t, h, &fakeSink{room: -1}, o)
		follow(t, closed, "log", nil)
		closed.Close()
		follow(t, connect(t, h, &fakeSink{room: -1}, o), "log", nil)
		h.Close()
		if l := take(); len(l) != 1 || l[0].err != ErrClosed {
			t.Errorf("Close: %v", l)
		}
		if _, err := h.Connect(s, o); err == nil {
			t.Error("Connect to a closed hub")
		}
	})
}

func TestLimitOnFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(&Options{MaxFollows: 2})
		defer h.Close()
		c := connect(t, h, &fakeSink{room: -1}, ConnOptions{})
		follow(t, c, "a", nil)
		follow(t, c, "b", nil)
		err := c.Follow(t.Context(), "c", nil)
		if l, ok := errors.AsType[*LimitError](err); !ok || l.Option != "Options.MaxFollows" {
			t.Errorf("%v", err)
		}
		c.Unfollow("a")
		follow(t, c, "c", nil)
		if got := fmt.Sprint(c.Topics()); got != "[b c]" {
			t.Errorf("follows %s", got)
		}
	})
}

// Whoever comes back in the middle of a round, when those of its format have been
// served already, still gets the event.
func TestComesBackInTheMiddleOfARound(t *testing.T) {
	bubble(t, TopicConfig{}, func(t *testing.T, h *Hub) {
		h.shards = h.shards[:1]
		h.shards[0].turn = 1
		x, y := TopicOf[string](h, "log.x", nil), TopicOf[string](h, "log.y", nil)
		late := &fakeSink{room: -1}
		var sinks []Sink
		sinks = append(sinks, &fakeSink{room: -1}, late)
		grant := false
		for range 3 {
			sinks = append(sinks, &hookSink{f: func() {
				if grant {
					grant = false
					late.grant(-1)
				}
			}})
		}
		for i, s := range sinks {
			c := connect(t, h, s, ConnOptions{Encoder: &words{format: fmt.Sprint(i >= 2)}})
			follow(t, c, "log.x", nil)
			if s == late {
				follow(t, c, "log.y", nil)
			}
			synctest.Wait()
		}
		late.text()
		late.grant(0)
		publish(t, y, "full")
		synctest.Wait()
		grant = true
		publish(t, x, "event")
		synctest.Wait()
		if grant {
			t.Fatal("the other format was not served")
		}
		got := strings.Fields(late.text())
		slices.Sort(got)
		if fmt.Sprint(got) != "[event full]" {
			t.Errorf("got %q", got)
		}
	})
}

// The count of connections may go past what an int of 32 bits holds (GOARCH=386).
func TestConnectionsPastTwoBillion(t *testing.T) {
	h := newHub(t, TopicConfig{})
	h.nextShard.Store(1<<31 - 2)
	for range 4 {
		connect(t, h, &nullSink{}, ConnOptions{})
	}
}

// Until a full sink says that it is writable it is not asked again, for no topic.
func TestFullSinkIsLeftAlone(t *testing.T) {
	for _, filter := range []func(*Event[[]byte]) bool{nil, func(*Event[[]byte]) bool { return true }} {
		bubble(t, TopicConfig{}, func(t *testing.T, h *Hub) {
			a, b := TopicOf[string](h, "a", nil), TopicOf[string](h, "b", nil)
			s := &fakeSink{room: -1}
			c := connect(t, h, s, ConnOptions{})
			follow(t, c, "a", &FollowOptions{Filter: filter})
			follow(t, c, "b", &FollowOptions{Filter: filter})
			wantText(t, "begin", s, "live live")
			s.mu.Lock()
			s.room, s.tries = 0, 0
			s.mu.Unlock()
			for range 3 {
				publish(t, a, "x")
				synctest.Wait()
				publish(t, b, "x")
				synctest.Wait()
			}
			follow(t, c, "c", nil)
			synctest.Wait()
			s.mu.Lock()
			tries := s.tries
			s.mu.Unlock()
			if tries != 1 {
				t.Errorf("asked %d times, want 1", tries)
			}
			s.grant(-1)
			synctest.Wait()
			if got := len(strings.Fields(s.text())); got != 7 { // a, b, and the marker of c
				t.Errorf("%d frames, want 7", got)
			}
		})
	}
}
