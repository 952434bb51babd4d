package main

import (
	"regexp"
	"strings"
	"testing"
)

const passing = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}
`

func TestReport(t *testing.T) {
	tests := []struct {
		name, in string
		allowed  []string
		ok       bool
		want     []string
	}{
		{name: "all passed", in: passing, ok: true, want: []string{"tests: 1 passed, 0 failed, 0 skipped"}},
		{name: "no test ran", in: `{"Action":"skip","Package":"p"}`, want: []string{"no test ran"}},
		{
			name: "failed test shows its output",
			in: passing + `{"Action":"output","Package":"p","Test":"TestB","Output":"    b.go:1: got 2\n"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"fail","Package":"p"}`,
			want: []string{"FAIL p.TestB", "got 2", "tests: 1 passed, 1 failed, 0 skipped"},
		},
		{
			name: "package that does not build",
			in: passing + `{"ImportPath":"q [q.test]","Action":"build-output","Output":"q.go:3: undefined: x\n"}
{"ImportPath":"q [q.test]","Action":"build-fail"}
{"Action":"fail","Package":"q"}`,
			want: []string{"FAIL q", "undefined: x", "1 failed"},
		},
		{
			name: "skip that is not on the list",
			in: passing + `{"Action":"output","Package":"p","Test":"TestS","Output":"    s.go:1: needs Chromium\n"}
{"Action":"skip","Package":"p","Test":"TestS"}`,
			allowed: []string{`needs a Mac`},
			want:    []string{"SKIP p.TestS: s.go:1: needs Chromium", "a skip that is not allowed: p.TestS"},
		},
		{
			name: "skip that is on the list",
			in: passing + `{"Action":"output","Package":"p","Test":"TestS","Output":"    s.go:1: needs a Mac\n"}
{"Action":"skip","Package":"p","Test":"TestS"}`,
			allowed: []string{`needs a Mac`},
			ok:      true,
			want:    []string{"tests: 1 passed, 0 failed, 1 skipped"},
		},
		{name: "a line that is not JSON is shown", in: "go: no such package\n" + passing, ok: true, want: []string{"go: no such package"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var allowed []*regexp.Regexp
			for _, a := range tt.allowed {
				allowed = append(allowed, regexp.MustCompile(a))
			}
			r := newReport(allowed)
			if err := r.read(strings.NewReader(tt.in)); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			if ok := r.write(&out, "tests"); ok != tt.ok {
				t.Errorf("ok = %v, want %v\n%s", ok, tt.ok, out.String())
			}
			for _, w := range tt.want {
				if !strings.Contains(out.String(), w) {
					t.Errorf("output lacks %q:\n%s", w, out.String())
				}
			}
		})
	}
}
