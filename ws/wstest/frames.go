package wstest

import (
	"bytes"
	"fmt"
)

// violates sends frames in one piece on a connection of their own and wants the peer to fail it with a code.
func (x *exam) violates(name string, code uint16, frames ...frame) {
	x.try(name, func() {
		l := x.open()
		l.send(frames...)
		l.wantClose(code)
	})
}

const reservedOps = "\x03\x04\x05\x06\x07\x0b\x0c\x0d\x0e\x0f"

// pattern is n bytes that tell where they belong.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return p
}

// letters is n bytes of text.
func letters(n int) []byte { return bytes.Repeat([]byte("tidewire-"), n/9+1)[:n] }

// Frames as such (RFC 6455, sections 5.2 and 5.5).
var frameCases = []exercise{
	{
		Case: Case{
			ID: "frames/echo", Side: BothSides, Ref: "RFC 6455, 5.2, 5.6",
			Text: "messages of every form of length come through unchanged, text as text and binary as binary",
		},
		run: func(x *exam) {
			l := x.open()
			for _, n := range []int{0, 1, 2, 124, 125, 126, 127, 128, 1000, 4095, 4096, 4097, 65534, 65535, 65536, 65537, 100_000} {
				l.echo(opText, letters(n))
				l.echo(opBinary, pattern(n))
			}
		},
	},
	{
		Case: Case{
			ID: "frames/glued", Side: BothSides, Ref: "RFC 6455, 5.4",
			Text: "frames that come in one piece are taken one by one, in order",
		},
		run: func(x *exam) {
			const n = 500
			l := x.open()
			var frames []frame
			for i := range n {
				frames = append(frames, text(fmt.Sprint("message ", i)))
			}
			l.send(frames...)
			for i := range n {
				l.wantEcho(opText, fmt.Append(nil, "message ", i))
			}
		},
	},
	{
		Case: Case{
			ID: "frames/cut", Side: BothSides, Ref: "RFC 6455, 5.2",
			Text: "a frame may arrive in two pieces, cut at any byte of its header or after, or byte by byte",
		},
		run: func(x *exam) {
			l := x.open()
			for _, n := range []int{3, 200, 66_000} {
				whole := l.encode(nil, frame{op: opBinary, payload: pattern(n)})
				for cut := 1; cut <= len(whole)-n+1; cut++ {
					l.sendBytes(whole[:cut], "the first %d bytes of a binary message of %d", cut, n)
					l.pause()
					l.sendBytes(whole[cut:], "the rest")
					l.wantEcho(opBinary, pattern(n))
				}
			}
			for _, n := range []int{5, 130} {
				for i, b := range l.encode(nil, frame{op: opText, payload: letters(n)}) {
					l.sendBytes([]byte{b}, "byte %d of a text message of %d", i, n)
					l.pause()
				}
				l.wantEcho(opText, letters(n))
			}
		},
	},
	{
		Case: Case{
			ID: "frames/rsv", Side: BothSides, Ref: "RFC 6455, 5.2",
			Text: "a reserved bit that no extension has given a meaning fails the connection with 1002, on every kind of frame",
		},
		run: func(x *exam) {
			for rsv := byte(1); rsv <= 7; rsv++ {
				for _, f := range []frame{text("x"), blob([]byte("x")), ping("x"), {op: opPong}, closing(1000, "")} {
					f.rsv = rsv
					x.violates(f.String(), 1002, f)
				}
				f := frame{rsv: rsv, payload: []byte("x")}
				x.violates(f.String(), 1002, text("x").open(), f)
			}
		},
	},
	{
		Case: Case{
			ID: "frames/reserved-opcode", Side: BothSides, Ref: "RFC 6455, 5.2",
			Text: "an opcode without a meaning fails the connection with 1002, also in the middle of a message",
		},
		run: func(x *exam) {
			for i := range len(reservedOps) {
				for _, p := range []string{"", "x"} {
					f := frame{op: reservedOps[i], payload: []byte(p)}
					x.violates(f.String(), 1002, f)
					x.violates(f.String()+" in a message", 1002, text("x").open(), f)
				}
			}
		},
	},
	{
		Case: Case{
			ID: "frames/own-frames", Side: BothSides, Ref: "RFC 6455, 5.2, 5.5",
			Text: "what the peer itself sends has no reserved bits, lengths in the fewest bits, and whole, short control frames",
		},
		run: func(x *exam) {
			l := x.open()
			for _, n := range []int{0, 1, 125, 126, 65535, 65536} {
				l.send(frame{op: opBinary, payload: pattern(n)})
				for more := true; more; {
					f := l.ownFrame()
					more = f.more
				}
			}
			for _, p := range []string{"", "x", string(letters(125))} {
				l.send(ping(p))
				l.ownFrame()
			}
			l.send(closing(1000, ""))
			l.ownFrame()
		},
	},
	{
		Case: Case{
			ID: "frames/own-mask", Side: BothSides, Ref: "RFC 6455, 5.1, 5.3",
			Text: "a client masks every frame, a server none",
		},
		run: func(x *exam) {
			l := x.open()
			for _, f := range []frame{text("Hello"), text(""), blob(pattern(300)), ping("x"), ping(""), closing(1000, "")} {
				l.send(f)
				if l.dead() {
					return
				}
				switch got, what := l.next(); {
				case what != "":
					x.fail("an answer to "+f.String(), "%s", what)
				case got.masked == x.asServer():
					x.fail(map[bool]string{true: "a frame without a mask", false: "a frame with a mask"}[x.asServer()], "%v", got)
				}
			}
		},
	},
}

