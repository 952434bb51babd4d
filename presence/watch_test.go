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

// Whatever happens between any two steps of a watch's beginning is told once.
func TestNoGapBetweenStateAndChanges(t *testing.T) {
	for point, wait := range map[string]bool{ // whether the room can go on meanwhile, and shall
		"sync": true, "head": true, "synced": true, "copy": false, "ask": false, "applied": false, "wait": true,
	} {
		for times := range 3 { // the first, second, third time that the point is passed
			for _, warm := range []bool{false, true} { // whether somebody watches already
				t.Run(fmt.Sprintf("%s/%d/warm=%v", point, times, warm), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						p := node(t, nil)
						other := newNode(t, p.hub, nil)
						changing, leaving := enter(t, p, "changing", "old"), enter(t, p, "leaving", "")
						if warm {
							w := newModelWatch(t, p, 0)
							defer w.end()
							synctest.Wait()
						}
						var passed int
						var mu sync.Mutex
						applied := make(chan struct{}, 1)
						p.hook = func(at string) {
							if at == "applied" {
								select {
								case applied <- struct{}{}:
								default:
								}
							}
							mu.Lock()
							if at == point {
								passed++
							}
							now := at == point && passed == times+1
							mu.Unlock()
							if now {
								update(t, changing, "new")
								leave(t, leaving)
								enter(t, other, "entering", "")
								if wait {
									catchUp(t, p, applied)
								}
							}
						}
						w := newModelWatch(t, p, 0)
						defer w.end()
						synctest.Wait()
						if knows, _ := w.known(); knows == nil {
							t.Error("the watch has not begun")
						}
						enter(t, other, "later", "")
						synctest.Wait()
						knows, bad := w.known()
						if bad != nil {
							t.Fatal(bad)
						}
						want := replica{"changing": "new", "entering": "", "later": ""}
						mu.Lock()
						defer mu.Unlock()
						if passed <= times {
							want = replica{"changing": "old", "leaving": "", "later": ""}
						}
						if diff := gocmp.Diff(want, knows); diff != "" {
							t.Errorf("the point was passed %d times (-want +got):\n%s", passed, diff)
						}
					})
				})
			}
		}
	}
}

// catchUp waits until the room has what has been written; applied has a token
// whenever it has moved on.
func catchUp(t *testing.T, p *Presence[string], applied chan struct{}) {
	view, err := p.topic(topic)
	if err != nil {
		t.Error(err)
		return
	}
	head, err := view.Head(t.Context())
	if err != nil {
		t.Error(err)
		return
	}
	for {
		p.mu.Lock()
		r := p.rooms[topic]
		p.mu.Unlock()
		r.mu.Lock()
		at := r.at
		r.mu.Unlock()
		if at == head {
			return
		}
		<-applied
	}
}

// A watch begins although the room never stands still at the head it looked at,
// and although the log loses that head.
func TestWatchBeginsInABusyTopic(t *testing.T) {
	for _, tail := range []int{1024, 3} {
		t.Run(fmt.Sprint("tail of ", tail), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub(t, hub.Options{Configure: func(name string) (hub.TopicConfig, error) {
					c, _ := Config(name)
					c.MaxEvents = tail
					return c, nil
				}})
				p, other := newNode(t, h, nil), newNode(t, h, nil)
				first := newModelWatch(t, p, 0)
				defer first.end()
				synctest.Wait()
				var asked, n int
				more := func(count int) {
					for range count {
						n++
						enter(t, other, fmt.Sprint("m", n), "")
					}
				}
				var g gate
				p.hook = func(point string) {
					switch {
					case point == "ask":
						if asked++; asked == 1 {
							more(1) // the barrier is to be here
						}
					case point == "applied" && asked == 1:
						more(5) // and the next batch goes past it
						asked++
					case point == "applied":
						g.pass()
					}
				}
				g.set(true)
				more(1)
				synctest.Wait() // the room has it and stands
				more(1)
				second := newModelWatch(t, p, 0)
				synctest.Wait()
				g.set(false)
				synctest.Wait()
				knows, bad := second.known()
				if len(knows) != n || bad != nil {
					t.Errorf("knows %d of %d, %v", len(knows), n, bad)
				}
				second.end()
			})
		})
	}
}

// A copy of the state under way delays nobody who writes, reads or watches.
func TestCopyOfTheStateHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := node(t, nil)
		w := watch(t, p)
		w.want("")
		ada := enter(t, p, "ada", "red")
		synctest.Wait()
		done := make(chan struct{})
		var once sync.Once
		p.hook = func(point string) {
			if point != "copy" {
				return
			}
			once.Do(func() {
				w.want("+ada=red") // a change that was there before
				update(t, ada, "blue")
				expect(t, "meanwhile", who(t, p), "ada=blue")
				close(done)
			})
		}
		second := watch(t, p)
		second.want("+ada=red")
		<-done
		second.want("~ada=blue")
		w.want("~ada=blue")
	})
}

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

// A watch whose room is not up to date can be given up.
func TestBeginningOfAWatchHonoursItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := node(t, nil)
		var g gate
		g.set(true)
		p.hook = func(point string) {
			if point == "applied" {
				g.pass()
			}
		}
		enter(t, p, "ada", "")
		w := newModelWatch(t, p, 0)
		synctest.Wait()
		enter(t, p, "bo", "")
		second := newModelWatch(t, p, 0)
		synctest.Wait()
		if err := second.end(); err != context.Canceled {
			t.Errorf("ended with %v", err)
		}
		third := newModelWatch(t, p, 0)
		synctest.Wait()
		g.set(false)
		synctest.Wait()
		for _, w := range []*modelWatch{w, third} {
			if knows, _ := w.known(); len(knows) != 2 {
				t.Errorf("knows %v", knows)
			}
			w.end()
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
