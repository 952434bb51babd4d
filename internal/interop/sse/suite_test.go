package sseinterop

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
	all := []peer{goSSEClient{}, curl{}, &nodeClient{}}
	for _, k := range pages() {
		all = append(all, k)
	}
	return append(all, goSSEServer{}, nodeServer{})
}

// plays reports whether a peer can play a case.
func plays(p peer, c testCase) bool {
	_, follows := p.(client)
	if follows && c.with == nil || !follows && c.by == nil {
		return false
	}
	return p.about().lacks[c.name] == ""
}

// TestInterop runs every case with every peer, as TestInterop/<peer>/<case>.
func TestInterop(t *testing.T) {
	res := results{}
	all := peers()
	defer stopBrowser()
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
	for _, c := range cases() {
		if !plays(p, c) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			// Not t.Context: that ends before the cleanups.
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			t.Cleanup(cancel)
			switch p := p.(type) {
			case client:
				c.with(t, ctx, p)
			case server:
				c.by(t, ctx, p)
			}
			res[cell{p.about().name, c.name}] = !t.Failed()
		})
	}
}

// moduleVersion is what go.mod pins of a module.
func moduleVersion(path string) string {
	b, err := os.ReadFile(filepath.Join("..", "go.mod"))
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
