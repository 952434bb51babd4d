package hubtest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/tidewire/tidewire/hub"
)

var appendCases = []Case{
	{Name: "append/concurrent writes each have a place", Run: appendConcurrent},
	{Name: "append/a condition that never held is refused", Run: appendConflict},
	{Name: "append/a condition that held once is refused", Run: appendStale},
	{Name: "append/of several writers with one condition one wins", Run: appendRace},
	{Name: "append/deleting nothing is told", Run: appendNoKey},
	{Name: "append/a repeated write returns the first position", Run: appendRepeated},
	{Name: "append/a write is remembered when others came in between", Run: appendRemembered},
	{Name: "append/a table that is full refuses new keys only", Run: appendFull},
	{Name: "append/a topic of another kind is refused", Run: appendOtherKind},
}

func appendConcurrent(t T, s *Setup) {
	const writers, each = 4, 10
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[uint64]string{}
	for w := range writers {
		c := s.client(t, topic("t", hub.Log))
		wg.Go(func() {
			for i := range each {
				data := fmt.Sprint(w, ".", i)
				pos, err := c.Append(c.ctx(), c.at, &hub.Write{Data: []byte(data)})
				if err != nil {
					t.Errorf("Append: %v", err)
					return
				}
				mu.Lock()
				got[offset(pos)] = data
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(got) != writers*each {
		t.Fatalf("%d writes have %d offsets", writers*each, len(got))
	}
	for _, r := range s.client(t, topic("t", hub.Log)).log() {
		if want := got[offset(r.Pos)]; string(r.Data) != want {
			t.Errorf("offset %d: %q was acknowledged, the log has %q", offset(r.Pos), want, r.Data)
		}
	}
}

// conflict checks that a write is refused with what the key is at.
func (c *client) conflict(what string, w hub.Write, current hub.Position) {
	c.Helper()
	if w.Op == hub.OpPut {
		w.Data = []byte("refused")
	}
	_, err := c.Append(c.ctx(), c.at, &w)
	var conflict *hub.ConflictError
	if !errors.As(err, &conflict) || conflict.Current != current {
		c.Errorf("%s: got %v, want a conflict with %q", what, err, current)
	}
}

func appendConflict(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Keyed))
	epoch, _, _ := c.put("other", "1").Parts()
	never := hub.MakePosition(epoch, 1000, 7)
	c.conflict("a key that is absent", hub.Write{Op: hub.OpPut, Key: "k", Conditional: true, Match: never}, hub.Position{})
	rev := c.write(hub.Write{Op: hub.OpPut, Key: "k", Conditional: true})
	c.conflict("a key that exists", hub.Write{Op: hub.OpPut, Key: "k", Conditional: true}, rev)
	c.conflict("a wrong position", hub.Write{Op: hub.OpPut, Key: "k", Conditional: true, Match: never}, rev)
	c.conflict("a wrong position of a delete", hub.Write{Op: hub.OpDelete, Key: "k", Conditional: true, Match: never}, rev)
	rev = c.write(hub.Write{Op: hub.OpPut, Key: "k", Conditional: true, Match: rev})
	c.write(hub.Write{Op: hub.OpDelete, Key: "k", Conditional: true, Match: rev})
	c.conflict("a key that was deleted", hub.Write{Op: hub.OpPut, Key: "k", Conditional: true, Match: never}, hub.Position{})
	c.write(hub.Write{Op: hub.OpPut, Key: "k", Conditional: true})
}

func appendStale(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Keyed))
	old := c.put("k", "1")
	now := c.put("k", "2")
	c.conflict("the position before", hub.Write{Op: hub.OpPut, Key: "k", Conditional: true, Match: old}, now)
	c.conflict("the position before, of a delete", hub.Write{Op: hub.OpDelete, Key: "k", Conditional: true, Match: old}, now)
	if rows, _ := c.rows(); rows["k"] != "2" {
		t.Errorf("the key is %q, want what the last write made it", rows["k"])
	}
}

