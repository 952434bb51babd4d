package sseinterop

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write TABLE.md from what ran; needs all peers")

// cell is one test; results tell which have passed. What is not there did not run.
type cell struct{ peer, test string }

type results map[cell]bool

const tableFile = "TABLE.md"

// checkTable compares TABLE.md with what ran. Peers that are not installed, and cases that -run has left out, are taken
// from the file as they are.
func checkTable(t *testing.T, all []peer, res results) {
	t.Helper()
	complete := true
	expected := results{}
	for _, p := range all {
		for _, c := range cases() {
			if plays(p, c) {
				k := cell{p.about().name, c.name}
				ok, ran := res[k]
				complete = complete && ok
				expected[k] = ok || !ran
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

func renderTable(all []peer, res results) string {
	var b strings.Builder
	b.WriteString("# Who `sse` talks to\n\n")
	b.WriteString("Each cell is a test, `TestInterop/<peer>/<case>` of this folder: \"ok\" is one that ran and passed, \"–\" is what the peer has\n")
	b.WriteString("no means for. In each, the client's events must be exactly those that were published, in order, with their ids and names:\n")
	b.WriteString("nothing lost, nothing twice. This page is written by `go test ./sse/ -update`, and the tests fail when it is not what ran.\n\n")
	b.WriteString("| peer | name in the tests | from | version | brings its cursor back by |\n|---|---|---|---|---|\n")
	var clients, servers []peer
	for _, p := range all {
		a := p.about()
		version, cursor := a.pinned, a.cursor
		if version == "" {
			version = "what the system has"
		}
		if _, ok := p.(client); ok {
			clients = append(clients, p)
		} else {
			servers, cursor = append(servers, p), "–"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s |\n", a.title, a.name, a.from, version, cursor)
	}
	b.WriteString("\n## Our server (`sse.Log`), their client\n\n")
	renderPeers(&b, clients, res)
	b.WriteString("\n## Their server, our client (`sse.Client`)\n\n")
	renderPeers(&b, servers, res)
	b.WriteString("\n## What has no cell, and what was done for a peer\n\n")
	for _, p := range all {
		a := p.about()
		for _, c := range cases() {
			if why := a.lacks[c.name]; why != "" {
				fmt.Fprintf(&b, "- %s, `%s`: %s.\n", a.title, c.name, why)
			}
		}
		if a.note != "" {
			fmt.Fprintf(&b, "- %s: %s.\n", a.title, a.note)
		}
	}
	return b.String()
}

func renderPeers(b *strings.Builder, all []peer, res results) {
	b.WriteString("| case | what happens |")
	for _, p := range all {
		fmt.Fprintf(b, " %s |", p.about().title)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(all)) + "\n")
	n, sum := 0, 0
	for _, c := range cases() {
		if _, ok := all[0].(client); ok && c.with == nil || !ok && c.by == nil {
			continue
		}
		fmt.Fprintf(b, "| `%s` | %s |", c.name, c.what)
		for _, p := range all {
			switch {
			case !plays(p, c):
				b.WriteString(" – |")
				continue
			case res[cell{p.about().name, c.name}]:
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
