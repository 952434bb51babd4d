package wstest

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

func lacksMessageLimit(x *exam) string {
	if x.peer.MessageLimit <= 0 {
		return "no MessageLimit is told"
	}
	return ""
}

// What a peer does with more than it can take (RFC 6455, sections 7.4.1 and 10.4).
var limitCases = []exercise{
	{
		Case: Case{
			ID: "frames/limit-exact", Side: BothSides, Ref: "RFC 6455, 7.4.1", Needs: "MessageLimit",
			Text: "a message of exactly the limit is taken, in one frame and in several",
		},
		lacks: lacksMessageLimit,
		run: func(x *exam) {
			limit := x.peer.largest()
			l := x.open()
			l.echo(opBinary, pattern(limit))
			half := limit / 2
			l.send(blob(pattern(limit)[:half]).open(), frame{payload: pattern(limit)[half:]})
			l.wantEcho(opBinary, pattern(limit))
		},
	},
	{
		Case: Case{
			ID: "frames/limit-declared", Side: BothSides, Ref: "RFC 6455, 7.4.1, 10.4", Needs: "MessageLimit",
			Text: "a header that declares more than the limit, or than is left of it, is answered with 1009 before its payload has come",
		},
		lacks: lacksMessageLimit,
		run: func(x *exam) {
			for _, n := range []uint64{uint64(x.peer.MessageLimit) + 1, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 62, math.MaxInt64 - 1, math.MaxInt64} {
				if n > uint64(x.peer.MessageLimit) {
					x.violates(fmt.Sprint(n), 1009, blob(nil).declaring(n))
					x.violates(fmt.Sprint(n, " as the first of several"), 1009, text("").open().declaring(n))
					x.violates(fmt.Sprint("2, then ", n), 1009, blob([]byte("xy")).open(), frame{}.declaring(n))
				}
			}
		},
	},
	{
		Case: Case{
			ID: "frames/limit-sum", Side: BothSides, Ref: "RFC 6455, 7.4.1, 10.4", Needs: "MessageLimit",
			Text: "fragments that are more than the limit together are answered with 1009",
		},
		lacks: lacksMessageLimit,
		run: func(x *exam) {
			limit := x.peer.largest()
			if int64(limit) < x.peer.MessageLimit {
				return // so much is not sent
			}
			x.violates("one byte more", 1009, blob(pattern(limit)).open(), frame{payload: []byte("x")})
			x.violates("one byte more, and not the last", 1009, blob(pattern(limit-1)).open(), frame{}.open(), frame{payload: []byte("xy")}.open())
		},
	},
	{
		Case: Case{
			ID: "frames/limit-frames", Side: BothSides, Ref: "RFC 6455, 10.4", Needs: "FrameLimit",
			Text: "a message of as many frames as the limit is taken, one of more is answered with 1008 or 1009",
		},
		lacks: func(x *exam) string {
			if x.peer.FrameLimit <= 0 {
				return "no FrameLimit is told"
			}
			return ""
		},
		run: func(x *exam) {
			x.try("as many", func() {
				l := x.open()
				l.sendMany(blob(nil).open(), x.peer.FrameLimit-2, frame{}.open(), frame{payload: []byte("x")})
				l.wantEcho(opBinary, []byte("x"))
			})
			x.try("one more", func() {
				l := x.open()
				l.sendMany(blob(nil).open(), x.peer.FrameLimit-1, frame{}.open(), frame{payload: []byte("x")})
				l.wantClose(1008, 1009)
			})
		},
	},
	{
		Case: Case{
			ID: "frames/fragment-flood", Side: BothSides, Ref: "RFC 6455, 10.4",
			Text: "a million fragments are one message or too many: an echo, or 1008, or 1009, but an end",
		},
		run: func(x *exam) {
			for _, payload := range []string{"", "x"} {
				x.try("fragments "+quote([]byte(payload)), func() {
					n := min(x.peer.flood(), x.peer.largest())
					l := x.open()
					piece := frame{payload: []byte(payload)}
					l.sendMany(text(payload).open(), n-2, piece.open(), piece)
					l.wantFloodEnd(n * len(payload))
				})
			}
		},
	},
}

// sendMany is send for a message of frames too many to be listed.
func (l *link) sendMany(first frame, n int, middle, last frame) {
	if l.dead() {
		return
	}
	b := l.encode(nil, first)
	for range n {
		b = l.encode(b, middle)
	}
	l.sendBytes(l.encode(b, last), "%v; %d times %v; %v", first, n, middle, last)
}

// wantFloodEnd wants a message of n letters x, or that the peer has had enough.
func (l *link) wantFloodEnd(n int) {
	if l.dead() {
		return
	}
	const want = "the message back, or a close frame with 1008 or 1009"
	for got := 0; ; {
		switch f, what := l.next(); {
		case what == endReset, what == endClean && l.broken.Load():
			return // a close frame may have got lost under what was still on its way
		case what != "":
			l.x.fail(want, "%s", what)
			return
		case f.op == opClose:
			if code := closeCode(f); code != 1008 && code != 1009 {
				l.x.fail(want, "%v", f)
			}
			return
		case f.op == opText, f.op == opContinuation:
			if got += len(f.payload); f.more {
				continue
			}
			if got != n {
				l.x.fail(want, "a message of %d bytes, which should have %d", got, n)
			}
			return
		case f.op != opPong:
			l.x.fail(want, "%v", f)
			return
		}
	}
}

// unread waits until all is written, without reading: for a peer that does not stop reading because nobody reads from
// it, that is soon. For another it would be never, so there is a bound; it decides only when reading begins.
func (l *link) unread() {
	if l.dead() || l.writing == nil {
		return
	}
	timer := time.NewTimer(l.x.patience / 4)
	defer timer.Stop()
	select {
	case <-l.writing:
		l.writing = nil
	case <-timer.C:
	}
}

// wantFloodPongs wants pongs for some of n numbered pings, in order, the last among them.
func (l *link) wantFloodPongs(n uint64) {
	const want = "pongs in the order of the pings, up to the last"
	l.quiet = true
	defer func() { l.quiet = false }()
	for next := uint64(0); next < n && !l.dead(); {
		f, what := l.next()
		switch {
		case what != "":
			l.x.fail(want, "%s after the pong to ping %d", what, int64(next)-1)
		case f.op != opPong || len(f.payload) != 8:
			l.x.fail(want, "%v", f)
		default:
			i := binary.BigEndian.Uint64(f.payload)
			if i < next || i >= n {
				l.x.fail(want, "after the pong to ping %d one to ping %d", int64(next)-1, i)
			}
			next = i + 1
		}
	}
}
