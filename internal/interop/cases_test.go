package interop

import (
	"strings"
	"testing"
)

// testCase is something that both sides do together.
type testCase struct {
	name string
	what string // for the table
	run  func(*encounter)
}

// The names that peers mention because they can't play the case.
const (
	casePingFromPeer      = "ping-from-peer"
	caseFragmentsFromPeer = "fragments-from-peer"
	caseTooBigForPeer     = "too-big-for-peer"
	caseDropByPeer        = "drop-by-peer"
	caseDropInMessage     = "drop-in-message"
	casePeerKilled        = "peer-killed"
)

const inProcess = "the peer runs in the test's process"

func cases() []testCase {
	return []testCase{
		{"text", "text both ways, up to four bytes a character", testText},
		{"binary", "binary both ways, all byte values", testBinary},
		{"empty", "empty text and empty binary both ways", testEmpty},
		{"lengths", "messages at the borders of the three length forms", testLengths},
		{"16-mib", "16 MiB of text and of binary, both ways", testLarge},
		{"many", "500 messages both ways keep their order", testMany},
		{caseFragmentsFromPeer, "their fragments, cut inside characters, with a ping between", testFragmentsFromPeer},
		{"fragments-from-us", "our fragments, cut inside characters, with a ping between", testFragmentsFromUs},
		{casePingFromPeer, "their pings are answered with the same bytes", testPingFromPeer},
		{"ping-from-us", "our ping is answered", testPingFromUs},
		{"close-by-us", "our close: code and reason arrive, both sides end", testCloseByUs},
		{"close-by-peer", "their close: code and reason arrive, both sides end", testCloseByPeer},
		{"close-without-code-by-us", "our close without a code is a 1005 there", testCloseWithoutCodeByUs},
		{"close-without-code-by-peer", "their close without a code is a 1005 here", testCloseWithoutCodeByPeer},
		{"close-under-load-by-us", "our close while they send without end", testCloseUnderLoadByUs},
		{"close-under-load-by-peer", "their close while we send without end", testCloseUnderLoadByPeer},
		{"too-big-for-us", "their 16 MiB over our limit of 1: 1009 there, the limit's error here", testTooBigForUs},
		{caseTooBigForPeer, "our message over their limit: 1009 here", testTooBigForPeer},
		{"drop-by-us", "we drop the connection: they see 1006", testDropByUs},
		{caseDropByPeer, "they drop the connection: a typed 1006 here", testDropByPeer},
		{caseDropInMessage, "they drop it between fragments: a typed 1006 here", testDropInMessage},
		{casePeerKilled, "their process is killed: a typed 1006 here", testPeerKilled},
		{"subprotocol", "the common subprotocol is agreed on", testSubprotocol},
		{"subprotocol-none", "no common subprotocol: none, or the client gives up where its standard says so", testSubprotocolNone},
		{"origin-foreign", "a page of another site is refused", testOriginForeign},
		{"origin-listed", "a page of a listed site is let in", testOriginListed},
	}
}

func testText(e *encounter) {
	u, th := e.meet(settings{})
	for _, s := range []string{
		"hello", "grün und süß", "日本語テキスト", "🦉 \U0010ffff", "nul \x00 and \ufeff mark", "e\u0301 \u202e \u2028", "\ufeffmark first",
	} {
		e.bothWays(u, th, textOf(s, 1))
	}
}

func testBinary(e *encounter) {
	u, th := e.meet(settings{})
	var all strings.Builder
	for i := range 256 {
		all.WriteByte(byte(i))
	}
	e.bothWays(u, th, binaryOf(all.String(), 1))
	e.bothWays(u, th, binaryOf("\xc3\x28 is no text", 1))
}

func testEmpty(e *encounter) {
	u, th := e.meet(settings{})
	for range 2 {
		e.bothWays(u, th, textOf("", 1))
		e.bothWays(u, th, binaryOf("", 1))
	}
	e.bothWays(u, th, textOf("not empty", 1))
}

func testLengths(e *encounter) {
	u, th := e.meet(settings{})
	for _, n := range []int{1, 124, 125, 126, 127, 128, 4095, 4096, 4097, 65535, 65536, 65537, 131071} {
		e.bothWays(u, th, binaryOf("\xa5", n))
		e.bothWays(u, th, textOf("x", n))
	}
}

