package netio

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

func TestAlarm(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		for _, d := range []time.Duration{time.Millisecond, wheelFrom} {
			if d == wheelFrom && tr.name != "tcp" { // it takes real seconds
				continue
			}
			l := newLines()
			rang := make(chan struct{}, 10)
			l.onAlarm = func() { rang <- struct{}{} }
			c, _ := tr.start(t, l, nil)
			l.c = c
			c.SetAlarm(time.Hour)
			c.SetAlarm(d)
			get(t, "the alarm", rang)
			c.SetAlarm(d)
			get(t, "the second alarm", rang)
			c.SetAlarm(time.Hour)
			c.SetAlarm(0)
			c.CloseNow(nil)
			get(t, "the end", l.closed)
			select {
			case <-rang:
				t.Error("rang again")
			default:
			}
		}
	})
}

// The wheel against a map of what is due, over several turns.
func TestWheelRingsOnTime(t *testing.T) {
	var mu sync.Mutex
	w := &wheel{mu: &mu}
	rnd := rand.New(rand.NewPCG(11, 12))
	w.now = ^uint32(0) - 1000 // it wraps
	conns := make([]*Conn, 500)
	due := map[*Conn]uint32{}
	for i := range conns {
		conns[i] = &Conn{}
	}
	for range 20_000 {
		c := conns[rnd.IntN(len(conns))]
		switch rnd.IntN(3) {
		case 0:
			w.remove(c)
			c.due = w.now + 1 + uint32(rnd.IntN(3*wheelSlots))
			w.insert(c)
			due[c] = c.due
		case 1:
			w.remove(c)
			delete(due, c)
		case 2:
			to := w.now + uint32(rnd.IntN(4))
			for _, c := range w.advance(to, nil) {
				if at, ok := due[c]; !ok || int32(at-to) > 0 {
					t.Fatalf("rang at %d, due at %d, %v", to, at, ok)
				}
				delete(due, c)
			}
			for _, at := range due {
				if int32(at-to) <= 0 {
					t.Fatalf("did not ring at %d, due at %d", to, at)
				}
			}
		}
	}
	if len(due) == 0 {
		t.Error("nothing was left to ring")
	}
}
