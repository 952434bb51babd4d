package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
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

// An operation that was sent into the drain is either dealt with and told, or it
// is not dealt with.
func TestADrainLosesNothingThatWasAcknowledged(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a := e.join("a")
		for seq := 1; seq <= 40; seq++ {
			a.sayf(`{"t":"op","seq":%d,"k":"create","id":"n_%d","f":{"x":1,"y":2,"color":"amber","text":""}}`, seq, seq)
		}
		go e.srv.Drain(e.t.Context())
		a.wantClosed(1012)
		if got, want := len(a.log), len(e.truth()); got > want {
			t.Errorf("%d echoes of %d notes", got, want)
		}
	})
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
