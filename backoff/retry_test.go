package backoff

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

var (
	errFlaky = errors.New("flaky")
	errCause = errors.New("the cause")
	fixed    = Policy{Base: time.Second, Max: time.Minute, Jitter: -1} // waits 1, 2, 4, 8, 16, 32, 60, 60 s
)

func wantError(t *testing.T, err error, want Error) {
	t.Helper()
	got, ok := errors.AsType[*Error](err)
	if !ok || *got != want {
		t.Fatalf("error %#v, want %+v", err, want)
	}
	if !errors.Is(err, want.Reason) || want.Last != nil && !errors.Is(err, want.Last) {
		t.Fatalf("errors.Is does not see into %v", err)
	}
}

func TestAttemptsWaitBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		for n, err := range fixed.Attempts(t.Context()) {
			if err != nil || n != len(at) {
				t.Fatalf("attempt %d is numbered %d, %v", len(at), n, err)
			}
			at = append(at, time.Since(start)/time.Second)
			if n == 7 {
				break // nothing is left running: the bubble ends
			}
		}
		if want := []time.Duration{0, 1, 3, 7, 15, 31, 63, 123}; !slices.Equal(at, want) {
			t.Errorf("attempts at %d s, want %d", at, want)
		}
	})
}

func TestAttemptsErrorIsLastAndOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limited := fixed
		limited.MaxAttempts = 3
		ended, cancel := context.WithCancelCause(t.Context())
		cancel(errCause)
		soon, stop := context.WithTimeoutCause(t.Context(), 4*time.Second, errCause)
		defer stop()
		tests := []struct {
			name   string
			policy Policy
			ctx    context.Context
			tries  int
			reason error
			after  time.Duration
		}{
			{"limit", limited, t.Context(), 3, ErrExhausted, 3 * time.Second}, // no wait after the last
			{"context in a wait", fixed, soon, 2, errCause, time.Second},      // 4 s, of which 3 are gone
			{"context before", fixed, ended, 0, errCause, 0},
		}
		for _, tt := range tests {
			start := time.Now()
			tries, failures := 0, 0
			for n, err := range tt.policy.Attempts(tt.ctx) {
				if err == nil {
					tries++
					continue
				}
				failures++
				if n != tt.tries {
					t.Errorf("%s: the error comes with %d", tt.name, n)
				}
				wantError(t, err, Error{Attempts: tt.tries, Reason: tt.reason})
			}
			if tries != tt.tries || failures != 1 || time.Since(start) != tt.after {
				t.Errorf("%s: %d attempts and %d errors in %v, want %d and 1 in %v", tt.name, tries, failures, time.Since(start), tt.tries, tt.after)
			}
		}
	})
}

func TestAttemptsStartAnewEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seq := fixed.Attempts(t.Context())
		start := time.Now()
		for range 2 {
			for n := range seq {
				if n == 1 {
					break
				}
			}
		}
		if got := time.Since(start); got != 2*time.Second {
			t.Errorf("two rounds took %v", got)
		}
	})
}

func TestRetryUntilItSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		calls := 0
		got, err := Retry(t.Context(), fixed, func(context.Context) (int, error) {
			if calls++; calls < 4 {
				return -1, errFlaky
			}
			return calls, nil
		})
		if got != 4 || err != nil || time.Since(start) != 7*time.Second {
			t.Errorf("%d, %v after %v", got, err, time.Since(start))
		}
	})
}

func TestRetryEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limited := fixed
		limited.MaxAttempts = 3
		calls := 0
		v, err := Retry(t.Context(), limited, func(context.Context) (string, error) {
			calls++
			return "dropped", errFlaky
		})
		wantError(t, err, Error{Attempts: 3, Reason: ErrExhausted, Last: errFlaky})
		if calls != 3 || v != "" {
			t.Errorf("%d calls, %q", calls, v)
		}

		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second/2, func() { cancel(errCause) })
		start := time.Now()
		_, err = Retry(ctx, fixed, func(context.Context) (int, error) { return 0, errFlaky })
		wantError(t, err, Error{Attempts: 1, Reason: errCause, Last: errFlaky})
		if got := time.Since(start); got != time.Second/2 {
			t.Errorf("the wait ended after %v", got)
		}

		_, err = Retry(ctx, fixed, func(context.Context) (int, error) {
			t.Error("called with a context that has ended")
			return 0, nil
		})
		wantError(t, err, Error{Reason: errCause})

		// The context that ends during the call is the better reason.
		ctx, cancel = context.WithCancelCause(t.Context())
		_, err = Retry(ctx, limited, func(context.Context) (int, error) {
			cancel(errCause)
			return 0, errFlaky
		})
		wantError(t, err, Error{Attempts: 1, Reason: errCause, Last: errFlaky})
		// A success counts even then.
		ctx, cancel = context.WithCancelCause(t.Context())
		if v, err := Retry(ctx, limited, func(context.Context) (int, error) {
			cancel(errCause)
			return 5, nil
		}); v != 5 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
}

func TestRetryGoesOnAfterATimeoutOfTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		_, err := Retry(t.Context(), fixed, func(ctx context.Context) (int, error) {
			if calls++; calls == 2 {
				return 0, nil
			}
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			<-ctx.Done()
			return 0, ctx.Err()
		})
		if calls != 2 || err != nil {
			t.Errorf("%d calls, %v", calls, err)
		}
	})
}

