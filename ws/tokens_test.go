package ws

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHasTokenMatchesWholeElements(t *testing.T) {
	for _, test := range []struct {
		lines []string
		want  bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"Upgrade"}, true},
		{[]string{"uPGRADE"}, true},
		{[]string{"keep-alive, Upgrade"}, true},
		{[]string{"keep-alive,Upgrade"}, true},
		{[]string{"\t upgrade \t,"}, true},
		{[]string{",, ,upgrade,,"}, true},
		{[]string{"keep-alive", "upgrade"}, true},
		{[]string{"notupgrade"}, false},
		{[]string{"upgraded"}, false},
		{[]string{"up grade"}, false},
		{[]string{"upgrade;q=1"}, false},
		{[]string{"keep-alive upgrade"}, false},
		{[]string{`"upgrade"`}, false},
		{[]string{"upg\u212Aade", "\u017Fupgrade"}, false},
	} {
		if got := hasToken(test.lines, "upgrade"); got != test.want {
			t.Errorf("hasToken(%q) = %v", test.lines, got)
		}
	}
	if hasToken([]string{"\u212A"}, "k") {
		t.Error("the Kelvin sign is taken for a k")
	}
}

func TestParseTokens(t *testing.T) {
	for _, test := range []struct {
		lines []string
		want  []string
		ok    bool
	}{
		{nil, nil, true},
		{[]string{"chat"}, []string{"chat"}, true},
		{[]string{"chat, superchat", "v2.x"}, []string{"chat", "superchat", "v2.x"}, true},
		{[]string{" ,chat,, "}, []string{"chat"}, true},
		{[]string{"__proto__,constructor"}, []string{"__proto__", "constructor"}, true},
		{[]string{"b   x"}, nil, false},
		{[]string{"a/b"}, nil, false},
		{[]string{"a;b"}, nil, false},
		{[]string{"é"}, nil, false},
	} {
		got, ok := parseTokens(test.lines)
		if ok != test.ok || cmp.Diff(test.want, got) != "" {
			t.Errorf("parseTokens(%q) = %q, %v; want %q, %v", test.lines, got, ok, test.want, test.ok)
		}
	}
}

func TestParseExtensions(t *testing.T) {
	type params = []extensionParam
	for _, test := range []struct {
		lines []string
		want  []extension
		ok    bool
	}{
		{nil, nil, true},
		{[]string{""}, nil, true},
		{[]string{"permessage-deflate"}, []extension{{"permessage-deflate", nil}}, true},
		{[]string{"a; x, b;y=1 ; z = \"2\"", "c"}, []extension{{"a", params{{"x", "", false}}}, {"b", params{{"y", "1", true}, {"z", "2", true}}}, {"c", nil}}, true},
		{[]string{`a; x="\1\0"`}, []extension{{"a", params{{"x", "10", true}}}}, true},
		{[]string{", a ,,"}, []extension{{"a", nil}}, true},
		{[]string{"__proto__; constructor=toString"}, []extension{{"__proto__", params{{"constructor", "toString", true}}}}, true},
		{[]string{"a b"}, nil, false},
		{[]string{"a;"}, nil, false},
		{[]string{"a; ;b"}, nil, false},
		{[]string{"a; x="}, nil, false},
		{[]string{`a; x=""`}, nil, false},
		{[]string{`a; x="b c"`}, nil, false},
		{[]string{`a; x="b`}, nil, false},
		{[]string{`a; x="b\`}, nil, false},
		{[]string{`a; x="b"c`}, nil, false},
		{[]string{"=a"}, nil, false},
		{[]string{";"}, nil, false},
		{[]string{`"a"`}, nil, false},
	} {
		got, ok := parseExtensions(test.lines)
		if ok != test.ok || cmp.Diff(test.want, got, cmp.AllowUnexported(extension{}, extensionParam{})) != "" {
			t.Errorf("parseExtensions(%q) = %+v, %v; want %+v, %v", test.lines, got, ok, test.want, test.ok)
		}
	}
}

// Hostile lists must cost in proportion to their size. Steps are counted in allocations and, for what allocates
// nothing, by the fuzz target's never getting slow.
func TestHostileListsAreLinear(t *testing.T) {
	for _, test := range []struct {
		name string
		line func(n int) string
	}{
		{"b   x", func(n int) string { return "b" + strings.Repeat(" ", n) + "x" }},
		{"commas", func(n int) string { return strings.Repeat(",", n) }},
		{"spaced commas", func(n int) string { return strings.Repeat(" ,\t", n) }},
		{"unclosed quoted string", func(n int) string { return `a; b="` + strings.Repeat(`\c`, n) }},
		{"tokens", func(n int) string { return strings.Repeat("a,", n) }},
		{"parameters", func(n int) string { return "a" + strings.Repeat(";b", n) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			cost := func(n int) float64 {
				lines := []string{test.line(n)}
				return testing.AllocsPerRun(5, func() {
					hasToken(lines, "websocket")
					parseTokens(lines)
					parseExtensions(lines)
				})
			}
			if one, two := cost(10_000), cost(20_000); two > 3*one+3 {
				t.Errorf("10,000: %v allocations; 20,000: %v", one, two)
			}
			parseExtensions([]string{test.line(1 << 18)}) // would not come back, were it quadratic
		})
	}
}

func FuzzHeaderLists(f *testing.F) {
	for _, s := range []string{"keep-alive, Upgrade", "a; x, b;y=1 ; z = \"2\"", `a; b="\c\c`, "b   x", ",,,", "permessage-deflate; client_max_window_bits"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tokens, ok := parseTokens([]string{s})
		if ok {
			for _, token := range tokens {
				if !hasToken([]string{s}, token) {
					t.Errorf("parseTokens(%q) has %q, hasToken not", s, token)
				}
			}
		}
		list, ok := parseExtensions([]string{s})
		if !ok {
			return
		}
		var b strings.Builder
		for _, e := range list {
			b.WriteString("," + e.name)
			for _, p := range e.params {
				b.WriteString(";" + p.name)
				if p.hasValue {
					b.WriteString(`="` + p.value + `"`)
				}
			}
		}
		again, ok := parseExtensions([]string{b.String()})
		if diff := cmp.Diff(list, again, cmp.AllowUnexported(extension{}, extensionParam{})); diff != "" || !ok {
			t.Errorf("%q, written as %q: (-want +got)\n%s", s, b.String(), diff)
		}
	})
}
