package presence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/hub"
)

func wantError[E error](t *testing.T, what string, err error) {
	t.Helper()
	if _, ok := errors.AsType[E](err); !ok {
		t.Errorf("%s: %T %v, want %T", what, err, err, *new(E))
	}
}

func TestWhatEnterRefuses(t *testing.T) {
	h := newHub(t, hub.Options{MaxEventBytes: 100})
	p := newNode(t, h, nil)
	ok := strings.Repeat("m", 200)
	for _, c := range []struct {
		name, topic, member, state string
		check                      func(*testing.T, string, error)
	}{
		{"no member", topic, "", "", wantError[*MemberError]},
		{"no topic", "", ok, "", wantError[*hub.NameError]},
		{"long topic", strings.Repeat("t", 300), ok, "", wantError[*hub.LimitError]},
		{"long member", topic, strings.Repeat("m", 250), "", wantError[*hub.LimitError]},
		{"control character", topic, "ada\n", "", wantError[*hub.NameError]},
		{"not UTF-8", topic, "\xff", "", wantError[*hub.NameError]},
		{"large state", topic, ok, strings.Repeat("s", 100), wantError[*hub.LimitError]},
	} {
		hd, err := p.Enter(t.Context(), c.topic, c.member, c.state)
		c.check(t, c.name, err)
		if hd != nil {
			t.Errorf("%s: a handle with an error", c.name)
		}
	}
	if len(p.seats) != 0 {
		t.Errorf("%d seats are left", len(p.seats))
	}
	if list := h.Topics(); len(list) != 0 {
		t.Errorf("%d topics are left", len(list))
	}
	odd := enter(t, p, `a/d".a/`, "x")
	expect(t, "an odd name", who(t, p), `a/d".a/=x`)
	wantError[*hub.LimitError](t, "large update", odd.Update(t.Context(), strings.Repeat("s", 100)))
	expect(t, "after a refused update", who(t, p), `a/d".a/=x`)
	update(t, odd, "y")
	for _, err := range p.Watch(t.Context(), "") {
		wantError[*hub.NameError](t, "watch of no topic", err)
	}
	_, err := p.Snapshot(t.Context(), "")
	wantError[*hub.NameError](t, "snapshot of no topic", err)
	_, err = p.Count(t.Context(), "")
	wantError[*hub.NameError](t, "count of no topic", err)
}

func TestFullTopicRefusesNewMembersOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, hub.Options{Configure: func(name string) (hub.TopicConfig, error) {
			c, _ := Config(name)
			c.MaxKeys = 2
			return c, nil
		}})
		p := newNode(t, h, nil)
		ada, bo := enter(t, p, "ada", ""), enter(t, p, "bo", "")
		_, err := p.Enter(t.Context(), topic, "cy", "")
		limit, _ := errors.AsType[*hub.LimitError](err)
		if limit == nil || limit.Option != "TopicConfig.MaxKeys" {
			t.Errorf("Enter: %v", err)
		}
		update(t, ada, "x")
		bo.Disconnect()
		enter(t, p, "bo", "back") // a reload needs no room
		leave(t, ada)
		enter(t, p, "cy", "")
		expect(t, "at last", who(t, p), "bo=back cy=")
	})
}

// An Enter that fails in the grace leaves everything as it was.
func TestFailedReturnLeavesTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, hub.Options{MaxEventBytes: 100})
		p := newNode(t, h, nil)
		ada := enter(t, p, "ada", "red")
		ada.Disconnect()
		if _, err := p.Enter(t.Context(), topic, "ada", strings.Repeat("s", 100)); err == nil {
			t.Error("no error")
		}
		expect(t, "still", who(t, p), "ada=red")
		leave(t, ada)
		expect(t, "after Leave", who(t, p), "")
	})
}

