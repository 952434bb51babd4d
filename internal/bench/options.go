package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
)

// options are what a command is given. Each command has only those that it uses.
type options struct {
	samples string // folder
	results string // file
	rounds  int
	smoke   bool
	rows    []string
}

func isHelp(arg string) bool {
	return slices.Contains([]string{"help", "-h", "-help", "--help"}, arg)
}

// parse reads the arguments of a command. flag.ErrHelp means that they ask for help.
func parse(command string, args []string) (*options, error) {
	o := &options{}
	fs := flag.NewFlagSet(command, flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors are returned, and the usage is that of the program
	switch command {
	case "list":
		fs.IntVar(&o.rounds, "rounds", 7, "")
	case "run":
		fs.IntVar(&o.rounds, "rounds", 7, "")
		fs.BoolVar(&o.smoke, "smoke", false, "")
		fs.StringVar(&o.samples, "samples", "samples", "")
	case "render", "check":
		fs.StringVar(&o.samples, "samples", "samples", "")
		fs.StringVar(&o.results, "o", "RESULTS.md", "")
	default:
		return nil, fmt.Errorf("no command %q", command)
	}
	if err := fs.Parse(args); err != nil {
		return nil, fmt.Errorf("%s: %w", command, err)
	}
	if command == "run" {
		o.rows = fs.Args()
	} else if fs.NArg() > 0 {
		return nil, fmt.Errorf("%s: no argument %q is known", command, fs.Arg(0))
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if o.smoke && (given["rounds"] || given["samples"]) {
		return nil, fmt.Errorf("%s: -smoke is one round and keeps nothing, so it goes with neither -rounds nor -samples", command)
	}
	if fs.Lookup("rounds") != nil && o.rounds < 1 {
		return nil, fmt.Errorf("%s: %d rounds", command, o.rounds)
	}
	return o, nil
}
