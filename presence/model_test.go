package presence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tidewire/tidewire/hub"
)

// The model: all seats of all nodes in one list, in the order they were made.
type model struct{ seats []*modelSeat }

type modelSeat struct {
	node     int
	member   string
	holder   int // number of the handle
	state    string
	seq      int       // of the last write
	deadline time.Time // of the grace; zero: connected
}

func (m *model) enter(node, handle, seq int, member, state string) {
	for _, s := range slices.Backward(m.seats) {
		if s.node == node && s.member == member && !s.deadline.IsZero() {
			s.holder, s.state, s.seq, s.deadline = handle, state, seq, time.Time{}
			return
		}
	}
	m.seats = append(m.seats, &modelSeat{node: node, member: member, holder: handle, state: state, seq: seq})
}

func (m *model) of(handle int) *modelSeat {
	for _, s := range m.seats {
		if s.holder == handle {
			return s
		}
	}
	return nil
}

func (m *model) leave(handle int) {
	s := m.of(handle)
	if s == nil {
		return
	}
	m.drop(func(o *modelSeat) bool { return o == s })
	open := slices.ContainsFunc(m.seats, func(o *modelSeat) bool {
		return o.node == s.node && o.member == s.member && o.deadline.IsZero()
	})
	if !open {
		m.drop(func(o *modelSeat) bool { return o.node == s.node && o.member == s.member })
	}
}

func (m *model) expire() {
	m.drop(func(s *modelSeat) bool { return !s.deadline.IsZero() && !time.Now().Before(s.deadline) })
}

func (m *model) drop(f func(*modelSeat) bool) { m.seats = slices.DeleteFunc(m.seats, f) }

func (m *model) members() replica {
	r, latest := make(replica), make(map[string]int)
	for _, s := range m.seats {
		if s.seq > latest[s.member] {
			latest[s.member], r[s.member] = s.seq, s.state
		}
	}
	return r
}

// A gate stops whoever passes while it is shut.
type gate struct {
	mu   sync.Mutex
	shut chan struct{} // closed when it opens; nil: open
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case shut && g.shut == nil:
		g.shut = make(chan struct{})
	case !shut && g.shut != nil:
		close(g.shut)
		g.shut = nil
	}
}

func (g *gate) isShut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut != nil
}

func (g *gate) pass() {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut != nil {
		<-shut
	}
}

// A modelWatch is somebody who watches, and may stall.
type modelWatch struct {
	gate
	node   int
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of the watch; to be read when it is done

	told  sync.Mutex
	knows replica // nil before the first batch; guarded by told
	bad   error   // what it was told does not fit; guarded by told
}

// tell takes a batch.
func (w *modelWatch) tell(batch []Change[string]) {
	w.told.Lock()
	defer w.told.Unlock()
	if w.knows == nil {
		w.knows = make(replica)
	} else if len(batch) == 0 {
		w.bad = errors.New("empty batch")
	}
	w.bad = cmp.Or(w.bad, w.knows.apply(batch))
}

// known returns a copy of what it was told.
func (w *modelWatch) known() (replica, error) {
	w.told.Lock()
	defer w.told.Unlock()
	return maps.Clone(w.knows), w.bad
}

func newModelWatch(t *testing.T, p *Presence[string], node int) *modelWatch {
	w := &modelWatch{node: node, done: make(chan struct{})}
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(t.Context())
	go func() {
		defer close(w.done)
		for batch, err := range p.Watch(ctx, topic) {
			if err != nil {
				w.err = err
				return
			}
			w.tell(batch)
			w.pass()
		}
	}()
	return w
}

// end lets a watch go and reports how it ended.
func (w *modelWatch) end() error {
	w.cancel()
	w.set(false)
	<-w.done
	return w.err
}

// A modelNode is a Presence whose rooms may stall.
type modelNode struct {
	gate
	p *Presence[string]
}

func newModelNode(h *hub.Hub) *modelNode {
	n := &modelNode{p: New(h, &Options[string]{Grace: grace})}
	n.p.hook = func(point string) {
		if point == "applied" {
			n.pass()
		}
	}
	return n
}

// Random operations on two nodes: members as the model says at every moment, and
// watches that add up to them, through resets of the hub's topic, too.
func TestModel(t *testing.T) {
	for _, cfg := range []struct {
		name  string
		tail  int  // events that the hub's topic keeps
		stall bool // let rooms fall off it
	}{{"long tail", 1024, false}, {"short tail", 3, true}} {
		t.Run(cfg.name, func(t *testing.T) {
			for seed := range uint64(15) {
				synctest.Test(t, func(t *testing.T) { runModel(t, seed, cfg.tail, cfg.stall) })
				if t.Failed() {
					return
				}
			}
		})
	}
}

