package wstest

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// farewell is what is left when the peer's close frame has come: both ends end TCP. Frames of the opcodes in never must
// not come any more.
func (l *link) farewell(never ...byte) {
	l.shut()
	l.wantEnd(never...)
}

// Close frames (RFC 6455, sections 5.5.1, 7.1 and 7.4).
var closeCases = []exercise{
	{
		Case: Case{
			ID: "close/echo-code", Side: BothSides, Ref: "RFC 6455, 5.5.1",
			Text: "a close frame is answered with one of the same code",
		},
		run: func(x *exam) {
			for _, code := range []uint16{1000, 1001, 1003, 1008, 1011, 3000, 3999, 4000, 4999} {
				for _, reason := range []string{"", "bye"} {
					x.try(fmt.Sprintf("%d %q", code, reason), func() {
						l := x.open()
						l.send(closing(code, reason))
						l.wantClose(code)
					})
				}
			}
		},
	},
	{
		Case: Case{
			ID: "close/no-code", Side: BothSides, Ref: "RFC 6455, 5.5.1, 7.4.1",
			Text: "a close frame without a code is answered without one, or with 1000; 1005 is never sent",
		},
		run: func(x *exam) {
			l := x.open()
			l.send(frame{op: opClose})
			if l.dead() {
				return
			}
			const want = "a close frame without a code, or with 1000"
			switch f, what := l.next(); {
			case what != "":
				x.fail(want, "%s", what)
			case f.op != opClose, len(f.payload) > 0 && closeCode(f) != 1000:
				x.fail(want, "%v", f)
			}
		},
	},
	{
		Case: Case{
			ID: "close/legal-codes", Side: BothSides, Ref: "RFC 6455, 7.4; the IANA registry of close codes",
			Text: "every code that may be sent is taken: 1000 to 1003, 1007 to 1014, 3000 to 4999",
		},
		run: func(x *exam) {
			for _, code := range []uint16{1000, 1001, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
				x.try(fmt.Sprint(code), func() {
					l := x.open()
					l.send(closing(code, "reason"))
					if got := l.wantClose(); got == 1002 || got == 1007 && code != 1007 {
						x.fail("a close frame that does not complain", "one with code %d", got)
					}
				})
			}
		},
	},
	{
		Case: Case{
			ID: "close/illegal-codes", Side: BothSides, Ref: "RFC 6455, 7.4.1, 7.4.2",
			Text: "a code that must not be sent fails the connection with 1002",
		},
		run: func(x *exam) {
			for _, code := range []uint16{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 65535} {
				x.violates(fmt.Sprint(code), 1002, closing(code, ""))
				x.violates(fmt.Sprint(code, " with a reason"), 1002, closing(code, "reason"))
			}
		},
	},
	{
		Case: Case{
			ID: "close/one-byte", Side: BothSides, Ref: "RFC 6455, 5.5.1",
			Text: "a close frame with a payload of one byte fails the connection with 1002",
		},
		run: func(x *exam) {
			x.violates("03", 1002, frame{op: opClose, payload: []byte{3}})
			x.violates("00", 1002, frame{op: opClose, payload: []byte{0}})
		},
	},
	{
		Case: Case{
			ID: "close/reason-length", Side: BothSides, Ref: "RFC 6455, 5.5, 5.5.1",
			Text: "a reason of up to 123 bytes is taken",
		},
		run: func(x *exam) {
			for _, n := range []int{1, 2, 60, 122, 123} {
				x.try(fmt.Sprint(n, " bytes"), func() {
					l := x.open()
					l.send(closing(1000, string(letters(n))))
					if got := l.wantClose(); got == 1002 || got == 1007 {
						x.fail("a close frame that does not complain", "one with code %d", got)
					}
				})
			}
		},
	},
	{
		Case: Case{
			ID: "close/reason-text", Side: BothSides, Ref: "RFC 6455, 5.5.1, 8.1",
			Text: "a reason that is not UTF-8 fails the connection with 1007",
		},
		run: func(x *exam) {
			for _, s := range []string{"\xff", "good\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "cut \xe2\x82"} {
				x.violates(fmt.Sprintf("% x", s), 1007, closing(1000, s))
			}
		},
	},
	{
		Case: Case{
			ID: "close/in-message", Side: BothSides, Ref: "RFC 6455, 5.4, 5.5.1",
			Text: "a close frame in the middle of a message is answered like another, and the message is not",
		},
		run: func(x *exam) {
			l := x.open()
			l.send(text("never ends").open(), closing(1000, ""))
			l.wantClose()
			l.farewell(opText, opContinuation)
		},
	},
	{
		Case: Case{
			ID: "close/own-frame", Side: BothSides, Ref: "RFC 6455, 5.5.1, 7.4.1",
			Text: "the peer's own close frames have a code that may be sent, and a reason that is UTF-8 and fits",
		},
		run: func(x *exam) {
			for _, f := range []frame{wrong, closing(1000, string(letters(123))), closing(1000, strings.Repeat("é", 61))} {
				x.try(f.String(), func() {
					l := x.open()
					l.send(f)
					if l.dead() {
						return
					}
					got, what := l.next()
					if what == "" && got.op == opClose {
						x.ownClose(got)
						return
					}
					x.fail("a close frame", "%s", instead(got, what))
				})
			}
		},
	},
}

// ownClose judges the form of a close frame that the peer has sent.
func (x *exam) ownClose(f frame) {
	switch code := closeCode(f); {
	case len(f.payload) == 0: // no code
	case len(f.payload) == 1:
		x.fail("a close frame with a code", "one with a payload of one byte")
	case code < 1000, code == 1004, code == 1005, code == 1006, 1015 <= code && code < 3000, code > 4999:
		x.fail("a close frame with a code that may be sent", "%v", f)
	case len(f.payload) > 125:
		x.fail("a reason of at most 123 bytes", "%v", f)
	case !utf8.Valid(f.payload[2:]):
		x.fail("a reason that is UTF-8", "%v", f)
	}
}

// closeCode is the code in a close frame, 0 if there is none.
func closeCode(f frame) uint16 {
	if len(f.payload) < 2 {
		return 0
	}
	return binary.BigEndian.Uint16(f.payload)
}
