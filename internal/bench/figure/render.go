package figure

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// Render writes the document of all rows. It depends on nothing but its arguments, so that the committed document can be
// held against the committed samples.
func Render(rows []Row, sets map[string]*Set) string {
	d := &document{builds: builds(rows, sets)}
	d.p("# Results")
	d.introduction()
	if len(sets) == 0 {
		d.p("No samples are committed yet: they are taken on a machine that does nothing else.")
	}
	d.targets(rows, sets)
	for i := range rows {
		d.row(&rows[i], sets[rows[i].Name])
	}
	d.modules()
	return strings.TrimRight(d.b.String(), "\n") + "\n"
}

// introduction says what a reader of the tables has to know of the method.
func (d *document) introduction() {
	d.p("Rendered from the raw samples in `samples/` by `go run . render`; CI renders it again and compares. The method is told " +
		"by `go doc .` in this folder, the commands by `go run . -h`. What is needed to read the tables:")
	d.p("- The server is a process with one core and GOMAXPROCS=1; the load generator is another, with the other core. Rows that "+
		"say *in one process* have no load generator.\n"+
		"- A row is repeated for some rounds, in each of which every contestant has its turn. A figure is the median of the rounds, "+
		"and [x–y] are the least and the greatest of them; a ratio (×) is the median of the rounds' own ratios.\n"+
		"- CPU and memory are those of the server's process. The kernel's memory of a socket is not counted, for anybody.\n"+
		"- A target is *%s* or *%s* by the median, even where the range crosses it; *%s* where there is no figure. *%s* means that "+
		"there is no target, and the figure is given for itself.", Met, Missed, Unknown, Reported)
	d.p("To repeat a row: check out the commit that it names, or commit all that you have changed (samples of anything else say " +
		"`-dirty`); have two cores that do nothing else, for as long as `go run . list` says; `go run . run -rounds N -samples DIR " +
		"ROW`, and then `go run . render -samples DIR -o FILE`. In the tables of ws *tidewire* is the callback form, *tidewire " +
		"blocking* the other.")
}

type document struct {
	b      strings.Builder
	builds []string // the lists of modules that rows were built of
}

func (d *document) p(format string, args ...any) { fmt.Fprintf(&d.b, format+"\n\n", args...) }

// table writes a table whose columns after the first ones are aligned to the right.
func (d *document) table(left int, head []string, rows [][]string) {
	cells := func(c []string) { fmt.Fprintf(&d.b, "| %s |\n", strings.Join(c, " | ")) }
	cells(head)
	rule := make([]string, len(head))
	for i := range rule {
		if rule[i] = "---:"; i < left {
			rule[i] = "---"
		}
	}
	cells(rule)
	for _, r := range rows {
		cells(r)
	}
	d.b.WriteString("\n")
}

func (d *document) targets(rows []Row, sets map[string]*Set) {
	d.p("## Targets")
	var lines [][]string
	var missed, why []string
	count := map[State]int{}
	asked := 0
	for i := range rows {
		r := &rows[i]
		for _, t := range r.Targets {
			v := r.Judge(sets[r.Name], t)
			if !t.Report {
				asked++
				count[v.State]++
			}
			if v.State == Missed {
				missed = append(missed, r.Name+": "+t.What)
				if t.Why != "" {
					why = append(why, reason(r, sets[r.Name], t))
				}
			}
			lines = append(lines, []string{
				fmt.Sprintf("[%s](#%s)", r.Name, anchor(r.Title)), t.What, bound(t), v.measured(), string(v.State),
			})
		}
	}
	of := ""
	if len(missed) > 0 {
		of = " (" + strings.Join(missed, "; ") + ")"
	}
	d.p("%d targets: %d %s, %d %s%s, %d %s. Figures without a target: %d.", asked,
		count[Met], Met, count[Missed], Missed, of, count[Unknown], Unknown, len(lines)-asked)
	d.table(2, []string{"row", "what", "target", "measured", "state"}, lines)
	if len(why) > 0 {
		d.p("Why a target is %s:", Missed)
		d.p("%s", strings.Join(why, "\n"))
	}
}

// reason tells why a target was missed, and where the figures for it are.
func reason(r *Row, set *Set, t Target) string {
	s := fmt.Sprintf("- [%s](#%s), %s – %s.", r.Name, anchor(heading(r, t.Of.Point)), t.What, t.Why)
	if t.Shown != "" && len(set.values(t.Of.Point, t.Shown, t.Metric)) == 0 {
		s += fmt.Sprintf(" There are no samples of %s yet, so the table does not show this.", t.Shown)
	}
	return s
}

func bound(t Target) string {
	if t.Report {
		return "–"
	}
	op := "≤"
	if t.AtLeast {
		op = "≥"
	}
	s := op + " " + num(t.Value)
	if t.Against != (Ref{}) {
		s += "×"
	}
	return s
}

