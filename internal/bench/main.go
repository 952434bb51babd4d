package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/tidewire/tidewire/internal/bench/figure"
)

const usage = `bench measures the library beside others that do the same work in the same run.

usage:
  go run . list                          the rows, and how long each takes
  go run . run [-smoke] [-rounds N] [-samples DIR] [row...]
                                         takes samples, into DIR/ROW.jsonl; all rows if none is named
  go run . render [-samples DIR] [-o FILE]
                                         writes the results from the samples
  go run . check  [-samples DIR] [-o FILE]
                                         renders again and compares with FILE

It needs Linux and two cores, which should do nothing else, and some 11,000 open files for a process (ulimit -n).
How it measures is told in doc.go.
`

func main() {
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		child(os.Args[2:])
		return
	}
	if err := command(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// command is what the program does.
func command(args []string, out, progress io.Writer) error {
	if len(args) == 0 || args[0] == "-h" || args[0] == "-help" || args[0] == "--help" || args[0] == "help" {
		fmt.Fprint(out, usage)
		return nil
	}
	fs := flag.NewFlagSet(args[0], flag.ContinueOnError)
	fs.SetOutput(progress)
	samples := fs.String("samples", "samples", "folder of the samples")
	results := fs.String("o", "RESULTS.md", "the rendered document")
	smoke := fs.Bool("smoke", false, "tiny parameters, one round, nothing is kept")
	rounds := fs.Int("rounds", 7, "how often each contestant has its turn")
	if err := fs.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "list":
		list(out, *rounds)
		return nil
	case "run":
		r := runner{samples: *samples, rounds: *rounds, smoke: *smoke, args: args, progress: progress}
		return r.run(fs.Args())
	case "render":
		text, err := render(*samples)
		if err != nil {
			return err
		}
		return os.WriteFile(*results, []byte(text), 0o644)
	case "check":
		return check(*samples, *results)
	}
	return fmt.Errorf("no command %q; go run . -h tells which there are", args[0])
}

// render makes the document of the samples in dir, which must be of rows that there are.
func render(dir string) (string, error) {
	sets, err := figure.Load(dir)
	if err != nil {
		return "", err
	}
	var described []figure.Row
	for _, r := range rows(false) {
		described = append(described, r.Row)
	}
	for name, s := range sets {
		if !slices.ContainsFunc(described, func(r figure.Row) bool { return r.Name == name }) {
			return "", fmt.Errorf("samples of row %q, which there is none of", name)
		}
		if s.Run.Smoke {
			return "", fmt.Errorf("samples of row %q come from a smoke run", name)
		}
	}
	return figure.Render(described, sets), nil
}

// check compares the document with what the samples give.
func check(dir, results string) error {
	want, err := render(dir)
	if err != nil {
		return err
	}
	got, err := os.ReadFile(results)
	if err != nil {
		return err
	}
	if string(got) != want {
		return errors.New(filepath.Base(results) + " is not what the samples give: run 'go run . render'")
	}
	return nil
}

func list(out io.Writer, rounds int) {
	total := 0
	for _, r := range rows(false) {
		s := r.seconds() * rounds
		total += s
		fmt.Fprintf(out, "%-13s %3d min %02d s  %s\n", r.Name, s/60, s%60, r.Title)
	}
	fmt.Fprintf(out, "%-13s %3d min %02d s  (%d rounds)\n", "all", total/60, total%60, rounds)
}
