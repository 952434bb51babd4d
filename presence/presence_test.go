package presence

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidewire/tidewire/hub"
)

const topic = "board/main"

// newHub returns a hub that knows presence topics.
func newHub(t *testing.T, o hub.Options) *hub.Hub {
	t.Helper()
	if o.Configure == nil {
		o.Configure = func(name string) (hub.TopicConfig, error) {
			c, _ := Config(name)
			return c, nil
		}
	}
	h := hub.New(&o)
	t.Cleanup(func() { h.Close() })
	return h
}

// newNode returns a Presence on h that is closed before it.
func newNode(t *testing.T, h *hub.Hub, o *Options[string]) *Presence[string] {
	t.Helper()
	p := New(h, o)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return p
}

// node is newNode on a hub of its own.
func node(t *testing.T, o *Options[string]) *Presence[string] {
	t.Helper()
	return newNode(t, newHub(t, hub.Options{}), o)
}

func enter(t *testing.T, p *Presence[string], member, state string) *Handle[string] {
	t.Helper()
	h, err := p.Enter(t.Context(), topic, member, state)
	if err != nil {
		t.Fatalf("Enter(%q): %v", member, err)
	}
	return h
}

func leave(t *testing.T, h *Handle[string]) {
	t.Helper()
	if err := h.Leave(t.Context()); err != nil {
		t.Fatalf("Leave of %q: %v", h.Member(), err)
	}
}

func update(t *testing.T, h *Handle[string], state string) {
	t.Helper()
	if err := h.Update(t.Context(), state); err != nil {
		t.Fatalf("Update of %q: %v", h.Member(), err)
	}
}

