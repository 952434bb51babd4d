package server

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// A site serves the built front end from memory, where everything about a file
// is worked out once.
type site struct {
	files map[string]*asset // by path, without a leading slash
}

// An asset is one file of the site.
type asset struct {
	data    []byte
	zipped  []byte // nil if that is not worth it
	etag    string // without quotes
	mime    string
	policy  string // Content-Security-Policy, of pages
	forever bool   // its name changes with its content
}

// types are the files that the front end is made of. The host's own table is not
// asked: it may say anything.
var types = map[string]string{
	".css":         "text/css; charset=utf-8",
	".html":        "text/html; charset=utf-8",
	".ico":         "image/x-icon",
	".js":          "text/javascript; charset=utf-8",
	".json":        "application/json",
	".map":         "application/json",
	".png":         "image/png",
	".svg":         "image/svg+xml",
	".txt":         "text/plain; charset=utf-8",
	".webmanifest": "application/manifest+json",
	".woff2":       "font/woff2",
}

// noSite is the start page where the front end was not built in.
const noSite = `The board's front end is not built in.

Build it with Node 20 or newer and start the server again:

    cd examples/board/web
    npm ci
    npm run build

The board itself works: /ws/{board}, /events/{board} and /healthz are served.
`

func newSite(files fs.FS) (*site, error) {
	s := &site{files: make(map[string]*asset)}
	if files == nil {
		return s, nil
	}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		mime, ok := types[path.Ext(name)]
		if !ok {
			return nil // such as marks that the build leaves for its tests
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		s.files[name] = newAsset(name, mime, data)
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("front end: %w", err)
	}
	return s, nil
}

func newAsset(name, mime string, data []byte) *asset {
	sum := sha256.Sum256(data)
	a := &asset{
		data: data, mime: mime, etag: hex.EncodeToString(sum[:16]),
		// The build id is constant, so only these names hold a hash.
		forever: strings.HasPrefix(name, "_next/static/chunks/") || strings.HasPrefix(name, "_next/static/media/"),
	}
	if strings.HasSuffix(name, ".html") {
		a.policy = contentPolicy(data)
	}
	if strings.HasPrefix(mime, "image/png") || strings.HasPrefix(mime, "font/") {
		return a
	}
	var z bytes.Buffer
	zw, _ := gzip.NewWriterLevel(&z, gzip.BestCompression) // the level is a good one
	zw.Write(data)                                         // a bytes.Buffer takes everything
	zw.Close()
	if z.Len() < len(data)*9/10 {
		a.zipped = z.Bytes()
	}
	return a
}

// empty reports whether there is no start page.
func (s *site) empty() bool { return s.files["index.html"] == nil }

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" {
		name = "index.html"
	}
	a := s.files[name]
	if a == nil && !strings.HasSuffix(name, ".html") {
		a = s.files[name+".html"]
	}
	switch {
	case a != nil:
		a.serve(w, r)
	case name == "index.html":
		h.Set("Cache-Control", "no-store")
		http.Error(w, noSite, http.StatusServiceUnavailable)
	case s.files["404.html"] != nil:
		s.files["404.html"].serveMissing(w, r)
	default:
		http.Error(w, "404 page not found", http.StatusNotFound)
	}
}

func (a *asset) header(h http.Header) {
	h.Set("Content-Type", a.mime)
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if a.policy != "" {
		h.Set("Content-Security-Policy", a.policy)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
}

func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	a.header(h)
	if a.forever {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	data, etag := a.data, a.etag
	if a.zipped != nil {
		h.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header) {
			data, etag = a.zipped, a.etag+"-gzip" // a strong ETag is of the bytes sent
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

func (a *asset) serveMissing(w http.ResponseWriter, r *http.Request) {
	a.header(w.Header())
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNotFound)
	if r.Method != http.MethodHead {
		w.Write(a.data)
	}
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3).
func acceptsGzip(h http.Header) bool {
	gzip, any := -1, -1 // unknown, 0 refused, 1 accepted
	for _, value := range h.Values("Accept-Encoding") {
		for part := range strings.SplitSeq(value, ",") {
			coding, params, _ := strings.Cut(part, ";")
			ok := 1
			if q, found := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q="); found && strings.Trim(q, "0.") == "" {
				ok = 0
			}
			switch strings.ToLower(strings.TrimSpace(coding)) {
			case "gzip", "x-gzip":
				gzip = ok
			case "*":
				any = ok
			}
		}
	}
	return gzip == 1 || gzip == -1 && any == 1
}
