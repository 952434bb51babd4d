package hubtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/hub"
)

// What hubs make of the broker: these cases are about both. They ask for nothing
// that the others do not ask for, but that it works together.
var hubCases = []Case{
	{Name: "hub/all hubs see all events in one order", Run: hubOrder},
	{Name: "hub/tables come out equal", Run: hubTables},
	{Name: "hub/an interruption loses nothing", Run: hubInterrupted, needs: func(s *Setup) bool { return s.Interrupt != nil }},
	{Name: "hub/a fork is told to those beyond it", Run: hubFork, needs: func(s *Setup) bool { return s.LoseTail != nil }},
	{Name: "hub/a restart is told", Run: hubRestart, needs: func(s *Setup) bool { return s.Restart != nil }},
}

func (s *Setup) hub(t T) *hub.Hub {
	h := hub.New(&hub.Options{Broker: s.Open(), Configure: func(name string) (hub.TopicConfig, error) {
		if name == "keyed" {
			return hub.TopicConfig{Kind: hub.Keyed}, nil
		}
		return hub.TopicConfig{}, nil
	}})
	t.Cleanup(func() { h.Close() })
	return h
}

// A reader follows a topic. It writes to it when nothing comes for a while, so
// that what was lost on the way is noticed.
type reader struct {
	T
	sub  *hub.Sub[[]byte]
	poke func()
}

func follow(t T, h *hub.Hub, topic string, from hub.From) *reader {
	t.Helper()
	in := h.Topic(topic)
	sub, err := in.Subscribe(t.Context(), &hub.SubOptions[[]byte]{From: from, Policy: hub.SkipWithGap})
	if err != nil {
		t.Fatalf("Subscribe: %v", err)
	}
	t.Cleanup(func() { sub.Close() })
	return &reader{t, sub, func() {
		if topic == "keyed" {
			in.Put(t.Context(), "poke", []byte("poke"))
		} else {
			in.Publish(t.Context(), []byte("poke"))
		}
	}}
}

// until reads events until one is the last, pokes excepted.
func (r *reader) until(last func(*hub.Event[[]byte]) bool) (events []*hub.Event[[]byte]) {
	r.Helper()
	end := time.Now().Add(patience)
	wait := 50 * time.Millisecond
	for time.Now().Before(end) {
		ctx, cancel := context.WithTimeout(r.Context(), wait)
		batch, err := r.sub.Next(ctx)
		cancel()
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			r.poke()
			wait *= 2
		case err != nil:
			r.Fatalf("reading: %v", err)
		}
		for _, e := range batch {
			if string(e.Data) != "poke" {
				events = append(events, e)
			}
			if last(e) {
				return events
			}
		}
	}
	r.Fatalf("waited in vain; got %s", words(events))
	return nil
}

func data(want string) func(*hub.Event[[]byte]) bool {
	return func(e *hub.Event[[]byte]) bool { return string(e.Data) == want }
}

func marker(want hub.Marker) func(*hub.Event[[]byte]) bool {
	return func(e *hub.Event[[]byte]) bool { return e.Marker == want }
}

// words writes events without what tells nothing.
func words(events []*hub.Event[[]byte]) string {
	var s strings.Builder
	for _, e := range events {
		switch {
		case e.Gap != nil:
			s.WriteString(fmt.Sprintf("gap(%s) ", e.Gap.Reason))
		case e.Reset != nil:
			s.WriteString(fmt.Sprintf("reset(%s) ", e.Reset.Reason))
		case e.Marker != hub.NoMarker:
			s.WriteString(e.Marker.String() + " ")
		case e.Key != "":
			s.WriteString(fmt.Sprintf("%s=%s ", e.Key, e.Data))
		default:
			s.WriteString(string(e.Data) + " ")
		}
	}
	return s.String()
}

func hubOrder(t T, s *Setup) {
	const hubs, each = 3, 30
	var wg sync.WaitGroup
	var readers []*reader
	for i := range hubs {
		h := s.hub(t)
		readers = append(readers, follow(t, h, "log", hub.Start()))
		wg.Go(func() {
			for j := range each {
				if _, err := h.Topic("log").Publish(t.Context(), fmt.Append(nil, i, "/", j)); err != nil {
					t.Errorf("Publish: %v", err)
				}
			}
		})
	}
	wg.Wait()
	end := s.client(t, topic("log", hub.Log))
	end.publish("end")
	var want string
	for i, r := range readers {
		var got []*hub.Event[[]byte]
		for _, e := range r.until(data("end")) {
			if e.Marker != hub.MarkLive {
				got = append(got, e)
			}
		}
		if len(got) != hubs*each+1 {
			t.Errorf("hub %d saw %d of %d events: %s", i, len(got), hubs*each+1, words(got))
		}
		if i == 0 {
			want = words(got)
		} else if words(got) != want {
			t.Errorf("hub %d saw %s, the first one %s", i, words(got), want)
		}
	}
}

