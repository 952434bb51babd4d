package tidewire_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// flat folds white space, so that the README may indent as it likes.
func flat(s string) string { return strings.Join(strings.Fields(s), " ") }

func TestReadmeShowsCompiledCode(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(readme, -1)
	if len(blocks) < 4 {
		t.Fatalf("only %d Go programs found in the README", len(blocks))
	}
	for _, b := range blocks {
		if !strings.Contains(flat(string(code)), flat(string(b[1]))) {
			t.Errorf("the README shows code that example_test.go does not hold:\n%s", b[1])
		}
	}
}

func TestReadmeBeginsWithTheTwoCommands(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	first := regexp.MustCompile("(?s)```\n(.*?)```").FindSubmatch(readme)
	if want := "go run ./examples/board\ngo test ./...\n"; first == nil || string(first[1]) != want {
		t.Errorf("the README's first block is %q, want %q", first, want)
	}
}

// A program stands behind the words that say how long it is.
func TestReadmesProgramsAreAsShortAsItSays(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]int{"four": 4, "five": 5, "six": 6, "eight": 8, "ten": 10}
	said := regexp.MustCompile("(?s)\\b(?:A (?:server|client)|[a-z]+) in (four|five|six|eight|ten)\\b.{0,400}?```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(said) != 5 {
		t.Errorf("it says how long %d programs are, not 5", len(said))
	}
	for _, m := range said {
		if n := strings.Count(m[2], "\n"); n != lines[m[1]] {
			t.Errorf("%s lines are %d:\n%s", m[1], n, m[2])
		}
	}
}