func testLarge(e *encounter) {
	u, th := e.meet(settings{})
	e.bothWays(u, th, binaryOf("0123456789abcdef", mib))
	e.bothWays(u, th, textOf("grün 🦉 €·", mib)) // 16 bytes
}

func testMany(e *encounter) {
	u, th := e.meet(settings{})
	const n = 500
	done := make(chan error, 1)
	go func() {
		for i := range n {
			if err := u.send(e.ctx, textOf("m", i)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for i := range n {
		e.toUs(u, th, textOf("t", i))
	}
	e.must("we send", <-done)
	for i := range n {
		got, err := th.receive(e.ctx)
		e.must("they receive", err)
		if want := textOf("m", i).digest(); got.Sum != want.Sum {
			e.t.Fatalf("their message %d has %d bytes, want %d", i, got.Size, want.Size)
		}
	}
}

func testFragmentsFromPeer(e *encounter) {
	u, th := e.meet(settings{tap: true})
	e.toUs(u, th, fragmented())
	e.bothWays(u, th, textOf("afterwards", 1))
	ours, theirs := e.frames()
	checkFragments(e.t, theirs)
	checkHeaders(e, ours, theirs)
	if countOp(ours, opPong) == 0 {
		e.t.Error("we have sent no pong")
	}
}

func testFragmentsFromUs(e *encounter) {
	u, th := e.meet(settings{tap: true})
	e.toThem(u, th, fragmented())
	e.bothWays(u, th, textOf("afterwards", 1))
	ours, theirs := e.frames()
	checkFragments(e.t, ours)
	checkHeaders(e, ours, theirs)
	if countOp(theirs, opPong) == 0 {
		e.t.Error("they have sent no pong")
	}
}

// checkFragments wants a message in several frames and a ping between two of them.
func checkFragments(t *testing.T, frames []frame) {
	t.Helper()
	open, pings, fragments := false, 0, 0
	for _, f := range frames {
		switch {
		case f.op == opPing && open:
			pings++
		case f.control():
		default:
			if f.op == opContinuation {
				fragments++
			}
			open = !f.fin
		}
	}
	if pings == 0 || fragments == 0 {
		t.Errorf("%d continuation frames and %d pings between them, want some of both", fragments, pings)
	}
}

// checkHeaders wants the client's frames masked and the server's not, and no reserved bit: compression is off by default,
// also with peers that offer it.
func checkHeaders(e *encounter, ours, theirs []frame) {
	e.t.Helper()
	weAreClient := e.dir.form == nil
	for _, f := range ours {
		if f.masked != weAreClient || f.rsv != 0 {
			e.t.Errorf("our frame %v", f)
		}
	}
	for _, f := range theirs {
		if f.masked == weAreClient || f.rsv != 0 {
			e.t.Errorf("their frame %v", f)
		}
	}
}

func countOp(frames []frame, op byte) (n int) {
	for _, f := range frames {
		if f.op == op {
			n++
		}
	}
	return n
}

func testPingFromPeer(e *encounter) {
	u, th := e.meet(settings{tap: true})
	for range 3 {
		e.must("their ping", th.ping(e.ctx))
	}
	e.bothWays(u, th, textOf("afterwards", 1))
	ours, theirs := e.frames()
	if n, m := countOp(theirs, opPing), countOp(ours, opPong); n != 3 || m != 3 {
		e.t.Errorf("%d pings from them and %d pongs from us, want 3 of both", n, m)
	}
}

func testPingFromUs(e *encounter) {
	u, th := e.meet(settings{tap: true})
	for range 3 {
		e.must("our ping", u.ping(e.ctx))
	}
	if u.RTT() <= 0 {
		e.t.Errorf("RTT is %v after an answered ping", u.RTT())
	}
	e.bothWays(u, th, textOf("afterwards", 1))
	ours, theirs := e.frames()
	if n, m := countOp(ours, opPing), countOp(theirs, opPong); n != 3 || m != 3 {
		e.t.Errorf("%d pings from us and %d pongs from them, want 3 of both", n, m)
	}
}
