package backoff

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lowest and highest are the ends of what a random can return.
func lowest(uint64) uint64    { return 0 }
func highest(n uint64) uint64 { return n - 1 }

func TestZeroPolicyHasTheDocumentedDefaults(t *testing.T) {
	want := Policy{Base: 500 * time.Millisecond, Max: 30 * time.Second, Factor: 2, Jitter: 1, MinUptime: 10 * time.Second}
	if diff := cmp.Diff(want, Policy{}.normal()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDelayBounds(t *testing.T) {
	const s = time.Second
	type bounds struct{ Low, High time.Duration }
	tests := []struct {
		name   string
		policy Policy
		n      int
		want   bounds
	}{
		{"zero policy", Policy{}, 0, bounds{0, s / 2}},
		{"doubles", Policy{}, 3, bounds{0, 4 * s}},
		{"last below Max", Policy{}, 5, bounds{0, 16 * s}},
		{"Max", Policy{}, 6, bounds{0, 30 * s}},
		{"negative n", Policy{}, -1, bounds{0, s / 2}},
		{"smallest n", Policy{}, math.MinInt, bounds{0, s / 2}},
		{"largest n", Policy{}, math.MaxInt, bounds{0, 30 * s}},
		{"no jitter", Policy{Jitter: -1}, 1, bounds{s, s}},
		{"no jitter by -Inf", Policy{Jitter: math.Inf(-1)}, 1, bounds{s, s}},
		{"20 percent", Policy{Base: 10 * s, Jitter: 0.2}, 0, bounds{8 * s, 10 * s}},
		{"jitter over 1", Policy{Jitter: 7}, 0, bounds{0, s / 2}},
		{"jitter NaN", Policy{Jitter: math.NaN()}, 0, bounds{0, s / 2}},
		{"factor NaN", Policy{Factor: math.NaN()}, 1, bounds{0, s}},
		{"factor negative", Policy{Factor: -3}, 1, bounds{0, s}},
		{"factor -Inf", Policy{Factor: math.Inf(-1)}, 1, bounds{0, s}},
		{"factor below 1 never shrinks", Policy{Factor: 0.5}, 9, bounds{0, s / 2}},
		{"factor 1 is constant", Policy{Factor: 1}, math.MaxInt, bounds{0, s / 2}},
		{"factor +Inf begins at Base", Policy{Factor: math.Inf(1)}, 0, bounds{0, s / 2}},
		{"factor +Inf goes on with Max", Policy{Factor: math.Inf(1)}, 1, bounds{0, 30 * s}},
		{"Base negative", Policy{Base: -s}, 0, bounds{0, s / 2}},
		{"Base over the default Max", Policy{Base: 60 * s}, 4, bounds{0, 60 * s}},
		{"Base over Max", Policy{Base: 9 * s, Max: 3 * s}, 0, bounds{0, 3 * s}},
		{"Max under the default Base", Policy{Max: 1}, 0, bounds{0, 1}},
		{"Max negative", Policy{Max: -s}, 99, bounds{0, 30 * s}},
		{"everything largest", Policy{Base: math.MaxInt64, Max: math.MaxInt64, Factor: math.MaxFloat64}, math.MaxInt, bounds{0, math.MaxInt64}},
		{"largest without jitter", Policy{Max: math.MaxInt64, Jitter: -1}, 5000, bounds{math.MaxInt64, math.MaxInt64}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := bounds{tt.policy.delay(tt.n, lowest), tt.policy.delay(tt.n, highest)}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%+v.Delay(%d) (-want +got)\n%s", tt.policy, tt.n, diff)
			}
		})
	}
}

// anyPolicy draws fields from what people write, from the edges, and from all bit patterns.
func anyPolicy(r *rand.Rand) Policy {
	duration := func() time.Duration {
		edges := []time.Duration{0, 1, -1, time.Second, time.Hour, math.MaxInt64, math.MaxInt64 - 1, math.MinInt64, 1 << 53, 1<<53 + 1, 1 << 62, 1<<62 + 1}
		switch r.IntN(3) {
		case 0:
			return edges[r.IntN(len(edges))]
		case 1:
			return time.Duration(r.Int64N(int64(time.Minute)))
		}
		return time.Duration(r.Uint64())
	}
	float := func() float64 {
		edges := []float64{0, math.Copysign(0, -1), 1, -1, 2, 0.5, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64, math.Nextafter(1, 0), math.Nextafter(1, 2)}
		switch r.IntN(3) {
		case 0:
			return edges[r.IntN(len(edges))]
		case 1:
			return 4 * r.Float64()
		}
		return math.Float64frombits(r.Uint64())
	}
	return Policy{
		Base: duration(), Max: duration(), Factor: float(), Jitter: float(),
		MaxAttempts: int(r.Uint64()), MinUptime: duration(),
	}
}

func TestDelayPropertiesOfAnyPolicy(t *testing.T) {
	seed := uint64(20260101)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range 20_000 {
		p := anyPolicy(r)
		fail := func(format string, args ...any) {
			t.Helper()
			t.Fatalf("seed %d, policy %d %+v: %s", seed, i, p, fmt.Sprintf(format, args...))
		}
		norm := p.normal()
		if again := norm.normal(); again != norm {
			fail("normal() gives %+v, and of that %+v", norm, again)
		}
		if norm.Base <= 0 || norm.Max < norm.Base || p.Max > 0 && norm.Max != p.Max {
			fail("normal() gives %+v", norm)
		}
		var before time.Duration
		for _, n := range []int{math.MinInt, -1, 0, 1, 2, 3, 10, 62, 63, 64, 1023, 1024, 1075, math.MaxInt32, math.MaxInt - 1, math.MaxInt} {
			low, high, some := p.delay(n, lowest), p.delay(n, highest), p.Delay(n)
			if low < 0 || high > norm.Max || some < low || some > high {
				fail("Delay(%d) = %v, outside of [%v, %v] or of Max %v", n, some, low, high, norm.Max)
			}
			if high != norm.ceiling(n) {
				fail("Delay(%d) reaches up to %v, not the ceiling %v", n, high, norm.ceiling(n))
			}
			if high < before {
				fail("the ceiling of %d is %v, after %v", n, high, before)
			}
			if norm.Jitter < 0 && low != high || norm.Jitter == 1 && low != 0 {
				fail("Delay(%d) is in [%v, %v] with jitter %v", n, low, high, norm.Jitter)
			}
			before = high
		}
		// Past 104 days a float64 has no single nanoseconds.
		if high := p.delay(0, highest); norm.Base < 1<<53 && high != norm.Base {
			fail("Delay(0) reaches up to %v, not Base %v", high, norm.Base)
		}
	}
}

// The random part fills its range evenly: each tenth gets its tenth.
func TestDelayIsUniform(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const draws = 100_000
	var tenths [10]int
	p := Policy{Base: 10 * time.Second, Jitter: 0.5}
	for range draws {
		d := p.delay(0, r.Uint64N) - 5*time.Second
		tenths[min(9, d/(500*time.Millisecond))]++
	}
	for i, n := range tenths {
		if n < draws/10*95/100 || n > draws/10*105/100 {
			t.Errorf("tenth %d has %d of %d draws", i, n, draws)
		}
	}
}

func TestDelayAllocatesNothing(t *testing.T) {
	var p Policy
	if n := testing.AllocsPerRun(100, func() { p.Delay(3) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
