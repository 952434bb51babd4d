package presence

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

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
