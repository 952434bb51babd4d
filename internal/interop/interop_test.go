package interop

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func peers() []peer {
	return []peer{coder{}, gorilla{}, nodeWS(), pythonWebsockets(), newChromium()}
}

// TestInterop runs every case with every peer, in every direction, as TestInterop/<peer>/<direction>/<case>.
func TestInterop(t *testing.T) {
	res := results{}
	all := peers()
	for _, p := range all {
		t.Run(p.about().name, func(t *testing.T) { runPeer(t, p, res) })
	}
	checkTable(t, all, res)
}

func runPeer(t *testing.T, p peer, res results) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	defer p.stop()
	if err := p.start(ctx); err != nil {
		if errors.Is(err, errMissing) && os.Getenv("TIDEWIRE_INTEROP") != "required" {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	t.Logf("%s: %s", p.about().title, p.about().version)
	for _, d := range directions() {
		if d.form == nil && p.about().noServer {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			for _, c := range cases() {
				if p.about().lacks[c.name] != "" {
					continue
				}
				t.Run(c.name, func(t *testing.T) {
					// Not t.Context: that ends before the cleanups, which wait with it.
					ctx, cancel := context.WithTimeout(context.Background(), patience)
					t.Cleanup(cancel)
					c.run(&encounter{t: t, ctx: ctx, peer: p, dir: d})
					res[cell{p.about().name, d.name, c.name}] = !t.Failed()
				})
			}
		})
	}
}

// moduleVersion is what go.mod pins of a module.
func moduleVersion(path string) string {
	b, err := os.ReadFile("go.mod")
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require ")); len(f) >= 2 && f[0] == path {
			return f[1]
		}
	}
	return "?"
}

// packageVersion is what node/package.json pins of a package.
func packageVersion(name string) string {
	b, err := os.ReadFile(filepath.Join("node", "package.json"))
	if err != nil {
		return err.Error()
	}
	var p struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return err.Error()
	}
	return p.Dependencies[name]
}
