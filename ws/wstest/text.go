package wstest

import (
	"fmt"
	"strings"
)

// badText sends each sample inside a message, at its end, behind much good text, and cut in two fragments at every
// byte, and wants the peer to fail the connection.
func (x *exam) badText(samples ...string) {
	for _, s := range samples {
		x.try(fmt.Sprintf("% x", s), func() {
			l := x.open()
			l.send(text("before " + s + " after"))
			l.wantClose(1007)
		})
		x.try(fmt.Sprintf("% x at the end", s), func() {
			l := x.open()
			l.send(text(s))
			l.wantClose(1007)
		})
		x.try(fmt.Sprintf("% x far on", s), func() {
			l := x.open()
			l.send(text(strings.Repeat("far", 1500) + s))
			l.wantClose(1007)
		})
		for i := 1; i < len(s); i++ {
			x.try(fmt.Sprintf("% x in two fragments, the first of %d bytes", s, i), func() {
				l := x.open()
				l.send(text(s[:i]).open(), frame{payload: []byte(s[i:])})
				l.wantClose(1007)
			})
		}
	}
}

// goodText are the first and the last of what each length encodes, and what is beside the forbidden ranges.
const goodText = "\x00\x7f\u0080\u07ff\u0800\ufffd\ufffe\uffff\U00010000\U0001fffe\U0010ffff\ud7ff\ue000"

// cutText has characters of every length.
const cutText = "aκόσμε日本語🌊€é🌊"

// Text is UTF-8 (RFC 6455, section 8.1; RFC 3629).
var textCases = []exercise{
	{
		Case: Case{
			ID: "text/valid", Side: BothSides, Ref: "RFC 6455, 5.6; RFC 3629, 4",
			Text: "all that is valid UTF-8 comes through, noncharacters and the NUL too",
		},
		run: func(x *exam) {
			l := x.open()
			l.echo(opText, []byte(goodText))
			for _, r := range goodText {
				l.echo(opText, []byte(string(r)))
			}
		},
	},
	{
		Case: Case{
			ID: "text/cut", Side: BothSides, Ref: "RFC 6455, 5.6, 8.1",
			Text: "a character may be cut by the end of a fragment, with other frames between",
		},
		run: func(x *exam) {
			l := x.open()
			for cut := range len(cutText) + 1 {
				l.send(text(cutText[:cut]).open(), frame{}.open(), ping("between"), frame{payload: []byte(cutText[cut:])})
				l.wantEcho(opText, []byte(cutText))
			}
			var frames []frame // each byte for itself
			for i := range len(cutText) {
				frames = append(frames, frame{payload: []byte{cutText[i]}, more: i < len(cutText)-1})
			}
			frames[0].op = opText
			l.send(frames...)
			l.wantEcho(opText, []byte(cutText))
		},
	},
	{
		Case: Case{
			ID: "text/binary", Side: BothSides, Ref: "RFC 6455, 5.6",
			Text: "binary messages need not be UTF-8",
		},
		run: func(x *exam) {
			l := x.open()
			for _, s := range []string{"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf0\x9f", "\x80"} {
				l.echo(opBinary, []byte(s))
				l.send(blob([]byte(s)).open(), frame{payload: []byte(s)})
				l.wantEcho(opBinary, []byte(s+s))
			}
		},
	},
	{
		Case: Case{
			ID: "text/stray-bytes", Side: BothSides, Ref: "RFC 6455, 8.1; RFC 3629, 3",
			Text: "bytes that begin nothing, and beginnings that are not continued, fail the connection with 1007",
		},
		run: func(x *exam) {
			x.badText("\x80", "\xbf", "\xff", "\xfe", "\xc3\x28", "\xe2\x28\xa1", "\xe2\x82\x28", "\xf0\x9f\x98\x28", "\xf0\x28\x98\x80", "\xe2\x82\xe2\x82\xac", "\xc3\xc3\xa9")
		},
	},
	{
		Case: Case{
			ID: "text/overlong", Side: BothSides, Ref: "RFC 6455, 8.1; RFC 3629, 3",
			Text: "characters in more bytes than they need fail the connection with 1007",
		},
		run: func(x *exam) {
			x.badText("\xc0\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x80\xaf", "\xe0\x9f\xbf", "\xf0\x80\x80\x80", "\xf0\x80\x80\xaf", "\xf0\x8f\xbf\xbf")
		},
	},
	{
		Case: Case{
			ID: "text/surrogates", Side: BothSides, Ref: "RFC 6455, 8.1; RFC 3629, 3",
			Text: "surrogates, alone or in pairs, fail the connection with 1007",
		},
		run: func(x *exam) {
			x.badText("\xed\xa0\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbf\xbf", "\xed\xa0\xbd\xed\xb8\x80")
		},
	},
	{
		Case: Case{
			ID: "text/too-large", Side: BothSides, Ref: "RFC 6455, 8.1; RFC 3629, 3",
			Text: "what would be beyond U+10FFFF fails the connection with 1007",
		},
		run: func(x *exam) {
			x.badText("\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf7\xbf\xbf\xbf", "\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80")
		},
	},
	{
		Case: Case{
			ID: "text/unfinished", Side: BothSides, Ref: "RFC 6455, 8.1",
			Text: "a message that ends inside a character fails the connection with 1007",
		},
		run: func(x *exam) {
			for _, s := range []string{"é", "€", "🌊"} {
				for n := 1; n < len(s); n++ {
					x.violates(fmt.Sprintf("% x", s[:n]), 1007, text("a"+s[:n]))
					x.violates(fmt.Sprintf("% x, then an empty fragment", s[:n]), 1007, text("a"+s[:n]).open(), frame{})
				}
			}
		},
	},
	{
		Case: Case{
			ID: "text/early", Side: BothSides, Ref: "RFC 6455, 8.1",
			Text: "a bad byte fails the connection when it comes: before the message has ended, before its frame has",
		},
		run: func(x *exam) {
			for _, s := range []string{"\xff", "\xed\xa0", "\xf0\x80", "\xf4\x90"} {
				x.violates(fmt.Sprintf("% x, and the message goes on", s), 1007, text("good "+s).open())
				x.violates(fmt.Sprintf("% x in a second fragment", s), 1007, text("good").open(), frame{payload: []byte(s)}.open())
				x.violates(fmt.Sprintf("% x, and its frame goes on", s), 1007, text("good "+s).declaring(100))
			}
		},
	},
}
