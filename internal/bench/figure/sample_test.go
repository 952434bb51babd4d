package figure

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// example is a set with all that can be in one: two rounds of three contestants at a point, one of which fails.
func example() *Set {
	return &Set{
		Run: Run{
			Row: "row", Date: "2026-01-02T03:04:05Z", Command: "go run . run row", Commit: "abc", Go: "go1.26 linux/amd64",
			Machine: Machine{CPU: "a CPU", Cores: 2, Memory: "24 GiB", Kernel: "Linux 6"},
			Modules: map[string]string{"example.com/peer": "v1.2.3", "example.com/other": "v0.1.0"},
			Rounds:  3, Params: map[string]int{"duration_ms": 2000},
		},
		Samples: []Sample{
			{Point: "few", Who: "ours", Round: 1, Metrics: map[string]float64{"time": 1, "rate": 3000}},
			{Point: "few", Who: "peer", Round: 1, Metrics: map[string]float64{"time": 2, "rate": 1500}},
			{Point: "few", Who: "other", Round: 1, Metrics: map[string]float64{"time": 4, "rate": 1000}},
			{Point: "few", Who: "peer", Round: 2, Metrics: map[string]float64{"time": 3, "rate": 1250}},
			{Point: "few", Who: "other", Round: 2, Metrics: map[string]float64{"time": 5, "rate": 900}},
			{Point: "few", Who: "ours", Round: 2, Metrics: map[string]float64{"time": 1.2, "rate": 2500}},
			{Point: "few", Who: "other", Round: 3, Error: "3 of 9 deliveries are lost"},
			{Point: "few", Who: "ours", Round: 3, Metrics: map[string]float64{"time": 1.1, "rate": 1234567}},
			{Point: "few", Who: "peer", Round: 3, Metrics: map[string]float64{"time": 2, "rate": 1100}},
			{Point: "many", Who: "ours", Round: 1, Metrics: map[string]float64{"time": 0.0012}},
		},
	}
}

func TestSamplesComeBackAsTheyWereWritten(t *testing.T) {
	var b bytes.Buffer
	if err := example().Write(&b); err != nil {
		t.Fatal(err)
	}
	got, err := Parse(&b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(example(), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// The form of the committed files: a change of it makes old samples unreadable.
func TestFormOfAFile(t *testing.T) {
	var b bytes.Buffer
	s := example()
	s.Samples = []Sample{s.Samples[0], s.Samples[6]}
	if err := s.Write(&b); err != nil {
		t.Fatal(err)
	}
	want := `{"run":{"row":"row","date":"2026-01-02T03:04:05Z","command":"go run . run row","commit":"abc","go":"go1.26 linux/amd64",` +
		`"machine":{"cpu":"a CPU","cores":2,"memory":"24 GiB","kernel":"Linux 6"},` +
		`"modules":{"example.com/other":"v0.1.0","example.com/peer":"v1.2.3"},"rounds":3,"params":{"duration_ms":2000}}}
{"sample":{"point":"few","who":"ours","round":1,"metrics":{"rate":3000,"time":1}}}
{"sample":{"point":"few","who":"other","round":3,"error":"3 of 9 deliveries are lost"}}
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestParseRefuses(t *testing.T) {
	const run = `{"run":{"row":"x"}}` + "\n"
	for _, tt := range []struct{ name, in string }{
		{"nothing", ""},
		{"no run", `{"sample":{"point":"p","who":"w","round":1,"metrics":{"m":1}}}`},
		{"a run without a row", `{"run":{}}`},
		{"two runs", run + run},
		{"an unknown field", run + `{"sample":{"point":"p","speed":1}}`},
		{"a sample of nothing", run + `{"sample":{"point":"p","who":"w","round":1}}`},
		{"metrics of a failure", run + `{"sample":{"point":"p","who":"w","round":1,"metrics":{"m":1},"error":"e"}}`},
		{"no JSON", run + "x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if s, err := Parse(strings.NewReader(tt.in)); err == nil {
				t.Errorf("%q is read as %+v", tt.in, s)
			}
		})
	}
}

func TestLoadFindsWhatSaveHasWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "samples")
	if got, err := Load(dir); err != nil || len(got) != 0 {
		t.Fatalf("of a folder that does not exist: %v, %v", got, err)
	}
	if err := example().Save(dir); err != nil {
		t.Fatal(err)
	}
	got, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]*Set{"row": example()}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if err := os.Rename(filepath.Join(dir, "row.jsonl"), filepath.Join(dir, "other.jsonl")); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil {
		t.Error("a file with the samples of another row is read")
	}
}