// Without Config a topic is a log, and has no members.
func TestTopicsOfOtherKindsAreRefused(t *testing.T) {
	for _, kind := range []hub.Kind{hub.Log, hub.Ephemeral} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub(t, hub.Options{Configure: func(string) (hub.TopicConfig, error) {
					return hub.TopicConfig{Kind: kind}, nil
				}})
				p := newNode(t, h, nil)
				if kind == hub.Ephemeral { // or there would be no table to look at
					if _, err := h.Topic(DefaultPrefix+topic).Put(t.Context(), "x/n.1", []byte(`{"clock":1,"state":""}`)); err != nil {
						t.Fatal(err)
					}
				}
				_, err := p.Enter(t.Context(), topic, "ada", "")
				wantError[*hub.KindError](t, "Enter", err)
				_, err = p.Snapshot(t.Context(), topic)
				wantError[*hub.KindError](t, "Snapshot", err)
				_, err = p.Count(t.Context(), topic)
				wantError[*hub.KindError](t, "Count", err)
				for _, err := range p.WatchCount(t.Context(), topic) {
					wantError[*hub.KindError](t, "WatchCount", err)
				}
				if kind == hub.Ephemeral {
					h.Topic(DefaultPrefix+topic).Delete(t.Context(), "x/n.1")
				}
				for _, err := range p.Watch(t.Context(), topic) {
					wantError[*hub.KindError](t, "Watch", err)
				}
			})
		})
	}
}

func TestRefusalOfTheHubIsVisible(t *testing.T) {
	no := errors.New("no such board")
	h := newHub(t, hub.Options{Configure: func(string) (hub.TopicConfig, error) { return hub.TopicConfig{}, no }})
	p := newNode(t, h, nil)
	if _, err := p.Enter(t.Context(), topic, "ada", ""); !errors.Is(err, no) {
		t.Errorf("Enter: %v", err)
	}
	for _, err := range p.Watch(t.Context(), topic) {
		if !errors.Is(err, no) {
			t.Errorf("Watch: %v", err)
		}
	}
}

// Somebody else's entries in the topic are told, and those who watch can begin
// again when they are gone.
func TestForeignEntries(t *testing.T) {
	for _, c := range []struct {
		name, key, data string
		check           func(*testing.T, string, error)
	}{
		{"key", "ada", `{"clock":1,"state":"red"}`, wantError[*EntryError]},
		{"data", "ada/n.1", `red`, wantError[*hub.DecodeError]},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub(t, hub.Options{})
				p := newNode(t, h, nil)
				raw := h.Topic(DefaultPrefix + topic)
				w := watch(t, p)
				w.want("")
				if _, err := raw.Put(t.Context(), c.key, []byte(c.data)); err != nil {
					t.Fatal(err)
				}
				_, err, _ := w.next()
				c.check(t, "Watch", err)
				_, err = p.Snapshot(t.Context(), topic)
				c.check(t, "Snapshot", err)
				for _, err := range p.Watch(t.Context(), topic) {
					c.check(t, "another Watch", err)
				}
				enter(t, p, "bo", "blue") // writes go on
				if _, err := raw.Delete(t.Context(), c.key); err != nil {
					t.Fatal(err)
				}
				watch(t, p).want("+bo=blue")
				expect(t, "afterwards", who(t, p), "bo=blue")
			})
		})
	}
}

// Whoever removes another's entry is another: the handle does not put it back.
func TestRemovedEntryIsNotPutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, hub.Options{})
		p := newNode(t, h, nil)
		w := watch(t, p)
		w.want("")
		ada := enter(t, p, "ada", "red")
		w.want("+ada=red")
		if _, err := h.Topic(DefaultPrefix+topic).Delete(t.Context(), ada.seat.key); err != nil {
			t.Fatal(err)
		}
		w.want("-ada(node down)")
		if err := ada.Update(t.Context(), "blue"); !errors.Is(err, ErrLeft) {
			t.Errorf("Update: %v", err)
		}
		leave(t, ada)
		bo := enter(t, p, "bo", "blue")
		if _, err := h.Topic(DefaultPrefix+topic).Delete(t.Context(), bo.seat.key); err != nil {
			t.Fatal(err)
		}
		leave(t, bo) // is no error
		expect(t, "removed", who(t, p), "")
		if len(p.seats) != 0 {
			t.Errorf("%d seats are left", len(p.seats))
		}
	})
}

func TestStateThatCannotBeEncoded(t *testing.T) {
	h := newHub(t, hub.Options{})
	p := New[any](h, nil)
	defer p.Close()
	_, err := p.Enter(t.Context(), topic, "ada", make(chan int))
	wantError[*hub.EncodeError](t, "Enter", err)
}

type binary struct{}

func (binary) Append(dst []byte, s string) ([]byte, error) {
	if s == "panic" {
		panic("codec")
	}
	return append(append(dst, 0xff), s...), nil
}

