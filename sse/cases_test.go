package sse_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// CASES.md must name tests that exist.
func TestCasesNameTests(t *testing.T) {
	cases, err := os.ReadFile("CASES.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)(?:/([^`]+))?`").FindAllStringSubmatch(string(cases), -1)
	if len(named) < 60 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, m := range named {
		if !strings.Contains(source.String(), "func "+m[1]+"(") {
			t.Errorf("%s does not exist", m[1])
		}
		if sub := strings.ReplaceAll(m[2], "_", " "); sub != "" && !strings.Contains(source.String(), `"`+sub+`"`) {
			t.Errorf("%s has no subtest %q", m[1], sub)
		}
	}
	for _, tt := range readCases {
		if strings.HasPrefix(tt.name, "format-") && !strings.Contains(string(cases), strings.ReplaceAll(tt.name, " ", "_")+"`") &&
			!strings.HasPrefix(tt.name, "format-field-id-null") && !strings.HasPrefix(tt.name, "format-field-retry ") {
			t.Errorf("%s is not in CASES.md", tt.name)
		}
	}
}
