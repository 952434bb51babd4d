package hub

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
)

// Whoever writes to a topic of the wrong kind is told what to do about it.
func TestKindErrorsSayWhatToDo(t *testing.T) {
	h := newHub(t, TopicConfig{})
	ctx := t.Context()
	o, err := h.Enter(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close(ctx)
	for op, err := range map[string]error{
		"Put":                     second(h.Topic("log").Put(ctx, "k", nil)),
		"Delete":                  second(h.Topic("log").Delete(ctx, "k")),
		"Get":                     second(h.Topic("log").Get(ctx, "k")),
		"Snapshot":                second(h.Topic("log").Snapshot(ctx)),
		"Subscribe with Coalesce": second(h.Topic("log").Subscribe(ctx, &SubOptions[[]byte]{Policy: Coalesce})),
		"Publish":                 second(h.Topic("keyed").Publish(ctx, nil)),
		"Publish with Key":        second(h.Topic("eph").Publish(ctx, nil, Key("k"))),
		"conditional Put":         second(h.Topic("eph").Put(ctx, "k", nil, Absent())),
		"conditional Publish":     second(h.Topic("log").Publish(ctx, nil, Absent())),
		"owned Publish":           second(h.Topic("log").Publish(ctx, nil, OwnedBy(o))),
		"Since":                   second(h.Topic("eph").Since(ctx, MakePosition(1, 0, 0), 0)),
	} {
		k, ok := errors.AsType[*KindError](err)
		if !ok || k.Op != op {
			t.Errorf("%s: %v", op, err)
			continue
		}
		if text := err.Error(); !strings.Contains(text, "Options.Configure") && !strings.Contains(text, "use Put") {
			t.Errorf("%s: %q does not say what to do", op, text)
		}
	}
	for want, err := range map[string]error{
		`hub: Put on topic "log", which is of kind log: let Options.Configure return Kind: hub.Keyed for this name; without Configure every topic is a log`:                        second(h.Topic("log").Put(ctx, "k", nil)),
		`hub: conditional Publish on topic "log", which is of kind log: IfMatch and Absent are for Put and Delete, on a topic for which Options.Configure returns Kind: hub.Keyed`: second(h.Topic("log").Publish(ctx, nil, Absent())),
		`hub: owned Publish on topic "log", which is of kind log: OwnedBy is for Put and Delete, on a topic for which Options.Configure returns Kind: hub.Keyed`:                   second(h.Topic("log").Publish(ctx, nil, OwnedBy(o))),
	} {
		if got := err.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// A batch is what was asked for, within what one read may do.
func TestBatch(t *testing.T) {
	h := newHub(t, TopicConfig{MaxEvents: -1})
	topic := TopicOf[string](h, "log", nil)
	start, _ := topic.Head(t.Context())
	for range 2000 {
		publish(t, topic, "x")
	}
	for asked, want := range map[int]int{0: 64, 1: 1, 100: 100, 1024: 1024, 5000: 1024, -1: 1024} {
		s := subscribe(t, topic, &SubOptions[string]{From: Start(), Batch: asked})
		if events, err := s.Next(t.Context()); err != nil || len(events) != want {
			t.Errorf("Batch %d: %d events, %v, want %d", asked, len(events), err, want)
		}
		if page, err := topic.Since(t.Context(), start, asked); err != nil || len(page.Events) != want {
			t.Errorf("Since with limit %d: %d events, %v, want %d", asked, len(page.Events), err, want)
		}
	}
}

// Nil where something is needed is an error that names it.
func TestNilIsRefused(t *testing.T) {
	h := newHub(t, TopicConfig{})
	var none *Hub
	var zero Hub
	var noOwner *Owner
	ctx := t.Context()
	var noCtx context.Context
	for what, err := range map[string]error{
		"nil *Hub":                 second(none.Topic("log").Publish(ctx, nil)),
		"nil *Hub in TopicOf":      second(TopicOf[int](none, "log", nil).Subscribe(ctx, nil)),
		"nil *Hub, Since":          second(none.Topic("log").Since(ctx, MakePosition(1, 0, 0), 0)),
		"nil *Hub, Get":            second(none.Topic("keyed").Get(ctx, "k")),
		"nil *Hub, Snapshot":       second(none.Topic("keyed").Snapshot(ctx)),
		"nil *Hub, Head":           second(none.Topic("log").Head(ctx)),
		"nil *Hub, Connect":        second(none.Connect(&nullSink{}, ConnOptions{Encoder: &words{}})),
		"nil *Hub, Enter":          second(none.Enter(ctx, nil)),
		"nil *Hub, Drain":          none.Drain(ctx),
		"nil *Hub, Close":          none.Close(),
		"nil Sink":                 second(h.Connect(nil, ConnOptions{Encoder: &words{}})),
		"zero Hub, Publish":        second(zero.Topic("log").Publish(ctx, nil)),
		"zero Hub, Kind":           second(zero.Topic("log").Kind()),
		"zero Hub, Subscribe":      second(zero.Topic("log").Subscribe(ctx, nil)),
		"zero Hub, Connect":        second(zero.Connect(&nullSink{}, ConnOptions{Encoder: &words{}})),
		"zero Hub, Enter":          second(zero.Enter(ctx, nil)),
		"zero Hub, Drain":          zero.Drain(ctx),
		"zero Hub, Close":          zero.Close(),
		"no Encoder":               second(h.Connect(&nullSink{}, ConnOptions{})),
		"OwnedBy(nil)":             second(h.Topic("keyed").Put(ctx, "k", nil, OwnedBy(noOwner))),
		"nil context, Publish":     second(h.Topic("log").Publish(noCtx, nil)),
		"nil context, Put":         second(h.Topic("keyed").Put(noCtx, "k", nil)),
		"nil context, Subscribe":   second(h.Topic("log").Subscribe(noCtx, nil)),
		"nil context, Since":       second(h.Topic("log").Since(noCtx, MakePosition(1, 0, 0), 0)),
		"nil context, Head":        second(h.Topic("log").Head(noCtx)),
		"nil context, Enter":       second(h.Enter(noCtx, nil)),
		"nil context, Drain":       h.Drain(noCtx),
		"nil context, Next":        second(subscribe(t, h.Topic("log"), nil).Next(noCtx)),
		"nil context, Follow":      connect(t, h, &nullSink{}, ConnOptions{}).Follow(noCtx, "log", nil),
		"nil context, Owner.Close": closeOwner(t, h, noCtx),
	} {
		if !errors.Is(err, ErrNil) {
			t.Errorf("%s: %v, want ErrNil", what, err)
		}
	}
	if n := len(none.Topics()) + none.Kick(""); n != 0 || none.Stats() != (Stats{}) {
		t.Error("a nil *Hub has something")
	}
	if n := len(zero.Topics()) + zero.Kick(""); n != 0 || zero.Stats() != (Stats{}) {
		t.Error("a zero Hub has something")
	}
}

func closeOwner(t *testing.T, h *Hub, ctx context.Context) error {
	o, err := h.Enter(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close(t.Context())
	return o.Close(ctx)
}

// What goes over a wire has names in lower case, and comes back.
func TestWireNames(t *testing.T) {
	p := MakePosition(1, 2, 3)
	for _, tt := range []struct {
		v, back any
		want    string
	}{
		{&Gap{Trimmed, p, p, 4}, &Gap{}, `{"reason":"trimmed","from":"` + p.String() + `","now":"` + p.String() + `","missed":4}`},
		{&Reset{Epoch, Position{}, -1}, &Reset{}, `{"reason":"epoch","from":"","missed":-1}`},
		{&SubStats{Delivered: 1}, &SubStats{}, `{"delivered":1,"filtered":0,"superseded":0,"missed":0,"snapshot":0}`},
		{&TopicInfo{Name: "a", Kind: Keyed}, &TopicInfo{}, `{"name":"a","kind":"keyed","head":"","subscribers":0,"events":0,"keys":0,"bytes":0}`},
		{&Event[int]{Topic: "a", Key: "k", Value: 1}, &Event[int]{}, `{"topic":"a","key":"k","time":"0001-01-01T00:00:00Z","value":1}`},
		{&Event[int]{Topic: "a", Marker: MarkLive, Pos: p}, &Event[int]{}, `{"topic":"a","marker":"live","pos":"` + p.String() + `","time":"0001-01-01T00:00:00Z","value":0}`},
	} {
		b, err := json.Marshal(tt.v)
		if err != nil || string(b) != tt.want {
			t.Errorf("got %s, %v, want %s", b, err, tt.want)
		}
		if err := json.Unmarshal(b, tt.back); err != nil {
			t.Errorf("%s: %v", b, err)
		}
		if again, err := json.Marshal(tt.back); err != nil || string(again) != tt.want {
			t.Errorf("%s comes back as %s, %v", b, again, err)
		}
	}
	for _, bad := range []string{`{"reason":"whim"}`, `{"reason":7}`} {
		if err := json.Unmarshal([]byte(bad), &Gap{}); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

// What is refused says what is wrong, and with what.
func TestRefusalsSayWhatIsWrong(t *testing.T) {
	h := newHub(t, TopicConfig{})
	ctx := t.Context()
	long := strings.Repeat("x", 300)
	query := func(q string) error {
		v, err := url.ParseQuery(q)
		if err != nil {
			t.Fatal(err)
		}
		return second(ParseFrom(v, ""))
	}
	for want, err := range map[string]error{
		`hub: topic "keyed" has no key "k"`:                                        second(h.Topic("keyed").Get(ctx, "k")),
		`hub: topic "keyed" has no key "j"`:                                        second(h.Topic("keyed").Delete(ctx, "j")),
		`hub: key "k": Put has its key; hub.Key is for Publish`:                    second(h.Topic("keyed").Put(ctx, "k", nil, Key("k"))),
		`hub: limit on length of an idempotency key: 300, at most 128 (fixed)`:     second(h.Topic("log").Publish(ctx, nil, Idempotent(long))),
		`hub: limit on length of a topic: 300, at most 256 (Options.MaxNameBytes)`: second(h.Topic(long).Publish(ctx, nil)),
		`hub: policy "9": unknown`:                                                 second(h.Topic("log").Subscribe(ctx, &SubOptions[[]byte]{Policy: 9})),
		`hub: policy "3": unknown`:                                                 connect(t, h, &nullSink{}, ConnOptions{}).Follow(ctx, "log", &FollowOptions{Policy: 3}),
		`hub: format "": empty: Encoder.Format names what it makes`:                second(h.Connect(&nullSink{}, ConnOptions{Encoder: &words{}})),
		`hub: start "after=": the zero Position is no place: where there is none yet, begin with hub.Start or hub.Live`: second(h.Topic("log").Subscribe(ctx, &SubOptions[[]byte]{From: After(Position{})})),
		`hub: start "after=": empty: want the position of an event, as it was sent, or leave it out`:                    query("after="),
		`hub: start "from=last.x": want last.N with N from 0 to 1000000000`:                                             query("from=last.x"),
		`hub: start "from=end": want start, live or last.N`:                                                             query("from=end"),
		`hub: start "after=a&after=b": given more than once`:                                                            query("after=a&after=b"),
		`hub: start "from=live&from=start": given more than once`:                                                       query("from=live&from=start"),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	for _, err := range []error{second(h.Topic("keyed").Get(ctx, "k")), second(h.Topic("keyed").Delete(ctx, "k"))} {
		if !errors.Is(err, ErrNoKey) {
			t.Errorf("%v is not ErrNoKey", err)
		}
	}
	for p, want := range map[Policy]string{Disconnect: "disconnect", SkipWithGap: "skip with gap", Coalesce: "coalesce", 3: "unknown"} {
		if p.String() != want {
			t.Errorf("policy %d: %s, want %s", p, p, want)
		}
	}
}
