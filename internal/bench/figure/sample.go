package figure

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Run tells where, when and with what the samples of a file were taken.
type Run struct {
	Row     string            `json:"row"`
	Date    string            `json:"date"` // RFC 3339, UTC
	Command string            `json:"command"`
	Commit  string            `json:"commit"` // with "-dirty" behind it if there were changes
	Go      string            `json:"go"`
	Machine Machine           `json:"machine"`
	Modules map[string]string `json:"modules"` // path to version
	Rounds  int               `json:"rounds"`
	Params  map[string]int    `json:"params"`
	Smoke   bool              `json:"smoke,omitempty"` // tiny parameters: says nothing but that it works
}

// Machine is what the samples depend on and nothing that tells whose it is.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
}

// Sample is one contestant's measurement in one round.
type Sample struct {
	Point   string             `json:"point"`
	Who     string             `json:"who"`
	Round   int                `json:"round"`
	Metrics map[string]float64 `json:"metrics,omitempty"`
	// Error is why there are no metrics: a contestant that lost or changed a message has no figures.
	Error string `json:"error,omitempty"`
}

// Set is a file of samples.
type Set struct {
	Run     Run
	Samples []Sample
}

// line is the form of a line in a file: the first has a run, each further one a sample.
type line struct {
	Run    *Run    `json:"run,omitempty"`
	Sample *Sample `json:"sample,omitempty"`
}

// Write writes the set as JSON lines.
func (s *Set) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	if err := enc.Encode(line{Run: &s.Run}); err != nil {
		return err
	}
	for i := range s.Samples {
		if err := enc.Encode(line{Sample: &s.Samples[i]}); err != nil {
			return err
		}
	}
	return nil
}

// Save writes the set to its file in dir.
func (s *Set) Save(dir string) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, s.Run.Row+".jsonl"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return s.Write(f)
}

// Parse reads what Write has written. It is strict: a field that it does not know is an error, and so is a file without
// a run in its first line.
func Parse(r io.Reader) (*Set, error) {
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<20)
	s := &Set{}
	for n := 1; in.Scan(); n++ {
		dec := json.NewDecoder(strings.NewReader(in.Text()))
		dec.DisallowUnknownFields()
		var l line
		if err := dec.Decode(&l); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		switch {
		case n == 1 && l.Run != nil && l.Sample == nil:
			s.Run = *l.Run
		case n > 1 && l.Sample != nil && l.Run == nil:
			if (len(l.Sample.Metrics) == 0) == (l.Sample.Error == "") {
				return nil, fmt.Errorf("line %d: a sample has either metrics or an error", n)
			}
			s.Samples = append(s.Samples, *l.Sample)
		default:
			return nil, fmt.Errorf("line %d: the first line is the run, the others are samples", n)
		}
	}
	if err := in.Err(); err != nil {
		return nil, err
	}
	if s.Run.Row == "" {
		return nil, errors.New("no run in the first line")
	}
	return s, nil
}

// Load reads all files of samples in dir, by row. A dir that does not exist has none.
func Load(dir string) (map[string]*Set, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return nil, err
	}
	sets := map[string]*Set{}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		s, err := Parse(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if base := strings.TrimSuffix(filepath.Base(name), ".jsonl"); base != s.Run.Row {
			return nil, fmt.Errorf("%s: holds the samples of row %q", name, s.Run.Row)
		}
		sets[s.Run.Row] = s
	}
	return sets, nil
}

// values maps the rounds of one contestant at one point to a metric.
func (s *Set) values(point, who, metric string) map[int]float64 {
	m := map[int]float64{}
	for _, x := range s.Samples {
		if v, ok := x.Metrics[metric]; ok && x.Point == point && x.Who == who {
			m[x.Round] = v
		}
	}
	return m
}

// failure is the error of the first failed round of a contestant, or "".
func (s *Set) failure(point, who string) string {
	for _, x := range s.Samples {
		if x.Error != "" && x.Point == point && x.Who == who {
			return x.Error
		}
	}
	return ""
}
