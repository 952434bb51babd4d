package hub

import (
	"errors"
	"strings"
	"testing"
)

// Two hubs of a broker that take a topic for different things: the second is told.
func TestHubsThatDisagreeOnAKind(t *testing.T) {
	m := NewMemory(nil)
	defer m.Close()
	a := New(&Options{Broker: m})
	defer a.Close()
	b := New(&Options{Broker: m, Configure: func(string) (TopicConfig, error) { return TopicConfig{Kind: Keyed}, nil }})
	defer b.Close()
	ctx := t.Context()
	publish(t, TopicOf[string](a, "t", nil), "x")
	for what, err := range map[string]error{
		"Put":       second(b.Topic("t").Put(ctx, "k", nil)),
		"Subscribe": second(b.Topic("t").Subscribe(ctx, nil)),
		"Get":       second(b.Topic("t").Get(ctx, "k")),
	} {
		k, ok := errors.AsType[*KindError](err)
		if !ok || k.Kind != Log || !strings.Contains(k.Error(), "the same Kind") {
			t.Errorf("%s: %v", what, err)
		}
	}
	sub := subscribe(t, TopicOf[string](a, "t", nil), &SubOptions[string]{From: Start()})
	wantShow(t, "the first", drain(t, sub), "x live")
}

func TestKindOfATopic(t *testing.T) {
	h := New(&Options{Configure: func(name string) (TopicConfig, error) {
		if name == "no" {
			return TopicConfig{}, errors.New("no")
		}
		return kindsByPrefix(TopicConfig{})(name)
	}})
	defer h.Close()
	for name, want := range map[string]Kind{"log": Log, "keyed.a": Keyed, "eph": Ephemeral} {
		if k, err := h.Topic(name).Kind(); k != want || err != nil {
			t.Errorf("%s: %s, %v", name, k, err)
		}
	}
	if k, err := h.Topic("no").Kind(); err == nil {
		t.Errorf("a topic that is refused is of kind %s", k)
	}
	if n := len(h.Topics()); n != 0 {
		t.Errorf("%d topics are left behind", n)
	}
}
