package ws

import (
	"bytes"
	"math"
	"testing"
)

var headerLengths = []int64{0, 1, 125, 126, 127, 128, 255, 256, 65534, 65535, 65536, 65537, 1 << 31, 1<<32 + 1, 1 << 62, math.MaxInt64}

func TestHeaderRoundTripAtEveryLength(t *testing.T) {
	for _, length := range headerLengths {
		for _, masked := range []bool{false, true} {
			for _, fin := range []bool{false, true} {
				want := header{opcode: opBinary, fin: fin, rsv: bitRSV1, masked: masked, length: length}
				if masked {
					want.key = 0xfedcba98
				}
				b := appendHeader(nil, want)
				got, n, err := parseHeader(append(b, 0xaa))
				if got != want || n != len(b) || err != nil {
					t.Errorf("parseHeader(% x) = %+v, %d, %v; want %+v", b, got, n, err, want)
				}
				for i := range b {
					if _, n, err := parseHeader(b[:i]); n != 0 || err != nil {
						t.Errorf("cut at byte %d: % x gives %d, %v", i, b[:i], n, err)
					}
				}
			}
		}
	}
}

func TestHeaderRejectsBadLengths(t *testing.T) {
	for _, test := range []struct {
		name string
		b    string
	}{
		{"0 in 16 bits", "\x82\x7e\x00\x00"},
		{"125 in 16 bits", "\x82\x7e\x00\x7d"},
		{"0 in 64 bits", "\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x00"},
		{"65535 in 64 bits", "\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff"},
		{"top bit", "\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00"},
		{"all bits", "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if h, n, err := parseHeader([]byte(test.b)); err == nil || err.Code != CloseProtocolError {
				t.Errorf("parseHeader(% x) = %+v, %d, %v; want 1002", test.b, h, n, err)
			}
		})
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte("\x81\x05hello"))
	f.Add([]byte("\x82\xfe\x01\x00abcd"))
	f.Add([]byte("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"))
	f.Add([]byte("\x82\x7f\x80\x00\x00\x00\x00\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := parseHeader(b)
		if err != nil || n == 0 {
			return
		}
		if h.length < 0 || n > maxHeader {
			t.Fatalf("parseHeader(% x) = %+v, %d", b, h, n)
		}
		if again := appendHeader(nil, h); !bytes.Equal(again, b[:n]) {
			t.Fatalf("% x was parsed as %+v, which is % x", b[:n], h, again)
		}
	})
}

func TestMaskIsTheSameAtEverySplit(t *testing.T) {
	const key = 0x04030201
	for _, size := range []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 63, 64, 65, 71, 127, 128, 200} {
		plain := bytes.Repeat([]byte("tidewire"), size/8+1)[:size]
		want := bytes.Clone(plain)
		for i := range want { // RFC 6455, section 5.3, to the letter
			want[i] ^= byte(1 + i%4)
		}
		for cut := range size + 1 {
			got := bytes.Clone(plain)
			mask(got[cut:], mask(got[:cut], key))
			if !bytes.Equal(got, want) {
				t.Fatalf("%d bytes cut at %d: % x, want % x", size, cut, got, want)
			}
		}
	}
}

func TestCloseCodesThatMayBeOnTheWire(t *testing.T) {
	legal := map[CloseCode]bool{}
	for _, c := range []CloseCode{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014} {
		legal[c] = true
	}
	for c := CloseCode(3000); c < 5000; c++ {
		legal[c] = true
	}
	for c := range 1 << 16 {
		c := CloseCode(c)
		_, _, err := parseClosePayload([]byte{byte(c >> 8), byte(c)})
		if c.onWire() != legal[c] || (err == nil) != legal[c] {
			t.Errorf("%d: onWire %v, parse %v; want legal %v", uint16(c), c.onWire(), err, legal[c])
		}
	}
}

func TestCloseReasonIsCutOnARuneBoundary(t *testing.T) {
	long := bytes.Repeat([]byte("a"), 121)
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{"bye", "bye"},
		{string(long) + "bc", string(long) + "bc"},
		{string(long) + "bcd", string(long) + "bc"},
		{string(long) + "é", string(long) + "é"},
		{string(long) + "bé", string(long) + "b"},
		{string(long) + "€", string(long)},
		{string(long) + "🙂", string(long)},
		{"bad \xff byte", "bad \uFFFD byte"},
		{string(bytes.Repeat([]byte("🙂"), 1000)), string(bytes.Repeat([]byte("🙂"), 30))},
	} {
		if got := cutReason(test.in); got != test.want {
			t.Errorf("cutReason(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}