// who returns the topic as "ada=red bo=blue".
func who(t *testing.T, p *Presence[string]) string {
	t.Helper()
	s, err := p.Snapshot(t.Context(), topic)
	if err != nil {
		t.Fatalf("Snapshot: %v", err)
	}
	if n, err := p.Count(t.Context(), topic); n != len(s.Members) || err != nil {
		t.Fatalf("Count = %d, %v, want %d", n, err, len(s.Members))
	}
	list := make([]string, len(s.Members))
	for i, m := range s.Members {
		list[i] = m.Member + "=" + m.State
	}
	return strings.Join(list, " ")
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// tell writes changes as "+ada=red ~bo=blue -cy(left)".
func tell(changes []Change[string]) string {
	list := make([]string, len(changes))
	for i, c := range changes {
		switch c.Kind {
		case Enter:
			list[i] = "+" + c.Member + "=" + c.State
		case Update:
			list[i] = "~" + c.Member + "=" + c.State
		case Leave:
			list[i] = "-" + c.Member + "(" + c.Cause.String() + ")"
		}
		if c.Kind != Leave && c.Cause != Unknown {
			list[i] += "!"
		}
	}
	return strings.Join(list, " ")
}

// A watcher reads a watch step by step.
type watcher struct {
	t    *testing.T
	next func() ([]Change[string], error, bool)
	stop func()
}

func watch(t *testing.T, p *Presence[string]) *watcher {
	w := &watcher{t: t}
	w.next, w.stop = iter.Pull2(p.Watch(t.Context(), topic))
	t.Cleanup(w.stop)
	return w
}

func (w *watcher) want(want string) {
	w.t.Helper()
	changes, err, _ := w.next()
	if err != nil {
		w.t.Fatalf("watch: %v, want %q", err, want)
	}
	if diff := cmp.Diff(want, tell(changes)); diff != "" {
		w.t.Fatalf("watch (-want +got):\n%s", diff)
	}
}

func TestEnterUpdateLeave(t *testing.T) {
	p := node(t, nil)
	w := watch(t, p)
	w.want("")
	ada := enter(t, p, "ada", "red")
	w.want("+ada=red")
	bo := enter(t, p, "bo", "blue")
	w.want("+bo=blue")
	expect(t, "both", who(t, p), "ada=red bo=blue")
	update(t, ada, "green")
	w.want("~ada=green")
	update(t, ada, "green") // no change, nothing told
	leave(t, ada)
	w.want("-ada(left)")
	expect(t, "one", who(t, p), "bo=blue")
	leave(t, bo)
	w.want("-bo(left)")
	expect(t, "nobody", who(t, p), "")
	if ada.Member() != "ada" {
		t.Errorf("Member() = %q", ada.Member())
	}
}

func TestTopicsAreApart(t *testing.T) {
	p := node(t, nil)
	enter(t, p, "ada", "red")
	if _, err := p.Enter(t.Context(), "board/other", "bo", "blue"); err != nil {
		t.Fatal(err)
	}
	expect(t, "main", who(t, p), "ada=red")
}

func TestTwoTabsAreOneMember(t *testing.T) {
	synctest.Test(t, testTwoTabsAreOneMember) // where no time passes between two states
}

func testTwoTabsAreOneMember(t *testing.T) {
	p := node(t, nil)
	w := watch(t, p)
	w.want("")
	one := enter(t, p, "ada", "red")
	w.want("+ada=red")
	two := enter(t, p, "ada", "blue")
	w.want("~ada=blue") // the latest wins
	update(t, one, "green")
	w.want("~ada=green")
	expect(t, "two tabs", who(t, p), "ada=green")
	leave(t, one)
	w.want("~ada=blue") // what the other one shows
	three := enter(t, p, "ada", "blue")
	leave(t, two)
	update(t, three, "white") // the first thing to tell since
	w.want("~ada=white")
	leave(t, three)
	w.want("-ada(left)")
}

func TestNodesOnOneHubShareMembers(t *testing.T) {
	h := newHub(t, hub.Options{})
	a, b := newNode(t, h, nil), newNode(t, h, nil)
	w := watch(t, a)
	w.want("")
	onA := enter(t, a, "ada", "red")
	w.want("+ada=red")
	enter(t, b, "ada", "blue")
	w.want("~ada=blue")
	enter(t, b, "bo", "x")
	w.want("+bo=x")
	leave(t, onA) // ada is still on b
	expect(t, "seen by a", who(t, a), "ada=blue bo=x")
	expect(t, "seen by b", who(t, b), "ada=blue bo=x")
	onA = enter(t, a, "ada", "green")
	w.want("~ada=green")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	w.want("-bo(node down)")
	leave(t, onA)
	w.want("-ada(left)")
}

// A node whose clock is behind does not lose to the states that it has seen.
func TestClocksOfNodesNeedNotAgree(t *testing.T) {
	h := newHub(t, hub.Options{})
	ahead, behind := newNode(t, h, nil), newNode(t, h, nil)
	w := watch(t, behind)
	w.want("")
	ahead.clock.saw(uint64(time.Now().Add(time.Hour).UnixMicro()))
	enter(t, ahead, "ada", "red")
	w.want("+ada=red")
	enter(t, behind, "ada", "blue")
	w.want("~ada=blue")
}

func TestSnapshotIsAtAPosition(t *testing.T) {
	h := newHub(t, hub.Options{})
	p := newNode(t, h, nil)
	enter(t, p, "ada", "red")
	s, err := p.Snapshot(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	head, err := h.Topic(DefaultPrefix + topic).Head(t.Context())
	if err != nil || head != s.Pos {
		t.Errorf("head %v, %v, snapshot at %v", head, err, s.Pos)
	}
	want := []Member[string]{{"ada", "red"}}
	if diff := cmp.Diff(want, s.Members); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

func TestWatchCountTellsNumbersOnly(t *testing.T) {
	p := node(t, nil)
	next, stop := iter.Pull2(p.WatchCount(t.Context(), topic))
	defer stop()
	want := func(want int) {
		t.Helper()
		if n, err, _ := next(); n != want || err != nil {
			t.Fatalf("count %d, %v, want %d", n, err, want)
		}
	}
	want(0)
	ada := enter(t, p, "ada", "red")
	want(1)
	enter(t, p, "ada", "blue") // the same member
	update(t, ada, "green")
	bo := enter(t, p, "bo", "red")
	want(2)
	leave(t, bo)
	want(1)
}

// After Enter has returned there is no moment at which the member is missing.
func TestOwnEnterIsSeenByWhateverBeginsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := node(t, nil)
		w := watch(t, p)
		w.want("")
		for i := range 200 {
			if i%10 == 9 {
				w.next() // a slow watcher keeps the room
			}
			me := fmt.Sprint("m", i)
			enter(t, p, me, "x")
			if n, err := p.Count(t.Context(), topic); n != i+1 || err != nil {
				t.Fatalf("Count after %d: %d, %v", i+1, n, err)
			}
			for batch, err := range p.Watch(t.Context(), topic) {
				if err != nil || !slices.ContainsFunc(batch, func(c Change[string]) bool { return c.Member == me }) {
					t.Fatalf("first batch lacks %s: %v, %v", me, batch, err)
				}
				break
			}
			for n, err := range p.WatchCount(t.Context(), topic) {
				if n != i+1 || err != nil {
					t.Fatalf("first count after %d: %d, %v", i+1, n, err)
				}
				break
			}
		}
	})
}

