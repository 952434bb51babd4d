package web

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestFilesHoldTheWholeExport(t *testing.T) {
	var count, scripts int
	err := fs.WalkDir(Files(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		count++
		if strings.HasPrefix(path, "_next/static/") && strings.HasSuffix(path, ".js") {
			scripts++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if count < 15 || count > 100 || scripts < 5 {
		t.Errorf("export has %d files, %d of them scripts; want 15 to 100 and at least 5", count, scripts)
	}
	for _, name := range []string{"index.html", "404.html", "icon.svg", "licenses.txt"} {
		if info, err := fs.Stat(Files(), name); err != nil {
			t.Error(err)
		} else if info.Size() == 0 {
			t.Errorf("%s is empty", name)
		}
	}
}

func TestPagesLoadOnlyWhatIsThere(t *testing.T) {
	reference := regexp.MustCompile(`(?:src|href)="(/[^"?]*)`)
	for _, page := range []string{"index.html", "404.html"} {
		html, err := fs.ReadFile(Files(), page)
		if err != nil {
			t.Fatal(err)
		}
		var assets int
		for _, match := range reference.FindAllSubmatch(html, -1) {
			path := strings.TrimPrefix(string(match[1]), "/")
			if path == "" {
				continue
			}
			if strings.HasPrefix(path, "_next/") {
				assets++
			}
			if _, err := fs.Stat(Files(), path); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
		if assets < 5 {
			t.Errorf("%s names %d files below /_next/; want at least 5", page, assets)
		}
		if foreign := regexp.MustCompile(`(?:src|href)="https?:[^"]*`).Find(html); foreign != nil {
			t.Errorf("%s loads from another host: %s", page, foreign)
		}
	}
}

func TestExportIsBuiltFromTheseSources(t *testing.T) {
	sealed, err := fs.ReadFile(Files(), ".src-sha256")
	if err != nil {
		t.Fatal(err)
	}
	want, err := sourceHash(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(sealed)); got != want {
		t.Errorf("web/ changed: run npm run build (out/.src-sha256 is %s, the sources are %s)", got, want)
	}
}

// sourceHash computes what scripts/seal.mjs wrote; its comment says how.
func sourceHash(web fs.FS) (string, error) {
	hash := sha256.New()
	// WalkDir goes through a folder in the order of its names, which is not the
	// order of whole paths ("a-b" < "a/b"), so the paths are gathered first.
	var paths []string
	err := fs.WalkDir(web, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if path == "out" || path == "node_modules" || path == ".next" {
				return fs.SkipDir
			}
		case !d.Type().IsRegular(),
			strings.HasSuffix(path, ".go"),
			strings.HasSuffix(path, ".tsbuildinfo"),
			path == "next-env.d.ts":
		default:
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	slices.Sort(paths)
	for _, path := range paths {
		content, err := fs.ReadFile(web, path)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s\x00%d\x00", path, len(content))
		hash.Write(content)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
