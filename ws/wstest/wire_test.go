package wstest

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// The examples of RFC 6455, section 5.7.
func TestFramesOfTheStandard(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 65536)
	for _, tc := range []struct {
		name string
		f    frame
		mask bool
		wire string
	}{
		{"unmasked text", text("Hello"), false, "\x81\x05Hello"},
		{"masked text", text("Hello"), true, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"},
		{"first fragment", text("Hel").open(), false, "\x01\x03Hel"},
		{"last fragment", frame{payload: []byte("lo")}, false, "\x80\x02lo"},
		{"ping", ping("Hello"), false, "\x89\x05Hello"},
		{"masked pong", frame{op: opPong, payload: []byte("Hello")}, true, "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"},
		{"256 bytes", blob(big[:256]), false, "\x82\x7e\x01\x00" + string(big[:256])},
		{"64 KiB", blob(big), false, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + string(big)},
		{"close", closing(1000, "bye"), false, "\x88\x05\x03\xe8bye"},
		{"all that is wrong", frame{more: true, rsv: 7, op: 0xf, bits: 64}.declaring(1<<64 - 1), false, "\x7f\x7f\xff\xff\xff\xff\xff\xff\xff\xff"},
	} {
		if got := appendFrame(nil, tc.f, tc.mask, 0x37fa213d); string(got) != tc.wire {
			t.Errorf("%s: % x, want % x", tc.name, got[:min(20, len(got))], tc.wire[:min(20, len(tc.wire))])
		}
		if tc.f.declare {
			continue
		}
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(tc.wire), "by bytes": iotest.OneByteReader(strings.NewReader(tc.wire))} {
			f, err := readFrame(bufio.NewReader(r))
			if err != nil || f.op != tc.f.op || f.more != tc.f.more || f.masked != tc.mask || !bytes.Equal(f.payload, tc.f.payload) {
				t.Errorf("%s, read %s: %v, %v", tc.name, name, f, err)
			}
		}
		for cut := range min(len(tc.wire), 20) {
			want := io.ErrUnexpectedEOF
			if cut == 0 {
				want = io.EOF
			}
			if _, err := readFrame(bufio.NewReader(strings.NewReader(tc.wire[:cut]))); err != want {
				t.Errorf("%s, cut after %d bytes: %v", tc.name, cut, err)
			}
		}
	}
}

func TestAcceptOfTheStandard(t *testing.T) { // RFC 6455, section 1.3
	if got := acceptFor("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("acceptFor = %q", got)
	}
}

func TestHeads(t *testing.T) {
	const wire = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nconnection:keep-alive ,\t Upgrade,\r\nCONNECTION: x\r\nEmpty:\r\n\r\nrest"
	r := bufio.NewReader(strings.NewReader(wire))
	h, err := readHead(r)
	if err != nil {
		t.Fatal(err)
	}
	if h.status() != 101 || !h.hasToken("Connection", "upgrade") || !h.hasToken("connection", "X") || h.hasToken("Connection", "up") ||
		len(h.values("empty")) != 1 || len(h.tokens("empty")) != 0 || len(h.tokens("Connection")) != 3 {
		t.Errorf("%+v", h)
	}
	if rest, _ := io.ReadAll(r); string(rest) != "rest" {
		t.Errorf("after the head there is %q", rest)
	}
	h.set("connection", "a", "b").set("Upgrade")
	if got := string(h.append(nil)); got != "HTTP/1.1 101 Switching Protocols\r\nEmpty: \r\nconnection: a\r\nconnection: b\r\n\r\n" {
		t.Errorf("after changes: %q", got)
	}
	for _, bad := range []string{"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\n\n", "HTTP/1.1 200 OK\r\nno field\r\n\r\n", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "x" + strings.Repeat("y", maxHead) + "\r\n\r\n"} {
		if h, err := readHead(bufio.NewReader(strings.NewReader(bad))); err == nil {
			t.Errorf("%q: %+v", bad[:min(40, len(bad))], h)
		}
	}
}

func TestBodies(t *testing.T) {
	for _, tc := range []struct {
		fields []field
		wire   string
		n      int64
		last   bool
		fails  bool
	}{
		{nil, "to the end", 10, true, false},
		{[]field{{"Content-Length", "3"}}, "abcrest", 3, false, false},
		{[]field{{"Content-Length", "3"}}, "ab", 2, false, true},
		{[]field{{"Content-Length", "-3"}}, "abc", 0, true, true},
		{[]field{{"Content-Length", "3"}, {"Content-Length", "4"}}, "abc", 0, true, true},
		{[]field{{"Transfer-Encoding", "chunked"}}, "3\r\nabc\r\n0\r\nTrailer: x\r\n\r\nrest", 3, false, false},
		{[]field{{"Transfer-Encoding", "chunked"}}, "3\r\nabc\r\n", 3, false, true},
	} {
		r := bufio.NewReader(strings.NewReader(tc.wire))
		n, last, err := (&head{fields: tc.fields}).readBody(r)
		if n != tc.n || last != tc.last || (err != nil) != tc.fails {
			t.Errorf("%v %q: %d, %v, %v", tc.fields, tc.wire, n, last, err)
		}
		if rest, _ := io.ReadAll(r); !last && err == nil && string(rest) != "rest" {
			t.Errorf("%v %q: after the body there is %q", tc.fields, tc.wire, rest)
		}
	}
}

func TestBadTextIsBadAndGoodTextGood(t *testing.T) {
	// The tables of the cases themselves, against the standard library.
	if s := strings.ToValidUTF8(goodText+cutText, "?"); s != goodText+cutText {
		t.Error("good text is not good")
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("\x81\x05Hello"))
	f.Add([]byte("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"))
	f.Add([]byte("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readFrame(bufio.NewReader(bytes.NewReader(b)))
		if err != nil {
			return
		}
		// What was read is what was there.
		if again := appendFrame(nil, got, got.masked, got.key); !bytes.HasPrefix(b, again) {
			t.Errorf("% x was read as %v, which is % x", b, got, again)
		}
		_ = got.String()
	})
}

func FuzzReadHead(f *testing.F) {
	f.Add("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
	f.Add("GET / HTTP/1.1\r\nConnection: a,, b\r\n\r\n")
	f.Add("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		r := bufio.NewReader(strings.NewReader(s))
		h, err := readHead(r)
		if err != nil {
			return
		}
		h.status()
		again, err := readHead(bufio.NewReader(bytes.NewReader(h.append(nil))))
		if err != nil || len(again.fields) != len(h.fields) || again.start != h.start {
			t.Errorf("%q is read as %+v, and that as %+v, %v", s, h, again, err)
		}
		_, _, _ = h.readBody(r)
		_ = describeHead(h)
	})
}
