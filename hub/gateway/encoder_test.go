package gateway_test

import (
	"errors"
	"testing"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/hub/gateway"
	"github.com/tidewire/tidewire/sse"
)

func TestEventStreamFrames(t *testing.T) {
	for _, test := range []struct {
		name string
		ev   hub.Event[[]byte]
		want string
	}{
		{"event", hub.Event[[]byte]{Topic: "t", Pos: posA, Rev: posA, Name: "story", Data: []byte("{\n}")},
			"id: 0000000000g.7.00001b\nevent: story\ndata: {\"topic\":\"t\",\"pos\":\"0000000000g.7.00001b\",\"name\":\"story\",\"data\":{}}\n\n"},
		{"row", hub.Event[[]byte]{Topic: "t", Rev: posA, Key: "k", Data: []byte("1")},
			"data: {\"topic\":\"t\",\"rev\":\"0000000000g.7.00001b\",\"key\":\"k\",\"data\":1}\n\n"},
		{"gap", hub.Event[[]byte]{Topic: "t", Marker: hub.MarkGap, Pos: posB, Gap: &hub.Gap{Reason: hub.Trimmed, From: posA, Now: posB, Missed: 2}},
			"id: 0000000000g.9.000003\nevent: gap\ndata: {\"topic\":\"t\",\"pos\":\"0000000000g.9.000003\",\"name\":\"gap\",\"gap\":{\"reason\":\"trimmed\",\"from\":\"0000000000g.7.00001b\",\"now\":\"0000000000g.9.000003\",\"missed\":2}}\n\n"},
		{"reset", hub.Event[[]byte]{Topic: "t", Marker: hub.MarkReset, Reset: &hub.Reset{Reason: hub.Epoch, Missed: -1}},
			"event: reset\ndata: {\"topic\":\"t\",\"name\":\"reset\",\"reset\":{\"reason\":\"epoch\",\"from\":\"\",\"missed\":-1}}\n\n"},
		{"live", hub.Event[[]byte]{Topic: "t", Marker: hub.MarkLive, Pos: posA},
			"id: 0000000000g.7.00001b\nevent: live\ndata: {\"topic\":\"t\",\"pos\":\"0000000000g.7.00001b\",\"name\":\"live\"}\n\n"},
	} {
		b, err := gateway.EventStreamEncoder{}.AppendFrame([]byte("x"), &test.ev)
		if string(b) != "x"+test.want || err != nil {
			t.Errorf("%s: %v\n got %q\nwant %q", test.name, err, b, test.want)
		}
	}
	// What no event of a hub has: it could break out of its field.
	_, err := gateway.EventStreamEncoder{}.AppendFrame(nil, &hub.Event[[]byte]{Name: "a\ndata: b"})
	if _, ok := errors.AsType[*sse.FieldError](err); !ok {
		t.Errorf("a name of two lines: %v", err)
	}
}

func TestWebSocketFrames(t *testing.T) {
	for _, size := range []int{0, 60, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 65500, 65501, 65502, 65503, 65504, 65505, 65506, 65507, 65508, 65509, 65510, 65511, 65512, 65513, 65514, 65515, 200000} {
		ev := hub.Event[[]byte]{Topic: "t", Data: make([]byte, size)}
		for i := range ev.Data {
			ev.Data[i] = 'x'
		}
		env := gateway.AppendEvent(nil, &ev)
		b, err := gateway.WebSocketEncoder{}.AppendFrame([]byte("x"), &ev)
		if err != nil {
			t.Fatal(err)
		}
		var head []byte
		switch n := len(env); { // RFC 6455, section 5.2
		case n <= 125:
			head = []byte{0x81, byte(n)}
		case n <= 0xffff:
			head = []byte{0x81, 126, byte(n >> 8), byte(n)}
		default:
			head = []byte{0x81, 127, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
		}
		if want := "x" + string(head) + string(env); string(b) != want {
			t.Errorf("%d bytes: a frame that begins with % x, want % x", len(env), b[1:min(len(b), 11)], head)
		}
	}
}

func TestEncodersHaveFormatsOfTheirOwn(t *testing.T) {
	if a, b := (gateway.EventStreamEncoder{}).Format(), (gateway.WebSocketEncoder{}).Format(); a == b || a == "" || b == "" {
		t.Errorf("formats %q and %q", a, b)
	}
}
