package backoff_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/backoff"
)

// quick makes the examples end at once; the zero Policy is what programs should begin with.
var quick = backoff.Policy{Base: time.Microsecond}

func ExampleRetry() {
	calls := 0
	v, err := backoff.Retry(context.Background(), quick, func(context.Context) (string, error) {
		if calls++; calls < 3 {
			return "", errors.New("connection refused")
		}
		return "hello", nil
	})
	fmt.Println(v, err, calls)
	// Output: hello <nil> 3
}

func ExampleRetry_exhausted() {
	policy := quick
	policy.MaxAttempts = 2
	_, err := backoff.Retry(context.Background(), policy, func(context.Context) (string, error) {
		return "", errors.New("connection refused")
	})
	fmt.Println(err)
	fmt.Println(errors.Is(err, backoff.ErrExhausted))
	// Output:
	// backoff: gave up after 2 failed attempts: backoff: attempts exhausted; the last: connection refused
	// true
}

func ExamplePermanent() {
	errDenied := errors.New("403 Forbidden")
	calls := 0
	_, err := backoff.Retry(context.Background(), quick, func(context.Context) (int, error) {
		calls++
		return 0, backoff.Permanent(errDenied)
	})
	fmt.Println(err == errDenied, calls)
	// Output: true 1
}

// The server's wait comes on top of the policy's own.
func ExampleAfter() {
	loop := backoff.Loop{Policy: backoff.Policy{Base: time.Second, Jitter: -1}}
	d, _ := loop.Next(backoff.After(5*time.Second, errors.New("503 Service Unavailable")))
	fmt.Println(d)
	// Output: 6s
}

func ExamplePolicy_Attempts() {
	for n, err := range quick.Attempts(context.Background()) {
		if err != nil {
			fmt.Println(err) // the context ended
			return
		}
		fmt.Println("attempt", n)
		if n == 2 {
			break // it worked
		}
	}
	// Output:
	// attempt 0
	// attempt 1
	// attempt 2
}

func ExamplePolicy_Delay() {
	policy := backoff.Policy{Jitter: -1} // so that the numbers are the same each time
	for n := range 8 {
		fmt.Print(policy.Delay(n), " ")
	}
	// Output: 500ms 1s 2s 4s 8s 16s 30s 30s
}

// A connection that is made again whenever it ends, until the server says that it is over for good.
func ExampleLoop() {
	connections := []func() error{
		func() error { return errors.New("cut in mid-sentence") },
		func() error { return errors.New("closed without a word") },
		func() error { return backoff.Permanent(errors.New("the account is closed")) },
	}
	loop := backoff.Loop{
		Policy: quick,
		OnWait: func(failed int, _ time.Duration, last error) { fmt.Println(failed, "failed:", last) },
	}
	var last error
	for _, connect := range connections {
		if err := loop.Wait(context.Background(), last); err != nil {
			fmt.Println("over:", err)
			return
		}
		loop.Up() // it is made; only ten seconds of it, or loop.Progress, forgive the failures before
		last = connect()
	}
	fmt.Println("over:", loop.Wait(context.Background(), last))
	// Output:
	// 1 failed: cut in mid-sentence
	// 2 failed: closed without a word
	// over: the account is closed
}

func ExampleRetryAfter() {
	now := time.Date(2026, time.May, 1, 12, 0, 0, 0, time.UTC)
	for _, field := range []string{"120", "Fri, 01 May 2026 12:00:30 GMT", "soon"} {
		fmt.Println(backoff.RetryAfter(field, now))
	}
	// Output:
	// 2m0s true
	// 30s true
	// 0s false
}

// A server with 10,000 connections that, once restarted, can admit 500 a second.
func ExampleSpread() {
	window := backoff.Spread(10_000, 500)
	mine := backoff.Moment(window) // another one for each client
	fmt.Println(window, mine >= 0 && mine <= window)
	// Output: 25s true
}
