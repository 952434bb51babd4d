package server

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/internal/testnet"
)

func TestADuplicateHasNoEffect(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a, b := e.join("a"), e.join("b")
		const create = `{"t":"op","seq":1,"k":"create","id":"n_1","f":{"x":1,"y":2,"color":"amber","text":""}}`
		a.say(create)
		a.expect("op")
		b.expect("op")
		a.say(create)
		if m := a.expect("ack"); m.Seq != 1 {
			t.Errorf("got %s", m.raw)
		}
		// The same number with another content is the same operation.
		a.say(`{"t":"op","seq":1,"k":"delete","id":"n_1"}`)
		if m := a.expect("ack"); m.Seq != 1 {
			t.Errorf("got %s", m.raw)
		}
		b.say(`{"t":"op","seq":1,"k":"set","id":"n_1","f":{"color":"sky"}}`)
		if m := b.expect("op"); m.K != "set" {
			t.Errorf("b is told %s", m.raw)
		}
	})
}

func TestARejectIsRepeated(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a, b := e.join("a"), e.join("b")
		b.create(1, "n_1", "bye")
		b.say(`{"t":"op","seq":2,"k":"delete","id":"n_1"}`)
		b.expect("op")
		const set = `{"t":"op","seq":1,"k":"set","id":"n_1","f":{"color":"sky"}}`
		a.expect("op")
		a.expect("op")
		a.say(set)
		first := a.expect("reject")
		a.say(`{"t":"op","seq":2,"k":"front","id":"n_8","x":1}`)
		a.expect("reject")
		a.conn.CloseNow()
		if m := a.connect(1); *m.Acked != 2 {
			t.Errorf("a reject did not use up its number: %s", m.raw)
		}
		a.say(set)
		if m := a.expect("reject"); m.raw != first.raw {
			t.Errorf("repeated as %s, first %s", m.raw, first.raw)
		}
		a.say(`{"t":"op","seq":2,"k":"front","id":"n_8"}`)
		if m := a.expect("reject"); m.Code != "invalid" {
			t.Errorf("got %s", m.raw)
		}
		a.say(`{"t":"op","seq":4,"k":"front","id":"n_8"}`)
		a.wantClosed(4009)
	})
}

// Beyond maxRejects a repetition is answered with an ack: the client drops the
// operation just the same.
func TestOldRejectsAreForgotten(t *testing.T) {
	bubble(t, Options{OpsPerSecond: 1000}, func(e *env) {
		a := e.join("a")
		for seq := 1; seq <= maxRejects+1; seq++ {
			a.sayf(`{"t":"op","seq":%d,"k":"front","id":"n_1"}`, seq)
			a.expect("reject")
		}
		a.say(`{"t":"op","seq":1,"k":"front","id":"n_1"}`)
		a.expect("ack")
		a.say(`{"t":"op","seq":2,"k":"front","id":"n_1"}`)
		if m := a.expect("reject"); m.Seq != 2 || m.Code != "gone" {
			t.Errorf("got %s", m.raw)
		}
	})
}

// Answers and echoes come in the order of the operations: an ack that overtook
// an echo would take it from the view before its effect is there, and an echo
// that overtook a reject would settle what was refused.
func TestAnswersAndEchoesKeepTheirOrder(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a := e.join("a")
		var all strings.Builder
		for seq := uint64(1); seq <= 60; seq += 2 {
			a.sayf(`{"t":"op","seq":%d,"k":"create","id":"n_%d","f":{"x":1,"y":2,"color":"amber","text":""}}`, seq, seq)
			a.sayf(`{"t":"op","seq":%d,"k":"delete","id":"n_none"}`, seq+1)
		}
		for seq := uint64(1); seq <= 60; seq++ {
			m := a.next()
			fmt.Fprintf(&all, "%s %d\n", m.T, m.Seq)
			if m.Seq != seq {
				t.Fatalf("out of order:\n%s", all.String())
			}
		}
	})
}

