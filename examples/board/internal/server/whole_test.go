package server

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/hub"
)

// A cutContext ends at the n-th time that somebody asks.
type cutContext struct {
	context.Context
	n int
}

func (c *cutContext) Err() error {
	if c.n--; c.n < 0 {
		return context.Canceled
	}
	return nil
}

// The connection may end at any moment of an operation: it is carried out with
// all that belongs to it, or not at all.
func TestAnOperationIsDoneWhollyOrNotAtAll(t *testing.T) {
	for n := range 12 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			bubble(t, Options{MaxDeleted: 1}, func(e *env) {
				p := e.join("a")
				p.create(1, "n_1", "")
				p.create(2, "n_2", "")
				p.say(`{"t":"op","seq":3,"k":"delete","id":"n_1"}`)
				p.expect("op")
				synctest.Wait() // the notice of a's coming is out
				b := e.srv.boards["main"]
				told := e.notices(b)

				// The deletion makes one grave too many, and a notice.
				op := operation{seq: 4, kind: "delete", id: "n_2"}
				err := b.deal(&cutContext{t.Context(), n}, b.conns[p.client], &op)

				done := len(e.truth()) == 0
				if done != (err == nil) || done != (b.clients.byID[p.client].acked == 4) {
					t.Errorf("done %t, error %v, acked %d", done, err, b.clients.byID[p.client].acked)
				}
				want := [3]int{1, 1, told}
				if done {
					want = [3]int{0, 1, told + 1}
				}
				if got := [3]int{b.live, len(b.graves), e.notices(b)}; got != want {
					t.Errorf("live, graves, notices: %v, want %v", got, want)
				}
			})
		})
	}
}

// notices counts what a board has given notice of.
func (e *env) notices(b *board) int {
	e.t.Helper()
	sub, err := b.notices.topic.Subscribe(e.t.Context(), &hub.SubOptions[Notice]{From: hub.Start(), Batch: 1000})
	if err != nil {
		e.t.Fatal(err)
	}
	defer sub.Close()
	n := 0
	for ev, err := range sub.Events() {
		if err != nil {
			e.t.Fatal(err)
		}
		if ev.Marker == hub.MarkLive {
			break
		}
		n++
	}
	return n
}
