package figure

import (
	"math"
	"slices"
)

// Summary is what a table shows of several values.
type Summary struct {
	N                int
	Median, Min, Max float64
}

// Summarize returns the median and the extremes. Of no values all is NaN.
func Summarize(v []float64) Summary {
	if len(v) == 0 {
		return Summary{Median: math.NaN(), Min: math.NaN(), Max: math.NaN()}
	}
	return Summary{N: len(v), Median: Median(v), Min: slices.Min(v), Max: slices.Max(v)}
}

// Median is the middle value, or the mean of the two in the middle; NaN of none.
func Median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(v))
	mid := len(s) / 2
	if len(s)%2 == 1 {
		return s[mid]
	}
	return (s[mid-1] + s[mid]) / 2
}

// Paired returns a/b for each round that has both, in the order of the rounds. A round whose b is 0 has no ratio.
func Paired(a, b map[int]float64) []float64 {
	var rounds []int
	for r := range a {
		if d, ok := b[r]; ok && d != 0 {
			rounds = append(rounds, r)
		}
	}
	slices.Sort(rounds)
	out := make([]float64, len(rounds))
	for i, r := range rounds {
		out[i] = a[r] / b[r]
	}
	return out
}

func byRound(m map[int]float64) []float64 {
	out := make([]float64, 0, len(m))
	for _, v := range m {
		out = append(out, v)
	}
	slices.Sort(out)
	return out
}
