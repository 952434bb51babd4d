package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/hub/gateway"
)

var (
	posA = hub.MakePosition(42, 7, 99)
	posB = hub.MakePosition(42, 9, 3)
	noon = time.UnixMilli(1767225600123).UTC()
)

func TestEnvelopeText(t *testing.T) {
	for _, test := range []struct {
		name string
		ev   hub.Event[[]byte]
		want string
	}{
		{"event", hub.Event[[]byte]{Topic: "news", Pos: posA, Rev: posA, Name: "story", Key: "k", Time: noon, Data: []byte(`{"a":1}`)},
			`{"topic":"news","pos":"0000000000g.7.00001b","name":"story","key":"k","time":1767225600123,"data":{"a":1}}`},
		{"row of a snapshot", hub.Event[[]byte]{Topic: "board", Rev: posA, Key: "k", Data: []byte(`1`)},
			`{"topic":"board","rev":"0000000000g.7.00001b","key":"k","data":1}`},
		{"deletion", hub.Event[[]byte]{Topic: "board", Pos: posA, Rev: posA, Key: "k", Deleted: true, Expired: true},
			`{"topic":"board","pos":"0000000000g.7.00001b","key":"k","deleted":true,"expired":true}`},
		{"ephemeral", hub.Event[[]byte]{Topic: "eph", Key: "k", Data: []byte(`"x"`)}, `{"topic":"eph","key":"k","data":"x"}`},
		{"text", hub.Event[[]byte]{Topic: "t", Data: []byte("so \"it\" is\n\x00é\u2028")}, `{"topic":"t","text":"so \"it\" is\n\u0000é` + "\u2028" + `"}`},
		{"empty", hub.Event[[]byte]{Topic: "t", Data: []byte{}}, `{"topic":"t","text":""}`},
		{"binary", hub.Event[[]byte]{Topic: "t", Data: []byte{0, 0xff}}, `{"topic":"t","b64":"AP8="}`},
		{"binary in what else is JSON", hub.Event[[]byte]{Topic: "t", Data: []byte("\"\xff\"")}, `{"topic":"t","b64":"Iv8i"}`},
		{"JSON of several lines", hub.Event[[]byte]{Topic: "t", Data: []byte("{\r\n  \"a b\\\"\\\\\" : [1, 2]\n}\n")}, `{"topic":"t","data":{"a b\"\\":[1,2]}}`},
		{"JSON in one line", hub.Event[[]byte]{Topic: "t", Data: []byte(` [1, 2] `)}, `{"topic":"t","data": [1, 2] }`},
		{"null", hub.Event[[]byte]{Topic: "t", Data: []byte(`null`)}, `{"topic":"t","data":null}`},
		{"name to escape", hub.Event[[]byte]{Topic: `a"b\`, Data: []byte(`1`)}, `{"topic":"a\"b\\","data":1}`},
		{"name that is no UTF-8", hub.Event[[]byte]{Topic: "a\xffé", Data: []byte(`1`)}, `{"topic":"a` + "\uFFFD" + `é","data":1}`},
		{"gap", hub.Event[[]byte]{Topic: "t", Marker: hub.MarkGap, Pos: posB, Gap: &hub.Gap{Reason: hub.Trimmed, From: posA, Now: posB, Missed: 2}},
			`{"topic":"t","pos":"0000000000g.9.000003","name":"gap","gap":{"reason":"trimmed","from":"0000000000g.7.00001b","now":"0000000000g.9.000003","missed":2}}`},
		{"gap without positions", hub.Event[[]byte]{Topic: "t", Marker: hub.MarkGap, Gap: &hub.Gap{Reason: hub.Epoch, Missed: -1}},
			`{"topic":"t","name":"gap","gap":{"reason":"epoch","from":"","now":"","missed":-1}}`},
		{"reset", hub.Event[[]byte]{Topic: "t", Marker: hub.MarkReset, Reset: &hub.Reset{Reason: hub.Fork, From: posA, Missed: -1}},
			`{"topic":"t","name":"reset","reset":{"reason":"fork","from":"0000000000g.7.00001b","missed":-1}}`},
		{"live", hub.Event[[]byte]{Topic: "t", Marker: hub.MarkLive, Pos: posA}, `{"topic":"t","pos":"0000000000g.7.00001b","name":"live"}`},
	} {
		text := string(gateway.AppendEvent([]byte("before"), &test.ev))
		if text != "before"+test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, text[6:], test.want)
		}
		e, err := gateway.ParseEnvelope([]byte(test.want))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if !json.Valid([]byte(test.want)) || strings.ContainsAny(test.want, "\r\n") {
			t.Errorf("%s: not one line of JSON", test.name)
		}
		same(t, test.name, &gateway.Envelope{Event: test.ev}, e)
	}
	bye := &gateway.Bye{Reason: gateway.ByeSlow, Retry: 1500*time.Millisecond + 1, Pos: posA, Missed: 12}
	text := string(gateway.AppendBye(nil, "t", bye))
	if want := `{"topic":"t","name":"bye","bye":{"reason":"slow","retry":1501,"pos":"0000000000g.7.00001b","missed":12}}`; text != want {
		t.Errorf("bye:\n got %s\nwant %s", text, want)
	}
	bye.Retry = 1501 * time.Millisecond
	if e, err := gateway.ParseEnvelope([]byte(text)); err != nil || e.Bye == nil || *e.Bye != *bye || e.Topic != "t" {
		t.Errorf("bye: %+v, %v", e, err)
	}
}

// same compares an envelope with what came of it. What is not JSON comes back
// byte for byte, and what is, up to white space.
func same(t *testing.T, what string, want, got *gateway.Envelope) {
	t.Helper()
	w, g := want.Event, got.Event
	if w.Marker == hub.NoMarker && want.Bye == nil {
		if w.Rev.IsZero() {
			w.Rev = w.Pos
		}
		if json.Valid(w.Data) && json.Valid(g.Data) {
			w.Data, g.Data = compact(w.Data), compact(g.Data)
		}
	}
	w.Topic, w.Name, w.Key = string([]rune(w.Topic)), string([]rune(w.Name)), string([]rune(w.Key)) // U+FFFD for what is not UTF-8
	if string(got.Data) != string(got.Value) {
		t.Errorf("%s: Data %q, Value %q", what, got.Data, got.Value)
	}
	w.Value, g.Value = w.Data, g.Data
	if !sameEventAs(w, g) || !equal(want.Bye, got.Bye) {
		t.Errorf("%s: got %+v, want %+v", what, g, w)
	}
}

func sameEventAs(a, b hub.Event[[]byte]) bool {
	return equal(a.Gap, b.Gap) && equal(a.Reset, b.Reset) && a.Topic == b.Topic && a.Marker == b.Marker &&
		a.Pos == b.Pos && a.Rev == b.Rev && a.Name == b.Name && a.Key == b.Key && a.Time.UnixMilli() == b.Time.UnixMilli() &&
		string(a.Data) == string(b.Data) && a.Deleted == b.Deleted && a.Expired == b.Expired
}

func compact(data []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, data) != nil {
		return data
	}
	return b.Bytes()
}

// What is nested as deep as encoding/json goes still arrives.
func TestDeepJSONArrives(t *testing.T) {
	for _, depth := range []int{100, 8999, 9000, 9001, 10000, 10001} {
		for _, form := range []string{"[]", "{}"} {
			inner := `"[[{{\""`
			data := []byte(strings.Repeat("[", depth) + inner + strings.Repeat("]", depth))
			if form == "{}" {
				data = []byte(strings.Repeat(`{"[":`, depth) + inner + strings.Repeat("}", depth))
			}
			e, err := gateway.ParseEnvelope(gateway.AppendEvent(nil, &hub.Event[[]byte]{Topic: "t", Data: data}))
			if err != nil || !bytes.Equal(e.Data, data) {
				t.Errorf("depth %d of %s: %v", depth, form, err)
			}
		}
	}
	flat := []byte("[" + strings.Repeat("[],", 20000) + "{}]")
	if text := gateway.AppendEvent(nil, &hub.Event[[]byte]{Topic: "t", Data: flat}); !bytes.Contains(text, []byte(`"data":[[]`)) {
		t.Errorf("wide JSON is not data: %.60s", text)
	}
}

func TestParseEnvelopeRefuses(t *testing.T) {
	for _, text := range []string{
		``, `1`, `[]`, `{"topic":1}`, `{"topic":"t"}`, `{"topic":"t","data":1,"text":""}`, `{"topic":"t","data":1,"b64":""}`,
		`{"topic":"t","deleted":true,"data":1}`, `{"topic":"t","name":"gap"}`, `{"topic":"t","name":"x","data":1,"gap":{}}`,
		`{"topic":"t","name":"reset"}`, `{"topic":"t","name":"bye"}`, `{"topic":"t","name":"live","data":1}`,
		`{"topic":"t","name":"live","deleted":true}`, `{"topic":"t","name":"bye","bye":{"retry":-1}}`,
		`{"topic":"t","name":"bye","bye":{"retry":9223372036854775807}}`, `{"topic":"t","pos":"x","data":1}`,
		`{"topic":"t","b64":"?"}`, `{"topic":"t","data":1}x`, `{"topic":"t","time":1.5,"data":1}`,
	} {
		e, err := gateway.ParseEnvelope([]byte(text))
		if _, ok := errors.AsType[*gateway.EnvelopeError](err); !ok || e != nil {
			t.Errorf("%s: %v, %v", text, e, err)
		}
	}
	e, err := gateway.ParseEnvelope([]byte(`{"topic":"t","more":{"to":"come"},"name":"gap","gap":{"reason":"new","missed":1,"more":1}}`))
	if err != nil || e.Gap == nil || e.Gap.Reason != 0 || e.Marker != hub.MarkGap {
		t.Errorf("members and reasons to come: %+v, %v", e, err)
	}
	var u gateway.Envelope
	if err := json.Unmarshal([]byte(`{"topic":"t","data":{"a":[1]}}`), &u); err != nil || string(u.Data) != `{"a":[1]}` {
		t.Errorf("UnmarshalJSON: %+v, %v", u, err)
	}
	if text, err := json.Marshal(&u); err != nil || string(text) != `{"topic":"t","data":{"a":[1]}}` {
		t.Errorf("MarshalJSON: %s, %v", text, err)
	}
	u.Bye = &gateway.Bye{Reason: "x"}
	if text, err := json.Marshal(&u); err != nil || string(text) != `{"topic":"t","name":"bye","bye":{"reason":"x"}}` {
		t.Errorf("MarshalJSON: %s, %v", text, err)
	}
}

// Nothing that a program hands over makes it panic.
func TestAppendEventTakesAnything(t *testing.T) {
	for _, ev := range []hub.Event[[]byte]{
		{}, {Marker: hub.MarkGap}, {Marker: hub.MarkReset}, {Marker: 99, Deleted: true, Data: []byte{1}}, {Time: time.Unix(math.MaxInt64/2, 0), Data: []byte("x")},
	} {
		if text := gateway.AppendEvent(nil, &ev); !json.Valid(text) {
			t.Errorf("%+v: %s", ev, text)
		}
	}
	if text := gateway.AppendBye(nil, "\x00", &gateway.Bye{Reason: "\xff\"", Retry: math.MaxInt64, Missed: -1}); !json.Valid(text) {
		t.Errorf("%s", text)
	}
}

func FuzzEnvelope(f *testing.F) {
	f.Add("t", "", "", []byte("{\n}"), int64(0), uint64(0), uint64(1), uint8(0))
	f.Add("t", "n", "k", []byte("plain\xff"), int64(-1), uint64(7), uint64(7), uint8(1))
	f.Add("\xff\u2028\"", "gap ", "\\", []byte(" \"\\ud800\" "), int64(1<<62), uint64(7), uint64(8), uint8(6))
	f.Fuzz(func(t *testing.T, topic, name, key string, data []byte, ms int64, at, rev uint64, flags uint8) {
		switch name {
		case "gap", "reset", "live", "bye":
			return // no event has these
		}
		ev := hub.Event[[]byte]{Topic: topic, Name: name, Key: key, Data: data, Deleted: flags&1 != 0, Expired: flags&2 != 0}
		if ev.Deleted {
			ev.Data = nil
		}
		if ms != 0 {
			ev.Time = time.UnixMilli(ms)
		}
		if at != 0 {
			ev.Pos = hub.MakePosition(at, at>>1, uint32(at))
		}
		if rev != 0 {
			ev.Rev = hub.MakePosition(rev, rev>>1, uint32(rev))
		}
		text := gateway.AppendEvent(nil, &ev)
		if !json.Valid(text) || bytes.ContainsAny(text, "\r\n") || !utf8.Valid(text) {
			t.Fatalf("not one line of JSON: %q", text)
		}
		e, err := gateway.ParseEnvelope(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		same(t, string(text), &gateway.Envelope{Event: ev}, e)
	})
}

func FuzzParseEnvelope(f *testing.F) {
	for _, s := range []string{
		`{"topic":"t","pos":"0000000000g.7.00001b","name":"story","key":"k","time":5,"data":{"a":1}}`,
		`{"topic":"t","name":"gap","gap":{"reason":"trimmed","from":"0000000000g.7.00001b","now":"","missed":2}}`,
		`{"topic":"t","name":"bye","bye":{"reason":"slow","retry":1501,"missed":12}}`,
		`{"TOPIC":"t","b64":"AP8="}`, `{"topic":"t","name":"live","rev":""}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := gateway.ParseEnvelope(text)
		if err != nil {
			return
		}
		again, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		e2, err := gateway.ParseEnvelope(again)
		if err != nil {
			t.Fatalf("%s, written again %s: %v", text, again, err)
		}
		if e.Bye == nil && e.Marker != hub.NoMarker { // a marker has nothing else
			e.Key, e.Rev, e.Time = "", hub.Position{}, time.Time{}
		}
		if e.Bye != nil {
			e.Event = hub.Event[[]byte]{Topic: e.Topic}
		}
		same(t, string(again), e, e2)
	})
}
