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
