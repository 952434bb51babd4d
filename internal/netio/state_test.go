package netio

import (
	"net"
	"slices"
	"testing"
	"time"
)

// stateConn is a Conn without a wire: enough for step.
func stateConn(l life, r reader) *Conn {
	a, b := net.Pipe()
	b.Close()
	return &Conn{nc: a, cfg: &defaults, life: l, reader: r}
}

var everyEvent = []event{evServe, evEnter, evPause, evIdle, evWake, evEnd, evFinish, evFlushed, evClose, evLeave}

// possible says which events the code sends in which state: what only the holder of the reader role sends needs one.
func possible(c *Conn, ev event) bool {
	switch ev {
	case evPause, evIdle, evEnd:
		return c.reader == busy
	case evLeave:
		return c.reader == busy && c.life >= closing
	}
	return true
}

// Every way through the states that has no end without a release, releases once, and never while a goroutine reads.
func TestEveryWayEndsInOneRelease(t *testing.T) {
	ways := 0
	var walk func(way []event)
	walk = func(way []event) {
		c := stateConn(open, still)
		releases := 0
		for i, ev := range way {
			if !possible(c, ev) {
				if i != len(way)-1 {
					t.Fatalf("way %v: event %d was thought possible", way, i)
				}
				return
			}
			wasOver := c.life == closed
			do := c.step(ev)
			if do&doRelease != 0 {
				releases++
				if c.reader == busy {
					t.Fatalf("way %v releases under a reader", way)
				}
			}
			if wasOver && do&^refused != 0 {
				t.Fatalf("way %v does %b after the end", way, do)
			}
			if do&doServe != 0 && c.reader != busy {
				t.Fatalf("way %v starts a reader without the role", way)
			}
		}
		ways++
		// From here the core can always come to the end by itself.
		end := slices.Clone(way)
		for c.life != closed {
			ev := evClose
			if c.life == closing {
				ev = evLeave
			}
			if do := c.step(ev); do&doRelease != 0 {
				releases++
			}
			if end = append(end, ev); len(end) > len(way)+2 {
				t.Fatalf("way %v has no end: life %d, reader %d", end, c.life, c.reader)
			}
		}
		if releases != 1 {
			t.Fatalf("way %v releases %d times", end, releases)
		}
		if len(way) < 6 {
			for _, ev := range everyEvent {
				walk(append(slices.Clone(way), ev))
			}
		}
	}
	walk(nil)
	if ways < 10_000 {
		t.Errorf("only %d ways", ways)
	}
}

func TestStepsInOrder(t *testing.T) {
	type step struct {
		ev     event
		do     todo
		life   life
		reader reader
	}
	for name, steps := range map[string][]step{
		"callback, parked, woken, ended by the peer": {
			{evServe, doServe, open, busy}, {evIdle, 0, open, parked}, {evIdle, refused, open, parked},
		},
		"parked, closed": {
			{evServe, doServe, open, busy}, {evIdle, 0, open, parked}, {evClose, doRelease, closed, over}, {evWake, refused, closed, over},
		},
		"closed under a reader": {
			{evServe, doServe, open, busy}, {evClose, doWake | doCut, closing, busy}, {evIdle, refused, closing, busy},
			{evPause, refused, closing, busy}, {evLeave, doRelease, closed, over},
		},
		"closed under a reader who sees the end first": {
			{evServe, doServe, open, busy}, {evClose, doWake | doCut, closing, busy}, {evEnd, doRelease, closed, over},
		},
		"finished while parked": {
			{evServe, doServe, open, busy}, {evIdle, 0, open, parked}, {evFinish, doFlush, finishing, parked},
			{evFlushed, doEndOut, shut, parked}, {evWake, doServe, shut, busy}, {evIdle, 0, shut, parked},
			{evWake, doServe, shut, busy}, {evEnd, doRelease, closed, over},
		},
		"finished while nobody reads": {
			{evFinish, doFlush | doServe, finishing, busy}, {evPause, refused, finishing, busy}, {evEnd, 0, finishing, over},
			{evFlushed, doRelease, closed, over},
		},
		"ended by the peer": {
			{evEnter, 0, open, busy}, {evEnter, refused, open, busy}, {evPause, 0, open, still}, {evEnter, 0, open, busy},
			{evEnd, doFlush, finishing, over}, {evFinish, refused, finishing, over}, {evFlushed, doRelease, closed, over},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := stateConn(open, still)
			for i, s := range steps {
				do := c.step(s.ev)
				if do != s.do || c.life != s.life || c.reader != s.reader {
					t.Fatalf("step %d: do %b, life %d, reader %d; want %b, %d, %d", i, do, c.life, c.reader, s.do, s.life, s.reader)
				}
			}
		})
	}
}

// A reader that is wanted outside does not park: it would not hear of it.
func TestAttentionKeepsFromParking(t *testing.T) {
	c := stateConn(open, busy)
	c.step(evFinish)
	if do := c.step(evIdle); do != refused {
		t.Errorf("evIdle after evFinish: %b", do)
	}
	c.flags.And(^flagAttention)
	if do := c.step(evIdle); do != 0 || c.reader != parked {
		t.Errorf("evIdle after the reader has looked: %b, reader %d", do, c.reader)
	}
}

func TestPokeMovesTheDeadlineOnlyUnderAReader(t *testing.T) {
	c := stateConn(open, busy)
	c.poke()
	if c.deadline != dlNone {
		t.Error("poked a reader that is not in the wire")
	}
	c.inWire = true
	c.poke()
	if _, err := c.nc.Read(make([]byte, 1)); c.deadline != dlPast || !isTimeout(err) && err.Error() != "EOF" {
		t.Errorf("deadline %d, read error %v", c.deadline, err)
	}
	if !longAgo.Before(time.Now()) {
		t.Error("long ago is not")
	}
}
