package backoff

import (
	"math"
	"math/rand/v2"
	"time"
)

// Spread is the window over which n clients must come back so that a server which can admit rate of them a second is
// not overrun: 5/4 × n/rate seconds. Only the server knows n, so it is the server that must tell each client its own
// Moment of the window, in "retry:", Retry-After or its goodbye, before it goes, or as it refuses.
//
// The quarter on top is room for chance, which makes single seconds busier than the mean. Without it, those refused in
// a busy second come again on top of a full load, and their number grows: the simulation then saw 2.2 times rate, and
// sees 1.1 times with it. Where rate is small chance weighs more: under 10 a second, expect seconds of twice rate.
//
// The window is at most MaxAfter: clients would not wait longer. An n of 0 or less gives 0; a rate of 0, less, or not
// a number gives MaxAfter.
func Spread(n int, rate float64) time.Duration {
	switch {
	case n <= 0:
		return 0
	case !(rate > 0):
		return MaxAfter
	}
	window := math.Ceil(1.25 * float64(n) / rate * float64(time.Second))
	if window < float64(MaxAfter) { // false for +Inf
		return time.Duration(window)
	}
	return MaxAfter
}

// Moment is one client's random moment of a window: uniform between 0 and window, which if negative is 0.
func Moment(window time.Duration) time.Duration { return upTo(window, rand.Uint64N) }
