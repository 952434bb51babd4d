package hub

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

// crowd makes sinks that follow a keyed topic of so many rows and have taken
// nothing yet.
func crowd(t *testing.T, h *Hub, rows, conns int, enc Encoder) (sinks []*fakeSink) {
	t.Helper()
	topic := TopicOf[string](h, "keyed", nil)
	for i := range rows {
		writeAll(t, topic, fmt.Sprintf("k%d=%d", i, i))
	}
	for i := range conns {
		s := &fakeSink{}
		sinks = append(sinks, s)
		o := &FollowOptions{}
		if i%5 == 4 {
			o.Filter = func(ev *Event[[]byte]) bool { return ev.Key != "k7" }
		}
		follow(t, connect(t, h, s, ConnOptions{Encoder: enc}), "keyed", o)
	}
	synctest.Wait()
	return sinks
}

// Whoever reads a snapshot together has its rows encoded once; when all have left
// it the frames are gone, and so are their bytes.
func TestSnapshotIsEncodedOnceForACrowd(t *testing.T) {
	bubble(t, TopicConfig{}, func(t *testing.T, h *Hub) {
		const rows, conns = 1000, 20
		enc := &words{format: "words"}
		sinks := crowd(t, h, rows, conns, enc)
		retained := h.Topics()[0].Bytes
		enc.calls.Store(0)
		for range 100 {
			for _, s := range sinks {
				s.grant(2)
			}
			synctest.Wait()
		}
		if used := h.total.used.Load(); used != retained {
			t.Errorf("%d bytes are used, %d retained", used, retained)
		}
		if n := enc.calls.Load(); n > rows+conns {
			t.Errorf("%d calls for %d rows and %d markers", n, rows, conns)
		}
		for i, s := range sinks {
			want := rows + 1
			if i%5 == 4 {
				want--
			}
			words := strings.Fields(s.text())
			seen := map[string]bool{}
			for _, w := range words {
				seen[w] = true
			}
			if len(words) != want || len(seen) != want || words[want-1] != "live" || seen["k7=7*"] != (i%5 != 4) || !seen["k999=999*"] {
				t.Errorf("sink %d got %d words, %d different, %q", i, len(words), len(seen), words[max(0, len(words)-3):])
			}
		}
	})
}

// The frames are let go when the snapshot has expired, and are not kept where there
// is no room for them; what is sent is the same.
func TestFramesOfASnapshotAreBounded(t *testing.T) {
	bubble(t, TopicConfig{MaxEvents: 10}, func(t *testing.T, h *Hub) {
		sinks := crowd(t, h, 300, 10, nil)
		topic := TopicOf[string](h, "keyed", nil)
		for _, s := range sinks {
			s.grant(1)
		}
		synctest.Wait()
		if used, bytes := h.total.used.Load(), h.Topics()[0].Bytes; used <= bytes {
			t.Errorf("%d bytes are used, %d retained: the frames are not counted", used, bytes)
		}
		for i := range 20 {
			writeAll(t, topic, fmt.Sprintf("k0=%d", i))
		}
		if used, bytes := h.total.used.Load(), h.Topics()[0].Bytes; used != bytes {
			t.Errorf("%d bytes are used, %d retained", used, bytes)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		h := New(&Options{MaxBytes: 130_000, Configure: kindsByPrefix(TopicConfig{MaxEvents: 10})})
		defer h.Close()
		enc := &words{format: "words"}
		sinks := crowd(t, h, 300, 10, enc)
		h.total.max = h.total.used.Load() // no room for anything more
		for range 100 {
			for _, s := range sinks {
				s.grant(2)
			}
			synctest.Wait()
		}
		if used, bytes := h.total.used.Load(), h.Topics()[0].Bytes; used != bytes {
			t.Errorf("%d bytes are used, %d retained", used, bytes)
		}
		for i, s := range sinks {
			if n := len(strings.Fields(s.text())); n != 301 && (i%5 != 4 || n != 300) {
				t.Errorf("sink %d got %d words", i, n)
			}
		}
	})
}

// A row that can't be encoded ends those who want it, after the rows before it.
func TestARowThatCannotBeEncoded(t *testing.T) {
	bubble(t, TopicConfig{}, func(t *testing.T, h *Hub) {
		topic := TopicOf[string](h, "keyed", nil)
		writeAll(t, topic, "a=1", "b=bad", "c=3")
		ended := make(chan error, 10)
		var sinks []*fakeSink
		for i := range 3 {
			s := &fakeSink{}
			sinks = append(sinks, s)
			o := &FollowOptions{}
			if i == 2 {
				o.Filter = func(ev *Event[[]byte]) bool { return ev.Key != "b" }
			}
			follow(t, connect(t, h, s, ConnOptions{Ended: func(_ string, _ Position, err error) { ended <- err }}), "keyed", o)
		}
		synctest.Wait()
		for range 5 {
			for _, s := range sinks {
				s.grant(-1)
			}
			synctest.Wait()
		}
		for i, want := range []string{"a=1*", "a=1*", "a=1* c=3* live"} {
			if got := sinks[i].text(); got != want {
				t.Errorf("sink %d got %q, want %q", i, got, want)
			}
		}
		if len(ended) != 2 {
			t.Errorf("%d ended", len(ended))
		}
	})
}
