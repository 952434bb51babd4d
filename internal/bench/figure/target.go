package figure

import (
	"fmt"
	"math"
)

// Verdict is what became of a target.
type Verdict struct {
	Target  Target
	Against string // who it was in the end, for BestPeer
	Summary        // of the ratios, or of the values
	State   State
	Why     string // there is no figure
}

// State of a verdict.
type State string

const (
	Met      State = "met"
	Missed   State = "not met"
	Reported State = "reported"
	Unknown  State = "not measured"
)

// Judge holds the samples against a target. set may be nil.
func (r *Row) Judge(set *Set, t Target) Verdict {
	v := Verdict{Target: t, State: Unknown}
	if set == nil {
		v.Why = "no samples"
		return v
	}
	ours := set.values(t.Of.Point, t.Of.Who, t.Metric)
	var vals []float64
	if t.Against == (Ref{}) {
		vals = byRound(ours)
	} else {
		ref := t.Against
		if ref.Point == "" {
			ref.Point = t.Of.Point
		}
		if ref.Who == BestPeer {
			ref.Who = r.bestPeer(set, ref.Point, t.Metric)
		}
		v.Against = ref.Who
		vals = Paired(ours, set.values(ref.Point, ref.Who, t.Metric))
	}
	v.Summary = Summarize(vals)
	if v.N == 0 {
		if v.Why = set.failure(t.Of.Point, t.Of.Who); v.Why == "" {
			v.Why = fmt.Sprintf("no samples of %s, %s", t.Of.Who, t.Of.Point)
		}
		return v
	}
	switch {
	case t.Report:
		v.State = Reported
	case t.AtLeast && v.Median >= t.Value, !t.AtLeast && v.Median <= t.Value:
		v.State = Met
	default:
		v.State = Missed
	}
	return v
}

// bestPeer is the contestant that is not ours and has the best median, or "".
func (r *Row) bestPeer(set *Set, point, metric string) string {
	_, who := order(set)
	best, name := math.NaN(), ""
	for _, w := range who[point] {
		if r.ours(w) {
			continue
		}
		m := Median(byRound(set.values(point, w, metric)))
		if math.IsNaN(m) {
			continue
		}
		lower := r.metric(metric).Lower
		if name == "" || lower && m < best || !lower && m > best {
			best, name = m, w
		}
	}
	return name
}
