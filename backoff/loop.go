package backoff

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// Loop paces a long-lived connection that is made again whenever it ends. That a server accepts is no sign of health:
// one that accepts and then closes would be asked without pause. So the failures are forgotten only when a connection
// has been Up for MinUptime, or when the caller has seen Progress.
//
//	loop := backoff.Loop{Policy: policy}
//	var last error
//	for {
//		if err := loop.Wait(ctx, last); err != nil {
//			return err
//		}
//		conn, err := dial(ctx)
//		if err == nil {
//			loop.Up()
//			err = serve(conn) // may call loop.Progress
//		}
//		last = err
//	}
//
// The zero Loop is ready, with the zero Policy. It must not be copied after its first use. Up and Progress may be
// called from any goroutine; they speak of the attempt that the latest Wait or Next let begin.
type Loop struct {
	// Policy and OnWait are not to be changed after the first call.
	Policy Policy
	// OnWait, if not nil, is told of each wait as it begins: how many attempts have failed in a row, how long the wait
	// is, and why the last attempt ended. It is called by Wait, without a lock.
	OnWait func(failed int, d time.Duration, last error)

	mu       sync.Mutex
	begun    bool      // an attempt was let begin; guarded by mu
	up       time.Time // when the current attempt's connection was made, or zero; guarded by mu
	progress bool      // guarded by mu
	failed   int       // attempts in a row that were not healthy; guarded by mu
	waits    int       // waits since the last health; guarded by mu
}

// Up says that the connection is made. Its time up counts from here to the next Wait or Next.
func (l *Loop) Up() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.up.IsZero() {
		l.up = time.Now()
	}
}

// Progress says that the connection has done what it is for, so that its end is no failure however soon it comes. Call
// it for what only a working server does, such as an event that is new, not for a status or a greeting.
func (l *Loop) Progress() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.progress = true
}

// Wait says that the last attempt has ended, with last or, where that is nil, in order, and waits until the next may
// begin; the first call, with nil, returns at once. It returns nil when the next attempt is due. Otherwise there must
// be none, and it returns what Retry would: last, if it is marked Permanent, or an *Error.
func (l *Loop) Wait(ctx context.Context, last error) error {
	d, failed, err := l.next(ctx, last)
	if err != nil {
		return err
	}
	if d > 0 && l.OnWait != nil {
		l.OnWait(failed, d, unmark(last))
	}
	if err := Sleep(ctx, d); err != nil {
		return &Error{Attempts: failed, Reason: err, Last: unmark(last)}
	}
	return nil
}

// Next is Wait for callers that wait themselves: it returns how long.
func (l *Loop) Next(last error) (time.Duration, error) {
	d, _, err := l.next(context.Background(), last)
	return d, err
}

func (l *Loop) next(ctx context.Context, last error) (d time.Duration, failed int, err error) {
	// The caller's errors have methods of their own: they are asked before the lock.
	_, final := errors.AsType[*permanent](last)
	asked := told(last, rand.Uint64N)
	p := l.Policy.normal()

	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.begun && last == nil {
		if ctx.Err() != nil {
			return 0, 0, &Error{Reason: context.Cause(ctx)}
		}
		l.begun = true
		return 0, 0, nil
	}
	l.begun = true
	if l.healthy(p) {
		l.failed, l.waits = 0, 0
	} else {
		l.failed++
	}
	l.up, l.progress = time.Time{}, false
	switch {
	case final:
		return 0, l.failed, unmark(last)
	case ctx.Err() != nil:
		return 0, l.failed, &Error{Attempts: l.failed, Reason: context.Cause(ctx), Last: unmark(last)}
	case p.MaxAttempts > 0 && l.failed >= p.MaxAttempts:
		return 0, l.failed, &Error{Attempts: l.failed, Reason: ErrExhausted, Last: unmark(last)}
	}
	d = p.Delay(l.waits)
	l.waits++
	if d > math.MaxInt64-asked {
		return math.MaxInt64, l.failed, nil
	}
	return asked + d, l.failed, nil
}

// healthy is called with mu held, when an attempt has ended.
func (l *Loop) healthy(p Policy) bool {
	return l.progress || p.MinUptime >= 0 && !l.up.IsZero() && time.Since(l.up) >= p.MinUptime
}
