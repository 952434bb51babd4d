package figure

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []float64
		want float64
	}{
		{"one", []float64{3}, 3},
		{"odd", []float64{9, 1, 5}, 5},
		{"even", []float64{4, 1, 3, 2}, 2.5},
		{"an outlier", []float64{1, 1, 1, 1000, 1}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Median(tt.in); got != tt.want {
				t.Errorf("Median(%v) = %v, want %v", tt.in, got, tt.want)
			}
		})
	}
	if got := Median(nil); !math.IsNaN(got) {
		t.Errorf("the median of nothing is %v", got)
	}
}

func TestMedianLeavesItsArgumentAlone(t *testing.T) {
	in := []float64{3, 1, 2}
	Median(in)
	if diff := cmp.Diff([]float64{3, 1, 2}, in); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestSummarize(t *testing.T) {
	if diff := cmp.Diff(Summary{N: 3, Median: 2, Min: 1, Max: 7}, Summarize([]float64{7, 1, 2})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if s := Summarize(nil); s.N != 0 || !math.IsNaN(s.Median) || !math.IsNaN(s.Min) || !math.IsNaN(s.Max) {
		t.Errorf("of nothing: %+v", s)
	}
}

func TestPairedTakesOnlyRoundsThatHaveBoth(t *testing.T) {
	a := map[int]float64{1: 10, 2: 20, 3: 30, 5: 50}
	b := map[int]float64{1: 5, 2: 40, 4: 1, 5: 0}
	if diff := cmp.Diff([]float64{2, 0.5}, Paired(a, b)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A machine that is slow for two rounds changes the medians of both sides, and their ratio, but not the paired ratios.
func TestPairedRatiosOutliveADisturbance(t *testing.T) {
	a := map[int]float64{1: 100, 2: 100, 3: 300, 4: 300, 5: 100}
	b := map[int]float64{1: 50, 2: 50, 3: 150, 4: 150, 5: 50}
	if got := Median(Paired(a, b)); got != 2 {
		t.Errorf("%v, want 2", got)
	}
}
