package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/ws"
)

func (e *env) health() string {
	e.t.Helper()
	resp := e.request("/healthz")
	body, _ := io.ReadAll(resp.Body)
	return fmt.Sprintf("%d %s", resp.StatusCode, strings.TrimSpace(string(body)))
}

func TestADrainSaysByeAndClosesWith1012(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a, b := e.join("a"), e.join("b")
		f := e.follow("", "")
		f.event()
		a.create(1, "n_1", "")
		if got := e.health(); got != "200 ok" {
			t.Errorf("health %s", got)
		}
		silent := e.peer("s") // has not said hello: nobody waits for it
		silent.openWith("")

		drained := make(chan error)
		go func() { drained <- e.srv.Drain(e.t.Context()) }()
		retries := map[int64]bool{}
		for _, p := range []*peer{a, b} {
			m := p.next()
			for m.T == "op" {
				m = p.next()
			}
			if m.T != "bye" || m.Code != "restart" || m.Retry < 200 || m.Retry > 2000 {
				t.Errorf("got %s", m.raw)
			}
			retries[m.Retry] = true
			p.wantClosed(1012)
		}
		silent.wantClosed(1012)
		for { // the stream ends cleanly, with a time to come back
			ev, err, ok := f.next()
			if !ok {
				break
			}
			if err != nil {
				t.Errorf("stream: %v", err)
			}
			_ = ev
		}
		if err := <-drained; err != nil {
			t.Errorf("drain: %v", err)
		}
		if e.srv.Connections() != 0 || e.srv.Streams() != 0 {
			t.Errorf("%d connections, %d streams", e.srv.Connections(), e.srv.Streams())
		}

		if got := e.health(); got != "503 leaving" {
			t.Errorf("health %s", got)
		}
		if _, err := e.open("main", nil); refusedWith(err) != 503 {
			t.Errorf("a new connection: %v", err)
		}
		resp := e.request("/events/main")
		if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("a new stream: %s, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
		}
	})
}

// Who was let in before the drain and says hello in it is told bye too.
func TestALateHelloIsToldBye(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		p := e.peer("a")
		p.openWith("")
		synctest.Wait()
		e.srv.mu.Lock()
		e.srv.leaving = true // as Drain does, which then says bye to those who are there
		e.srv.mu.Unlock()
		p.say(p.helloText(1))
		p.expect("welcome")
		synctest.Wait()
		go e.srv.sockets.Drain(e.t.Context()) // the rest of it
		if m := p.expect("bye"); m.Code != "restart" || m.Retry < 200 || m.Retry > 2000 {
			t.Errorf("got %s", m.raw)
		}
		p.wantClosed(1012)
	})
}

// A crowd does not come back in one moment.
func TestEachClientHasItsOwnMomentToReturn(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		var all []*peer
		for i := range 20 {
			all = append(all, e.join(fmt.Sprintf("p%d", i)))
		}
		go e.srv.Drain(e.t.Context())
		retries := map[int64]bool{}
		for _, p := range all {
			retries[p.expect("bye").Retry] = true
			p.wantClosed(1012)
		}
		if len(retries) < 15 {
			t.Errorf("20 clients have %d moments", len(retries))
		}
	})
}

// Whenever the drain begins: what a client was told of before its close is done,
// and answered in order and without a hole; what it was not told of is done as
// well or not at all, in the order in which it was sent.
func TestADrainLosesNothingThatWasAcknowledged(t *testing.T) {
	const total = 60
	cut := false // the drain came between two operations, at least once
	for told := 0; told < total; told += 4 {
		opts := Options{}
		if told%8 == 4 { // the server reads slowly, so the drain finds something that was not read yet
			opts.OpsPerSecond = 10
		}
		bubble(t, opts, func(e *env) {
			a := e.join("a")
			states, notes := [][]string{{}}, []string{} // after each number of operations: id and colour of the notes
			for seq := 1; seq <= total; seq++ {
				id := fmt.Sprintf("n_%d", seq)
				switch seq % 3 {
				case 1:
					a.sayf(`{"t":"op","seq":%d,"k":"create","id":%q,"f":{"x":1,"y":2,"color":"amber","text":""}}`, seq, id)
					notes = append(slices.Clone(notes), id+" amber")
				case 2: // of the one before
					id = fmt.Sprintf("n_%d", seq-1)
					a.sayf(`{"t":"op","seq":%d,"k":"set","id":%q,"f":{"color":"sky"}}`, seq, id)
					notes = slices.Clone(notes)
					notes[len(notes)-1] = id + " sky"
				case 0: // refused
					a.sayf(`{"t":"op","seq":%d,"k":"front","id":%q}`, seq, id)
				}
				states = append(states, notes)
			}
			answered := uint64(0)
			answer := func(m msg) {
				want := "op"
				if m.Seq%3 == 0 {
					want = "reject"
				}
				if m.Seq != answered+1 || m.T != want {
					e.t.Fatalf("behind the answer to %d came %s", answered, m.raw)
				}
				answered = m.Seq
			}
			for answered < uint64(told) {
				answer(a.next())
			}
			drained := make(chan error, 1)
			go func() { drained <- e.srv.Drain(e.t.Context()) }()
			for {
				m, err := a.get()
				if err != nil {
					if code := ws.CloseStatus(err); code != ws.CloseServiceRestart {
						e.t.Errorf("closed with %v", err)
					}
					break
				}
				if m.T == "op" || m.T == "reject" || m.T == "ack" {
					answer(m)
				}
			}
			if err := <-drained; err != nil {
				e.t.Errorf("drain: %v", err)
			}
			synctest.Wait()
			b := e.srv.boards["main"]
			b.mu.Lock()
			done := b.clients.byID[a.client]
			b.mu.Unlock()
			n := uint64(0)
			if done != nil {
				n = done.acked
			}
			got := []string{}
			for _, note := range e.truth() {
				got = append(got, note.ID+" "+note.Color)
			}
			if n < answered || !slices.Equal(got, states[n]) {
				e.t.Errorf("%d were answered; the server counts %d and has %v, not %v", answered, n, got, states[n])
			}
			cut = cut || n < total
		})
	}
	if !cut {
		t.Error("no drain came between two operations")
	}
}

func TestADrainIsBounded(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a := e.join("a") // answers no close, for it does not read
		begin := time.Now()
		ctx, cancel := context.WithTimeout(e.t.Context(), 2*time.Second)
		defer cancel()
		e.srv.Drain(ctx)
		e.srv.Close()
		if d := time.Since(begin); d > 4*time.Second {
			t.Errorf("took %v", d)
		}
		_ = a
	})
}

func TestCloseEndsWhatIsLeft(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a := e.join("a")
		f := e.follow("", "")
		f.event()
		go e.srv.Close()
		a.wantClosed(1012)
		for ok := true; ok; {
			_, _, ok = f.next()
		}
		synctest.Wait()
		e.srv.Close() // once more does no harm
		if got := e.health(); got != "503 leaving" {
			t.Errorf("health %s", got)
		}
	})
}

func refusedWith(err error) int {
	var he *ws.HandshakeError
	if asHandshake(err, &he) {
		return he.StatusCode
	}
	return 0
}

func TestOtherMethodsAreRefused(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		for _, path := range []string{"/", "/ws/main", "/events/main", "/healthz"} {
			resp, err := e.http.Post(e.url+path, "text/plain", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("POST %s: %s", path, resp.Status)
			}
		}
	})
}