// The connection is cut when the operations have arrived and before a single
// answer has; everything is sent again, several times.
func TestExactlyOnceAcrossCuts(t *testing.T) {
	e := loopback(t, Options{})
	proxy, err := testnet.NewProxy(t, strings.TrimPrefix(e.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	witness := e.join("w")
	a := e.peer("a")
	a.env = &env{t: t, srv: e.srv, dial: e.dial, url: "http://" + proxy.Addr()}
	a.connect(1)

	const total = 30
	for round := range 5 {
		proxy.DropServerBytesAfter(int64(round) * 150) // a few answers get through, then none
		for seq := *a.acked + 1; seq <= total; seq++ {
			a.sayf(`{"t":"op","seq":%d,"k":"create","id":"n_%d","f":{"x":1,"y":2,"color":"amber","text":""}}`, seq, seq)
			if seq == uint64(6*(round+1)) {
				break
			}
		}
		for len(witness.log) < 6*(round+1) {
			witness.next()
		}
		proxy.Cut()
		proxy.Heal()
		m := a.connect(*a.acked + 1)
		if want := uint64(6 * (round + 1)); *m.Acked != want {
			t.Fatalf("round %d: acked %d, want %d", round, *m.Acked, want)
		}
	}
	// What is sent again all the same is answered and does nothing.
	for seq := 1; seq <= total; seq++ {
		a.sayf(`{"t":"op","seq":%d,"k":"create","id":"n_%d","f":{"x":1,"y":2,"color":"amber","text":""}}`, seq, seq)
	}
	for seq := uint64(1); seq <= total; seq++ {
		if m := a.expect("ack"); m.Seq != seq {
			t.Errorf("got %s, want the ack of %d", m.raw, seq)
		}
	}
	a.create(total+1, "n_end", "")
	for len(witness.log) < total+1 {
		witness.next()
	}
	wantOnce(t, witness.log)
	witness.wantConverged()
	a.wantConverged()
}

// wantOnce fails if an operation stands in the log twice, or out of its client's
// order.
func wantOnce(t *testing.T, log []msg) {
	t.Helper()
	last := map[string]uint64{}
	for _, m := range log {
		if m.Seq <= last[m.Client] {
			t.Errorf("operation %s %d comes after %d", m.Client, m.Seq, last[m.Client])
		}
		last[m.Client] = m.Seq
	}
}

// Two clients change the same few notes at random, over connections that are cut
// at random, and send what they have no answer for again.
func TestTwoClientsConverge(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			bubble(t, Options{OpsPerSecond: 10_000, Tail: 64}, func(e *env) {
				witness := e.join("w")
				var seen sync.WaitGroup
				seen.Go(func() { witness.readUntil("n_last") })
				rnd := rand.New(rand.NewPCG(seed, 1))
				clients := []*randomClient{newRandomClient(e, "a"), newRandomClient(e, "b")}
				for step := range 400 {
					clients[rnd.IntN(2)].step(rnd, step < 300)
					if step%10 == 0 {
						synctest.Wait() // so that the witness does not fall off the tail
					}
				}
				for _, c := range clients {
					for len(c.pending) > 0 {
						c.answer()
					}
				}
				last := e.join("z")
				last.wantConverged()
				last.create(1, "n_last", "")
				seen.Wait()
				for _, c := range clients {
					c.reconnect()
					if *c.acked != c.sent {
						t.Errorf("%s: acked %d of %d", c.user.ID, *c.acked, c.sent)
					}
					c.wantConverged()
				}
				// The witness was told of everything once, and folds to the same.
				wantOnce(t, witness.log)
				witness.wantConverged()
				if len(witness.log) < 20 {
					t.Errorf("only %d operations had an effect", len(witness.log))
				}
			})
		})
	}
}

// readUntil reads until a note of that id was made.
func (p *peer) readUntil(id string) {
	for {
		m, err := p.get()
		if err != nil {
			p.t.Errorf("%s: %v", p.user.ID, err)
			return
		}
		if p.aside(m); m.K == "create" && m.ID == id {
			return
		}
	}
}

// A randomClient keeps its operations until they are answered, as the page does.
type randomClient struct {
	*peer
	pending []string // messages, in order
	first   uint64   // number of the first pending one
	sent    uint64   // number of the newest
}

func newRandomClient(e *env, name string) *randomClient {
	c := &randomClient{peer: e.peer(name), first: 1}
	c.reconnect()
	return c
}

func (c *randomClient) reconnect() {
	c.t.Helper()
	m := c.connect(c.first)
	c.settle(*m.Acked)
	for _, op := range c.pending {
		c.say(op)
	}
}

func (c *randomClient) settle(acked uint64) {
	for c.first <= acked {
		c.pending = c.pending[1:]
		c.first++
	}
	c.acked = &acked
}

func (c *randomClient) step(rnd *rand.Rand, more bool) {
	c.t.Helper()
	switch n := rnd.IntN(10); {
	case n < 6 && more:
		c.sent++
		c.pending = append(c.pending, randomOp(rnd, c.sent))
		c.say(c.pending[len(c.pending)-1])
	case n == 6:
		if rnd.IntN(2) == 0 { // else the server finds out by being asked for the client anew
			c.conn.CloseNow()
		}
		c.reconnect()
	case n == 7 && len(c.pending) > 0: // a duplicate of what may be under way
		c.say(c.pending[0])
	case len(c.pending) > 0:
		c.answer()
	}
}

// answer takes one message; what it settles is pending no more.
func (c *randomClient) answer() {
	c.t.Helper()
	switch m := c.next(); m.T {
	case "ack", "reject":
		c.settle(m.Seq)
	case "op":
		if m.Client == c.client {
			c.settle(m.Seq)
		}
	}
}

func randomOp(rnd *rand.Rand, seq uint64) string {
	id := fmt.Sprintf("n_%d", rnd.IntN(6))
	head := fmt.Sprintf(`{"t":"op","seq":%d,"id":%q,`, seq, id)
	col := colors[rnd.IntN(len(colors))]
	switch rnd.IntN(8) {
	case 0, 1:
		return head + fmt.Sprintf(`"k":"create","f":{"x":%d,"y":0,"color":%q,"text":""}}`, rnd.IntN(9), col)
	case 2:
		return head + fmt.Sprintf(`"k":"set","f":{"x":%d,"y":%d}}`, rnd.IntN(9), rnd.IntN(9))
	case 3:
		return head + fmt.Sprintf(`"k":"set","f":{"color":%q}}`, col)
	case 4:
		return head + fmt.Sprintf(`"k":"set","f":{"text":"%d"},"textRev":%d}`, rnd.IntN(9), rnd.IntN(3))
	case 5:
		return head + `"k":"front"}`
	case 6:
		return head + `"k":"delete"}`
	}
	return head + `"k":"restore"}`
}
