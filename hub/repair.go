package hub

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// start runs the repair, or tells it to hurry. Called with t.mu held.
func (l *link) start() {
	if l.syncing {
		select {
		case l.kick <- struct{}{}:
		default:
		}
		return
	}
	l.syncing = l.t.hub.runner.run(l.repair)
}

// verify waits until the copy has what the broker had when it was called.
func (l *link) verify(ctx context.Context) error {
	t := l.t
	v := verifier{answer: make(chan error, 1)}
	t.mu.Lock()
	if t.dead {
		t.mu.Unlock()
		return errDead
	}
	l.asked++
	v.n = l.asked
	l.waiting = append(l.waiting, v)
	l.start()
	started := l.syncing
	t.mu.Unlock()
	if !started {
		return ErrClosed
	}
	select {
	case err := <-v.answer:
		return err
	case <-ctx.Done():
		t.mu.Lock()
		l.waiting = slices.DeleteFunc(l.waiting, func(have verifier) bool { return have == v })
		t.mu.Unlock()
		return context.Cause(ctx)
	case <-t.hub.ctx.Done():
		return ErrClosed
	}
}

// answer tells those who asked up to n. Called with t.mu held.
func (l *link) answer(n uint64, err error) {
	kept := l.waiting[:0]
	for _, v := range l.waiting {
		if v.n <= n {
			v.answer <- err
		} else {
			kept = append(kept, v)
		}
	}
	clear(l.waiting[len(kept):])
	l.waiting = kept
}

// repair is the goroutine that settles what may be missing. It ends when nothing
// is.
func (l *link) repair() {
	t := l.t
	retry := firstRetry
	for {
		t.hub.at("repair begins")
		t.mu.Lock()
		if t.dead || l.ctx.Err() != nil {
			l.syncing = false
			l.answer(l.asked, ErrClosed)
			t.mu.Unlock()
			return
		}
		serving := l.asked
		l.dirty = false
		l.unpend() // the log has all that was fed before
		head := t.log.head()
		t.mu.Unlock()

		t.hub.stats.repairs.Add(1)
		t.hub.at("repair reads")
		err := l.catchUp(head)
		t.hub.at("repair has read")

		t.mu.Lock()
		if err == nil {
			l.done = serving
			retry = firstRetry
			l.take(l.unpend())
			l.answer(serving, nil)
			wake := t.takeWaiters()
			ages := t.log.ages()
			// Settled with the lock held: what is fed from now on is taken at
			// once and does not wait for this goroutine.
			settled := !l.dirty && l.done == l.asked
			l.syncing = !settled
			t.mu.Unlock()
			t.hub.at("repair ends")
			t.hub.dispatcher.wake(wake)
			if ages {
				t.hub.janitor.arm()
			}
			if settled {
				return
			}
			continue
		}
		l.dirty = true
		l.done = serving
		l.answer(serving, err)
		t.mu.Unlock()
		if l.ctx.Err() == nil {
			t.hub.observe(Incident{What: RepairFailed, Topic: t.name, Err: err})
		}
		wait := time.NewTimer(retry/2 + rand.N(retry/2))
		select {
		case <-wait.C:
		case <-l.kick:
		case <-l.ctx.Done():
		}
		wait.Stop()
		retry = min(2*retry, lastRetry)
	}
}

// catchUp reads from where the copy ends to the head, or begins it anew.
func (l *link) catchUp(from Position) error {
	t := l.t
	for {
		seg, err := l.broker.Read(l.ctx, l.ref, from, readPage)
		if err != nil {
			return err
		}
		if seg.Reason != 0 {
			ld, err := l.load()
			if err != nil {
				return err
			}
			t.mu.Lock()
			reason := l.install(ld, false)
			wake := t.takeWaiters()
			t.mu.Unlock()
			t.hub.dispatcher.wake(wake)
			if reason != 0 {
				t.hub.stats.breaks.Add(1)
				t.hub.observe(Incident{What: LogBroke, Topic: t.name, Reason: reason})
			}
			return nil
		}
		if len(seg.Records) == 0 && seg.Head != from {
			return errChain // it is not all, whatever the broker says
		}
		t.mu.Lock()
		fits, was := true, from
		for i := 0; i < len(seg.Records) && fits; i++ {
			fits = l.add(&seg.Records[i])
		}
		from = t.log.head()
		// Now, and not when all has been read: the next page may be long in coming.
		wake := t.takeWaiters()
		t.mu.Unlock()
		t.hub.dispatcher.wake(wake)
		switch {
		case !fits:
			return errChain
		case from.off >= seg.Head.off:
			return nil
		case from == was: // the same again
			return errChain
		}
	}
}
