package server

import (
	"context"
	"time"
)

// A bucket lets a connection be read at a rate, after a burst of two seconds'
// worth. Owned by the reader.
type bucket struct {
	rate   float64 // tokens per second
	tokens float64
	last   time.Time
}

func newBucket(perSecond int) *bucket {
	return &bucket{rate: float64(perSecond), tokens: 2 * float64(perSecond), last: time.Now()}
}

// take takes a token, waiting for it if need be.
func (b *bucket) take(ctx context.Context) error {
	now := time.Now()
	b.tokens = min(2*b.rate, b.tokens+now.Sub(b.last).Seconds()*b.rate)
	b.last = now
	b.tokens--
	if b.tokens >= 0 {
		return nil
	}
	timer := time.NewTimer(time.Duration(-b.tokens / b.rate * float64(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