func runModel(t *testing.T, seed uint64, tail int, stall bool) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	h := newHub(t, hub.Options{Configure: func(name string) (hub.TopicConfig, error) {
		c, _ := Config(name)
		c.MaxEvents = tail
		return c, nil
	}})
	nodes := []*modelNode{newModelNode(h), newModelNode(h)}
	var m model
	var handles []*Handle[string]
	var watches []*modelWatch
	var history []string
	fail := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("seed %d, after\n\t%s\n%s", seed, strings.Join(history, "\n\t"), fmt.Sprintf(format, args...))
	}
	note := func(format string, args ...any) { history = append(history, fmt.Sprintf(format, args...)) }

	for step := range 300 {
		node := rnd.IntN(len(nodes))
		n := nodes[node]
		handle := rnd.IntN(len(handles) + 1)
		if handle > 0 && rnd.IntN(4) > 0 {
			handle = max(0, len(handles)-1-rnd.IntN(6)) // mostly one that lives
		}
		state := fmt.Sprint(rnd.IntN(3))
		switch op := rnd.IntN(30); {
		case op < 8:
			member := fmt.Sprint("m", rnd.IntN(4))
			note("enter %s=%s on %d as %d", member, state, node, len(handles))
			hd, err := n.p.Enter(t.Context(), topic, member, state)
			if err != nil {
				fail("Enter: %v", err)
			}
			m.enter(node, len(handles), step+1, member, state)
			handles = append(handles, hd)
		case op < 13 && handle < len(handles):
			note("update %d to %s", handle, state)
			err := handles[handle].Update(t.Context(), state)
			s := m.of(handle)
			switch lives := s != nil && s.deadline.IsZero(); {
			case lives && err != nil, !lives && err != ErrLeft && err != ErrClosed:
				fail("Update: %v", err)
			case lives:
				s.state, s.seq = state, step+1
			}
		case op < 17 && handle < len(handles):
			note("leave %d", handle)
			if err := handles[handle].Leave(t.Context()); err != nil {
				fail("Leave: %v", err)
			}
			m.leave(handle)
		case op < 22 && handle < len(handles):
			note("disconnect %d", handle)
			handles[handle].Disconnect()
			if s := m.of(handle); s != nil && s.deadline.IsZero() {
				s.deadline = time.Now().Add(grace)
			}
		case op < 24:
			d := time.Duration(rnd.Int64N(int64(grace)))
			note("sleep %v", d)
			time.Sleep(d)
		case op == 24:
			note("watch on %d", node)
			watches = append(watches, newModelWatch(t, n.p, node))
		case op == 25 && len(watches) > 0:
			i := rnd.IntN(len(watches))
			note("end watch on %d", watches[i].node)
			if err := watches[i].end(); err != context.Canceled {
				fail("watch ended with %v", err)
			}
			watches = slices.Delete(watches, i, i+1)
		case op < 28 && len(watches) > 0:
			w := watches[rnd.IntN(len(watches))]
			note("toggle watch on %d", w.node)
			w.set(!w.isShut())
		case op == 28 && stall:
			note("toggle room on %d", node)
			n.set(!n.isShut())
		case op == 29 && rnd.IntN(4) == 0:
			note("restart %d", node)
			n.set(false)
			if err := n.p.Close(); err != nil {
				fail("Close: %v", err)
			}
			watches = slices.DeleteFunc(watches, func(w *modelWatch) bool {
				if w.node != node {
					return false
				}
				w.set(false)
				<-w.done
				if w.err != ErrClosed {
					fail("watch ended with %v", w.err)
				}
				return true
			})
			m.drop(func(s *modelSeat) bool { return s.node == node })
			nodes[node] = newModelNode(h)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		m.expire()

		want := m.members()
		snap, err := nodes[rnd.IntN(2)].p.Snapshot(t.Context(), topic)
		if err != nil {
			fail("Snapshot: %v", err)
		}
		got := make(replica)
		for _, s := range snap.Members {
			got[s.Member] = s.State
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			fail("snapshot (-want +got):\n%s", diff)
		}
		if n, err := nodes[rnd.IntN(2)].p.Count(t.Context(), topic); n != len(want) || err != nil {
			fail("Count: %d, %v, want %d", n, err, len(want))
		}
		for _, w := range watches {
			knows, bad := w.known()
			if bad != nil {
				fail("watch on %d: %v", w.node, bad)
			}
			if w.isShut() || nodes[w.node].isShut() {
				continue
			}
			if diff := gocmp.Diff(want, knows); diff != "" {
				fail("watch on %d (-want +got):\n%s", w.node, diff)
			}
		}
	}
	for _, w := range watches {
		w.cancel()
		w.set(false)
	}
	for _, n := range nodes {
		n.set(false)
		if err := n.p.Close(); err != nil {
			fail("Close: %v", err)
		}
	}
}
