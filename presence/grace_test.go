package presence

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/hub"
)

const grace = 3 * time.Second

func TestAbruptDisconnectIsToldAfterTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := node(t, &Options[string]{Grace: grace})
		w := watch(t, p)
		w.want("")
		ada := enter(t, p, "ada", "red")
		w.want("+ada=red")
		start := time.Now()
		ada.Disconnect()
		ada.Disconnect()
		time.Sleep(grace - 1)
		expect(t, "in the grace", who(t, p), "ada=red")
		w.want("-ada(disconnected)")
		if d := time.Since(start); d != grace {
			t.Errorf("told after %v", d)
		}
		if err := ada.Update(t.Context(), "x"); err != ErrLeft {
			t.Errorf("Update: %v", err)
		}
		leave(t, ada)
	})
}

func TestDefaultGraceIsTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := node(t, nil)
		ada := enter(t, p, "ada", "red")
		ada.Disconnect()
		time.Sleep(10*time.Second - 1)
		synctest.Wait()
		expect(t, "before", who(t, p), "ada=red")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		expect(t, "after", who(t, p), "")
	})
}

func TestNegativeGraceIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := node(t, &Options[string]{Grace: -1})
		w := watch(t, p)
		w.want("")
		ada := enter(t, p, "ada", "red")
		w.want("+ada=red")
		start := time.Now()
		ada.Disconnect()
		w.want("-ada(disconnected)")
		if d := time.Since(start); d != 0 {
			t.Errorf("told after %v", d)
		}
	})
}

func TestReloadDoesNotFlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := node(t, &Options[string]{Grace: grace})
		w := watch(t, p)
		w.want("")
		ada := enter(t, p, "ada", "red")
		w.want("+ada=red")
		for range 5 {
			ada.Disconnect()
			time.Sleep(grace - 1)
			ada = enter(t, p, "ada", "red")
		}
		ada.Disconnect()
		ada = enter(t, p, "ada", "blue")
		w.want("~ada=blue") // the first thing told since
		time.Sleep(2 * grace)
		expect(t, "later", who(t, p), "ada=blue")
		if n := len(p.seats[place{topic, "ada"}]); n != 1 {
			t.Errorf("%d seats", n)
		}
		leave(t, ada)
		w.want("-ada(left)") // at once, and nothing of the old connections is left
		expect(t, "after Leave", who(t, p), "")
	})
}

func TestLateOldHandleTouchesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := node(t, &Options[string]{Grace: grace})
		old := enter(t, p, "ada", "red")
		old.Disconnect()
		now := enter(t, p, "ada", "blue")
		old.Disconnect()
		term := old.seat.term
		p.lapse(old.seat, term) // as a timer that could not be stopped
		if err := old.Update(t.Context(), "old"); err != ErrLeft {
			t.Errorf("Update: %v", err)
		}
		leave(t, old)
		time.Sleep(2 * grace)
		synctest.Wait()
		expect(t, "the new one", who(t, p), "ada=blue")
		update(t, now, "green")
		expect(t, "the new one", who(t, p), "ada=green")
		now.Disconnect()
		p.lapse(now.seat, term)
		expect(t, "in another grace", who(t, p), "ada=green")
	})
}

// The new connection may be there before the old one is known to be dead.
func TestOldConnectionThatDiesAfterTheReloadIsNotSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := node(t, &Options[string]{Grace: grace})
		w := watch(t, p)
		w.want("")
		old := enter(t, p, "ada", "red")
		w.want("+ada=red")
		now := enter(t, p, "ada", "red")
		old.Disconnect()
		time.Sleep(2 * grace)
		synctest.Wait()
		update(t, now, "blue")
		w.want("~ada=blue")

		old = now
		now = enter(t, p, "ada", "blue")
		old.Disconnect()
		leave(t, now) // takes along what is still in its grace
		w.want("-ada(left)")
	})
}

func TestExplicitLeaveIsImmediate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := node(t, nil)
		start := time.Now()
		ada := enter(t, p, "ada", "red")
		leave(t, ada)
		expect(t, "after Leave", who(t, p), "")
		ada.Disconnect()
		leave(t, ada)

		bo := enter(t, p, "bo", "blue")
		bo.Disconnect()
		expect(t, "in the grace", who(t, p), "bo=blue")
		leave(t, bo) // a farewell that came another way
		expect(t, "after Leave", who(t, p), "")
		if d := time.Since(start); d != 0 {
			t.Errorf("took %v", d)
		}
	})
}

func TestOneOfTwoTabsLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := node(t, &Options[string]{Grace: grace})
		w := watch(t, p)
		w.want("")
		one := enter(t, p, "ada", "red")
		w.want("+ada=red")
		two := enter(t, p, "ada", "blue")
		w.want("~ada=blue")
		one.Disconnect()
		time.Sleep(2 * grace)
		expect(t, "the other tab", who(t, p), "ada=blue")
		two.Disconnect()
		w.want("-ada(disconnected)")

		// Both are cut, one comes back: its state shows, and when the time of
		// the other is over, nothing changes.
		one = enter(t, p, "ada", "1")
		w.want("+ada=1")
		two = enter(t, p, "ada", "2")
		w.want("~ada=2")
		one.Disconnect()
		two.Disconnect()
		time.Sleep(grace / 2)
		back := enter(t, p, "ada", "3")
		w.want("~ada=3")
		time.Sleep(2 * grace)
		synctest.Wait()
		leave(t, back)
		w.want("-ada(left)")
	})
}

func TestContextIsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := node(t, &Options[string]{Grace: grace})
		w := watch(t, p)
		w.want("")
		cut := errors.New("cut")
		ctx, cancel := context.WithCancelCause(t.Context())
		if _, err := p.Enter(ctx, topic, "ada", "red"); err != nil {
			t.Fatal(err)
		}
		w.want("+ada=red")
		start := time.Now()
		cancel(cut)
		synctest.Wait()
		expect(t, "in the grace", who(t, p), "ada=red")
		w.want("-ada(disconnected)")
		if d := time.Since(start); d != grace {
			t.Errorf("told after %v", d)
		}
		if _, err := p.Enter(ctx, topic, "ada", "red"); !errors.Is(err, cut) {
			t.Errorf("Enter: %v", err)
		}
		expect(t, "after a refused Enter", who(t, p), "")

		// The context of a handle that has left means nothing any more.
		ctx, cancel = context.WithCancelCause(t.Context())
		gone, err := p.Enter(ctx, topic, "bo", "x")
		if err != nil {
			t.Fatal(err)
		}
		leave(t, gone)
		bo := enter(t, p, "bo", "y")
		cancel(cut)
		time.Sleep(2 * grace)
		synctest.Wait()
		expect(t, "the other handle", who(t, p), "bo=y")
		leave(t, bo)
	})
}

func TestUpdateWaitsWithItsContextAndComesBeforeLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := node(t, nil)
		ada := enter(t, p, "ada", "red")
		<-ada.seat.turn // as a write under way
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error)
		go func() { errs <- ada.Update(ctx, "x") }()
		synctest.Wait()
		cancel()
		if err := <-errs; err != context.Canceled {
			t.Errorf("Update: %v", err)
		}
		go func() { errs <- ada.Update(context.Background(), "x") }()
		synctest.Wait()
		go func() { errs <- ada.Leave(context.Background()) }()
		synctest.Wait()
		ada.seat.yield()
		got := []error{<-errs, <-errs}
		if got[0] != nil && got[1] != nil || !(errors.Is(got[0], ErrLeft) || errors.Is(got[1], ErrLeft)) {
			t.Errorf("Update and Leave: %v", got)
		}
		expect(t, "after Leave", who(t, p), "")
	})
}

// Leave with a context that has ended is told all the same.
func TestLeaveThatFailsIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := node(t, nil)
		w := watch(t, p)
		w.want("")
		ada := enter(t, p, "ada", "red")
		w.want("+ada=red")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := ada.Leave(ctx); err != context.Canceled {
			t.Errorf("Leave: %v", err)
		}
		w.want("-ada(left)")
		synctest.Wait()
		if len(p.seats) != 0 {
			t.Errorf("%d seats are left", len(p.seats))
		}
	})
}

// A hub that is full refuses even tombstones. The member must not stay for ever.
func TestRemovalThatTheHubRefusesIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, hub.Options{
			MaxBytes: 4096,
			Configure: func(name string) (hub.TopicConfig, error) {
				return hub.TopicConfig{Kind: hub.Keyed, MaxAge: tailAge}, nil
			},
		})
		p := newNode(t, h, &Options[string]{Grace: grace})
		ada := enter(t, p, "ada", "red")
		time.Sleep(3 * tailAge) // the log has nothing to give up for the tombstone
		fill := h.Topic("fill")
		n := 4096
		for n > 0 {
			if _, err := fill.Put(t.Context(), "k", make([]byte, n)); err == nil {
				break
			}
			n--
		}
		ada.Disconnect()
		time.Sleep(10 * grace)
		synctest.Wait()
		expect(t, "while the hub is full", who(t, p), "ada=red")
		time.Sleep(3 * tailAge) // the log of the other topic has aged
		synctest.Wait()
		expect(t, "later", who(t, p), "")
	})
}