func (v *Verdict) measured() string {
	if v.State == Unknown {
		return v.Why
	}
	x := ""
	if v.Target.Against != (Ref{}) {
		x = "×"
	}
	s := fmt.Sprintf("%s%s [%s–%s]", num(v.Median), x, num(v.Min), num(v.Max))
	if v.Target.Against.Who == BestPeer {
		s += " of " + v.Against
	}
	return s
}

func (d *document) row(r *Row, set *Set) {
	d.p("## %s", r.Title)
	for _, a := range r.About {
		d.p("%s", a)
	}
	if set == nil {
		d.p("No samples. To take them: `go run . run %s`.", r.Name)
		return
	}
	d.run(&set.Run)
	points, who := order(set)
	for _, p := range points {
		d.p("### %s", heading(r, p))
		d.values(r, set, p, who[p])
		d.ratios(r, set, p, who[p])
	}
}

func (d *document) run(run *Run) {
	var params []string
	for _, p := range slices.Sorted(maps.Keys(run.Params)) {
		params = append(params, fmt.Sprintf("%s=%d", p, run.Params[p]))
	}
	if run.Smoke {
		d.p("**These samples come from a smoke run and say nothing.**")
	}
	d.p("%s, commit %s, `%s`: %d rounds, %s. %s; %d cores, %s, %s, %s; %s.",
		run.Date, run.Commit, run.Command, run.Rounds, strings.Join(params, " "),
		run.Machine.CPU, run.Machine.Cores, run.Machine.Memory, run.Machine.Kernel, run.Go, d.build(run))
}

// built is the list of the modules that a row was built of.
func built(run *Run) string {
	var mods []string
	for _, m := range slices.Sorted(maps.Keys(run.Modules)) {
		mods = append(mods, m+" "+run.Modules[m])
	}
	return strings.Join(mods, ", ")
}

// builds are the lists of all rows, each once.
func builds(rows []Row, sets map[string]*Set) []string {
	var all []string
	for i := range rows {
		if set := sets[rows[i].Name]; set != nil && !slices.Contains(all, built(&set.Run)) {
			all = append(all, built(&set.Run))
		}
	}
	return all
}

// build links to the list of the modules of a row.
func (d *document) build(run *Run) string {
	h := modulesHeading(slices.Index(d.builds, built(run)))
	return fmt.Sprintf("[%s](#%s)", strings.ToLower(h), anchor(h))
}

func modulesHeading(i int) string { return fmt.Sprintf("Modules %d", i+1) }

func (d *document) modules() {
	for i, list := range d.builds {
		d.p("## %s", modulesHeading(i))
		d.p("What the program was built of, all contestants and what they need, but for golang.org/x: %s.", list)
	}
}

// values are the medians and spreads of all contestants at a point.
func (d *document) values(r *Row, set *Set, point string, who []string) {
	head := []string{"median [min–max]"}
	var metrics []Metric
	for _, m := range r.Metrics {
		if slices.ContainsFunc(who, func(w string) bool { return len(set.values(point, w, m.Name)) > 0 }) {
			metrics = append(metrics, m)
			head = append(head, m.Head)
		}
	}
	var lines [][]string
	for _, w := range who {
		line := []string{w}
		for _, m := range metrics {
			s := Summarize(byRound(set.values(point, w, m.Name)))
			cell := "–"
			if s.N > 0 {
				cell = fmt.Sprintf("%s [%s–%s]", num(s.Median), num(s.Min), num(s.Max))
			}
			line = append(line, cell)
		}
		if why := set.failure(point, w); why != "" {
			line[0] += " (failed: " + why + ")"
		}
		lines = append(lines, line)
	}
	d.table(1, head, lines)
}

// ratios are the medians of the paired ratios of ours to each other contestant, and of a pair of ours in one direction.
func (d *document) ratios(r *Row, set *Set, point string, who []string) {
	var lines [][]string
	for i, o := range r.Ours {
		for _, name := range r.Ratios {
			for _, w := range who {
				if w == o || slices.Contains(r.Ours[:i], w) {
					continue
				}
				s := Summarize(Paired(set.values(point, o, name), set.values(point, w, name)))
				if s.N == 0 {
					continue
				}
				lines = append(lines, []string{
					fmt.Sprintf("%s / %s", o, w), r.metric(name).Head,
					fmt.Sprintf("%s× [%s–%s]", num(s.Median), num(s.Min), num(s.Max)),
				})
			}
		}
	}
	if len(lines) > 0 {
		d.table(2, []string{"paired ratios", "of", "median [min–max]"}, lines)
	}
}

// num shows three significant digits, and no fraction from 1000 on.
func num(v float64) string {
	a := math.Abs(v)
	switch {
	case a == 0:
		return "0"
	case a >= 100:
		return thousands(int64(math.Round(v)))
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 0.01:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.2g", v)
}

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// heading is that of a row's point.
func heading(r *Row, point string) string { return r.Name + ": " + point }

// anchor is the fragment of a heading, as forges make it of the text.
func anchor(heading string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(heading) {
		switch {
		case c == ' ' || c == '-':
			b.WriteByte('-')
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_':
			b.WriteRune(c)
		}
	}
	return b.String()
}
