package hub

import (
	"encoding"
	"encoding/json"
	"math"
	"strings"
	"testing"
)

var (
	_ encoding.TextAppender    = Position{}
	_ encoding.TextMarshaler   = Position{}
	_ encoding.TextUnmarshaler = (*Position)(nil)
)

var positions = []struct {
	p    Position
	text string
}{
	{Position{1, 0, 0}, "00000000001.0.000000"},
	{Position{61, 9, 61}, "0000000000z.9.00000z"},
	{Position{62, 10, 62}, "00000000010.10.000010"},
	{Position{math.MaxUint64, maxOffset, math.MaxUint32}, "LygHa16AHYF.9223372036854775807.4gfFC3"},
}

func TestPositionText(t *testing.T) {
	for _, tt := range positions {
		if got := tt.p.String(); got != tt.text {
			t.Errorf("%#v: text %q, want %q", tt.p, got, tt.text)
		}
		if got, err := ParsePosition(tt.text); err != nil || got != tt.p {
			t.Errorf("%q: parsed %#v, %v, want %#v", tt.text, got, err, tt.p)
		}
	}
	if got := (Position{}).String(); got != "" {
		t.Errorf("zero position: %q", got)
	}
}

func TestPositionJSON(t *testing.T) {
	type message struct{ Pos, None Position }
	in := message{Pos: positions[3].p}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"Pos":"` + positions[3].text + `","None":""}`; string(b) != want {
		t.Errorf("got %s, want %s", b, want)
	}
	var out message
	if err := json.Unmarshal(b, &out); err != nil || out != in {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestPositionRefusesHostileText(t *testing.T) {
	for _, s := range []string{
		"", ".", "..", "1.2.3", "0", "live", "start",
		"00000000000.0.000000",                     // no epoch
		"LygHa16AHYG.0.000000",                     // 2^64
		"zzzzzzzzzzz.0.000000",                     // overflows
		"00000000001.0.4gfFC4",                     // 2^32
		"00000000001.00.000000",                    // leading zero
		"00000000001.01.000000",                    //
		"00000000001.+1.000000",                    //
		"00000000001.-1.000000",                    //
		"00000000001.1e3.000000",                   //
		"00000000001. 1.000000",                    //
		"00000000001..000000",                      //
		"00000000001.1.2.000000",                   //
		"00000000001.9223372036854775808.000000",   // 2^63
		"00000000001.99999999999999999999.000000",  //
		"00000000001.1.00000",                      // short tag
		"00000000001.1.0000000",                    // long tag
		"0000000001.1.000000",                      // short epoch
		"000000000011.1.000000",                    // long epoch
		"0000000000_.1.000000",                     //
		"0000000000é.1.000000",                     //
		"00000000001.1.000000\n",                   //
		"00000000001.1.000000\x00",                 //
		" 00000000001.1.000000",                    //
		"00000000001.1.000000,00000000001.1.00000", //
		strings.Repeat("1", 64),
		strings.Repeat("1", 65),
		strings.Repeat("1.", 1<<20),
	} {
		p, err := ParsePosition(s)
		perr, ok := err.(*PositionError)
		if !ok || !p.IsZero() {
			t.Errorf("%.80q: got %v, %v, want a *PositionError", s, p, err)
			continue
		}
		if len(perr.Text) > 64 {
			t.Errorf("%.80q: the error keeps %d bytes of it", s, len(perr.Text))
		}
		if s == "" {
			continue
		}
		if p.UnmarshalText([]byte(s)) == nil {
			t.Errorf("%.80q: UnmarshalText took it", s)
		}
	}
}

func TestPositionParsingDoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { ParsePosition(positions[3].text) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzParsePosition: what is accepted has one spelling, of the alphabet and
// length that transports rely on.
func FuzzParsePosition(f *testing.F) {
	for _, tt := range positions {
		f.Add(tt.text)
	}
	f.Add("")
	f.Add("00000000001.01.000000")
	f.Add("zzzzzzzzzzz.18446744073709551616.zzzzzz")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePosition(s)
		if err != nil {
			if !p.IsZero() {
				t.Errorf("%q: error and a position", s)
			}
			return
		}
		if p.String() != s {
			t.Errorf("%q is also spelled %q", s, p)
		}
		if len(s) > maxPositionText || strings.Trim(s, base62+"._-") != "" {
			t.Errorf("%q: too long or not of the alphabet", s)
		}
	})
}
