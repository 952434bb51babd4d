package ws

import (
	"testing"
	"unicode/utf8"
)

var textCases = []struct {
	name string
	text string
	bad  int // the index of the first byte that can't be; -1: none; len: incomplete
}{
	{"empty", "", -1},
	{"ASCII", "hello", -1},
	{"two, three and four bytes", "é€🙂 κόσμε 水", -1},
	{"the last code point", "\U0010FFFF", -1},
	{"the replacement character", "\uFFFD!", -1},
	{"NUL and BOM", "\x00\uFEFF", -1},
	{"stray continuation", "ab\x80", 2},
	{"overlong, two bytes", "a\xc0\xaf", 1},
	{"overlong, three bytes", "a\xe0\x80\xaf", 2},
	{"overlong, four bytes", "a\xf0\x80\x80\xaf", 2},
	{"surrogate", "a\xed\xa0\x80", 2},
	{"above 10FFFF", "a\xf4\x90\x80\x80", 2},
	{"five bytes", "a\xf8\x88\x80\x80\x80", 1},
	{"FE and FF", "\xfe\xff", 0},
	{"rune broken by ASCII", "a\xe2\x82b", 3},
	{"rune broken by a rune", "a\xe2\x82\xe2\x82\xac", 3},
	{"incomplete, one of two", "a\xc3", 2},
	{"incomplete, two of three", "a\xe2\x82", 3},
	{"incomplete, three of four", "a\xf0\x9f\x99", 4},
}

// The check must fail with the very byte that can't be, wherever the text is cut in two, and byte by byte.
func TestTextFailsAtTheFirstBadByteAtEverySplit(t *testing.T) {
	for _, test := range textCases {
		t.Run(test.name, func(t *testing.T) {
			for cut := range len(test.text) + 1 {
				for end := cut; end <= len(test.text); end++ {
					var c textCheck
					ok := c.add([]byte(test.text[:cut])) && c.add([]byte(test.text[cut:end]))
					if want := test.bad < 0 || end <= test.bad; ok != want {
						t.Errorf("%q then %q: ok = %v, want %v", test.text[:cut], test.text[cut:end], ok, want)
					}
				}
			}
			var c textCheck
			at := -1
			for i := range len(test.text) {
				if !c.add([]byte{test.text[i]}) {
					at = i
					break
				}
			}
			if at < 0 && !c.done() {
				at = len(test.text)
			}
			if at != test.bad {
				t.Errorf("%q byte by byte: bad at %d, want %d", test.text, at, test.bad)
			}
		})
	}
}

func FuzzTextCheck(f *testing.F) {
	for _, test := range textCases {
		f.Add([]byte(test.text), uint8(1), uint8(2))
	}
	f.Fuzz(func(t *testing.T, b []byte, i, j uint8) {
		x, y := min(int(i), len(b)), min(int(j), len(b))
		x, y = min(x, y), max(x, y)
		var c textCheck
		ok := c.add(b[:x]) && c.add(b[x:y]) && c.add(b[y:]) && c.done()
		if ok != utf8.Valid(b) {
			t.Fatalf("%q cut at %d and %d: %v", b, x, y, ok)
		}
	})
}
