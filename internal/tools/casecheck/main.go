// Command casecheck compares tables of cases with what the tests did: every test that a CASES.md names must have run and
// passed.
//
//	casecheck -module github.com/tidewire/tidewire -passed run1.txt -passed run2.txt ws/CASES.md sse/CASES.md
//
// A name in backquotes that begins with Test, Fuzz or Example is a test of the file's own package, with its subtest if one
// is given (`TestFrames/reserved_opcode`); before it may stand the folder of another package, relative to the file's
// (`wstest.TestServer`). The lists of what passed are those of testreport -passed.
package main

import (
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

func main() {
	module := flag.String("module", "", "import `path` of the module that the files stand in")
	passed := map[string]bool{}
	flag.Func("passed", "`file` with one \"package.Test\" a line; may be repeated", func(name string) error {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(b)) {
			passed[strings.TrimSpace(line)] = true
		}
		return nil
	})
	flag.Parse()

	ok := true
	for _, name := range flag.Args() {
		b, err := os.ReadFile(name)
		if err != nil {
			fmt.Fprintln(os.Stderr, "casecheck:", err)
			os.Exit(2)
		}
		pkg := path.Join(*module, filepath.ToSlash(filepath.Dir(name)))
		tests, missing := check(string(b), pkg, passed)
		for _, m := range missing {
			fmt.Printf("%s names %s, which did not run and pass\n", name, m)
		}
		if tests == 0 {
			fmt.Printf("%s names no test\n", name)
		}
		ok = ok && len(missing) == 0 && tests > 0
		fmt.Printf("%s: %d tests named, %d missing\n", name, tests, len(missing))
	}
	if !ok {
		os.Exit(1)
	}
}

var named = regexp.MustCompile("`(?:([a-z][a-z0-9_/]*)\\.)?((?:Test|Fuzz|Example)[^`\\s]*)`")

// check counts the tests that a text names and returns those that did not pass, each once.
func check(text, pkg string, passed map[string]bool) (tests int, missing []string) {
	seen := map[string]bool{}
	for _, m := range named.FindAllStringSubmatch(text, -1) {
		key := path.Join(pkg, m[1]) + "." + m[2]
		if seen[key] {
			continue
		}
		seen[key] = true
		tests++
		if !passed[key] {
			missing = append(missing, key)
		}
	}
	return tests, missing
}
