package backoff

import (
	"context"
	"iter"
	"time"
)

// Attempts numbers attempts from 0, with the policy's waits between them; the first comes at once. Break out of the
// loop when an attempt has succeeded: nothing is left running. The error is nil but for the last pair, an *Error whose
// Reason is the context's cause or ErrExhausted, with the number of attempts made. A context that ends also ends the
// wait.
//
//	for n, err := range policy.Attempts(ctx) {
//		if err != nil {
//			return err
//		}
//		if try(n) {
//			break
//		}
//	}
func (p Policy) Attempts(ctx context.Context) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		l := Loop{Policy: p}
		for n := 0; ; n++ {
			err := l.Wait(ctx, nil)
			if !yield(n, err) || err != nil {
				return
			}
		}
	}
}

// Retry calls f until it succeeds, with the policy's waits between the calls, and returns its value. It ends early
// with
//
//   - f's error, where that is marked Permanent;
//   - an *Error, when ctx ends (f then may not have been called at all) or MaxAttempts calls have failed.
//
// An error marked After makes the next wait longer. f's own context.DeadlineExceeded is an error like others as long
// as ctx lives. A value that f returns with an error is dropped.
func Retry[T any](ctx context.Context, p Policy, f func(context.Context) (T, error)) (T, error) {
	l := Loop{Policy: p}
	var last error
	for {
		if err := l.Wait(ctx, last); err != nil {
			var zero T
			return zero, err
		}
		v, err := f(ctx)
		if err == nil {
			return v, nil
		}
		last = err
	}
}

// Sleep waits for d or for ctx, whose cause it then returns. With d of 0 or less it only asks ctx.
func Sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
