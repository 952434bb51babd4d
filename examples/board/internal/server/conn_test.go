package server

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/presence"
)

func TestEitherSideMayAskForASignOfLife(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a := e.join("a")
		begin := time.Now()
		a.say(`{"t":"ping","n":7}`)
		if m := a.expect("pong"); m.N != 7 {
			t.Errorf("got %s", m.raw)
		}
		for n := uint64(1); n <= 8; n++ {
			m, err := a.get()
			if err != nil || m.T != "ping" && m.T != "peers" {
				t.Fatalf("got %s, %v", m.raw, err)
			}
			if m.T == "peers" {
				n--
				continue
			}
			if d := time.Since(begin); m.N != n || d != time.Duration(n)*15*time.Second {
				t.Errorf("%s after %v", m.raw, d)
			}
			a.sayf(`{"t":"pong","n":%d}`, m.N)
		}
	})
}

func TestASilentClientIsClosed(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a, begin := e.join("a"), time.Now()
		a.wantClosed(4008)
		if d := time.Since(begin); d != 37500*time.Millisecond {
			t.Errorf("closed after %v, want 2.5 heartbeats", d)
		}
	})
}

// Beyond the rate operations are read later, not refused.
func TestTooManyOperationsAreReadMoreSlowly(t *testing.T) {
	bubble(t, Options{OpsPerSecond: 10}, func(e *env) {
		a, b, begin := e.join("a"), e.join("b"), time.Now()
		for seq := 1; seq <= 50; seq++ {
			a.sayf(`{"t":"op","seq":%d,"k":"create","id":"n_%d","f":{"x":1,"y":2,"color":"amber","text":""}}`, seq, seq)
		}
		for range 50 {
			a.expect("op")
		}
		if d := time.Since(begin); d < 3*time.Second || d > 3200*time.Millisecond {
			t.Errorf("50 operations at 10 a second after 20 at once took %v", d)
		}
		b.wantConvergedAfter(50)
	})
}

func (p *peer) wantConvergedAfter(ops int) {
	p.t.Helper()
	for len(p.log) < ops {
		p.next()
	}
	p.wantConverged()
}

// A connection that is not read falls off the tail; the others notice nothing,
// and it comes back for the rest.
// A visitor for whom the hub has no room is asked to come back, and is no fault
// of the server's.
func TestWithoutRoomAVisitorIsAskedToComeBack(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		e.srv.presence.Close()
		e.srv.hub.Close()
		e.srv.hub = hub.New(&hub.Options{Configure: e.srv.opts.configure, MaxTopics: 1})
		e.srv.presence = presence.New[User](e.srv.hub, nil)
		p := e.peer("a")
		p.openWith(p.helloText(1))
		p.wantClosed(1013)
	})
}

func TestASlowConsumerDelaysNobodyAndResumes(t *testing.T) {
	bubble(t, Options{Tail: 16, OpsPerSecond: 10_000}, func(e *env) {
		slow, a, b := e.join("s"), e.join("a"), e.join("b")
		text := strings.Repeat("x", 2000)
		begin := time.Now()
		const total = 200 // 400 kB: more than the pipe takes
		for seq := uint64(1); seq <= total; seq++ {
			a.create(seq, fmt.Sprintf("n_%d", seq), text)
			b.expect("op")
		}
		b.wantConverged()
		if d := time.Since(begin); d != 0 {
			t.Errorf("the others waited %v", d)
		}
		slow.wantClosed(4002)
		got := len(slow.log)
		if got == 0 || got >= total {
			t.Fatalf("the slow one was told of %d operations", got)
		}
		m := slow.connect(1)
		if m.Reset != "trimmed" && m.Mode != "delta" {
			t.Errorf("welcome %.200s", m.raw)
		}
		slow.wantConverged()
	})
}

func TestAnswersThatAreNotReadEndTheConnection(t *testing.T) {
	bubble(t, Options{Queue: 8, OpsPerSecond: 10_000}, func(e *env) {
		a, b := e.join("a"), e.join("b")
		b.create(1, "n_1", strings.Repeat("x", 2000))
		b.say(`{"t":"op","seq":2,"k":"delete","id":"n_1"}`)
		b.expect("op")
		a.expect("op")
		a.expect("op")
		for seq := 1; seq <= 1000; seq++ { // each reject brings 2 kB
			if a.conn.Write(e.t.Context(), 1, fmt.Appendf(nil, `{"t":"op","seq":%d,"k":"front","id":"n_1"}`, seq)) != nil {
				break
			}
		}
		synctest.Wait()
		a.wantClosed(4002)
		b.create(3, "n_2", "untouched")
	})
}

// A peer that stops reading for good does not keep the server.
func TestAConnectionThatNeverReadsIsGivenUp(t *testing.T) {
	e := loopback(t, Options{Tail: 16, OpsPerSecond: 10_000})
	proxy, err := testnet.NewProxy(t, strings.TrimPrefix(e.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	dead := e.peer("d")
	dead.env = &env{t: t, srv: e.srv, dial: e.dial, url: "http://" + proxy.Addr()}
	dead.connect(1)
	proxy.Blackhole(true)
	a := e.join("a")
	for seq := uint64(1); seq <= 50; seq++ {
		a.create(seq, fmt.Sprintf("n_%d", seq), "")
	}
	a.wantConverged()
	e.stop() // returns, though that peer will never answer the close
}
