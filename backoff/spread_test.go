package backoff

import (
	"math"
	"testing"
	"time"
)

func TestSpread(t *testing.T) {
	tests := []struct {
		n    int
		rate float64
		want time.Duration
	}{
		{100_000, 200, 625 * time.Second},
		{4, 5000, time.Millisecond},
		{1, 3, 416_666_667}, // rounded up: never more than rate
		{10, 0.5, 25 * time.Second},
		{2880, 1, MaxAfter},
		{2879, 1, MaxAfter - 1250*time.Millisecond},
		{math.MaxInt, math.SmallestNonzeroFloat64, MaxAfter},
		{math.MaxInt, math.MaxFloat64, 1},
		{5, math.Inf(1), 0},
		{0, 200, 0},
		{-5, 200, 0},
		{0, 0, 0},
		{5, 0, MaxAfter},
		{5, -1, MaxAfter},
		{5, math.Inf(-1), MaxAfter},
		{5, math.NaN(), MaxAfter},
	}
	for _, tt := range tests {
		if got := Spread(tt.n, tt.rate); got != tt.want {
			t.Errorf("Spread(%d, %v) = %v, want %v", tt.n, tt.rate, got, tt.want)
		}
	}
}

func TestMomentStaysInItsWindow(t *testing.T) {
	for _, window := range []time.Duration{math.MinInt64, -1, 0, 1, time.Second, MaxAfter, math.MaxInt64} {
		for range 1000 {
			if got := Moment(window); got < 0 || got > max(0, window) {
				t.Fatalf("Moment(%v) = %v", window, got)
			}
		}
		if low, high := upTo(window, lowest), upTo(window, highest); low != 0 || high != max(0, window) {
			t.Errorf("moments of %v are in [%v, %v]", window, low, high)
		}
	}
}
