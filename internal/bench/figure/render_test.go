package figure

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// exampleRow asks all kinds of targets of the example.
func exampleRow() Row {
	ours := Ref{Point: "few", Who: "ours"}
	return Row{
		Name: "row", Title: "A row, of 2 points", About: []string{"What is done."},
		Metrics: []Metric{{Name: "time", Head: "ms", Lower: true}, {Name: "rate", Head: "messages/s"}},
		Ours:    []string{"ours"}, Ratios: []string{"time", "rate"},
		Targets: []Target{
			{What: "time", Metric: "time", Of: ours, Value: 1.5, Why: "never said, as it is met"},
			{What: "time, too little", Metric: "time", Of: ours, Value: 1, Why: "it has a reason"},
			{What: "rate against peer", Metric: "rate", Of: ours, Against: Ref{Who: "peer"}, AtLeast: true, Value: 1.9},
			{What: "rate against peer, too much", Metric: "rate", Of: ours, Against: Ref{Who: "peer"}, AtLeast: true, Value: 2.5,
				Why: "as another does", Shown: "another"},
			{What: "time against the best", Metric: "time", Of: ours, Against: Ref{Who: BestPeer}, Value: 0.6},
			{What: "many against few", Metric: "time", Of: Ref{Point: "many", Who: "ours"}, Against: ours, Value: 2},
			{What: "a report", Metric: "time", Of: ours, Report: true},
			{What: "of nobody", Metric: "time", Of: Ref{Point: "few", Who: "nobody"}, Value: 1},
		},
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got)\n%s", file, diff)
	}
}

func TestRender(t *testing.T) {
	golden(t, "testdata/example.md", Render([]Row{exampleRow()}, map[string]*Set{"row": example()}))
}

// Where a pair of ours is compared, it is in one direction.
func TestEachPairOfOursIsThereOnce(t *testing.T) {
	r := exampleRow()
	r.Ours = []string{"peer", "ours"}
	doc := Render([]Row{r}, map[string]*Set{"row": example()})
	for line, want := range map[string]int{
		"| peer / ours | ms |": 1, "| ours / peer | ms |": 0, "| peer / other | ms |": 1, "| ours / other | ms |": 1,
	} {
		if got := strings.Count(doc, line); got != want {
			t.Errorf("%q is there %d times, want %d", line, got, want)
		}
	}
}

// Rows that were built of the same modules share a list of them.
func TestEachListOfModulesIsThereOnce(t *testing.T) {
	again, later := exampleRow(), exampleRow()
	again.Name, later.Name = "again", "later"
	newer := example()
	newer.Run.Modules = map[string]string{"example.com/peer": "v2.0.0"}
	doc := Render([]Row{exampleRow(), again, later},
		map[string]*Set{"row": example(), "again": example(), "later": newer})
	for text, want := range map[string]int{
		"[modules 1](#modules-1)": 2, "[modules 2](#modules-2)": 1, "## Modules 1\n": 1, "## Modules 2\n": 1,
		"example.com/peer v1.2.3": 1, "example.com/peer v2.0.0": 1,
	} {
		if got := strings.Count(doc, text); got != want {
			t.Errorf("%q is there %d times, want %d", text, got, want)
		}
	}
}

// A reason that rests on figures stands without a reservation where there are those figures.
func TestReasonIsShownByFigures(t *testing.T) {
	r := exampleRow()
	for i := range r.Targets {
		if r.Targets[i].Shown != "" {
			r.Targets[i].Shown = "other"
		}
	}
	doc := Render([]Row{r}, map[string]*Set{"row": example()})
	if !strings.Contains(doc, "[row](#row-few), rate against peer, too much – as another does.\n") {
		t.Error(doc)
	}
}

func TestRenderWithoutSamples(t *testing.T) {
	golden(t, "testdata/none.md", Render([]Row{exampleRow()}, nil))
}

func TestJudge(t *testing.T) {
	r := exampleRow()
	want := []State{Met, Missed, Met, Missed, Met, Met, Reported, Unknown}
	var got []State
	for _, target := range r.Targets {
		got = append(got, r.Judge(example(), target).State)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, target := range r.Targets {
		if v := r.Judge(nil, target); v.State != Unknown || v.Why == "" {
			t.Errorf("%s without samples: %+v", target.What, v)
		}
	}
}

// A contestant that failed in a round has no figures of that round, and one that failed in all is not met.
func TestFailureIsNoFigure(t *testing.T) {
	s := example()
	for i := range s.Samples {
		if s.Samples[i].Who == "ours" {
			s.Samples[i].Metrics, s.Samples[i].Error = nil, "lost"
		}
	}
	r := exampleRow()
	if v := r.Judge(s, r.Targets[0]); v.State != Unknown || v.Why != "lost" {
		t.Errorf("%+v", v)
	}
}

func TestBestPeerIsNeverOurs(t *testing.T) {
	r := exampleRow()
	if got := r.bestPeer(example(), "few", "time"); got != "peer" {
		t.Errorf("least time: %s", got)
	}
	if got := r.bestPeer(example(), "few", "rate"); got != "peer" {
		t.Errorf("greatest rate: %s", got)
	}
	if got := r.bestPeer(example(), "many", "time"); got != "" {
		t.Errorf("where there is none: %s", got)
	}
}

func TestNum(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1234567.4: "1,234,567", 999.6: "1,000", 123.4: "123", 12.34: "12.3", 1.234: "1.23", 0.0123: "0.01",
		0.00123: "0.0012", -1234: "-1,234",
	} {
		if got := num(v); got != want {
			t.Errorf("num(%v) = %q, want %q", v, got, want)
		}
	}
}
