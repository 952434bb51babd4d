package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/bench/figure"
	"github.com/tidewire/tidewire/internal/bench/server"
)

// TestMain lets the test program be its own server and load generator, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		child(os.Args[2:])
		return
	}
	os.Exit(m.Run())
}

// The committed document is what the committed samples give.
func TestResultsAreRenderedFromTheSamples(t *testing.T) {
	if err := check("samples", "RESULTS.md"); err != nil {
		t.Error(err)
	}
}

// No samples of a crippled run, or of changes that nobody can see, are committed.
func TestSamplesAreOfCommitsAndOfEnoughRounds(t *testing.T) {
	sets, err := figure.Load("samples")
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range sets {
		if s.Run.Smoke || s.Run.Rounds < 7 || s.Run.Commit == "unknown" || strings.HasSuffix(s.Run.Commit, "-dirty") {
			t.Errorf("%s: smoke %v, %d rounds, commit %s", name, s.Run.Smoke, s.Run.Rounds, s.Run.Commit)
		}
	}
}

// Each row works, with tiny parameters: every server starts, every message comes back, every target has its figures.
func TestEveryRowRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("starts some hundred processes")
	}
	for _, x := range rows(true) {
		t.Run(x.Name, func(t *testing.T) {
			r := runner{rounds: 1, smoke: true, args: []string{"run"}, progress: t.Output()}
			set, err := r.sample(&x)
			if err != nil {
				t.Fatal(err)
			}
			if err := sound(set); err != nil {
				t.Error(err)
			}
			for _, target := range x.Targets {
				if !isMeasured(&x, target.Of) {
					continue
				}
				if v := x.Judge(set, target); v.State == figure.Unknown {
					t.Errorf("%s: %s", target.What, v.Why)
				}
			}
			var b bytes.Buffer
			if err := set.Write(&b); err != nil {
				t.Fatal(err)
			}
			if _, err := figure.Parse(&b); err != nil {
				t.Error(err)
			}
		})
	}
}

// isMeasured reports whether a row has the contestant in this version.
func isMeasured(x *row, ref figure.Ref) bool {
	for _, p := range x.points {
		if p.name == ref.Point && slices.ContainsFunc(p.trials, func(t trial) bool { return t.who == ref.Who }) {
			return true
		}
	}
	return false
}

// Rows are consistent with themselves: each name is used once, each target speaks of a point, a contestant and a metric
// that there are, and each contestant has a server.
func TestRowsAreConsistent(t *testing.T) {
	seen := map[string]bool{}
	for _, x := range rows(false) {
		if seen[x.Name] {
			t.Errorf("%s is there twice", x.Name)
		}
		seen[x.Name] = true
		has := map[figure.Ref]bool{}
		for _, p := range x.points {
			for _, tr := range p.trials {
				has[figure.Ref{Point: p.name, Who: tr.who}] = true
				if _, ok := server.Kinds[tr.server.Kind]; tr.inproc == nil && !ok {
					t.Errorf("%s: no server %q", x.Name, tr.server.Kind)
				}
			}
		}
		for _, target := range x.Targets {
			against := target.Against
			if against.Point == "" {
				against.Point = target.Of.Point
			}
			if !has[target.Of] || against.Who != "" && against.Who != figure.BestPeer && !has[against] {
				t.Errorf("%s: %s: %+v against %+v", x.Name, target.What, target.Of, against)
			}
			if target.Shown != "" && !has[figure.Ref{Point: target.Of.Point, Who: target.Shown}] {
				t.Errorf("%s: %s: nobody is %s", x.Name, target.What, target.Shown)
			}
			if !slices.ContainsFunc(x.Metrics, func(m figure.Metric) bool { return m.Name == target.Metric }) {
				t.Errorf("%s: %s: no metric %s", x.Name, target.What, target.Metric)
			}
		}
		if len(x.Metrics) == 0 || len(x.About) == 0 || x.seconds() == 0 {
			t.Errorf("%s is not complete", x.Name)
		}
	}
}

// Nothing that a smoke run found can get into the document.
func TestRenderRefusesForeignSamples(t *testing.T) {
	for _, tt := range []struct {
		name string
		run  figure.Run
	}{
		{"smoke", figure.Run{Row: "ws-echo", Smoke: true}},
		{"a row that there is none of", figure.Run{Row: "ws-nothing"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := (&figure.Set{Run: tt.run}).Save(dir); err != nil {
				t.Fatal(err)
			}
			if text, err := render(dir); err == nil {
				t.Errorf("rendered %d bytes", len(text))
			}
		})
	}
}

func TestCheckSeesAChange(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "RESULTS.md")
	if err := command([]string{"render", "-samples", dir, "-o", file}, t.Output(), t.Output()); err != nil {
		t.Fatal(err)
	}
	if err := command([]string{"check", "-samples", dir, "-o", file}, t.Output(), t.Output()); err != nil {
		t.Errorf("just rendered: %v", err)
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("better\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := command([]string{"check", "-samples", dir, "-o", file}, t.Output(), t.Output()); err == nil {
		t.Error("a changed document is accepted")
	}
}

func TestCommandsThatAreWrong(t *testing.T) {
	for _, args := range [][]string{
		{"measure"}, {"measure", "-h"}, {"run", "ws-nothing"}, {"run", "-rounds", "0", "ws-echo"}, {"run", "-x"}, {"run", "-o", "x"},
		{"run", "-smoke", "-rounds", "3"}, {"run", "-smoke", "-samples", "x"}, {"list", "ws-echo"}, {"list", "-smoke"},
		{"list", "-rounds", "-1"}, {"render", "x"}, {"render", "-rounds", "3"}, {"check", "x"}, {"check", "-smoke"},
	} {
		var out bytes.Buffer
		if err := command(args, &out, &out); err == nil || out.Len() > 0 {
			t.Errorf("%q: %v, printed %q", args, err, out.String())
		}
	}
}

func TestHelpIsNoError(t *testing.T) {
	for _, args := range [][]string{nil, {"-h"}, {"help"}, {"run", "-h"}, {"list", "-help"}, {"render", "-h"}, {"check", "--help"}} {
		var out, progress bytes.Buffer
		if err := command(args, &out, &progress); err != nil || out.String() != usage || progress.Len() > 0 {
			t.Errorf("%q: %v, printed %q and %q", args, err, out.String(), progress.String())
		}
	}
}

func TestListNamesEachRow(t *testing.T) {
	var out bytes.Buffer
	if err := command([]string{"list", "-rounds", "3"}, &out, &out); err != nil {
		t.Fatal(err)
	}
	for _, x := range rows(false) {
		if !strings.Contains(out.String(), x.Name+" ") {
			t.Errorf("%s is not in %q", x.Name, out.String())
		}
	}
	if !strings.Contains(out.String(), "(3 rounds)") {
		t.Errorf("the rounds are not in %q", out.String())
	}
}

func TestTwoCoresAreNeeded(t *testing.T) {
	if err := enough(2); err != nil {
		t.Errorf("of two: %v", err)
	}
	if err := enough(1); err == nil || !strings.Contains(err.Error(), "may use 1 ") {
		t.Errorf("of one: %v", err)
	}
}
