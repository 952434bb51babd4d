package wstest

import (
	"fmt"
	"time"
)

// How connections end (RFC 6455, sections 7.1 and 5.5.1).
var closeEndCases = []exercise{
	{
		Case: Case{
			ID: "close/ping-after", Side: BothSides, Ref: "RFC 6455, 5.5.1, 5.5.2",
			Text: "a ping behind a close frame is not answered",
		},
		run: func(x *exam) {
			l := x.open()
			l.send(closing(1000, ""), ping("too late"))
			l.wantClose()
			l.farewell(opPong)
		},
	},
	{
		Case: Case{
			ID: "close/data-after", Side: BothSides, Ref: "RFC 6455, 1.4, 5.5.1",
			Text: "a message behind a close frame is not looked at, be it good or bad",
		},
		run: func(x *exam) {
			for _, f := range []frame{text("too late"), text("\xff"), wrong} {
				x.try(f.String(), func() {
					l := x.open()
					l.send(closing(4321, ""), f)
					// Who looks at the bad one complains about it.
					if got := l.wantClose(); got == 1002 || got == 1007 {
						x.fail("the answer to the close frame", "a complaint with %d", got)
					}
					l.farewell(opText, opBinary)
				})
			}
		},
	},
	{
		Case: Case{
			ID: "close/once", Side: BothSides, Ref: "RFC 6455, 5.5.1",
			Text: "a peer sends one close frame, also when two come, or when both sides close at once",
		},
		run: func(x *exam) {
			for _, frames := range [][]frame{
				{closing(1000, ""), closing(1000, "")},
				{closing(1000, ""), closing(1001, "again")},
				{wrong, closing(1000, "")}, // the peer fails the connection while we close it
				{wrong, closing(1002, ""), closing(1002, "")},
			} {
				x.try(fmt.Sprint(frames), func() {
					l := x.open()
					l.send(frames...)
					l.wantClose()
					l.farewell(opClose)
				})
			}
		},
	},
	{
		Case: Case{
			ID: "close/after-failure", Side: BothSides, Ref: "RFC 6455, 7.1.7",
			Text: "after a violation nothing is answered any more, though the connection still carries frames",
		},
		run: func(x *exam) {
			l := x.open()
			l.send(wrong, ping("too late"), text("too late"))
			l.wantClose()
			l.send(ping("still too late"), text("still too late"), closing(1002, ""))
			l.farewell(opPong, opText)
		},
	},
	{
		Case: Case{
			ID: "close/server-ends", Side: ServerSide, Ref: "RFC 6455, 7.1.1",
			Text: "when the close frames are exchanged, or the connection has failed, the server ends TCP without waiting for the client to",
		},
		run: func(x *exam) {
			for _, f := range []frame{closing(1000, ""), {op: opClose}, closing(1000, "reason"), wrong} {
				x.try(f.String(), func() {
					l := x.open()
					l.send(f)
					l.wantClose()
					if f.op != opClose {
						l.send(closing(1002, ""))
					}
					l.wantEnd()
				})
			}
		},
	},
	{
		Case: Case{
			ID: "close/client-waits", Side: ClientSide, Ref: "RFC 6455, 7.1.1",
			Text: "when the close frames are exchanged, the client leaves it to the server to end TCP, and ends when it has",
		},
		run: func(x *exam) {
			l := x.open()
			l.send(closing(1000, ""))
			l.wantClose()
			l.wantOpen()
			l.shut()
			l.wantEnd()
			if !x.failed() && !x.call.returned(x.patience) {
				x.fail("the client to return", "it has not for %v", x.patience)
			}
		},
	},
	{
		Case: Case{
			ID: "close/drain", Side: BothSides, Ref: "RFC 6455, 7.1.1; RFC 9112, 9.6",
			Text: "who closes reads on for a while: a reset because of unread bytes could take the close frame with it",
		},
		presumes: "close/client-waits",
		run: func(x *exam) {
			for _, f := range []frame{wrong, closing(1000, "")} {
				x.try(f.String(), func() {
					l := x.open()
					rest := l.encode(nil, blob(pattern(256<<10)))
					l.sendBytes(append(l.encode(nil, f), rest...), "%v, and a message of 256 KiB", f)
					l.wantClose()
					l.shut()
					l.wantEnd()
					if l.broken.Load() {
						x.fail("the peer to read on", "it has stopped: a write failed")
					}
				})
			}
		},
	},
	{
		Case: Case{
			ID: "close/eof", Side: BothSides, Ref: "RFC 6455, 7.1.1, 7.1.4, 7.4.1",
			Text: "where TCP ends without a close frame, between frames or in one, the peer ends it too, and never sends 1005 or 1006",
		},
		run: func(x *exam) {
			whole := appendFrame(nil, text("cut off"), x.asServer(), 0x01020304)
			for _, n := range []int{0, 1, 2, len(whole) - 3, len(whole)} {
				x.try(fmt.Sprintf("after %d bytes of a frame of %d", n, len(whole)), func() { x.endsToo(whole[:n]) })
			}
			x.try("in a message", func() { x.endsToo(appendFrame(nil, text("cut off").open(), x.asServer(), 0x01020304)) })
		},
	},
	{
		Case: Case{
			ID: "close/no-answer", Side: BothSides, Ref: "RFC 6455, 7.1.1", Needs: "Stalls",
			Text: "a peer that has sent its close frame and gets neither an answer nor an end waits no longer than it wants",
		},
		presumes: "close/after-failure",
		lacks:    lacksStalls,
		run: func(x *exam) {
			l := x.open()
			l.send(wrong)
			l.wantClose()
			l.wantTorn()
		},
	},
	{
		Case: Case{
			ID: "frames/stalled", Side: BothSides, Ref: "RFC 6455, 10.4", Needs: "Stalls",
			Text: "a frame that stops in its header or in its payload does not hold the connection for ever",
		},
		lacks: lacksStalls,
		run: func(x *exam) {
			whole := appendFrame(nil, blob(pattern(200)), x.asServer(), 0x01020304)
			for _, n := range []int{1, 3, 100} {
				x.try(fmt.Sprintf("after %d bytes", n), func() {
					l := x.open()
					l.sendBytes(whole[:n], "the first %d bytes of a binary message", n)
					l.wantSomeEnd()
				})
			}
		},
	},
}

