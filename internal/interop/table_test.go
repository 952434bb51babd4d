package interop

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write TABLE.md from what ran; needs all peers")

// cell is one test; results tell which have passed. What is not there did not run.
type cell struct{ peer, dir, test string }

type results map[cell]bool

const tableFile = "TABLE.md"

// checkTable compares TABLE.md with what ran. Peers that are not installed, and cases that -run has left out, are taken
// from the file as they are.
func checkTable(t *testing.T, all []peer, res results) {
	t.Helper()
	complete := true
	expected := results{}
	for _, p := range all {
		for _, d := range directions() {
			for _, c := range cases() {
				if plays(p, d, c) {
					k := cell{p.about().name, d.name, c.name}
					ok, ran := res[k]
					complete = complete && ok
					expected[k] = ok || !ran
				}
			}
		}
	}
	got := renderTable(all, expected)
	if testing.Verbose() {
		t.Logf("\n%s", got)
	}
	if *update {
		if !complete {
			t.Errorf("%s is not written: not all tests have run and passed", tableFile)
			return
		}
		if err := os.WriteFile(tableFile, []byte(got), 0o644); err != nil {
			t.Error(err)
		}
		return
	}
	if t.Failed() {
		return // the tests have said so
	}
	want, err := os.ReadFile(tableFile)
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not what the suite is (go test -update writes it) (-want +got):\n%s", tableFile, diff)
	}
}

func plays(p peer, d direction, c testCase) bool {
	return (d.form != nil || !p.about().noServer) && p.about().lacks[c.name] == ""
}

func renderTable(all []peer, res results) string {
	var b strings.Builder
	b.WriteString("# Who `ws` talks to\n\n")
	b.WriteString("Each cell is a test, `TestInterop/<peer>/<direction>/<case>` of this folder: \"ok\" is one that ran and passed,\n")
	b.WriteString("\"–\" is what the peer has no means for. This page is written by `go test ./... -update`, and the tests fail when it is\n")
	b.WriteString("not what ran.\n\n")
	b.WriteString("| peer | name in the tests | from | version |\n|---|---|---|---|\n")
	for _, p := range all {
		a := p.about()
		version := a.pinned
		if version == "" {
			version = "what the system has"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", a.title, a.name, a.from, version)
	}
	for _, d := range directions() {
		if d.form == nil {
			fmt.Fprintf(&b, "\n## `%s`: our client, their server\n\n", d.name)
		} else {
			fmt.Fprintf(&b, "\n## `%s`: our server (%s), their client\n\n", d.name, d.form.title)
		}
		renderDirection(&b, all, d, res)
	}
	renderLacks(&b, all)
	return b.String()
}

func renderDirection(b *strings.Builder, all []peer, d direction, res results) {
	all = slices.DeleteFunc(slices.Clone(all), func(p peer) bool { return d.form == nil && p.about().noServer })
	b.WriteString("| case | what happens |")
	for _, p := range all {
		fmt.Fprintf(b, " %s |", p.about().title)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(all)) + "\n")
	n, sum := 0, 0
	for _, c := range cases() {
		fmt.Fprintf(b, "| `%s` | %s |", c.name, c.what)
		for _, p := range all {
			switch {
			case !plays(p, d, c):
				b.WriteString(" – |")
				continue
			case res[cell{p.about().name, d.name, c.name}]:
				b.WriteString(" ok |")
				n++
			default:
				b.WriteString(" **no** |")
			}
			sum++
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(b, "\n%d of %d.\n", n, sum)
}

func renderLacks(b *strings.Builder, all []peer) {
	b.WriteString("\n## What has no cell\n\n")
	for _, p := range all {
		a := p.about()
		if a.noServer {
			fmt.Fprintf(b, "- %s is a client only.\n", a.title)
		}
		for _, c := range cases() {
			if why := a.lacks[c.name]; why != "" {
				fmt.Fprintf(b, "- %s, `%s`: %s.\n", a.title, c.name, why)
			}
		}
	}
}
