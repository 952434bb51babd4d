package hub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// kindsByPrefix configures topics by the first part of their name.
func kindsByPrefix(cfg TopicConfig) func(string) (TopicConfig, error) {
	return func(name string) (TopicConfig, error) {
		c := cfg
		switch prefix, _, _ := strings.Cut(name, "."); prefix {
		case "keyed":
			c.Kind = Keyed
		case "eph":
			c.Kind = Ephemeral
		}
		return c, nil
	}
}

func newHub(t testing.TB, cfg TopicConfig) *Hub {
	t.Helper()
	h := New(&Options{Configure: kindsByPrefix(cfg)})
	t.Cleanup(func() { h.Close() })
	return h
}

func subscribe[T any](t testing.TB, topic *Topic[T], o *SubOptions[T]) *Sub[T] {
	t.Helper()
	s, err := topic.Subscribe(t.Context(), o)
	if err != nil {
		t.Fatalf("Subscribe(%s): %v", topic.Name(), err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// show writes events as words: "a" for data, "k=a" with a key, "k=a*" from a
// snapshot, "-k" a tombstone, "live", "gap(reason,missed)", "reset(reason,missed)".
func show(events []*Event[string]) string {
	var words []string
	for _, e := range events {
		var w string
		switch {
		case e.Gap != nil:
			w = fmt.Sprintf("gap(%s,%d)", e.Gap.Reason, e.Gap.Missed)
		case e.Reset != nil:
			w = fmt.Sprintf("reset(%s,%d)", e.Reset.Reason, e.Reset.Missed)
		case e.Marker != NoMarker:
			w = e.Marker.String()
		case e.Deleted:
			w = "-" + e.Key
		case e.Key != "":
			w = e.Key + "=" + e.Value
		default:
			w = e.Value
		}
		if e.Pos.IsZero() && e.Reset == nil {
			w += "*"
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

// drain reads until the subscription is at the head, without waiting.
func drain[T any](t testing.TB, s *Sub[T]) []*Event[T] {
	t.Helper()
	events, err := tryDrain(s)
	if err != nil {
		t.Fatalf("reading %s: %v", s.topic.name, err)
	}
	return events
}

func tryDrain[T any](s *Sub[T]) (events []*Event[T], err error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	errHead := errors.New("at the head")
	hub, old := s.topic.hub, s.topic.hub.hook.Load()
	defer hub.hook.Store(old)
	SetHook(hub, func(point string) {
		if old != nil {
			(*old)(point)
		}
		if point == "wait" {
			cancel(errHead)
		}
	})
	for {
		batch, err := s.Next(ctx)
		if err == errHead {
			return events, nil
		}
		if err != nil {
			return events, err
		}
		events = append(events, batch...)
	}
}

func publish(t testing.TB, topic *Topic[string], values ...string) (last Position) {
	t.Helper()
	for _, v := range values {
		var err error
		if last, err = topic.Publish(t.Context(), v); err != nil {
			t.Fatalf("Publish(%s, %q): %v", topic.Name(), v, err)
		}
	}
	return last
}

// write puts "k=v" and deletes "-k".
func writeAll(t testing.TB, topic *Topic[string], ops ...string) (last Position) {
	t.Helper()
	for _, op := range ops {
		var err error
		if key, ok := strings.CutPrefix(op, "-"); ok {
			last, err = topic.Delete(t.Context(), key)
		} else {
			key, value, _ := strings.Cut(op, "=")
			last, err = topic.Put(t.Context(), key, value)
		}
		if err != nil {
			t.Fatalf("%s on %s: %v", op, topic.Name(), err)
		}
	}
	return last
}

func wantShow(t testing.TB, what string, events []*Event[string], want string) {
	t.Helper()
	if got := show(events); got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}
