package figure

import "slices"

// Row describes a question, as far as the document needs it.
type Row struct {
	Name  string // of the command line and the file of samples
	Title string
	About []string // paragraphs: what is done, by whom, and what is left out
	// Metrics are the columns, in order.
	Metrics []Metric
	Targets []Target
	// Ours are the contestants whose ratios to the others are listed, a pair of them only once, as the first to the second;
	// Ratios names the metrics that this is done for.
	Ours   []string
	Ratios []string
}

// Metric is a column.
type Metric struct {
	Name string // in the samples
	Head string // in the table, with the unit
	// Lower tells that less is better, which is what "the best peer" goes by.
	Lower bool
}

// Ref is one cell of a table, before it is said which metric.
type Ref struct {
	Point, Who string
}

// Target is what a row is to reach.
type Target struct {
	What   string // in words
	Metric string
	Of     Ref
	// Against, if not zero, makes it a ratio. An empty Point is that of Of; who BestPeer is the best of those who are not
	// Ours.
	Against Ref
	AtLeast bool // otherwise at most
	Value   float64
	// Report asks for the figure alone: nothing is promised.
	Report bool
	// Why is said where the target is not met. It holds no numbers, which come from samples; Shown is
	// the contestant at the same point whose figures show it, if it needs one: without them, the document says so.
	Why, Shown string
}

// BestPeer stands for the contestant, other than ours, whose median is best.
const BestPeer = "best peer"

func (r *Row) metric(name string) Metric {
	for _, m := range r.Metrics {
		if m.Name == name {
			return m
		}
	}
	return Metric{Name: name, Head: name}
}

func (r *Row) ours(who string) bool {
	return slices.Contains(r.Ours, who)
}

// order lists the points of a set, and the contestants of each, as they came first.
func order(s *Set) (points []string, who map[string][]string) {
	who = map[string][]string{}
	seen := map[Ref]bool{}
	for _, x := range s.Samples {
		ref := Ref{x.Point, x.Who}
		if seen[ref] {
			continue
		}
		seen[ref] = true
		if len(who[x.Point]) == 0 {
			points = append(points, x.Point)
		}
		who[x.Point] = append(who[x.Point], x.Who)
	}
	return points, who
}
