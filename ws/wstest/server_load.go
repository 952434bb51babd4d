package wstest

import (
	"fmt"
	"strings"
	"time"
)

// linear measures what a request that is twice as large costs. Each of the two sizes is asked five times, in turns, and
// the quickest time of each counts: that is the one which was disturbed least. Twice the input may take less than three
// times as long; work in the square of the input takes four times. A ratio that is too large is measured again, up to
// five times, because a machine with other things to do may spoil one. Times below 5 ms pass: no ratio of them says
// anything, and whatever grows like that does no harm at these sizes. On fake time everything passes.
func (x *exam) linear(n int, name string, value func(n int) []field) {
	const floor = 5 * time.Millisecond
	once := func(n int) time.Duration {
		var took time.Duration
		x.try(fmt.Sprintf("%s of size %d", name, n), func() {
			req := x.upgrade()
			req.fields = append(req.fields, value(n)...)
			l := x.connect()
			began := time.Now()
			resp := l.ask(req, nil)
			took = time.Since(began)
			if status := resp.status(); status != 101 {
				x.wantStatus(resp) // too large, or malformed: both are answers
			}
		})
		return took
	}
	var small, large time.Duration
	for range 5 {
		small, large = time.Hour, time.Hour
		for range 5 {
			small, large = min(small, once(n)), min(large, once(2*n))
		}
		if x.failed() || large < floor || large < 3*small {
			return
		}
	}
	x.probe = name
	x.fail("twice the input to take less than three times as long", "size %d took %v, size %d took %v", n, small, 2*n, large)
}

func one(name, value string) []field { return []field{{name, value}} }

// Requests that are meant to keep a server busy, or to trip it up.
var serverLoadCases = []exercise{
	{
		Case: Case{
			ID: "handshake/linear-fields", Side: ServerSide, Ref: "RFC 6455, 10.4",
			Text: "2,000 fields cost no more than twice what 1,000 do",
		},
		run: func(x *exam) {
			x.linear(1000, "fields", func(n int) (all []field) {
				for i := range n {
					all = append(all, field{fmt.Sprintf("X-%d", i), "v"})
				}
				return all
			})
			x.linear(1000, "fields of one name", func(n int) (all []field) {
				for range n {
					all = append(all, field{"Connection", "x"})
				}
				return all
			})
		},
	},
	{
		Case: Case{
			ID: "handshake/linear-spaces", Side: ServerSide, Ref: "RFC 6455, 10.4",
			Text: "64 KB of spaces inside a list of subprotocols cost no more than twice what 32 KB do",
		},
		run: func(x *exam) {
			x.linear(32<<10, "spaces", func(n int) []field { return one("Sec-WebSocket-Protocol", "b"+strings.Repeat(" ", n)+"x") })
		},
	},
	{
		Case: Case{
			ID: "handshake/linear-commas", Side: ServerSide, Ref: "RFC 6455, 10.4",
			Text: "a list of 10,000 commas costs no more than twice what one of 5,000 does",
		},
		run: func(x *exam) {
			for _, name := range []string{"Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Connection", "Upgrade"} {
				x.linear(5000, "commas in "+name, func(n int) []field { return one(name, strings.Repeat(",", n)) })
			}
		},
	},
	{
		Case: Case{
			ID: "handshake/linear-quotes", Side: ServerSide, Ref: "RFC 6455, 10.4; RFC 9110, 5.6.4",
			Text: "a quoted string of 64 KB that is never closed costs no more than twice what one of 32 KB does",
		},
		run: func(x *exam) {
			x.linear(16<<10, "quotes", func(n int) []field { return one("Sec-WebSocket-Extensions", `a; b="`+strings.Repeat(`\c`, n)) })
		},
	},
	{
		Case: Case{
			ID: "handshake/odd-names", Side: ServerSide, Ref: "RFC 6455, 10.4",
			Text: "names that mean something to a programming language mean nothing to the server",
		},
		run: func(x *exam) {
			for _, name := range []string{"__proto__", "constructor", "hasOwnProperty", "toString", "__class__"} {
				x.try(name, func() {
					req := x.upgrade().set(name, "1").set("Sec-WebSocket-Protocol", name).set("Sec-WebSocket-Extensions", name+"; "+name+"=1")
					l, resp := x.accepted(req)
					for _, f := range []string{"Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"} {
						if got := resp.values(f); len(got) > 0 {
							x.fail("no "+f, "%q", got)
						}
					}
					l.alive()
				})
			}
		},
	},
	{
		Case: Case{
			ID: "handshake/endless", Side: ServerSide, Ref: "RFC 6455, 10.4; RFC 9110, 5.4",
			Text: "a request's header without an end is refused or cut off before 32 MB of it have come",
		},
		run: func(x *exam) {
			l := x.connect()
			req := x.upgrade().append(nil)
			x.flood(l, "header", req[:len(req)-2])
		},
	},
}

// flood sends start, and then lines without end, and wants the peer to end the connection before long.
func (x *exam) flood(l *link, what string, start []byte) {
	line := "X-Wstest: " + strings.Repeat("v", 1000) + "\r\n"
	b := append(start, strings.Repeat(line, 32*x.peer.flood()/len(line))...)
	l.sendBytes(b, "a %s that does not end, %d bytes of it", what, len(b))
	if l.dead() {
		return
	}
	// What the peer says is its own business; 400 and 431 are usual. Having said it, it may read on without harm.
	answer, buf := 0, make([]byte, 4<<10)
	for {
		_ = l.nc.SetReadDeadline(time.Now().Add(x.patience))
		n, err := l.br.Read(buf)
		answer += n
		switch {
		case err == nil && answer < len(b):
			continue
		case err == nil:
			x.fail("a response that ends", "%d bytes of it", answer)
		case l.busy() || l.broken.Load(): // it has not taken all
		case answer == 0, strings.HasPrefix(l.describe(err), endNothing):
			x.fail("the connection to end before", "all of it was taken, and then %s", l.describe(err))
		}
		return
	}
}