func TestPermanentEndsRetry(t *testing.T) {
	wrapped := fmt.Errorf("wrapped: %w", Permanent(errFlaky))
	tests := []struct {
		name string
		give error
		want error // the same value comes back
	}{
		{"bare", Permanent(errFlaky), errFlaky},
		{"wrapped", wrapped, wrapped},
		{"twice", Permanent(Permanent(errFlaky)), errFlaky},
		{"with After", Permanent(After(time.Hour, errFlaky)), errFlaky},
		{"inside After", After(time.Hour, Permanent(errFlaky)), errFlaky},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			calls := 0
			_, err := Retry(t.Context(), Policy{}, func(context.Context) (int, error) {
				calls++
				return 0, tt.give
			})
			if err != tt.want || calls != 1 {
				t.Errorf("%d calls, %#v", calls, err)
			}
			if tt.give.Error() != tt.want.Error() || !errors.Is(tt.give, errFlaky) {
				t.Errorf("the mark shows: %v", tt.give)
			}
		})
	}
	if Permanent(nil) != nil {
		t.Error("Permanent(nil) is an error")
	}
}

func TestAfterAddsToTheWait(t *testing.T) {
	const s = time.Second
	tests := []struct {
		name      string
		give      error
		low, high time.Duration // with the first wait of fixed, 1 s
	}{
		{"on top of the delay", After(5*s, errFlaky), 6 * s, 6 * s},
		{"wrapped", fmt.Errorf("wrapped: %w", After(5*s, errFlaky)), 6 * s, 6 * s},
		{"without an error", After(5*s, nil), 6 * s, 6 * s},
		{"zero", After(0, errFlaky), s, s},
		{"negative", After(-5*s, errFlaky), s, s},
		{"just below the bound", After(MaxAfter-1, errFlaky), MaxAfter - 1 + s, MaxAfter - 1 + s},
		{"the bound", After(MaxAfter, errFlaky), MaxAfter/2 + s, MaxAfter + s},
		{"ten years", After(10*365*24*time.Hour, errFlaky), MaxAfter/2 + s, MaxAfter + s},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				first := true
				_, err := Retry(t.Context(), fixed, func(context.Context) (int, error) {
					if !first {
						return 0, nil
					}
					first = false
					return 0, tt.give
				})
				if got := time.Since(start); err != nil || got < tt.low || got > tt.high {
					t.Errorf("waited %v, want %v to %v (%v)", got, tt.low, tt.high, err)
				}
			})
		})
	}
	// What the cut hits must not come back together.
	if told(After(MaxAfter, nil), lowest) != MaxAfter/2 || told(After(MaxAfter, nil), highest) != MaxAfter {
		t.Error("the cut is not spread over MaxAfter/2 to MaxAfter")
	}
	if got := After(5*s, nil).Error(); got != "backoff: come back after 5s" {
		t.Error(got)
	}
}

// An inner Retry's marks mean nothing to the outer one.
func TestRetryTakesTheMarksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limited := fixed
		limited.MaxAttempts = 2
		start := time.Now()
		inner := 0
		_, err := Retry(t.Context(), limited, func(ctx context.Context) (int, error) {
			return Retry(ctx, fixed, func(context.Context) (int, error) {
				inner++
				return 0, Permanent(errFlaky)
			})
		})
		wantError(t, err, Error{Attempts: 2, Reason: ErrExhausted, Last: errFlaky})
		if inner != 2 || time.Since(start) != time.Second {
			t.Errorf("%d calls in %v", inner, time.Since(start))
		}
	})
}

func TestErrorText(t *testing.T) {
	for _, tt := range []struct {
		err  Error
		want string
	}{
		{Error{Attempts: 3, Reason: ErrExhausted}, "backoff: gave up after 3 failed attempts: backoff: attempts exhausted"},
		{Error{Attempts: 1, Reason: errCause, Last: errFlaky}, "backoff: gave up after 1 failed attempts: the cause; the last: flaky"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if err := Sleep(t.Context(), time.Minute); err != nil || time.Since(start) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		for _, d := range []time.Duration{0, -1} {
			if err := Sleep(ctx, d); err != nil || time.Since(start) != time.Minute {
				t.Errorf("Sleep(%d): %v after %v", d, err, time.Since(start))
			}
		}
		time.AfterFunc(time.Second, func() { cancel(errCause) })
		if err := Sleep(ctx, time.Hour); err != errCause || time.Since(start) != time.Minute+time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		for _, d := range []time.Duration{0, time.Hour} {
			if err := Sleep(ctx, d); err != errCause {
				t.Errorf("Sleep(%v) with an ended context: %v", d, err)
			}
		}
	})
}

// Waits that were cut short leave neither a goroutine nor a timer, nor anything with the context.
func TestCancelledWaitsLeaveNothing(t *testing.T) {
	parent, stop := context.WithCancel(t.Context())
	defer stop()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	goroutines := runtime.NumGoroutine()
	for range 20_000 {
		ctx, cancel := context.WithCancel(parent)
		_, err := Retry(ctx, Policy{Base: time.Hour, Jitter: -1}, func(context.Context) (int, error) {
			go cancel()
			return 0, errFlaky
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		for range fixed.Attempts(parent) {
			break
		}
	}
	for range 1_000_000 { // the last cancel may still be on its way out
		if runtime.NumGoroutine() <= goroutines {
			break
		}
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines left", n-goroutines)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapObjects) - int64(before.HeapObjects); grown > 5_000 {
		t.Errorf("%d objects left of 20,000 waits", grown)
	}
}