func hubTables(t T, s *Setup) {
	a, b := s.hub(t), s.hub(t)
	early := follow(t, b, "keyed", hub.Start())
	for i := range 40 {
		key := fmt.Sprint("k", i%7)
		var err error
		if i%5 == 4 {
			if _, err = a.Topic("keyed").Delete(t.Context(), key); errors.Is(err, hub.ErrNoKey) {
				err = nil
			}
		} else {
			_, err = a.Topic("keyed").Put(t.Context(), key, fmt.Append(nil, i))
		}
		if err != nil {
			t.Fatalf("write %d: %v", i, err)
		}
	}
	if _, err := a.Topic("keyed").Put(t.Context(), "end", []byte("end")); err != nil {
		t.Fatalf("Put: %v", err)
	}
	table := func(events []*hub.Event[[]byte]) string {
		m := map[string]string{}
		for _, e := range events {
			if e.Marker != hub.NoMarker || string(e.Data) == "poke" {
				continue
			}
			if m[e.Key] = string(e.Data); e.Deleted {
				delete(m, e.Key)
			}
		}
		return fmt.Sprint(m)
	}
	rows, _ := s.client(t, topic("keyed", hub.Keyed)).rows()
	delete(rows, "poke")
	want := fmt.Sprint(rows)
	if got := table(early.until(data("end"))); got != want {
		t.Errorf("who followed from the beginning has %s, want %s", got, want)
	}
	late := follow(t, s.hub(t), "keyed", hub.Start())
	if got := table(late.until(data("end"))); got != want {
		t.Errorf("who came later has %s, want %s", got, want)
	}
}

func hubInterrupted(t T, s *Setup) {
	h := s.hub(t)
	r := follow(t, h, "log", hub.Start())
	c := s.client(t, topic("log", hub.Log))
	var want strings.Builder
	for i := range 10 {
		var mend func()
		if i%3 == 1 {
			mend = s.Interrupt()
		}
		for j := range 5 {
			c.publish(fmt.Sprint(i, ".", j))
			want.WriteString(fmt.Sprint(i, ".", j, " "))
		}
		if mend != nil {
			mend()
		}
	}
	c.publish("end")
	var got []*hub.Event[[]byte]
	for _, e := range r.until(data("end")) {
		if e.Marker != hub.MarkLive {
			got = append(got, e)
		}
	}
	if words(got) != want.String()+"end " {
		t.Errorf("got %s, want %s", words(got), want.String())
	}
}

func hubFork(t T, s *Setup) {
	h := s.hub(t)
	log, keyed := s.client(t, topic("log", hub.Log)), s.client(t, topic("keyed", hub.Keyed))
	beyond, beyondKeyed := follow(t, h, "log", hub.Start()), follow(t, h, "keyed", hub.Start())
	var positions []hub.Position
	for i := range 10 {
		positions = append(positions, log.publish(fmt.Sprint(i)))
		keyed.put("k", fmt.Sprint(i))
	}
	beyond.until(data("9"))
	beyondKeyed.until(data("9"))
	before := follow(t, h, "log", hub.After(positions[2])) // and has not read yet
	s.LoseTail("log", 4)
	s.LoseTail("keyed", 4)
	log.publish("new")
	keyed.put("j", "new")
	if got := words(beyond.until(data("new"))); got != "gap(fork) new " {
		t.Errorf("beyond the fork: %s", got)
	}
	if got := words(beyondKeyed.until(marker(hub.MarkLive))); got != "reset(fork) k=5 live " && got != "reset(fork) k=5 j=new live " && got != "reset(fork) j=new k=5 live " {
		t.Errorf("beyond the fork, keyed: %s", got)
	}
	for _, e := range before.until(data("new")) {
		if e.Gap != nil {
			t.Errorf("before the fork: %s", words([]*hub.Event[[]byte]{e}))
		}
	}
	if got := words(follow(t, h, "log", hub.After(positions[8])).until(marker(hub.MarkGap))); got != "gap(fork) " {
		t.Errorf("a position beyond the fork: %s", got)
	}
}

func hubRestart(t T, s *Setup) {
	h := s.hub(t)
	log := s.client(t, topic("log", hub.Log))
	r := follow(t, h, "log", hub.Start())
	pos := log.publish("old")
	r.until(data("old"))
	s.Restart()
	log.publish("new")
	if got := words(r.until(data("new"))); got != "gap(epoch) new " {
		t.Errorf("got %s", got)
	}
	if got := words(follow(t, h, "log", hub.After(pos)).until(data("new"))); got != "gap(epoch) new live " && got != "gap(epoch) new " {
		t.Errorf("the old position: %s", got)
	}
}
