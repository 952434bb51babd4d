package hub_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The tests that doc.go names are there.
func TestDocNamesTests(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	files, _ := filepath.Glob("*_test.go")
	more, _ := filepath.Glob("hubtest/*_test.go")
	for _, name := range append(files, more...) {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(src, -1) {
			have[string(m[1])] = true
		}
	}
	named := regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(doc), -1)
	if len(named) < 50 {
		t.Errorf("only %d names", len(named))
	}
	for _, name := range named {
		if !have[name] {
			t.Errorf("doc.go names %s, which is not there", name)
		}
	}
}

// Two snippets of doc.go, line by line, are in an example.
func TestDocSnippetsRun(t *testing.T) {
	read := func(name string) string {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(src)
	}
	doc := read("doc.go")
	for _, tt := range []struct{ begin, end, file string }{
		{"//\th := hub.New(&hub.Options{", "// # What a subscriber sees", "example_keyed_test.go"},
		{"//\tmux.Handle(", "// Connections of this module", "gateway/example_connect_test.go"},
	} {
		if !strings.Contains(doc, tt.file) {
			t.Errorf("doc.go does not name %s", tt.file)
		}
		have := map[string]bool{}
		for line := range strings.Lines(read(tt.file)) {
			have[strings.TrimSpace(line)] = true
		}
		_, snippet, _ := strings.Cut(doc, tt.begin)
		snippet, _, found := strings.Cut(tt.begin+snippet, tt.end)
		if !found {
			t.Errorf("no %q in doc.go, and then %q", tt.begin, tt.end)
		}
		n := 0
		for line := range strings.Lines(snippet) {
			if line = strings.TrimSpace(strings.TrimPrefix(line, "//")); line == "" {
				continue
			}
			if n++; !have[line] {
				t.Errorf("%s has no line %q", tt.file, line)
			}
		}
		if n < 10 {
			t.Errorf("%q: only %d lines", tt.begin, n)
		}
	}
}