func appendRace(t T, s *Setup) {
	const writers, each = 4, 5
	var wg sync.WaitGroup
	for range writers {
		c := s.client(t, topic("t", hub.Keyed))
		wg.Go(func() {
			rev, value := hub.Position{}, 0
			for n := 0; n < each; {
				pos, err := c.Append(c.ctx(), c.at, &hub.Write{
					Op: hub.OpPut, Key: "k", Data: strconv.AppendInt(nil, int64(value+1), 10), Conditional: true, Match: rev,
				})
				var conflict *hub.ConflictError
				switch {
				case err == nil:
					n++
					rev, value = pos, value+1
				case errors.As(err, &conflict):
					rev = conflict.Current
					for _, r := range c.log() {
						if r.Pos == rev {
							value, _ = strconv.Atoi(string(r.Data))
						}
					}
				default:
					t.Errorf("Append: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if rows, _ := s.client(t, topic("t", hub.Keyed)).rows(); rows["k"] != strconv.Itoa(writers*each) {
		t.Errorf("%d increments made it %s", writers*each, rows["k"])
	}
}

func appendNoKey(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Keyed))
	c.put("k", "1")
	c.write(hub.Write{Op: hub.OpDelete, Key: "k"})
	before := len(c.log())
	for _, key := range []string{"k", "never"} {
		if _, err := c.Append(c.ctx(), c.at, &hub.Write{Op: hub.OpDelete, Key: key}); !errors.Is(err, hub.ErrNoKey) {
			t.Errorf("deleting %q: %v, want ErrNoKey", key, err)
		}
	}
	if n := len(c.log()); n != before {
		t.Errorf("the log has grown from %d to %d", before, n)
	}
}

func appendRepeated(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Keyed))
	w := hub.Write{Op: hub.OpPut, Key: "k", Data: []byte("1"), ID: "once", Conditional: true}
	first := c.write(w)
	for range 2 { // the condition fails by now
		if pos := c.write(w); pos != first {
			t.Errorf("again: %s, want %s", pos, first)
		}
	}
	if log := c.log(); len(log) != 1 {
		t.Errorf("the log has %s", show(log))
	}
}

func appendRemembered(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Log))
	first := c.write(hub.Write{Data: []byte("1"), ID: "once"})
	c.write(hub.Write{Data: []byte("2"), ID: "other"})
	c.publish("3")
	other := s.client(t, topic("t", hub.Log))
	if pos := other.write(hub.Write{Data: []byte("1"), ID: "once"}); pos != first {
		t.Errorf("again, from elsewhere: %s, want %s", pos, first)
	}
	if elsewhere := s.client(t, topic("u", hub.Log)); offset(elsewhere.write(hub.Write{Data: []byte("1"), ID: "once"})) != 1 {
		t.Errorf("another topic does not know the key")
	}
}

func appendFull(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Keyed, func(c *hub.TopicConfig) { c.MaxKeys = 2 }))
	c.put("a", "1")
	c.put("b", "1")
	_, err := c.Append(c.ctx(), c.at, &hub.Write{Op: hub.OpPut, Key: "c", Data: []byte("1")})
	var limit *hub.LimitError
	if !errors.As(err, &limit) || limit.Option != "TopicConfig.MaxKeys" {
		t.Errorf("a third key of two: %v, want a *LimitError", err)
	}
	c.put("a", "2")
	c.write(hub.Write{Op: hub.OpDelete, Key: "b"})
	c.put("c", "1")
}

// Hubs whose Configure does not agree are told, whichever comes second.
func appendOtherKind(t T, s *Setup) {
	first, second := s.client(t, topic("t", hub.Log)), s.client(t, topic("t", hub.Keyed))
	first.publish("1")
	refused := func(what string, err error) {
		var kind *hub.KindError
		if !errors.As(err, &kind) || kind.Topic != "t" || kind.Kind != hub.Log {
			t.Errorf("%s of a keyed topic that is a log: got %v, want a *KindError", what, err)
		}
	}
	_, err := second.Append(second.ctx(), second.at, &hub.Write{Op: hub.OpPut, Key: "k", Data: []byte("2")})
	refused("Append", err)
	detach, err := second.Attach(second.ctx(), second.at, &collector{changed: make(chan struct{}, 1)})
	refused("Attach", err)
	if err == nil {
		t.Cleanup(detach)
	}
	if log := first.log(); len(log) != 1 || string(log[0].Data) != "1" {
		t.Errorf("the log has %s", show(log))
	}
}
