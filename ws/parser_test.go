package ws

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// feed runs the bytes through a parser in pieces as cut says, and writes down what it came to. Pieces of messages are
// joined, so that the result must not depend on the cuts.
func feed(p *parser, b []byte, cut func(left int) int) (log []string, err error) {
	b = append([]byte(nil), b...)
	var message strings.Builder
	for len(b) > 0 {
		part := b[:min(len(b), max(1, cut(len(b))))]
		b = b[len(part):]
		for len(part) > 0 {
			n, ev, err := p.step(part, math.MaxInt)
			if n == 0 && ev.kind == eventNone && err == nil {
				panic("no progress")
			}
			part = part[n:]
			if err != nil {
				return append(log, "in message: "+message.String()), err
			}
			switch ev.kind {
			case eventControl:
				log = append(log, fmt.Sprintf("control %d %q", ev.opcode, ev.data))
			case eventPiece:
				if ev.first {
					message.Reset()
					fmt.Fprintf(&message, "%v ", ev.typ)
				}
				fmt.Fprintf(&message, "%s", ev.data)
				if ev.last {
					log = append(log, message.String())
					message.Reset()
				}
			}
		}
	}
	return log, nil
}

func fromClient(op opcode, fin bool, payload string) string {
	return string(appendFrame(nil, header{opcode: op, fin: fin, masked: true, key: testKey}, []byte(payload)))
}

func declares(op opcode, fin bool, length int64) string {
	return string(appendHeader(nil, header{opcode: op, fin: fin, masked: true, key: testKey, length: length}))
}

const (
	testMessageLimit = 1000
	testFrameLimit   = 5
)

