package hub

import (
	"fmt"
	"testing"
)

// hookPoints are the places between two steps of subscribing and reading where
// something may come in between: the topic has been looked up but not joined;
// joined; a read is about to begin; the reader is about to sleep.
var hookPoints = []string{"found", "joined", "fetch", "wait"}

// TestPublishBetweenAnySteps forces a write at each point, once and every time,
// and at every start: the stream must be the log, without hole or repetition.
func TestPublishBetweenAnySteps(t *testing.T) {
	for _, kind := range []string{"log", "keyed"} {
		for _, point := range hookPoints {
			for _, start := range []string{"start", "live", "last", "after", "after the first"} {
				for _, always := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%s/%s/%v", kind, point, start, always), func(t *testing.T) {
						publishBetween(t, kind, point, start, always)
					})
				}
			}
		}
	}
}

func publishBetween(t *testing.T, kind, point, start string, always bool) {
	h := newHub(t, TopicConfig{})
	topic := TopicOf[int](h, kind, nil)
	n := 0
	write := func() (pos Position) {
		var err error
		if kind == "log" {
			pos, err = topic.Publish(t.Context(), n)
		} else {
			pos, err = topic.Put(t.Context(), fmt.Sprint(n%3), n)
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
		return pos
	}
	first := write()
	for range 4 {
		write()
	}
	head := write()

	forced := 0
	inside := false
	SetHook(h, func(at string) {
		if at == point && !inside && n < 50 && (always || forced == 0) {
			inside = true
			forced++
			write()
			inside = false
		}
	})
	o := &SubOptions[int]{Batch: 2}
	next := -1 // the value that is due; -1: what the stream begins with
	switch start {
	case "start":
		o.From = Start()
		if kind == "log" {
			next = 0
		}
	case "live":
		o.From = Live()
	case "last":
		o.From = Last(2)
	case "after":
		o.From, next = After(head), 6
	case "after the first":
		o.From, next = After(first), 1
	}
	s := subscribe(t, topic, o)
	rows := map[string]int{}
	live := false
	for {
		events := drain(t, s)
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			switch {
			case e.Marker == MarkLive && !live:
				live = true
				if next < 0 {
					next = int(e.Pos.off)
				}
				if next != int(e.Pos.off) {
					t.Errorf("live at %d, the last value was %d", e.Pos.off, next-1)
				}
			case e.Marker != NoMarker:
				t.Fatalf("a %s marker", e.Marker)
			case e.Pos.IsZero() && !live:
				rows[e.Key] = e.Value
			default:
				if next < 0 && start == "last" {
					next = e.Value
				}
				if e.Value != next {
					t.Fatalf("got %d, want %d", e.Value, next)
				}
				if kind == "keyed" && start == "start" && rows[e.Key] != e.Value-3 {
					t.Errorf("%d came upon %d", e.Value, rows[e.Key])
				}
				rows[e.Key] = e.Value
				next++
			}
		}
	}
	if !live || next != n || forced == 0 {
		t.Errorf("live %v, read up to %d of %d, %d forced", live, next, n, forced)
	}
	if head, _ := topic.Head(t.Context()); s.Position() != head {
		t.Errorf("position %s, head %s", s.Position(), head)
	}
}
