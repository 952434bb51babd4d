package backoff

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// The herd: all clients lose their server at the same moment, and the server that comes up in its place admits rate of
// them a second and refuses the others. Everything is seeded and nothing waits: time is a row of slots.
const (
	herdSize    = 100_000
	herdRate    = 200 // a second, so that 500 s would do
	herdSeed    = 20260101
	herdSlot    = 10 * time.Millisecond
	herdHorizon = 11 * time.Minute
	slotsASec   = int(time.Second / herdSlot)
)

// herd is a way for clients to come back.
type herd struct {
	name string
	// wait is the client's wait number n, before its first attempt (0) and after each refusal, told by a server that
	// still misses as many clients.
	wait func(n, missing int, rnd random) time.Duration
}

// herdLoad is what the server sees of it.
type herdLoad struct {
	peak     int     // attempts in the busiest second, wherever it begins
	later    int     // the same, of the seconds that begin after the first ten
	attempts float64 // a client
	back     int     // clients, at the end
	lastBack time.Duration
}

func (h herd) run() herdLoad {
	r := rand.New(rand.NewPCG(herdSeed, 0))
	slots := int(herdHorizon / herdSlot)
	attempts := make([]int, slots)
	refused := make([]int, herdSize)
	// Who is due in a slot is a list through next: 1 + the client, 0 at its end. Clients are alike, so it matters to none
	// of the numbers which of them the server admits first.
	due, next := make([]int32, slots), make([]int32, herdSize)
	load := herdLoad{}
	wait := func(slot int, i int32) {
		d := h.wait(refused[i], herdSize-load.back, r.Uint64N)
		if at := slot + int((d+herdSlot-1)/herdSlot); at < slots {
			next[i], due[at] = due[at], i+1
		}
	}
	for i := range int32(herdSize) {
		wait(0, i)
	}
	// The server's bucket holds the admissions of one second.
	tokens, total := float64(herdRate), 0
	for slot := range due {
		tokens = min(tokens+herdRate*herdSlot.Seconds(), herdRate)
		for due[slot] != 0 { // a refused client may be due again in the same slot
			now := due[slot]
			due[slot] = 0
			for now != 0 {
				i := now - 1
				now = next[i]
				attempts[slot]++
				if tokens >= 1 {
					tokens--
					load.back++
					load.lastBack = time.Duration(slot) * herdSlot
					continue
				}
				refused[i]++
				wait(slot, i)
			}
		}
		total += attempts[slot]
	}
	inSecond := 0
	for slot, n := range attempts {
		inSecond += n
		if slot >= slotsASec {
			inSecond -= attempts[slot-slotsASec]
		}
		load.peak = max(load.peak, inSecond)
		if slot >= 11*slotsASec {
			load.later = max(load.later, inSecond)
		}
	}
	load.attempts = float64(total) / herdSize
	return load
}

func TestHerd(t *testing.T) {
	constant := func(d time.Duration) func(int, int, random) time.Duration {
		return func(int, int, random) time.Duration { return d }
	}
	plusMinus := func(d time.Duration, share float64) func(int, int, random) time.Duration {
		span := time.Duration(float64(d) * share)
		return func(_, _ int, rnd random) time.Duration { return d - span + upTo(2*span, rnd) }
	}
	policy := func(p Policy) func(int, int, random) time.Duration {
		return func(n, _ int, rnd random) time.Duration { return p.delay(n, rnd) }
	}
	moment := func(n int, rnd random) time.Duration {
		return told(After(upTo(Spread(n, herdRate), rnd), nil), rnd)
	}
	tests := []struct {
		herd
		low, high   float64 // what the peak must be, in multiples of the fair rate
		later       float64 // and at most, after the first ten seconds
		all, within float64 // of the clients, how many are back; of the 500 s, when the last
	}{
		{herd{"constant 3 s", constant(3 * time.Second)}, 500, 500, 500, 0, 0},
		{herd{"3 s ±20 %", plusMinus(3*time.Second, 0.2)}, 400, 430, 430, 0, 0},
		{herd{"10 s ±20 %", plusMinus(10*time.Second, 0.2)}, 120, 135, 135, 0, 0},
		{herd{"doubling to 30 s, no jitter", policy(Policy{Jitter: -1})}, 500, 500, 500, 0, 0},
		{herd{"Policy{} alone", policy(Policy{})}, 500, 1000, 120, 1, 2},
		{herd{"Policy{}, refused with a Moment of Spread", func(n, missing int, rnd random) time.Duration {
			if n == 0 {
				return Policy{}.delay(n, rnd) // the server went without a goodbye
			}
			return moment(missing, rnd) + Policy{}.delay(n, rnd)
		}}, 490, 510, 2, 1, 1.5},
		{herd{"Policy{}, told its Moment of Spread in the goodbye", func(n, _ int, rnd random) time.Duration {
			if n == 0 {
				return moment(herdSize, rnd) + Policy{}.delay(n, rnd)
			}
			return Policy{}.delay(n, rnd)
		}}, 0.8, 2, 2, 1, 1.3},
	}
	fair := time.Duration(herdSize/herdRate) * time.Second
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "peak a second\t× fair\tafter 10 s\tattempts each\tback\tlast after\twait\n")
	for _, tt := range tests {
		l := tt.run()
		peak, later := float64(l.peak)/herdRate, float64(l.later)/herdRate
		fmt.Fprintf(w, "%d\t%.1f\t%.1f\t%.1f\t%.1f %%\t%.0f s\t%s\n", l.peak, peak, later, l.attempts,
			100*float64(l.back)/herdSize, l.lastBack.Seconds(), tt.name)
		if peak < tt.low || peak > tt.high {
			t.Errorf("%s: the busiest second has %.2f times the fair rate, want %v to %v", tt.name, peak, tt.low, tt.high)
		}
		if later > tt.later {
			t.Errorf("%s: after ten seconds the busiest has %.2f times the fair rate, want %v at most", tt.name, later, tt.later)
		}
		if back := float64(l.back) / herdSize; back < tt.all {
			t.Errorf("%s: %.4f of the clients are back", tt.name, back)
		}
		if tt.within > 0 && l.lastBack.Seconds() > tt.within*fair.Seconds() {
			t.Errorf("%s: the last is back after %v, with %v to come back in", tt.name, l.lastBack, fair)
		}
	}
	w.Flush()
	t.Logf("%d clients lose a server that then admits %d a second, so that %v would do; seed %d; %v seen\n%s",
		herdSize, herdRate, fair, herdSeed, herdHorizon, table.String())
}
