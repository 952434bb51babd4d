package hub

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// counting is a codec that counts. Equal values of it share what they decode.
type counting struct{ encoded, decoded *atomic.Int64 }

func (c counting) Append(dst []byte, v int) ([]byte, error) {
	c.encoded.Add(1)
	if v < 0 {
		return nil, errors.ErrUnsupported
	}
	return strconv.AppendInt(dst, int64(v), 10), nil
}

func (c counting) Decode(data []byte) (int, error) {
	c.decoded.Add(1)
	return strconv.Atoi(string(data))
}

// private is a codec that can't be compared.
type private struct {
	counting
	_ []int
}

func TestEncodedOnceDecodedOnce(t *testing.T) {
	h := newHub(t, TopicConfig{})
	codec := counting{new(atomic.Int64), new(atomic.Int64)}
	topic := TopicOf(h, "keyed", codec)
	const readers, events = 50, 20
	var wg sync.WaitGroup
	first := make([]*Event[int], events)
	var mu sync.Mutex
	for range readers {
		// Each has its own view, as handlers do.
		s := subscribe(t, TopicOf(h, "keyed", codec), nil)
		bytes := subscribe(t, h.Topic("keyed"), nil)
		wg.Go(func() {
			n := 0
			for ev, err := range s.Events() {
				if err != nil {
					t.Error(err)
					return
				}
				if ev.Marker != NoMarker {
					continue
				}
				mu.Lock()
				if first[n] == nil {
					first[n] = ev
				}
				if ev.Value != n || first[n] != ev {
					t.Errorf("event %d: %+v, another one than %+v", n, ev, first[n])
				}
				mu.Unlock()
				if n++; n == events {
					return
				}
			}
		})
		wg.Go(func() {
			for ev, err := range bytes.Events() {
				if err != nil || string(ev.Value) != string(ev.Data) {
					t.Error(ev, err)
					return
				}
				if string(ev.Value) == strconv.Itoa(events-1) {
					return
				}
			}
		})
	}
	for i := range events {
		if _, err := topic.Put(t.Context(), "k", i); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if e, d := codec.encoded.Load(), codec.decoded.Load(); e != events || d != events {
		t.Errorf("encoded %d times, decoded %d times, want %d each", e, d, events)
	}
}

func TestManyCodecsOnOneTopic(t *testing.T) {
	h := newHub(t, TopicConfig{})
	codec := counting{new(atomic.Int64), new(atomic.Int64)}
	if _, err := h.Topic("log").Publish(t.Context(), []byte("7")); err != nil {
		t.Fatal(err)
	}
	for range 2 * maxDecoded {
		s := subscribe(t, TopicOf(h, "log", private{counting: codec}), &SubOptions[int]{From: Start()})
		if events := drain(t, s); len(events) != 2 || events[0].Value != 7 {
			t.Errorf("%+v", events)
		}
	}
	in, _ := h.open("log")
	if n := in.log.at(1).decoded.Load().depth; n != maxDecoded {
		t.Errorf("%d forms are kept, want %d", n, maxDecoded)
	}
}

func TestUndecodableEvent(t *testing.T) {
	h := newHub(t, TopicConfig{})
	codec := counting{new(atomic.Int64), new(atomic.Int64)}
	ctx := t.Context()
	raw, typed := h.Topic("log"), TopicOf(h, "log", codec)
	raw.Publish(ctx, []byte("1"))
	bad, _ := raw.Publish(ctx, []byte("one"))
	raw.Publish(ctx, []byte("2"))

	s := subscribe(t, typed, &SubOptions[int]{From: Start()})
	events, err := s.Next(ctx)
	if err != nil || len(events) != 1 || events[0].Value != 1 {
		t.Fatalf("%+v, %v", events, err)
	}
	for range 2 {
		_, err = s.Next(ctx)
		d, ok := errors.AsType[*DecodeError](err)
		if !ok || d.Pos != bad || !errors.Is(err, strconv.ErrSyntax) {
			t.Fatalf("%v, want a *DecodeError at %s", err, bad)
		}
	}
	if s.Position() != events[0].Pos {
		t.Errorf("position %s, want %s, before the bad event", s.Position(), events[0].Pos)
	}
	if events := drain(t, subscribe(t, typed, &SubOptions[int]{From: After(bad)})); len(events) != 2 || events[0].Value != 2 {
		t.Errorf("behind it: %+v", events)
	}
	if page, err := typed.Since(ctx, events[0].Pos, 0); err == nil {
		t.Errorf("Since: %+v", page)
	}

	// In a table no position leads around it; writing the key again does.
	h.Topic("keyed").Put(ctx, "k", []byte("one"))
	keyed := TopicOf(h, "keyed", codec)
	_, err = tryDrain(subscribe(t, keyed, nil))
	if d, ok := errors.AsType[*DecodeError](err); !ok || d.Key != "k" || !d.Pos.IsZero() || d.Rev.IsZero() {
		t.Errorf("%v", err)
	}
	if _, err := keyed.Get(ctx, "k"); err == nil {
		t.Error("Get: no error")
	}
	snap, err := keyed.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for ev, err := range snap.All() {
		if err == nil {
			t.Errorf("%+v", ev)
		}
	}
	keyed.Put(ctx, "k", 3)
	if events := drain(t, subscribe(t, keyed, nil)); events[0].Value != 3 {
		t.Errorf("%+v", events)
	}

	_, err = typed.Publish(ctx, -1)
	if e, ok := errors.AsType[*EncodeError](err); !ok || !errors.Is(e, errors.ErrUnsupported) {
		t.Errorf("%v, want an *EncodeError", err)
	}
}

func TestPublisherKeepsItsBytes(t *testing.T) {
	h := newHub(t, TopicConfig{})
	topic := h.Topic("log")
	b := []byte("abc")
	topic.Publish(t.Context(), b)
	b[0] = 'x'
	topic.Publish(t.Context(), nil)
	events := drain(t, subscribe(t, topic, &SubOptions[[]byte]{From: Start()}))
	if !bytes.Equal(events[0].Value, []byte("abc")) || events[1].Data == nil {
		t.Errorf("%q, %v", events[0].Value, events[1].Data)
	}
}

func TestNamesAndKeys(t *testing.T) {
	h := newHub(t, TopicConfig{})
	topic := TopicOf[string](h, "log", nil)
	if _, err := topic.Publish(t.Context(), "x", Name("note"), Key("k"), Name("notice")); err != nil {
		t.Fatal(err)
	}
	if e := drain(t, subscribe(t, topic, from(Start())))[0]; e.Name != "notice" || e.Key != "k" || e.Topic != "log" {
		t.Errorf("%+v", e)
	}
	long := strings.Repeat("x", 257)
	calls := map[string]func() error{}
	for _, name := range []string{"gap", "reset", "live", "bye", "", "a\nb", "a\rb", "a\x00b", "\xff", long} {
		calls["event "+name] = func() error { _, err := topic.Publish(t.Context(), "x", Name(name)); return err }
		if reserved(name) {
			continue
		}
		calls["topic "+name] = func() error { _, err := h.Topic(name).Subscribe(t.Context(), nil); return err }
		calls["key "+name] = func() error { _, err := h.Topic("keyed").Put(t.Context(), name, nil); return err }
		calls["attribute "+name] = func() error { _, err := topic.Publish(t.Context(), "x", Key(name)); return err }
		calls["id "+name] = func() error { _, err := topic.Publish(t.Context(), "x", Idempotent(name)); return err }
	}
	calls["second key"] = func() error { _, err := h.Topic("keyed").Put(t.Context(), "k", nil, Key("l")); return err }
	for what, call := range calls {
		switch err := call().(type) {
		case *NameError, *LimitError:
			if len(err.Error()) > 300 {
				t.Errorf("%.20q: an error of %d bytes", what, len(err.Error()))
			}
		default:
			t.Errorf("%.20q: %v, want a refusal", what, err)
		}
	}
	if n := len(h.Topics()); n != 1 {
		t.Errorf("%d topics", n)
	}
}

func TestLimits(t *testing.T) {
	h := New(&Options{
		MaxTopics: 2, MaxEventBytes: 100, MaxBytes: 4*entryOverhead + 200,
		Configure: func(name string) (TopicConfig, error) {
			if name == "forbidden" {
				return TopicConfig{}, errors.ErrUnsupported
			}
			if name == "strange" {
				return TopicConfig{Kind: 9}, nil
			}
			cfg, err := kindsByPrefix(TopicConfig{MaxKeys: 2})(name)
			if name == "keyed.bytes" {
				cfg.MaxTableBytes = entryOverhead + 20
			}
			return cfg, err
		},
	})
	defer h.Close()
	ctx := t.Context()
	limit := func(err error, option string) {
		t.Helper()
		if l, ok := errors.AsType[*LimitError](err); !ok || l.Option != option || l.Got <= l.Max {
			t.Errorf("%v, want a limit of %s", err, option)
		}
	}
	write := func(name, key string, size int) error {
		v := make([]byte, size)
		if key == "" {
			_, err := h.Topic(name).Publish(ctx, v)
			return err
		}
		_, err := h.Topic(name).Put(ctx, key, v)
		return err
	}
	if err := write("forbidden", "", 1); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
	if err := write("strange", "", 1); err == nil {
		t.Error("an unknown kind was taken")
	}
	limit(write("log", "", 101), "Options.MaxEventBytes")

	// The hub's bytes: a log gives up its own oldest events, and when it has
	// none the write is refused.
	for range 10 {
		if err := write("log", "", 50); err != nil {
			t.Fatal(err)
		}
	}
	if info := h.Topics()[0]; info.Events != 4 || h.total.used.Load() != info.Bytes {
		t.Errorf("%+v, %d bytes in use", info, h.total.used.Load())
	}
	limit(write("keyed", "k", 50), "Options.MaxBytes")
	if n := len(h.Topics()); n != 1 {
		t.Errorf("%d topics", n)
	}

	if _, err := h.Topic("log.2").Subscribe(ctx, nil); err != nil {
		t.Fatal(err)
	}
	_, err := h.Topic("log.3").Subscribe(ctx, nil)
	limit(err, "Options.MaxTopics")
	limit(write("log.3", "", 1), "Options.MaxTopics")
	if err := write("log", "", 50); err != nil {
		t.Errorf("a topic that exists: %v", err)
	}

	h2 := New(&Options{MaxTopics: -1, MaxBytes: -1, MaxEventBytes: -1, MaxNameBytes: -1, Configure: h.opts.Configure})
	defer h2.Close()
	h = h2
	for i, want := range []string{"", "", "TopicConfig.MaxKeys", ""} {
		err := write("keyed", fmt.Sprint("k", i%3), 1)
		if want != "" {
			limit(err, want)
		} else if err != nil {
			t.Error(err)
		}
	}
	if err := write("keyed.bytes", "k", 19); err != nil {
		t.Error(err)
	}
	limit(write("keyed.bytes", "k", 20), "TopicConfig.MaxTableBytes")
	if err := write("keyed.bytes", "k", 19); err != nil {
		t.Errorf("no growth: %v", err)
	}
	if err := write(strings.Repeat("x", 1<<16), "", 2<<20); err != nil {
		t.Errorf("limits are off: %v", err)
	}
}
