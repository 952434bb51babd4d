package load

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPayloadComesBack(t *testing.T) {
	b := AppendPayload(nil, 256, 1<<60+5, 77)
	if len(b) != 256 || bytes.ContainsAny(b, "\r\n") {
		t.Fatalf("%d bytes: %q", len(b), b)
	}
	at, seq, err := newPayloads(256).check(b)
	if at != 1<<60+5 || seq != 77 || err != nil {
		t.Errorf("%d, %d, %v", at, seq, err)
	}
}

func TestChangedPayloadIsRefused(t *testing.T) {
	p := newPayloads(64)
	good := AppendPayload(nil, 64, 1, 2)
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 0x80
		if _, _, err := p.check(b); !errors.Is(err, errPayload) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	for _, b := range [][]byte{nil, good[:63], append(bytes.Clone(good), 'x')} {
		if _, _, err := p.check(b); !errors.Is(err, errPayload) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
}

// feeder is one of the two parsers.
type feeder interface {
	feed([]byte, func([]byte) error) error
}

// at every split, a stream gives the same.
func everySplit(t *testing.T, stream string, make func() feeder, want []string) {
	t.Helper()
	for i := range len(stream) + 1 {
		var got []string
		p := make()
		for _, part := range []string{stream[:i], stream[i:]} {
			err := p.feed([]byte(part), func(b []byte) error { got = append(got, string(b)); return nil })
			if err != nil {
				t.Fatalf("split at %d: %v", i, err)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("split at %d (-want +got)\n%s", i, diff)
		}
	}
}

func TestEventStreamAtEverySplit(t *testing.T) {
	header := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
	body := ": hello\n\nretry: 5\n\nid: 1\ndata: one\n\ndata:two\n\n"
	want := []string{"one", "two"}
	fresh := func() feeder { return &sseParser{} }
	everySplit(t, header+"\r\n"+body, fresh, want)
	var chunked strings.Builder
	chunked.WriteString(header + "Transfer-Encoding: chunked\r\n\r\n")
	for len(body) > 0 {
		n := min(17, len(body))
		chunked.WriteString(fmt.Sprintf("%x\r\n%s\r\n", n, body[:n]))
		body = body[n:]
	}
	everySplit(t, chunked.String(), fresh, want)
}

func TestEventStreamThatIsNone(t *testing.T) {
	for _, tt := range []struct{ name, in string }{
		{"another status", "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/event-stream\r\n\r\n"},
		{"another type", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"},
		{"the last chunk", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"no chunk", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\ndata: x\n\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &sseParser{}
			if err := p.feed([]byte(tt.in), func([]byte) error { return nil }); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestFramesAtEverySplit(t *testing.T) {
	long := strings.Repeat("x", 300)
	var stream []byte
	stream = appendPlain(stream, []byte("one"))
	stream = append(stream, 0x89, 1, 'p') // a ping
	stream = appendPlain(stream, []byte(long))
	stream = appendPlain(stream, []byte("three"))
	everySplit(t, string(stream), func() feeder { return &wsParser{} }, []string{"one", long, "three"})
}

// A server that is measured for long asks whether its receivers are there.
func TestPingWantsAPong(t *testing.T) {
	p := &wsParser{}
	if err := p.feed([]byte{0x89, 2, 'h', 'i'}, func([]byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]byte{0x8a, 0x82, 0, 0, 0, 0, 'h', 'i'}, p.pong); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestFramesThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []byte
	}{
		{"masked", []byte{0x81, 0x80, 0, 0, 0, 0}},
		{"of 64 bits", []byte{0x81, 127, 0, 0, 0, 0, 0, 0, 0, 1, 'x'}},
		{"close", []byte{0x88, 2, 3, 0xe8}},
		{"binary", []byte{0x82, 1, 'x'}},
		{"compressed", []byte{0xc1, 1, 'x'}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &wsParser{}
			if err := p.feed(tt.in, func([]byte) error { return nil }); err == nil {
				t.Error("accepted")
			}
		})
	}
}

// What a connection sends unmasks to what it expects back, and no two connections expect the same.
func TestEchoFramesMatch(t *testing.T) {
	out, want := echoFrames(3, 2, 64)
	if len(out) != 2*(2+4+64) || len(want) != 2*(2+64) {
		t.Fatalf("%d and %d bytes", len(out), len(want))
	}
	for i := range 2 {
		o, w := out[i*70:][:70], want[i*66:][:66]
		if o[0] != 0x81 || o[1] != 0x80|64 || w[0] != 0x81 || w[1] != 64 {
			t.Fatalf("frame %d begins with %x and %x", i, o[:2], w[:2])
		}
		for k, b := range o[6:] {
			if b^o[2+k%4] != w[2+k] {
				t.Fatalf("frame %d, byte %d", i, k)
			}
		}
	}
	if _, other := echoFrames(4, 2, 64); bytes.Equal(want, other) {
		t.Error("two connections send the same")
	}
}

func TestStalledConnectionsAreSpread(t *testing.T) {
	c := &crowd{job: Job{Conns: 5000, Stalled: 50}}
	n := 0
	for i := range c.job.Conns {
		if c.stalled(i) {
			n++
		}
	}
	if n != 50 || !c.stalled(0) || !c.stalled(4900) || c.stalled(1) {
		t.Errorf("%d stalled", n)
	}
}

func TestAnswerOfTheHandshake(t *testing.T) {
	good := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
	if err := checkHandshake([]byte(good)); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{
		strings.Replace(good, "101", "200", 1), strings.Replace(good, "s3p", "s3q", 1), "HTTP/1.1 400 Bad Request\r\n\r\n",
	} {
		if err := checkHandshake([]byte(bad)); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
