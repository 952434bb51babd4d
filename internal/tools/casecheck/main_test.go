package main

import (
	"slices"
	"testing"
)

func TestCheck(t *testing.T) {
	passed := map[string]bool{"m/ws.TestA": true, "m/ws.TestB/one_byte": true, "m/ws/wstest.TestServer": true, "m/sse.TestC": true}
	tests := []struct {
		name, text string
		tests      int
		missing    []string
	}{
		{"all ran", "| x | `TestA`, `TestB/one_byte`, `wstest.TestServer` |", 3, nil},
		{"a test of another package does not count", "`TestC`", 1, []string{"m/ws.TestC"}},
		{"a subtest that did not run", "`TestB/two_bytes` `TestB/two_bytes`", 1, []string{"m/ws.TestB/two_bytes"}},
		{"other words in backquotes are no tests", "`Accept`, `Testing 1`, later", 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, missing := check(tt.text, "m/ws", passed)
			if n != tt.tests || !slices.Equal(missing, tt.missing) {
				t.Errorf("check = %d, %q, want %d, %q", n, missing, tt.tests, tt.missing)
			}
		})
	}
}
