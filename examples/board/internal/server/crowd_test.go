package server

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// Fifty people work on one board; the server restarts; they come back within
// the time they were told and find each other again.
func TestACrowdComesBackAfterARestart(t *testing.T) {
	const people, each = 50, 5
	bubble(t, Options{}, func(e *env) {
		var crowd []*peer
		for i := range people {
			crowd = append(crowd, e.join(fmt.Sprintf("p%d", i)))
		}
		for i, p := range crowd {
			for seq := 1; seq <= each; seq++ {
				p.sayf(`{"t":"op","seq":%d,"k":"create","id":"n_%dx%d","f":{"x":1,"y":2,"color":"amber","text":""}}`, seq, i, seq)
			}
		}
		for _, p := range crowd {
			p.wantConvergedAfter(people * each)
			wantOnce(t, p.log)
		}
		if n := e.srv.Connections(); n != people {
			t.Errorf("%d connections", n)
		}

		go e.srv.Drain(e.t.Context())
		var retries []time.Duration
		for _, p := range crowd {
			retries = append(retries, time.Duration(p.expect("bye").Retry)*time.Millisecond)
			p.wantClosed(1012)
		}
		synctest.Wait()
		e.stop()

		next := newBubbleEnv(e.t, Options{})
		begin := time.Now()
		back := make(chan *peer)
		for i, p := range crowd {
			go func() {
				time.Sleep(retries[i])
				p.env = next
				p.openWith(p.helloText(each + 1))
				back <- p
			}()
		}
		for range people {
			p := <-back
			if m := p.next(); m.Reset != "epoch" || m.Acked != nil {
				t.Errorf("welcome %s", m.raw)
			}
		}
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("back after %v", d)
		}
		last := next.join("z")
		for len(last.peers) < people+1 {
			m, err := last.get()
			if err != nil {
				t.Fatal(err)
			}
			last.aside(m)
		}
	})
}

// Nothing is left of a server that was closed, and of its visitors: no goroutine,
// no descriptor. (That no goroutine is left, every bubble shows.)
func TestCloseLeavesNothingBehind(t *testing.T) {
	loopback(t, Options{}).stop() // what a process makes once is made now
	goroutines, files := runtime.NumGoroutine(), descriptors()
	t.Run("visit", func(t *testing.T) {
		e := loopback(t, Options{})
		for i := range 10 {
			p := e.join(fmt.Sprintf("p%d", i))
			p.create(1, fmt.Sprintf("n_%d", i), "")
			e.follow("", "").event()
			switch i % 3 {
			case 0:
				p.conn.CloseNow()
			case 1:
				p.say(`{"t":"leave"}`)
			}
		}
		if err := e.srv.Drain(e.t.Context()); err != nil {
			t.Error(err)
		}
	})
	for begin := time.Now(); ; time.Sleep(time.Millisecond) { // the kernel tells nobody when it is done
		g, f := runtime.NumGoroutine(), descriptors()
		if g <= goroutines && f <= files {
			return
		}
		if time.Since(begin) > 10*time.Second {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before; %d descriptors, %d before\n%s",
				g, goroutines, f, files, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func descriptors() int {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // not Linux
	}
	return len(names)
}
