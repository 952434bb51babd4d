package wstest

import (
	"encoding/binary"
	"fmt"
)

// Control frames (RFC 6455, section 5.5).
var controlCases = []exercise{
	{
		Case: Case{
			ID: "frames/ping", Side: BothSides, Ref: "RFC 6455, 5.5.2, 5.5.3",
			Text: "a ping is answered with a pong of the same payload, be it empty, 125 bytes, or no text",
		},
		run: func(x *exam) {
			l := x.open()
			for _, p := range []string{"", "x", "\x00\xff\xfe", "Hello", string(letters(124)), string(pattern(125))} {
				l.send(ping(p))
				l.wantPong(p)
			}
			l.alive()
		},
	},
	{
		Case: Case{
			ID: "frames/stale-bytes", Side: BothSides, Ref: "RFC 6455, 5.5.3",
			Text: "nothing of an earlier frame leaks into a later one",
		},
		run: func(x *exam) {
			l := x.open()
			secret := letters(125)
			for _, p := range []string{"short", "", "x"} {
				l.send(ping(string(secret)))
				l.somePong()
				l.send(ping(p))
				if got := l.somePong(); leaks(got, p, secret) {
					x.fail("nothing of the ping before last", "%s", quote(got))
				}
				l.echo(opBinary, pattern(5000))
				l.echo(opBinary, []byte(p))
				l.send(blob(secret).open(), frame{payload: []byte(p)}.open(), frame{})
				l.wantEcho(opBinary, append(secret[:len(secret):len(secret)], p...))
			}
		},
	},
	{
		Case: Case{
			ID: "frames/ping-in-message", Side: BothSides, Ref: "RFC 6455, 5.4, 5.5",
			Text: "a ping between the fragments of a message is answered before the message has ended, and does it no harm",
		},
		run: func(x *exam) {
			l := x.open()
			for _, op := range []byte{opText, opBinary} {
				l.send(frame{op: op, payload: []byte("one ")}.open(), ping("first"))
				l.somePong()
				l.send(frame{payload: []byte("two ")}.open(), ping(""), ping(string(letters(125))))
				l.somePong()
				l.somePong()
				l.send(frame{payload: []byte("three")})
				l.wantEcho(op, []byte("one two three"))
			}
		},
	},
	{
		Case: Case{
			ID: "frames/pong-unasked", Side: BothSides, Ref: "RFC 6455, 5.5.3",
			Text: "a pong that nobody asked for is passed over, also in the middle of a message",
		},
		run: func(x *exam) {
			l := x.open()
			l.send(frame{op: opPong}, frame{op: opPong, payload: []byte("unasked")}, frame{op: opPong, payload: pattern(125)})
			l.alive()
			l.send(text("a").open(), frame{op: opPong, payload: make([]byte, 8)}, frame{payload: []byte("b")})
			l.wantEcho(opText, []byte("ab"))
		},
	},
	{
		Case: Case{
			ID: "frames/control-fragmented", Side: BothSides, Ref: "RFC 6455, 5.4, 5.5",
			Text: "a control frame without FIN fails the connection with 1002",
		},
		run: func(x *exam) {
			for _, f := range []frame{ping("x"), {op: opPong, payload: []byte("x")}, closing(1000, "x"), {op: opClose}, ping("")} {
				x.violates(f.open().String(), 1002, f.open())
			}
			x.violates("ping in a message", 1002, text("a").open(), ping("x").open())
		},
	},
	{
		Case: Case{
			ID: "frames/control-long", Side: BothSides, Ref: "RFC 6455, 5.5",
			Text: "a control frame of more than 125 bytes fails the connection with 1002, as soon as the header is there",
		},
		run: func(x *exam) {
			for _, op := range []byte{opPing, opPong, opClose} {
				for _, n := range []uint64{126, 127, 65535, 65536, 1 << 40} {
					f := frame{op: op}.declaring(n)
					x.violates(f.String(), 1002, f)
				}
			}
		},
	},
	{
		Case: Case{
			ID: "frames/ping-flood", Side: BothSides, Ref: "RFC 6455, 5.5.3",
			Text: "of a million pings that came while nobody read, the latest is answered, and others only in their order",
		},
		presumes: "frames/ping",
		run: func(x *exam) {
			n := uint64(x.peer.flood())
			l := x.open()
			var b []byte
			for i := range n {
				b = l.encode(b, frame{op: opPing, payload: binary.BigEndian.AppendUint64(nil, i)})
			}
			l.sendBytes(b, "%d pings, numbered from 0", n)
			l.unread()
			l.wantFloodPongs(n)
			l.alive()
		},
	},
}

// leaks reports whether got, the answer to a ping with want, has bytes of an earlier payload.
func leaks(got []byte, want string, earlier []byte) bool {
	for i, b := range got {
		if i >= len(want) || b != want[i] && b == earlier[i] {
			return true
		}
	}
	return false
}

// Masks (RFC 6455, sections 5.1 and 5.3).
var maskCases = []exercise{
	{
		Case: Case{
			ID: "frames/unmasked", Side: ServerSide, Ref: "RFC 6455, 5.1",
			Text: "a frame without a mask, of any kind, fails the connection with 1002",
		},
		run: func(x *exam) { x.wrongMasks() },
	},
	{
		Case: Case{
			ID: "frames/masked", Side: ClientSide, Ref: "RFC 6455, 5.1",
			Text: "a frame with a mask, of any kind, fails the connection with 1002",
		},
		run: func(x *exam) { x.wrongMasks() },
	},
	{
		Case: Case{
			ID: "frames/mask-keys", Side: ClientSide, Ref: "RFC 6455, 5.3, 10.3",
			Text: "every frame has a mask key of its own, without a pattern from one to the next",
		},
		presumes: "frames/own-mask",
		run: func(x *exam) {
			const n = 64
			l := x.open()
			seen, steps, xors := map[uint32]int{}, map[uint32]int{}, map[uint32]int{}
			var last uint32
			for i := range n {
				l.send(text("a message for a mask"))
				if l.dead() {
					return
				}
				f, what := l.next()
				if what != "" || f.op != opText {
					x.fail("the message back", "%s", instead(f, what))
					return
				}
				seen[f.key]++
				if i > 0 {
					steps[f.key-last]++
					xors[f.key^last]++
				}
				last = f.key
			}
			// Two of 64 random keys are the same once in two million runs; one such chance is let pass.
			if len(seen) < n-1 || len(steps) < n-2 || len(xors) < n-2 {
				x.fail(fmt.Sprintf("%d keys without a pattern", n), "%d different ones, %d differences", len(seen), min(len(steps), len(xors)))
			}
		},
	},
}

// wrongMasks sends each kind of frame with a mask if there must be none, and the other way round.
func (x *exam) wrongMasks() {
	for _, f := range []frame{text("x"), text(""), blob(pattern(200)), ping("x"), {op: opPong}, closing(1000, "")} {
		f.wrongMask = true
		x.violates(f.String(), 1002, f)
	}
	x.violates("a continuation", 1002, text("a").open(), frame{payload: []byte("b"), wrongMask: true})
}