// wrong is a frame that breaks the protocol twice, so that a peer which overlooks one thing sees the other.
var wrong = frame{op: 3, rsv: 2}

func lacksStalls(x *exam) string {
	if !x.peer.Stalls {
		return "Stalls is not set"
	}
	return ""
}

// endsToo sends the beginning of something, ends the sending side, and wants the peer to end.
func (x *exam) endsToo(beginning []byte) {
	l := x.open()
	l.alive()
	if len(beginning) > 0 {
		l.sendBytes(beginning, "%d bytes of a text frame", len(beginning))
	}
	l.shut()
	l.wantSomeEnd()
}

// wantTorn waits until the peer has given the whole connection up, not just its own half: until a write fails.
func (l *link) wantTorn() {
	const rounds = 10
	for range rounds {
		if l.dead() {
			return
		}
		if l.send(ping("")); l.broken.Load() {
			return
		}
		time.Sleep(l.x.patience / rounds)
	}
	l.x.fail("the connection to be given up", "it is still there after %v", l.x.patience)
}

// wantSomeEnd waits until the peer ends TCP in whatever way. A close frame before that is well-formed.
func (l *link) wantSomeEnd() {
	for !l.dead() {
		f, what := l.next()
		switch {
		case what == endClean, what == endReset:
			return
		case what != "":
			l.x.fail("the connection to end", "%s", what)
		case f.op == opClose:
			l.x.ownClose(f)
		}
	}
}
