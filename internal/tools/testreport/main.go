// Command testreport reads the output of `go test -json` and says in few lines what happened.
//
// It prints the output of what failed, every skip with its reason, and one closing line of counts. It exits 1 when a
// test failed, a package did not build, no test ran at all, or a test was skipped for a reason that is not on the list of
// allowed ones.
//
//	go test -json ./... | go tool testreport -label race -allow skips.txt
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

func main() {
	label := flag.String("label", "tests", "`word` that starts the closing line")
	allow := flag.String("allow", "", "`file` of regular expressions, one a line, that match \"package.Test: reason\" of allowed skips")
	passed := flag.String("passed", "", "append the names of tests that passed to this `file`, one \"package.Test\" a line")
	flag.Parse()

	allowed, err := readAllowed(*allow)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(2)
	}
	rep := newReport(allowed)
	if err := rep.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(2)
	}
	ok := rep.write(os.Stdout, *label)
	if *passed != "" {
		if err := appendLines(*passed, rep.passed); err != nil {
			fmt.Fprintln(os.Stderr, "testreport:", err)
			os.Exit(2)
		}
	}
	if !ok {
		os.Exit(1)
	}
}

// readAllowed reads the list of allowed skips; lines that are empty or start with # are not part of it.
func readAllowed(path string) ([]*regexp.Regexp, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var res []*regexp.Regexp
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		re, err := regexp.Compile(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		res = append(res, re)
	}
	return res, nil
}

func appendLines(path string, lines []string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	for _, l := range lines {
		if _, err := fmt.Fprintln(f, l); err != nil {
			f.Close()
			return err
		}
	}
	return f.Close()
}

// event is one line of test2json; see `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build output
	Test       string
	Output     string
	Elapsed    float64
}

type report struct {
	allowed []*regexp.Regexp
	output  map[string][]string // key: package or package.Test; dropped when it passed
	passed  []string
	failed  []string
	skipped []string // "package.Test: reason"
	refused []string // the skipped that are not allowed
	broken  []string // packages that failed without a failing test: build errors, panics, time-outs
	empty   []string // lines that are not JSON
}

func newReport(allowed []*regexp.Regexp) *report {
	return &report{allowed: allowed, output: map[string][]string{}}
}

func (r *report) read(in io.Reader) error {
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, 16<<20)
	failedIn := map[string]bool{}
	for sc.Scan() {
		var e event
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
			r.empty = append(r.empty, sc.Text())
			continue
		}
		if e.Package == "" {
			e.Package, _, _ = strings.Cut(e.ImportPath, " ")
		}
		key := e.Package
		if e.Test != "" {
			key += "." + e.Test
		}
		switch e.Action {
		case "output", "build-output":
			r.output[key] = append(r.output[key], e.Output)
		case "pass":
			if e.Test != "" {
				r.passed = append(r.passed, key)
				delete(r.output, key)
			}
		case "fail":
			if e.Test != "" {
				r.failed = append(r.failed, key)
				failedIn[e.Package] = true
			} else if !failedIn[e.Package] {
				r.broken = append(r.broken, e.Package)
			}
		case "skip":
			if e.Test != "" {
				r.skip(key)
			}
		}
	}
	return sc.Err()
}

func (r *report) skip(key string) {
	var reason []string
	for _, o := range r.output[key] {
		o = strings.TrimSpace(o)
		if o != "" && !strings.HasPrefix(o, "=== ") && !strings.HasPrefix(o, "--- ") {
			reason = append(reason, o)
		}
	}
	line := key + ": " + strings.Join(reason, " ")
	r.skipped = append(r.skipped, line)
	if !slices.ContainsFunc(r.allowed, func(re *regexp.Regexp) bool { return re.MatchString(line) }) {
		r.refused = append(r.refused, line)
	}
}

// write prints the report and tells whether all is well.
func (r *report) write(w io.Writer, label string) bool {
	for _, l := range r.empty {
		fmt.Fprintln(w, l)
	}
	for _, k := range append(slices.Clone(r.failed), r.broken...) {
		fmt.Fprintf(w, "FAIL %s\n", k)
		for _, o := range r.output[k] {
			fmt.Fprintf(w, "    %s", o)
		}
	}
	for _, s := range r.skipped {
		fmt.Fprintf(w, "SKIP %s\n", s)
	}
	for _, s := range r.refused {
		fmt.Fprintf(w, "a skip that is not allowed: %s\n", s)
	}
	if len(r.passed)+len(r.failed) == 0 {
		fmt.Fprintln(w, "no test ran")
	}
	fmt.Fprintf(w, "%s: %d passed, %d failed, %d skipped\n", label, len(r.passed), len(r.failed)+len(r.broken), len(r.skipped))
	return len(r.failed)+len(r.broken)+len(r.refused) == 0 && len(r.passed) > 0
}