var parserCases = []struct {
	name string
	b    string
	log  []string
	code CloseCode // 0: no error
}{
	{"text", fromClient(opText, true, "hello"), []string{"text hello"}, 0},
	{"binary, empty", fromClient(opBinary, true, ""), []string{"binary "}, 0},
	{"16 bit length", fromClient(opBinary, true, strings.Repeat("x", 300)), []string{"binary " + strings.Repeat("x", 300)}, 0},
	{"fragments", fromClient(opText, false, "a") + fromClient(opContinuation, false, "b") + fromClient(opContinuation, true, "c"), []string{"text abc"}, 0},
	{"only empty fragments", fromClient(opText, false, "") + fromClient(opContinuation, false, "") + fromClient(opContinuation, true, ""), []string{"text "}, 0},
	{"empty last fragment", fromClient(opText, false, "a") + fromClient(opContinuation, true, ""), []string{"text a"}, 0},
	{"rune across fragments", fromClient(opText, false, "\xe2") + fromClient(opContinuation, false, "\x82") + fromClient(opContinuation, true, "\xac"), []string{"text €"}, 0},
	{"control between fragments", fromClient(opText, false, "a") + fromClient(opPing, true, "p") + fromClient(opContinuation, false, "b") + fromClient(opPong, true, "") + fromClient(opContinuation, true, "c"),
		[]string{`control 9 "p"`, `control 10 ""`, "text abc"}, 0},
	{"largest control", fromClient(opPing, true, strings.Repeat("p", 125)), []string{fmt.Sprintf("control 9 %q", strings.Repeat("p", 125))}, 0},
	{"as large as allowed", fromClient(opBinary, false, strings.Repeat("x", 999)) + fromClient(opContinuation, true, "x"), []string{"binary " + strings.Repeat("x", 1000)}, 0},
	{"as many frames as allowed, twice", strings.Repeat(fromClient(opText, false, "a")+strings.Repeat(fromClient(opContinuation, false, "b"), 3)+fromClient(opContinuation, true, "c"), 2), []string{"text abbbc", "text abbbc"}, 0},

	{"RSV1 without extension", "\xc1\x80abcd", nil, 1002},
	{"RSV2", "\xa1\x80abcd", nil, 1002},
	{"RSV3", "\x91\x80abcd", nil, 1002},
	{"RSV1 on control", "\xc9\x80abcd", nil, 1002},
	{"RSV1 on continuation", fromClient(opText, false, "") + "\xc0\x80abcd", nil, 1002},
	{"unmasked", "\x81\x01a", nil, 1002},
	{"reserved data opcode 3", fromClient(3, true, ""), nil, 1002},
	{"reserved data opcode 7", fromClient(7, true, ""), nil, 1002},
	{"reserved control opcode 11", fromClient(11, true, ""), nil, 1002},
	{"reserved control opcode 15", fromClient(15, true, ""), nil, 1002},
	{"continuation without message", fromClient(opContinuation, true, "a"), nil, 1002},
	{"continuation after the end", fromClient(opText, true, "a") + fromClient(opContinuation, true, "b"), []string{"text a"}, 1002},
	{"text inside a message", fromClient(opText, false, "a") + fromClient(opText, true, "b"), nil, 1002},
	{"binary inside a message", fromClient(opText, false, "a") + fromClient(opBinary, false, "b"), nil, 1002},
	{"fragmented ping", fromClient(opPing, false, "a"), nil, 1002},
	{"fragmented close", fromClient(opClose, false, ""), nil, 1002},
	{"ping of 126 bytes", declares(opPing, true, 126), nil, 1002},
	{"close of 64 KiB", declares(opClose, true, 65536), nil, 1002},
	{"non-minimal length", "\x82\xfe\x00\x05abcd", nil, 1002},
	{"non-minimal 64 bit length", "\x82\xff\x00\x00\x00\x00\x00\x00\x01\x00abcd", nil, 1002},
	{"top bit of the length", "\x82\xff\x80\x00\x00\x00\x00\x00\x01\x00abcd", nil, 1002},

	{"declared too big", declares(opText, true, 1001), nil, 1009},
	{"declared 2^62", declares(opText, true, 1<<62), nil, 1009},
	{"declared MaxInt64", declares(opText, true, math.MaxInt64), nil, 1009},
	{"together too big", fromClient(opBinary, false, strings.Repeat("x", 1000)) + declares(opContinuation, true, 1), nil, 1009},
	{"sum overflows", fromClient(opBinary, false, "x") + declares(opContinuation, true, math.MaxInt64), nil, 1009},
	{"too many frames", fromClient(opText, false, "") + strings.Repeat(fromClient(opContinuation, false, ""), 5), nil, 1008},

	{"bad UTF-8", fromClient(opText, true, "a\xff"), nil, 1007},
	{"bad UTF-8 before FIN", fromClient(opText, false, "a\xff"), nil, 1007},
	{"bad UTF-8 inside a long frame", declares(opText, true, 900) + fromClient(opText, true, "\xc0")[6:], nil, 1007},
	{"incomplete rune at FIN", fromClient(opText, true, "a\xe2\x82"), nil, 1007},
	{"incomplete rune at an empty FIN", fromClient(opText, false, "a\xe2\x82") + fromClient(opContinuation, true, ""), nil, 1007},
	{"surrogate across fragments", fromClient(opText, false, "\xed") + fromClient(opContinuation, false, "\xa0"), nil, 1007},
	{"binary need not be UTF-8", fromClient(opBinary, true, "\xff"), []string{"binary \xff"}, 0},
	{"text state ends with the message", fromClient(opText, true, "é") + fromClient(opBinary, true, "\xc3") + fromClient(opText, true, "a"), []string{"text é", "binary \xc3", "text a"}, 0},
}

func TestParserAtEverySplit(t *testing.T) {
	for _, test := range parserCases {
		t.Run(test.name, func(t *testing.T) {
			check := func(how string, cut func(int) int) {
				t.Helper()
				var p parser
				p.init(true, testMessageLimit, testFrameLimit)
				log, err := feed(&p, []byte(test.b), cut)
				if err != nil {
					log = append([]string(nil), log[:len(log)-1]...)
				}
				if CloseStatus(err) != test.code {
					t.Errorf("%s: error %v, want %d", how, err, test.code)
				}
				if diff := cmp.Diff(test.log, log); diff != "" {
					t.Errorf("%s: (-want +got)\n%s", how, diff)
				}
				if lerr, ok := errors.AsType[*LimitError](err); ok && lerr.Option != "MessageLimit" && lerr.Option != "FrameLimit" {
					t.Errorf("%s: the error names the option %q", how, lerr.Option)
				}
			}
			check("whole", func(left int) int { return left })
			check("byte by byte", func(int) int { return 1 })
			for i := 1; i < len(test.b); i++ {
				first := true
				check(fmt.Sprintf("cut at %d", i), func(left int) int {
					if first {
						first = false
						return i
					}
					return left
				})
			}
		})
	}
}

