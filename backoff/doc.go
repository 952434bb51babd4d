// Package backoff paces retries and reconnections so that a server which comes back is not knocked down again by the
// clients that waited for it. It imports the standard library only.
//
//	ctx, cancel := context.WithTimeout(ctx, time.Minute)
//	defer cancel()
//	user, err := backoff.Retry(ctx, backoff.Policy{}, func(ctx context.Context) (*User, error) {
//		resp, err := get(ctx)
//		switch {
//		case err != nil:
//			return nil, err // again
//		case resp.StatusCode == http.StatusServiceUnavailable:
//			d, _ := backoff.RetryAfter(resp.Header.Get("Retry-After"), time.Now())
//			return nil, backoff.After(d, errBusy) // again, but not before
//		case resp.StatusCode != http.StatusOK:
//			return nil, backoff.Permanent(errStatus) // never again
//		}
//		return decode(resp)
//	})
//
// What to take:
//
//   - [Policy] holds the numbers; its zero value is good. [Policy.Delay] is the bare arithmetic.
//   - [Policy.Attempts] is a loop, [Retry] a function call, for something that is to succeed once.
//   - [Loop] is for a connection that is to be there always.
//   - [After], [Permanent] and [RetryAfter] carry what the server said.
//   - [Spread] and [Moment] are for the server: they say when its clients should come back.
//
// # The algorithm
//
// Clients in other languages follow the same rules and can be written from these lines. Numbers are Base, Max,
// Factor, Jitter, MinUptime and MaxAttempts of the Policy (500 ms, 30 s, 2, 1, 10 s, unlimited); random(x) is uniform
// between 0 and x.
//
//	ceiling(n) = min(Max, Base × Factor^n)
//	delay(n)   = ceiling(n) × (1 − Jitter) + random(ceiling(n) × Jitter)
//
//	at the start:                n = 0, failed = 0; the first attempt begins at once
//	the connection is made:      up = now
//	it does what it is for:      progress = true     (optional; never for a mere status or greeting)
//	the attempt has ended:       if progress, or up and now − up ≥ MinUptime: n = 0, failed = 0
//	                             otherwise: failed = failed + 1
//	                             up = none, progress = false
//	                             if the error is permanent, or failed = MaxAttempts: give up
//	                             told = what the server asked for, or 0; below 0 it is 0,
//	                                    from 1 h on it is 30 min + random(30 min)
//	                             wait told + delay(n); n = n + 1; the next attempt begins
//
// With the defaults the ceilings are 0.5, 1, 2, 4, 8, 16, 30, 30 … s, and the waits half of that on average. A
// connection that lived for MinUptime and ends is made again within Base, unless the server asked for more.
//
// Two mistakes are common enough to be named. To forget the failures when a connection opens is one: a server that
// accepts and then closes at once is then asked without pause (here it meets some 240 attempts in an hour).
// To take a small share of the wait as jitter is the other: ±20 % of 10 s puts 100,000 clients into 4 seconds.
//
// # Who decides how a crowd comes back
//
// However the clients choose, the first wave comes within the first window, and only the server knows how many they
// are and how many it can admit a second. So the server sizes the window with Spread, and gives each client its own
// Moment in it, best in its goodbye, else as it refuses:
//
//	window := backoff.Spread(clients, 200)
//	for c := range connections {
//		c.goodbye(backoff.Moment(window))
//	}
//
// When 100,000 clients lose a server that then admits 200 a second, this is what it meets in its busiest second, in
// multiples of those 200 (go test -run Herd -v ./backoff prints the whole table):
//
//	constant 3 s                                            500
//	3 s ±20 %                                               417
//	10 s ±20 %                                              127
//	Policy{} alone                                          945, later 80
//	Policy{}, refused with a Moment of Spread               500, later 1.0
//	Policy{}, told its Moment of Spread in the goodbye      1.1
//
// # Contract
//
//  1. A Policy is a value: all its methods may be called concurrently, and so may those of a Loop, though Wait and Next
//     make sense from one goroutine only.
//  2. Nothing here starts a goroutine, and no timer outlives the call that made it.
//  3. Every wait ends when its context does; the context's cause is then the Reason of the *Error. There is no wait
//     after the last attempt.
//  4. No field of a Policy, and no n, makes a wait negative, longer than Max, or overflow. What makes no sense is
//     mended as its field says. On top of Max comes only what the server asked for, at most MaxAfter.
//  5. Retry and Loop end for Permanent, a context, or MaxAttempts, never for anything else.
//
// # Not promised
//
// The randomness is math/rand/v2's: good to spread load, no secret. Elapsed time is the monotonic clock's, which on
// some systems stands still while the machine sleeps. A server can keep a client away for up to MaxAfter at a time:
// believe Retry-After only of a server you speak to on purpose.
package backoff
