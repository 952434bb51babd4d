package hub_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/hub"
)

// A stepper is a broker that lets something happen before and after each of its
// steps.
type stepper struct {
	*hub.Memory
	at func(point string)
}

func (s *stepper) Attach(ctx context.Context, t hub.BrokerTopic, f hub.Feed) (func(), error) {
	s.at("before Attach")
	defer s.at("after Attach")
	return s.Memory.Attach(ctx, t, f)
}

func (s *stepper) Read(ctx context.Context, t hub.BrokerTopic, after hub.Position, limit int) (hub.Segment, error) {
	s.at("before Read")
	defer s.at("after Read")
	return s.Memory.Read(ctx, t, after, min(limit, 2))
}

func (s *stepper) Snapshot(ctx context.Context, t hub.BrokerTopic, row func(hub.Record) error) (hub.Position, error) {
	s.at("before Snapshot")
	defer s.at("after Snapshot")
	return s.Memory.Snapshot(ctx, t, row)
}

// TestPublishBetweenTheStepsOfAttaching forces a write between any two steps of
// attaching a topic, by Next and by a sink: nothing is missing, nothing twice.
func TestPublishBetweenTheStepsOfAttaching(t *testing.T) {
	for _, kind := range []hub.Kind{hub.Log, hub.Keyed} {
		for _, point := range []string{"before Attach", "after Attach", "before Read", "after Read", "before Snapshot", "after Snapshot"} {
			if kind == hub.Log && strings.HasSuffix(point, "Snapshot") {
				continue
			}
			for _, always := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/%v", kind, point, always), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { publishWhileAttaching(t, kind, point, always) })
				})
			}
		}
	}
}

func publishWhileAttaching(t *testing.T, kind hub.Kind, point string, always bool) {
	m := hub.NewMemory(nil)
	defer m.Close()
	configure := func(string) (hub.TopicConfig, error) { return hub.TopicConfig{Kind: kind}, nil }
	writer := hub.New(&hub.Options{Broker: m, Configure: configure})
	defer writer.Close()
	n := 0
	write := func() {
		var err error
		if kind == hub.Log {
			_, err = writer.Topic("t").Publish(t.Context(), fmt.Append(nil, n))
		} else {
			_, err = writer.Topic("t").Put(t.Context(), fmt.Sprint(n%3), fmt.Append(nil, n))
		}
		if err != nil {
			t.Error(err)
		}
		n++
	}
	for range 5 {
		write()
	}
	forced := 0
	s := &stepper{Memory: m, at: func(at string) {
		if at == point && (forced == 0 || always && forced < 20) {
			forced++
			write()
		}
	}}
	h := hub.New(&hub.Options{Broker: s, Configure: configure})
	defer h.Close()
	sink := &textSink{}
	c, err := h.Connect(sink, hub.ConnOptions{Encoder: text{}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Follow(t.Context(), "t", &hub.FollowOptions{From: hub.Start()}); err != nil {
		t.Fatal(err)
	}
	sub := subscribe(t, hub.TopicOf[string](h, "t", raw{}), hub.Start())
	synctest.Wait()
	write()
	synctest.Wait()
	words := strings.Fields(drain(t, sub))
	table := map[string]string{}
	live, due := false, 0
	for _, w := range words {
		key, value, keyed := strings.Cut(w, "=")
		switch {
		case w == "live":
			live = true
		case kind == hub.Keyed && strings.HasSuffix(value, "*") && keyed:
			table[key] = strings.TrimSuffix(value, "*")
		case kind == hub.Keyed:
			table[key] = value
		case w != fmt.Sprint(due):
			t.Fatalf("got %s, due was %d: %q", w, due, words)
		default:
			due++
		}
	}
	want := map[string]string{}
	for i := range n {
		want[fmt.Sprint(i%3)] = fmt.Sprint(i)
	}
	if kind == hub.Keyed && fmt.Sprint(table) != fmt.Sprint(want) || kind == hub.Log && due != n || !live || forced == 0 {
		t.Errorf("live %v, %d of %d, table %v, %d forced: %q", live, due, n, table, forced, words)
	}
	sink.mu.Lock()
	defer sink.mu.Unlock()
	if last := fmt.Sprint(n-1, " "); !strings.HasSuffix(sink.got.String(), " "+last) {
		t.Errorf("the sink got %q, the last value was %s", sink.got.String(), last)
	}
}

// raw is the codec of strings that are the bytes themselves.
type raw struct{}

func (raw) Append(dst []byte, v string) ([]byte, error) { return append(dst, v...), nil }
func (raw) Decode(data []byte) (string, error)          { return string(data), nil }
