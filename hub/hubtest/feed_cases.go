package hubtest

import (
	"fmt"

	"github.com/tidewire/tidewire/hub"
)

var feedCases = []Case{
	{Name: "feed/the newest record comes by itself", Run: feedNewest},
	{Name: "feed/each record comes once", Run: feedOnce},
	{Name: "feed/records come in order", Run: feedOrder},
	{Name: "feed/records are those of the log", Run: feedRecords},
	{Name: "feed/what comes after Attach comes", Run: feedAttach},
	{Name: "feed/detaching one leaves the other", Run: feedDetach},
	{Name: "feed/nothing comes after detaching", Run: feedDetached},
	{Name: "feed/ephemeral records have no position and are not kept", Run: feedEphemeral},
	{Name: "feed/an interruption is told", Run: feedInterrupted, needs: func(s *Setup) bool { return s.Interrupt != nil }},
}

func feedNewest(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Log))
	f, _ := c.attach()
	for i := range 3 {
		data := fmt.Sprint("event", i)
		c.publish(data)
		c.until(f, data, func() bool { return f.has(data) }, nil)
	}
}

// fed publishes events to a feed, from two brokers, and waits until all have come.
func fed(t T, s *Setup, n int) (*client, *collector, []hub.Position) {
	c, other := s.client(t, topic("t", hub.Log)), s.client(t, topic("t", hub.Log))
	f, _ := c.attach()
	var positions []hub.Position
	for i := range n {
		positions = append(positions, []*client{c, other}[i%2].publish(fmt.Sprint("event", i)))
	}
	c.until(f, "all events", func() bool {
		for i := range n {
			if !f.has(fmt.Sprint("event", i)) {
				return false
			}
		}
		return true
	}, c.poke)
	return c, f, positions
}

func feedOnce(t T, s *Setup) {
	_, f, _ := fed(t, s, 20)
	seen := map[hub.Position]bool{}
	for _, r := range f.all() {
		if seen[r.Pos] {
			t.Errorf("record %s came twice", show([]hub.Record{r}))
		}
		seen[r.Pos] = true
	}
}

func feedOrder(t T, s *Setup) {
	_, f, _ := fed(t, s, 20)
	seen := map[hub.Position]bool{}
	var last uint64
	for _, r := range f.all() {
		if seen[r.Pos] {
			continue
		}
		seen[r.Pos] = true
		if offset(r.Pos) < last {
			t.Fatalf("%d came after %d: %s", offset(r.Pos), last, show(f.all()))
		}
		last = offset(r.Pos)
	}
}

func feedRecords(t T, s *Setup) {
	c, f, positions := fed(t, s, 10)
	log := map[hub.Position]hub.Record{}
	for _, r := range c.log() {
		log[r.Pos] = r
	}
	came := map[hub.Position]bool{}
	for _, r := range f.all() {
		came[r.Pos] = true
		l, ok := log[r.Pos]
		if !ok || r.Prev != l.Prev || string(r.Data) != string(l.Data) || !r.Time.Equal(l.Time) || r.Key != l.Key || r.Name != l.Name {
			t.Errorf("the feed brought %+v, the log has %+v", r, l)
		}
	}
	for _, p := range positions {
		if !came[p] {
			t.Errorf("%s was acknowledged, and never came", p)
		}
	}
}

func feedAttach(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Log))
	for i := range 20 {
		f, detach := c.attach()
		data := fmt.Sprint("event", i)
		pos := c.publish(data)
		c.until(f, "something at or behind "+data, func() bool {
			for _, r := range f.all() {
				if offset(r.Pos) >= offset(pos) {
					return true
				}
			}
			return false
		}, c.poke)
		c.until(f, data, func() bool { return f.has(data) }, c.poke)
		detach()
	}
}

func feedDetach(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Log))
	_, one := c.attach()
	f, _ := c.attach()
	one()
	one()
	c.publish("event")
	c.until(f, "an event", func() bool { return f.has("event") }, c.poke)
}

func feedDetached(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Log))
	watch, _ := c.attach()
	f, detach := c.attach()
	c.publish("before")
	detach()
	for i := range 20 {
		after := fmt.Sprint("after", i)
		c.publish(after)
		c.until(watch, after, func() bool { return watch.has(after) }, c.poke)
	}
	for _, r := range f.all() {
		if string(r.Data) != "before" {
			t.Fatalf("it got %s", show(f.all()))
		}
	}
}

func feedEphemeral(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Ephemeral))
	c.publish("before")
	f, _ := c.attach()
	if pos := c.publish("event"); !pos.IsZero() {
		t.Errorf("it has position %s", pos)
	}
	c.until(f, "an event", func() bool { return f.has("event") }, func() { c.publish("event") })
	c.write(hub.Write{Op: hub.OpPut, Key: "k", Data: []byte("put")})
	c.until(f, "a put", func() bool { return f.has("put") }, func() { c.write(hub.Write{Op: hub.OpPut, Key: "k", Data: []byte("put")}) })
	for _, r := range f.all() {
		if !r.Pos.IsZero() {
			t.Errorf("%+v has a position", r)
		}
	}
	if f.has("before") {
		t.Errorf("it was kept")
	}
}

func feedInterrupted(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Log))
	f, _ := c.attach()
	mend := s.Interrupt()
	c.publish("lost")
	mend()
	c.publish("after")
	c.until(f, "the event, or word that it may be missing", func() bool {
		f.mu.Lock()
		ups := f.ups
		f.mu.Unlock()
		return ups > 0 || f.has("lost")
	}, c.poke)
}