// ownFrame receives a frame and looks at its form.
func (l *link) ownFrame() (f frame) {
	if l.dead() {
		return frame{}
	}
	f, what := l.next()
	n := len(f.payload)
	control := f.op >= 8
	switch {
	case what != "":
		l.x.fail("a frame", "%s", what)
	case f.rsv != 0:
		l.x.fail("a frame without reserved bits", "%v", f)
	case opNames[f.op] == "":
		l.x.fail("a frame with an opcode that has a meaning", "%v", f)
	case f.bits == 16 && n <= 125, f.bits == 64 && n <= 0xffff:
		l.x.fail(fmt.Sprintf("a length of %d in the fewest bits", n), "%v", f)
	case control && f.more:
		l.x.fail("a control frame with FIN", "%v", f)
	case control && n > 125:
		l.x.fail("a control frame of at most 125 bytes", "%v", f)
	}
	return f
}

// Lengths (RFC 6455, section 5.2).
var lengthCases = []exercise{
	{
		Case: Case{
			ID: "frames/length-minimal", Side: BothSides, Ref: "RFC 6455, 5.2",
			Text: "a length in more bits than it needs fails the connection with 1002",
		},
		run: func(x *exam) {
			for _, f := range []frame{
				{op: opText, bits: 16},
				{op: opText, bits: 16, payload: letters(5)},
				{op: opBinary, bits: 16, payload: pattern(125)},
				{op: opText, bits: 64},
				{op: opText, bits: 64, payload: letters(5)},
				{op: opBinary, bits: 64, payload: pattern(126)},
				{op: opBinary, bits: 64, payload: pattern(65535)},
			} {
				x.violates(f.String(), 1002, f)
			}
			f := frame{bits: 16, payload: letters(5)}
			x.violates(f.String(), 1002, text("x").open(), f)
		},
	},
	{
		Case: Case{
			ID: "frames/length-top-bit", Side: BothSides, Ref: "RFC 6455, 5.2",
			Text: "a length of 64 bits with the top bit set fails the connection with 1002, as soon as the header is there",
		},
		run: func(x *exam) {
			for _, n := range []uint64{1 << 63, 1<<63 | 5, 1<<64 - 1} {
				x.violates(fmt.Sprintf("%#x", n), 1002, text("").declaring(n))
			}
		},
	},
}

// Messages in several frames (RFC 6455, section 5.4).
var fragmentCases = []exercise{
	{
		Case: Case{
			ID: "frames/fragments", Side: BothSides, Ref: "RFC 6455, 5.4",
			Text: "the fragments of a message make one message, however they were cut",
		},
		run: func(x *exam) {
			l := x.open()
			for _, cuts := range [][]int{{1, 1}, {5, 5, 5}, {125, 126}, {1, 70_000, 1}, {3, 1, 4, 1, 5, 9, 2, 6}} {
				for _, op := range []byte{opText, opBinary} {
					total, frames := 0, []frame(nil)
					for i, n := range cuts {
						f := frame{payload: letters(total + n)[total:], more: i < len(cuts)-1}
						if i == 0 {
							f.op = op
						}
						frames, total = append(frames, f), total+n
					}
					l.send(frames...)
					l.wantEcho(op, letters(total))
					for _, f := range frames {
						l.send(f)
						l.pause()
					}
					l.wantEcho(op, letters(total))
				}
			}
		},
	},
	{
		Case: Case{
			ID: "frames/empty", Side: BothSides, Ref: "RFC 6455, 5.4",
			Text: "fragments may be empty, all of them too: that is an empty message, and it is delivered",
		},
		run: func(x *exam) {
			l := x.open()
			none := frame{}
			for _, op := range []byte{opText, opBinary} {
				l.send(frame{op: op, more: true}, none)
				l.wantEcho(op, nil)
				l.send(frame{op: op, more: true}, none.open(), none.open(), none)
				l.wantEcho(op, nil)
				l.send(frame{op: op, more: true}, frame{payload: []byte("middle")}.open(), none)
				l.wantEcho(op, []byte("middle"))
				l.send(frame{op: op, more: true, payload: []byte("be")}, none.open(), frame{payload: []byte("gin")}.open(), none)
				l.wantEcho(op, []byte("begin"))
			}
		},
	},
	{
		Case: Case{
			ID: "frames/continuation-alone", Side: BothSides, Ref: "RFC 6455, 5.4",
			Text: "a continuation frame without a message to continue fails the connection with 1002",
		},
		run: func(x *exam) {
			f := frame{payload: []byte("x")}
			x.violates("final", 1002, f)
			x.violates("not final", 1002, f.open())
			x.violates("empty", 1002, frame{})
			x.try("after a fragmented message", func() {
				l := x.open()
				l.send(text("a").open(), frame{}.open(), frame{payload: []byte("b")})
				l.wantEcho(opText, []byte("ab"))
				l.send(f)
				l.wantClose(1002)
			})
		},
	},
	{
		Case: Case{
			ID: "frames/message-in-message", Side: BothSides, Ref: "RFC 6455, 5.4",
			Text: "a new message before the one under way has ended fails the connection with 1002",
		},
		run: func(x *exam) {
			x.violates("text in text", 1002, text("a").open(), text("b"))
			x.violates("binary in text", 1002, text("a").open(), blob([]byte("b")))
			x.violates("text in binary, after a continuation", 1002, blob([]byte("a")).open(), frame{}.open(), text("b").open())
		},
	},
}