func (binary) Decode(b []byte) (string, error) {
	s, ok := bytes.CutPrefix(b, []byte{0xff})
	if !ok {
		return "", fmt.Errorf("not ours: %q", b)
	}
	return string(s), nil
}

func TestCodecMayBeBinary(t *testing.T) {
	h := newHub(t, hub.Options{})
	p := newNode(t, h, &Options[string]{Codec: binary{}})
	ada := enter(t, p, "ada", "red")
	update(t, ada, "blue\x00")
	expect(t, "state", who(t, p), "ada=blue\x00")
	ev, err := h.Topic(DefaultPrefix+topic).Get(t.Context(), ada.seat.key)
	if err != nil || !bytes.Contains(ev.Data, []byte(`"b64":"/2JsdWUA"}`)) {
		t.Errorf("entry %s, %v", ev.Data, err)
	}
}

func TestPanicOfTheCodecLeavesNothing(t *testing.T) {
	p := newNode(t, newHub(t, hub.Options{}), &Options[string]{Codec: binary{}})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		p.Enter(t.Context(), topic, "ada", "panic")
	}()
	expect(t, "after the panic", who(t, p), "")
	leave(t, enter(t, p, "ada", "red"))
}

// ending is a codec that ends a context when it decodes.
type ending struct {
	hub.JSON[string]
	end context.CancelFunc
}

func (c ending) Decode(b []byte) (string, error) {
	c.end()
	return c.JSON.Decode(b)
}

func TestSnapshotHonoursItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := newNode(t, newHub(t, hub.Options{}), &Options[string]{Codec: ending{end: cancel}})
	enter(t, p, "ada", "red")
	if _, err := p.Snapshot(ctx, topic); !errors.Is(err, context.Canceled) {
		t.Errorf("Snapshot: %v", err)
	}
}

func TestEntryIsReadableJSON(t *testing.T) {
	h := newHub(t, hub.Options{})
	p := newNode(t, h, nil)
	ada := enter(t, p, "ada", "red")
	ev, err := h.Topic(DefaultPrefix+topic).Get(t.Context(), ada.seat.key)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"clock":%d,"state":"red"}`, p.clock.last.Load())
	expect(t, "entry", string(ev.Data), want)
	if !strings.HasPrefix(ev.Key, "ada/"+p.incarnation+".") {
		t.Errorf("key %q", ev.Key)
	}
}

func TestChangesAreReadableJSON(t *testing.T) {
	changes := []Change[string]{{Kind: Enter, Member: "ada", State: "red"}, {Kind: Leave, Member: "bo", State: "x", Cause: NodeDown}}
	b, err := json.Marshal(changes)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "json", string(b), `[{"kind":"enter","member":"ada","state":"red"},{"kind":"leave","member":"bo","state":"x","cause":"node down"}]`)
	var back []Change[string]
	if err := json.Unmarshal(b, &back); err != nil || tell(back) != tell(changes) {
		t.Errorf("back: %v, %v", back, err)
	}
	for _, bad := range []string{`{"kind":"x"}`, `{"cause":"x"}`} {
		if err := json.Unmarshal([]byte(bad), new(Change[string])); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
	if Update.String() != "update" || Kind(0).String() != "unknown" {
		t.Error("names of kinds")
	}
}

func TestConfig(t *testing.T) {
	other := &Options[string]{Prefix: "who:"}
	for _, c := range []struct {
		topic        string
		deflt, other bool
	}{{"presence/board/main", true, false}, {"board/main", false, false}, {"who:x", false, true}} {
		got, ok := Config(c.topic)
		if ok != c.deflt || ok && got.Kind != hub.Keyed {
			t.Errorf("Config(%q) = %+v, %v", c.topic, got, ok)
		}
		got, ok = other.Config(c.topic)
		if ok != c.other || ok && got.Kind != hub.Keyed {
			t.Errorf("other Config(%q) = %+v, %v", c.topic, got, ok)
		}
		if _, ok := (*Options[string])(nil).Config(c.topic); ok != c.deflt {
			t.Errorf("nil Config(%q) = %v", c.topic, ok)
		}
	}
	h := newHub(t, hub.Options{Configure: func(name string) (hub.TopicConfig, error) {
		c, _ := other.Config(name)
		return c, nil
	}})
	p := newNode(t, h, other)
	enter(t, p, "ada", "red")
	expect(t, "other prefix", who(t, p), "ada=red")
}
