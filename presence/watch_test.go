package presence

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tidewire/tidewire/hub"
)

func TestSlowWatcherGetsTheNetDifferenceAndDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := node(t, nil)
		ada, bo := enter(t, p, "ada", "red"), enter(t, p, "bo", "blue")
		slow := watch(t, p)
		slow.want("+ada=red +bo=blue")
		quick := watch(t, p)
		quick.want("+ada=red +bo=blue")
		for i := range 2000 {
			cy := enter(t, p, "cy", "")
			quick.want("+cy=")
			update(t, ada, fmt.Sprint(i))
			quick.want(fmt.Sprint("~ada=", i))
			leave(t, cy)
			quick.want("-cy(left)")
		}
		leave(t, bo)
		quick.want("-bo(left)")
		enter(t, p, "bo", "blue") // as it was
		quick.want("+bo=blue")
		dee := enter(t, p, "dee", "")
		quick.want("+dee=")
		slow.want("~ada=1999 +dee=")
		leave(t, dee)
		slow.want("-dee(left)")
	})
}

func TestSlowCountGetsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := node(t, nil)
		next, stop := iter.Pull2(p.WatchCount(t.Context(), topic))
		defer stop()
		next()
		for i := range 1000 {
			enter(t, p, fmt.Sprint(i), "")
		}
		synctest.Wait()
		if n, err, _ := next(); n != 1000 || err != nil {
			t.Errorf("next count %d, %v", n, err)
		}
	})
}

// A pause in the loop's body is a throttle.
func TestPauseInTheBodyThrottles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := node(t, nil)
		batches, members := 0, 0
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for batch, err := range p.Watch(ctx, topic) {
				if err != nil {
					return
				}
				batches++
				members += len(batch)
				time.Sleep(time.Second)
			}
		}()
		for i := range 1000 {
			enter(t, p, fmt.Sprint(i), "")
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		cancel()
		<-done
		if members != 1000 || batches > 13 {
			t.Errorf("%d members in %d batches", members, batches)
		}
	})
}

// When the hub's log has gone on without the room, those who watch learn the
// difference and nothing else.
func TestResetOfTheTopicIsReconciled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, hub.Options{Configure: func(name string) (hub.TopicConfig, error) {
			c, _ := Config(name)
			c.MaxEvents = 2
			return c, nil
		}})
		p := newNode(t, h, nil)
		var g gate
		p.hook = func(point string) {
			if point == "applied" {
				g.pass()
			}
		}
		stays, changes, goes := enter(t, p, "stays", ""), enter(t, p, "changes", "1"), enter(t, p, "goes", "")
		back := enter(t, p, "back", "")
		w := newModelWatch(t, p, 0)
		defer w.end()
		synctest.Wait()
		batches := watch(t, p)
		batches.next()

		g.set(true) // the next batch is the last for a while
		enter(t, p, "first", "")
		batches.want("+first=")
		synctest.Wait()
		leave(t, goes)
		leave(t, back)
		enter(t, p, "back", "")
		update(t, changes, "2")
		for i := range 10 {
			leave(t, enter(t, p, fmt.Sprint("passing", i), ""))
		}
		update(t, stays, "")
		enter(t, p, "comes", "")
		// Who comes now waits for the room to have what they wrote.
		late := newModelWatch(t, p, 0)
		defer late.end()
		synctest.Wait()
		if knows, _ := late.known(); knows != nil {
			t.Errorf("a new watch began with %v, which is old", knows)
		}
		g.set(false)
		synctest.Wait()
		got, err, _ := batches.next()
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(got, func(a, b Change[string]) int { return strings.Compare(a.Member, b.Member) })
		expect(t, "the difference", tell(got), "~changes=2 +comes= -goes()")
		want := replica{"stays": "", "changes": "2", "back": "", "first": "", "comes": ""}
		for _, w := range []*modelWatch{w, late} {
			knows, bad := w.known()
			if diff := gocmp.Diff(want, knows); diff != "" || bad != nil {
				t.Errorf("%v (-want +got):\n%s", bad, diff)
			}
		}
	})
}

func TestWatchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := node(t, nil)
		cut := errors.New("cut")
		rooms := func() int {
			synctest.Wait()
			p.mu.Lock()
			defer p.mu.Unlock()
			return len(p.rooms)
		}
		collect := func(ctx context.Context) chan error {
			errs := make(chan error, 9)
			go func() {
				defer close(errs)
				for _, err := range p.Watch(ctx, topic) {
					errs <- err
				}
			}()
			return errs
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		one, two := collect(ctx), collect(t.Context())
		if n := rooms(); n != 1 {
			t.Errorf("%d rooms for two who watch", n)
		}
		cancel(cut)
		synctest.Wait()
		if got := []error{<-one, <-one, <-one}; got[0] != nil || got[1] != cut || got[2] != nil {
			t.Errorf("the watch told %v", got)
		}
		if n := rooms(); n != 1 {
			t.Errorf("%d rooms for one who watches", n)
		}
		for range 3 { // leaving the loop, and beginning again
			for range p.Watch(t.Context(), "board/other") {
				break
			}
			for range p.WatchCount(t.Context(), "board/other") {
				break
			}
		}
		if n := rooms(); n != 1 {
			t.Errorf("%d rooms after the others were left", n)
		}
		for range 3 {
			for range p.Watch(t.Context(), topic) {
				break
			}
		}
		if r := p.rooms[topic]; len(r.barriers) != 0 || r.state.cursors.Len() != 1 || r.refs != 1 {
			t.Errorf("of those who have gone there are %d barriers, %d cursors, %d references", len(r.barriers), r.state.cursors.Len(), r.refs)
		}
		for _, err := range p.Watch(ctx, topic) {
			if err != cut {
				t.Errorf("watch with an ended context: %v", err)
			}
		}
		for _, err := range p.WatchCount(ctx, topic) {
			if err != cut {
				t.Errorf("count with an ended context: %v", err)
			}
		}
		ctx2, cancel2 := context.WithCancel(t.Context())
		defer cancel2()
		n := 0
		for _, err := range p.WatchCount(ctx2, topic) {
			if n++; n == 2 && err != context.Canceled {
				t.Errorf("count ended with %v", err)
			}
			cancel2()
		}
		p.Close()
		<-two
		if err := <-two; err != ErrClosed {
			t.Errorf("the other watch ended with %v", err)
		}
	})
}

func TestTenThousandMembers(t *testing.T) {
	const n = 10_000
	synctest.Test(t, func(t *testing.T) {
		p := node(t, &Options[string]{Grace: grace})
		w := newModelWatch(t, p, 0)
		defer w.end()
		handles := make([]*Handle[string], n)
		for i := range n {
			handles[i] = enter(t, p, fmt.Sprint("m", i), "here")
		}
		synctest.Wait()
		if knows, bad := w.known(); len(knows) != n || bad != nil {
			t.Errorf("who watched from the start knows %d, %v", len(knows), bad)
		}
		for batch, err := range p.Watch(t.Context(), topic) {
			if len(batch) != n || err != nil {
				t.Errorf("first batch of %d, %v", len(batch), err)
			}
			break
		}
		if s, err := p.Snapshot(t.Context(), topic); err != nil || len(s.Members) != n {
			t.Errorf("Snapshot: %v", err)
		}
		for i, h := range handles {
			if i%2 == 0 {
				h.Disconnect()
			} else {
				leave(t, h)
			}
		}
		time.Sleep(grace)
		synctest.Wait()
		if knows, bad := w.known(); len(knows) != 0 || bad != nil {
			t.Errorf("%d are left, %v", len(knows), bad)
		}
		if c, err := p.Count(t.Context(), topic); c != 0 || err != nil {
			t.Errorf("Count: %d, %v", c, err)
		}
	})
}

// Many at once, on few members, two nodes and one topic.
func TestConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, hub.Options{})
		nodes := []*Presence[string]{
			newNode(t, h, &Options[string]{Grace: time.Millisecond}),
			newNode(t, h, &Options[string]{Grace: time.Millisecond}),
		}
		var watches []*modelWatch
		for _, p := range nodes {
			for range 3 {
				watches = append(watches, newModelWatch(t, p, 0))
			}
		}
		var work sync.WaitGroup
		for i := range 16 {
			work.Go(func() {
				p := nodes[i%2]
				for j := range 100 {
					ctx, cancel := context.WithCancel(t.Context())
					h, err := p.Enter(ctx, topic, fmt.Sprint("m", (i+j)%4), fmt.Sprint(i))
					if err != nil {
						t.Errorf("Enter: %v", err)
					} else if err := h.Update(ctx, fmt.Sprint(j)); err != nil {
						t.Errorf("Update: %v", err)
					}
					switch j % 3 {
					case 0:
						if err := h.Leave(ctx); err != nil {
							t.Errorf("Leave: %v", err)
						}
					case 1:
						h.Disconnect()
					}
					if j%7 == 0 {
						for batch, err := range p.Watch(ctx, topic) {
							if err := make(replica).apply(batch); err != nil {
								t.Error(err)
							}
							if err != nil {
								t.Errorf("Watch: %v", err)
							}
							break
						}
					}
					cancel()
				}
			})
		}
		work.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		for _, w := range watches {
			if knows, bad := w.known(); len(knows) > 0 || bad != nil {
				t.Errorf("knows %v, %v", knows, bad)
			}
			w.end()
		}
		for _, p := range nodes {
			if len(p.seats)+len(p.rooms) != 0 {
				t.Errorf("%d seats, %d rooms are left", len(p.seats), len(p.rooms))
			}
		}
		expect(t, "at the end", who(t, nodes[0]), "")
	})
}
