package ws_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The tests that the package's documentation names exist.
func TestDocumentationNamesRealTests(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	promises, tests, found := strings.Cut(string(doc), "// # Tests that hold the promises\n")
	if !found {
		t.Fatal("there is no section of tests")
	}
	for _, number := range regexp.MustCompile(`(?m)^//  (\d)\. `).FindAllStringSubmatch(promises, -1) {
		if !regexp.MustCompile(`(?m)^//\t` + number[1] + `  Test`).MatchString(tests) {
			t.Errorf("promise %s has no tests", number[1])
		}
	}
	names := regexp.MustCompile(`\b(Test|Fuzz)[A-Z]\w+`).FindAllString(string(doc), -1)
	if len(names) < 30 {
		t.Errorf("only %d tests are named", len(names))
	}
	for _, name := range names {
		if !strings.Contains(all.String(), "\nfunc "+name+"(") {
			t.Errorf("%s is named, and does not exist", name)
		}
	}
}

// The README's programs are as short as it says. (That they are compiled and run is a test beside it.)
func TestReadmesProgramsAreAsShortAsItSays(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## WebSocket\n")
	section, _, found := strings.Cut(section, "\n## ")
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(section, -1)
	if !found || len(blocks) < 2 {
		t.Fatalf("%d programs in the section", len(blocks))
	}
	for i, want := range []struct {
		says  string
		lines int
	}{{"A server in six lines", 6}, {"A client in four", 4}} {
		if n := strings.Count(blocks[i][1], "\n"); n != want.lines || !strings.Contains(section, want.says) {
			t.Errorf("%q has %d lines, want %d:\n%s", want.says, n, want.lines, blocks[i][1])
		}
	}
}
