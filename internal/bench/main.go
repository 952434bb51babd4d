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
  go run . list [-rounds N]       the rows, and how long each takes
  go run . run [-rounds N] [-samples DIR] [row...]
                                  takes samples, into DIR/ROW.jsonl; of all rows if none is named
  go run . run -smoke [row...]    tries the rows once, with tiny parameters, and keeps nothing
  go run . render [-samples DIR] [-o FILE]
                                  writes the results from the samples
  go run . check [-samples DIR] [-o FILE]
                                  renders again and compares with FILE

  -rounds N     how often each contestant has its turn: 7 if not given
  -samples DIR  the folder of the samples: samples if not given
  -o FILE       the rendered document: RESULTS.md if not given

It needs Linux and two cores, which should do nothing else, and may need 11,000 open files in a process (ulimit -Hn).
Samples name the commit: commit all changes before they are taken.
How it measures is told by go doc . and, in short, on top of RESULTS.md.
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
	if len(args) == 0 || isHelp(args[0]) {
		fmt.Fprint(out, usage)
		return nil
	}
	o, err := parse(args[0], args[1:])
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(out, usage)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w; go run . -h tells what there is", err)
	}
	switch args[0] {
	case "list":
		list(out, o.rounds)
		return nil
	case "run":
		r := runner{samples: o.samples, rounds: o.rounds, smoke: o.smoke, args: args, progress: progress}
		return r.run(o.rows)
	case "render":
		text, err := render(o.samples)
		if err != nil {
			return err
		}
		return os.WriteFile(o.results, []byte(text), 0o644)
	default: // parse knows no other
		return check(o.samples, o.results)
	}
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