// init readies a parser with limits of its own.
func (p *parser) init(fromClient bool, maxMessage int64, maxFrames int) {
	l := newLimits(maxMessage, maxFrames)
	p.fromClient, p.limits = fromClient, &l
}

func TestClientRefusesMaskedFrames(t *testing.T) {
	var p parser
	p.init(false, -1, -1)
	if _, err := feed(&p, []byte(fromClient(opText, true, "a")), func(n int) int { return n }); CloseStatus(err) != CloseProtocolError {
		t.Errorf("masked: %v, want 1002", err)
	}
	p = parser{}
	p.init(false, -1, -1)
	log, err := feed(&p, []byte("\x81\x01a"), func(n int) int { return n })
	if err != nil || len(log) != 1 {
		t.Errorf("unmasked: %v, %v", log, err)
	}
}

// What is wrong is refused with the byte that shows it, before the header is complete.
func TestParserRefusesBeforeTheHeaderIsComplete(t *testing.T) {
	for _, test := range []struct{ name, b string }{
		{"unmasked, long", "\x82\x7e"},
		{"reserved opcode", "\x83\xff"},
		{"ping of 126 bytes or more", "\x89\xfe"},
		{"RSV2", "\xa2\xfe"},
	} {
		var p parser
		p.init(true, -1, -1)
		if _, err := feed(&p, []byte(test.b), func(n int) int { return n }); CloseStatus(err) != CloseProtocolError {
			t.Errorf("%s: %v, want 1002", test.name, err)
		}
	}
}

// Without limits, lengths that overflow together must still not overflow.
func TestUnlimitedParserRefusesOverflow(t *testing.T) {
	var p parser
	p.init(true, -1, -1)
	b := declares(opBinary, false, math.MaxInt-1)
	if _, err := feed(&p, []byte(b), func(n int) int { return n }); err != nil {
		t.Fatalf("a length of %d: %v", math.MaxInt-1, err)
	}
	p.inFrame, p.frame.length = false, 0 // as if all had come
	if _, err := feed(&p, []byte(declares(opContinuation, true, 1)), func(n int) int { return n }); CloseStatus(err) != CloseMessageTooBig {
		t.Errorf("one byte more: %v, want 1009", err)
	}
	p = parser{}
	p.init(true, math.MaxInt64, -1)
	if _, err := feed(&p, []byte(declares(opBinary, true, math.MaxInt64)), func(n int) int { return n }); CloseStatus(err) != CloseMessageTooBig {
		t.Errorf("MaxInt64: %v, want 1009", err)
	}
}

// The parser comes to the same whatever the cuts, never panics, and consumes what it is given.
func FuzzParser(f *testing.F) {
	for _, test := range parserCases {
		f.Add([]byte(test.b), []byte{1, 2, 3})
	}
	f.Fuzz(func(t *testing.T, b, cuts []byte) {
		var whole, cut parser
		whole.init(true, testMessageLimit, testFrameLimit)
		cut.init(true, testMessageLimit, testFrameLimit)
		want, wantErr := feed(&whole, b, func(n int) int { return n })
		i := 0
		got, gotErr := feed(&cut, b, func(int) int {
			if len(cuts) == 0 {
				return 1
			}
			i++
			return int(cuts[i%len(cuts)])
		})
		if wantErr != nil && gotErr != nil { // how much of a bad text was handed out may differ
			want, got = want[:len(want)-1], got[:len(got)-1]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-whole +cut)\n%s", diff)
		}
		if CloseStatus(wantErr) != CloseStatus(gotErr) {
			t.Errorf("whole: %v; cut: %v", wantErr, gotErr)
		}
	})
}
