package backoff

import (
	"math"
	"math/rand/v2"
	"time"
)

// What the zero Policy means.
const (
	defaultBase      = 500 * time.Millisecond
	defaultMax       = 30 * time.Second
	defaultFactor    = 2.0
	defaultJitter    = 1.0
	defaultMinUptime = 10 * time.Second
)

// Policy says how long to wait between attempts. The zero value is good: full jitter under a ceiling that doubles
// from 500 ms to 30 s, without an end. A Policy holds no state; copy and share it as you like.
type Policy struct {
	// Base is the ceiling of the first wait. 0 or less: 500 ms.
	Base time.Duration
	// Max is the ceiling of every wait, and wins over Base. 0 or less: 30 s, or Base where that is longer.
	Max time.Duration
	// Factor is what the ceiling grows by from one wait to the next. 0, less, or not a number: 2. Less than 1: 1.
	Factor float64
	// Jitter is the fraction of a wait that is random: with 0.2, a wait under a ceiling of 10 s lasts between 8 s and
	// 10 s. 0 or not a number: 1, full jitter, and so is more than 1. Negative: none. Clients that lost the same server at
	// the same moment and have none come back together, again and again.
	Jitter float64
	// MaxAttempts is how many attempts may fail in a row before ErrExhausted. 0 or less: any number.
	MaxAttempts int
	// MinUptime is how long a connection must have been up for a Loop to forget the failures before it. 0: 10 s.
	// Negative: uptime alone never suffices, only Loop.Progress does.
	MinUptime time.Duration
}

// Delay is the length of wait n, the first being 0: random, at least 0, at most Max. A negative n counts as 0.
func (p Policy) Delay(n int) time.Duration { return p.delay(n, rand.Uint64N) }

// random returns a number in [0, n), as rand.Uint64N does. Simulations pass a seeded one.
type random func(n uint64) uint64

func (p Policy) delay(n int, rnd random) time.Duration {
	p = p.normal()
	ceiling := p.ceiling(n)
	span := ceiling
	if p.Jitter < 1 { // at 1 float64 might round up
		span = min(span, time.Duration(float64(ceiling)*max(p.Jitter, 0)))
	}
	return ceiling - span + upTo(span, rnd)
}

// ceiling wants a normal policy.
func (p Policy) ceiling(n int) time.Duration {
	c := float64(p.Base) * math.Pow(p.Factor, float64(max(n, 0)))
	if c < float64(p.Max) { // false for +Inf
		return time.Duration(c)
	}
	return p.Max
}

// normal fills in what is zero and mends what makes no sense. It is idempotent.
func (p Policy) normal() Policy {
	if p.Base <= 0 {
		p.Base = defaultBase
	}
	if p.Max <= 0 {
		p.Max = max(defaultMax, p.Base)
	}
	p.Base = min(p.Base, p.Max)
	switch {
	case !(p.Factor > 0): // NaN too
		p.Factor = defaultFactor
	case p.Factor < 1:
		p.Factor = 1
	}
	switch {
	case p.Jitter < 0:
		p.Jitter = -1
	case !(p.Jitter > 0), p.Jitter > 1:
		p.Jitter = defaultJitter
	}
	if p.MinUptime == 0 {
		p.MinUptime = defaultMinUptime
	}
	return p
}

// upTo is uniform in [0, d].
func upTo(d time.Duration, rnd random) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(rnd(uint64(d) + 1))
}
