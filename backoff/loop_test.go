package backoff

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidewire/tidewire/internal/testnet"
)

func TestLoopForgetsFailuresOnlyAfterHealth(t *testing.T) {
	lives := func(d time.Duration) func(*Loop) {
		return func(l *Loop) {
			l.Up()
			time.Sleep(d)
		}
	}
	refused := func(*Loop) {}
	tests := []struct {
		name   string
		uptime time.Duration
		life   []func(*Loop)
		want   []time.Duration // seconds waited after each
	}{
		{"never connected", 0, []func(*Loop){refused, refused, refused}, []time.Duration{1, 2, 4}},
		{"connected and closed at once", 0, []func(*Loop){lives(0), lives(0), lives(0)}, []time.Duration{1, 2, 4}},
		{"just too short", 0, []func(*Loop){refused, lives(10*time.Second - 1), refused}, []time.Duration{1, 2, 4}},
		{"long enough", 0, []func(*Loop){refused, refused, lives(10 * time.Second), refused}, []time.Duration{1, 2, 1, 2}},
		{"own MinUptime", time.Hour, []func(*Loop){refused, lives(time.Hour - 1), lives(time.Hour)}, []time.Duration{1, 2, 1}},
		{"progress", 0, []func(*Loop){refused, refused, (*Loop).Progress, refused}, []time.Duration{1, 2, 1, 2}},
		{"uptime off", -1, []func(*Loop){refused, lives(24 * time.Hour), (*Loop).Progress}, []time.Duration{1, 2, 1}},
		{"a slow dial is no uptime", 0, []func(*Loop){refused, func(*Loop) { time.Sleep(time.Hour) }}, []time.Duration{1, 2}},
		{"the first Up counts", 0, []func(*Loop){refused, func(l *Loop) { lives(10 * time.Second)(l); l.Up() }}, []time.Duration{1, 1}},
		{"uptime is not handed on", 0, []func(*Loop){lives(time.Minute), refused, refused}, []time.Duration{1, 2, 4}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := Loop{Policy: fixed}
				l.Policy.MinUptime = tt.uptime
				if err := l.Wait(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				var got []time.Duration
				for _, life := range tt.life {
					life(&l)
					start := time.Now()
					if err := l.Wait(t.Context(), errFlaky); err != nil {
						t.Fatal(err)
					}
					got = append(got, time.Since(start)/time.Second)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("waits (-want +got)\n%s", diff)
				}
			})
		})
	}
}

func TestLoopEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Loop{Policy: fixed}
		l.Policy.MaxAttempts = 2
		steps := func(last error) error { return l.Wait(t.Context(), last) }
		if err := errors.Join(steps(nil), steps(errFlaky)); err != nil {
			t.Fatal(err)
		}
		l.Progress() // forgives the first
		if err := errors.Join(steps(errFlaky), steps(errFlaky)); err != nil {
			t.Fatal(err)
		}
		wantError(t, steps(errFlaky), Error{Attempts: 2, Reason: ErrExhausted, Last: errFlaky})
		if err := steps(Permanent(errFlaky)); err != errFlaky {
			t.Errorf("%#v", err)
		}

		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errCause)
		l = Loop{}
		wantError(t, l.Wait(ctx, nil), Error{Reason: errCause})
		start := time.Now()
		if err := l.Wait(t.Context(), nil); err != nil || time.Since(start) != 0 {
			t.Errorf("the first attempt was not let begin yet: %v after %v", err, time.Since(start))
		}
		wantError(t, l.Wait(ctx, errFlaky), Error{Attempts: 1, Reason: errCause, Last: errFlaky})
		if err := l.Wait(ctx, Permanent(errFlaky)); err != errFlaky {
			t.Errorf("%#v", err)
		}
	})
}

func TestLoopNextOnlyCounts(t *testing.T) {
	l := Loop{Policy: fixed}
	for i, want := range []time.Duration{0, 1, 2, 4} {
		if d, err := l.Next(nil); d != want*time.Second || err != nil {
			t.Errorf("Next %d = %v, %v", i, d, err)
		}
	}
	// A caller whose first attempt failed before there was a loop says so.
	l = Loop{Policy: fixed}
	if d, err := l.Next(errFlaky); d != time.Second || err != nil {
		t.Errorf("Next = %v, %v", d, err)
	}
	// The sum of both waits can't overflow.
	l = Loop{Policy: Policy{Base: math.MaxInt64, Jitter: -1}}
	if d, err := l.Next(After(time.Minute, nil)); d != math.MaxInt64 || err != nil {
		t.Errorf("Next = %v, %v", d, err)
	}
}

func TestLoopTellsOfEachWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type wait struct {
			Failed int
			D      time.Duration
			Last   string
		}
		var got []wait
		l := Loop{Policy: fixed}
		l.OnWait = func(failed int, d time.Duration, last error) {
			l.Progress() // may call in
			text := ""
			if last != nil {
				text = last.Error()
			}
			got = append(got, wait{failed, d, text})
		}
		for _, last := range []error{nil, errFlaky, After(time.Second, nil), nil} {
			if err := l.Wait(t.Context(), last); err != nil {
				t.Fatal(err)
			}
		}
		want := []wait{{1, time.Second, "flaky"}, {0, 2 * time.Second, ""}, {0, time.Second, ""}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestLoopFromManyGoroutines(t *testing.T) {
	l := Loop{Policy: Policy{Base: 1, Max: 1}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				l.Up()
				l.Progress()
				l.Policy.Delay(3)
				if err := l.Wait(t.Context(), errFlaky); err != nil {
					t.Error(err)
				}
				if _, err := l.Next(nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// dialFor runs a client for an hour against a server that lets each connection live for life, and counts the dials.
// When up is called, connected(l) is what the client makes of it.
func dialFor(t *testing.T, life time.Duration, connected func(*Loop)) (dials int) {
	synctest.Test(t, func(t *testing.T) {
		ln := testnet.Listen()
		var server sync.WaitGroup
		server.Go(func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				server.Go(func() {
					time.Sleep(life)
					c.Close()
				})
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var l Loop
		var last error
		for {
			if err := l.Wait(ctx, last); err != nil {
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				break
			}
			var conn net.Conn
			if conn, last = ln.Dial(ctx); last != nil {
				continue
			}
			connected(&l)
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			_, last = io.Copy(io.Discard, conn)
			stop()
			conn.Close()
		}
		dials = ln.Dialed()
		ln.Close()
		server.Wait()
	})
	return dials
}

func TestLoopAgainstAServerThatAcceptsAndCloses(t *testing.T) {
	// Waits of 15 s on average make 240 dials in an hour; chance moves that by 9.
	if n := dialFor(t, 0, (*Loop).Up); n < 160 || n > 320 {
		t.Errorf("closed at once: %d dials in an hour", n)
	}
	if n := dialFor(t, 9*time.Second, (*Loop).Up); n < 110 || n > 200 {
		t.Errorf("closed after 9 s: %d dials in an hour", n)
	}
	// Healthy ones are made again within half a second.
	if n := dialFor(t, 10*time.Second, (*Loop).Up); n < 342 || n > 361 {
		t.Errorf("closed after MinUptime: %d dials in an hour", n)
	}
	// What the rule is against: a client that takes an accepted connection for health.
	if n := dialFor(t, 0, (*Loop).Progress); n < 10_000 {
		t.Errorf("the mistake costs only %d dials in an hour: does this test still test?", n)
	}
}