func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, hub.Options{})
		other := newNode(t, h, nil)
		p := New[string](h, nil)
		ada := enter(t, p, "ada", "red")
		gone := enter(t, p, "bo", "blue")
		gone.Disconnect()
		bye := enter(t, p, "cy", "x")
		leave(t, bye)
		errs := make(chan error, 2)
		go func() {
			for _, err := range p.Watch(t.Context(), topic) {
				if err != nil {
					errs <- err
				}
			}
		}()
		go func() {
			for _, err := range p.WatchCount(t.Context(), topic) {
				if err != nil {
					errs <- err
				}
			}
		}()
		synctest.Wait()
		for range 2 {
			if err := p.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		for range 2 {
			if err := <-errs; err != ErrClosed {
				t.Errorf("watch ended with %v", err)
			}
		}
		expect(t, "seen by another node", who(t, other), "")
		if err := ada.Update(t.Context(), "x"); err != ErrClosed {
			t.Errorf("Update: %v", err)
		}
		if err := ada.Leave(t.Context()); err != nil {
			t.Errorf("Leave: %v", err)
		}
		ada.Disconnect()
		if _, err := p.Enter(t.Context(), topic, "x", ""); err != ErrClosed {
			t.Errorf("Enter: %v", err)
		}
		if _, err := p.Snapshot(t.Context(), topic); err != ErrClosed {
			t.Errorf("Snapshot: %v", err)
		}
		if _, err := p.Count(t.Context(), topic); err != ErrClosed {
			t.Errorf("Count: %v", err)
		}
		for _, err := range p.Watch(t.Context(), topic) {
			if err != ErrClosed {
				t.Errorf("Watch: %v", err)
			}
		}
		if len(p.seats)+len(p.rooms) != 0 {
			t.Errorf("%d seats and %d rooms are left", len(p.seats), len(p.rooms))
		}
	})
}

// stuck is a codec that waits.
type stuck struct{ on, there chan struct{} }

func (c stuck) Append(dst []byte, s string) ([]byte, error) {
	close(c.there)
	<-c.on
	return append(dst, s...), nil
}

func (c stuck) Decode(b []byte) (string, error) { return string(b), nil }

// Close comes behind what is under way, so that nobody stays.
func TestCloseWaitsForWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, hub.Options{})
		codec := stuck{make(chan struct{}), make(chan struct{})}
		p := newNode(t, h, &Options[string]{Codec: codec})
		go p.Enter(t.Context(), topic, "ada", "red")
		<-codec.there
		closed := make(chan struct{})
		go func() {
			p.Close()
			close(closed)
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close did not wait")
		default:
		}
		close(codec.on)
		<-closed
		s, err := h.Topic(DefaultPrefix + topic).Snapshot(t.Context())
		if err != nil || s.Len() != 0 {
			t.Errorf("%d entries are left, %v", s.Len(), err)
		}
	})
}

func TestCloseWaitsForItsGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := node(t, nil)
		var g gate
		g.set(true)
		p.hook = func(point string) {
			if point == "applied" {
				g.pass()
			}
		}
		w := newModelWatch(t, p, 0)
		synctest.Wait()
		closed := make(chan struct{})
		go func() {
			p.Close()
			close(closed)
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close did not wait")
		default:
		}
		g.set(false)
		<-closed
		<-w.done
		if w.err != ErrClosed {
			t.Errorf("the watch ended with %v", w.err)
		}
	})
}

func TestClosedHubEndsWatches(t *testing.T) {
	h := newHub(t, hub.Options{})
	p := newNode(t, h, nil)
	ada := enter(t, p, "ada", "red")
	w := watch(t, p)
	w.want("+ada=red")
	h.Close()
	if _, err, _ := w.next(); !errors.Is(err, hub.ErrClosed) {
		t.Errorf("watch: %v", err)
	}
	if err := ada.Update(t.Context(), "x"); !errors.Is(err, hub.ErrClosed) {
		t.Errorf("Update: %v", err)
	}
	if err := ada.Leave(t.Context()); err != nil {
		t.Errorf("Leave: %v", err)
	}
}

func TestNothingIsLeftOfTopicsThatAreOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, hub.Options{})
		p := newNode(t, h, nil)
		for i := range 100 {
			ctx, cancel := context.WithCancel(t.Context())
			name := fmt.Sprint("board/", i)
			if _, err := p.Enter(ctx, name, "ada", "red"); err != nil {
				t.Fatal(err)
			}
			for range p.Watch(ctx, name) {
				break
			}
			cancel()
		}
		time.Sleep(defaultGrace)
		synctest.Wait()
		if len(p.seats)+len(p.rooms) != 0 {
			t.Errorf("%d seats and %d rooms are left", len(p.seats), len(p.rooms))
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if list := h.Topics(); len(list) != 0 {
			t.Errorf("the hub still has %d topics, the first %+v", len(list), list[0])
		}
	})
}
