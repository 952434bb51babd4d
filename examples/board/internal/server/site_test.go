package server

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
)

const page = `<!DOCTYPE html><html><head><!-- <script>not me</script> -->
<script src="/_next/static/chunks/a.js"></script><SCRIPT async data-x="a>b">one()</SCRIPT>
<script>two("<b>")</script><scripty>no</scripty><script data-src='no'>three()</script></head></html>`

func testFiles() fstest.MapFS {
	return fstest.MapFS{
		"index.html":                   {Data: []byte(page)},
		"404.html":                     {Data: []byte("<p>no such page</p>")},
		"icon.svg":                     {Data: []byte("<svg/>")},
		"_next/static/chunks/a.js":     {Data: []byte(strings.Repeat("console.log(1);", 100))},
		"_next/static/media/f.woff2":   {Data: []byte("font")},
		"_next/static/board/_build.js": {Data: []byte("x")},
		".src-sha256":                  {Data: []byte("abc")},
		"secret.go":                    {Data: []byte("package x")},
	}
}

func TestTheSiteIsServed(t *testing.T) {
	bubble(t, Options{Files: testFiles()}, func(e *env) {
		for path, want := range map[string]struct {
			status        int
			mime, caching string
		}{
			"/":                             {200, "text/html; charset=utf-8", "no-cache"},
			"/?board=team-7":                {200, "text/html; charset=utf-8", "no-cache"},
			"/index.html":                   {200, "text/html; charset=utf-8", "no-cache"},
			"/index":                        {200, "text/html; charset=utf-8", "no-cache"},
			"/icon.svg":                     {200, "image/svg+xml", "no-cache"},
			"/_next/static/chunks/a.js":     {200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
			"/_next/static/media/f.woff2":   {200, "font/woff2", "public, max-age=31536000, immutable"},
			"/_next/static/board/_build.js": {200, "text/javascript; charset=utf-8", "no-cache"},
			"/none":                         {404, "text/html; charset=utf-8", "no-store"},
			"/_next/static/chunks/":         {404, "text/html; charset=utf-8", "no-store"},
			"/.src-sha256":                  {404, "text/html; charset=utf-8", "no-store"},
			"/secret.go":                    {404, "text/html; charset=utf-8", "no-store"},
			"/..%2f..%2fgo.mod":             {404, "text/html; charset=utf-8", "no-store"},
		} {
			for _, method := range []string{"GET", "HEAD"} {
				req, _ := http.NewRequestWithContext(e.t.Context(), method, e.url+path, nil)
				resp, err := e.http.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				h := resp.Header
				if resp.StatusCode != want.status || h.Get("Content-Type") != want.mime || h.Get("Cache-Control") != want.caching {
					t.Errorf("%s %s: %d %q %q", method, path, resp.StatusCode, h.Get("Content-Type"), h.Get("Cache-Control"))
				}
				if (len(body) == 0) != (method == "HEAD") {
					t.Errorf("%s %s: %d bytes", method, path, len(body))
				}
				if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" {
					t.Errorf("%s %s: %v", method, path, h)
				}
			}
		}
	})
}

func TestFilesAreNotSentTwice(t *testing.T) {
	bubble(t, Options{Files: testFiles()}, func(e *env) {
		for _, path := range []string{"/", "/_next/static/chunks/a.js"} {
			for _, coding := range []string{"identity", "gzip"} {
				etag := e.request(path, "Accept-Encoding", coding).Header.Get("ETag")
				if etag == "" || strings.HasPrefix(etag, "W/") {
					t.Fatalf("%s: ETag %q", path, etag)
				}
				if resp := e.request(path, "Accept-Encoding", coding, "If-None-Match", etag); resp.StatusCode != 304 {
					t.Errorf("%s %s: %s", path, coding, resp.Status)
				}
				if resp := e.request(path, "Accept-Encoding", coding, "If-None-Match", `"x"`); resp.StatusCode != 200 {
					t.Errorf("%s %s: %s", path, coding, resp.Status)
				}
			}
		}
	})
}

func TestFilesAreCompressedForThoseWhoTakeIt(t *testing.T) {
	bubble(t, Options{Files: testFiles()}, func(e *env) {
		plain := e.request("/_next/static/chunks/a.js", "Accept-Encoding", "identity")
		want, _ := io.ReadAll(plain.Body)
		for accept, zipped := range map[string]bool{
			"gzip": true, "br, gzip;q=0.5": true, "*": true, "x-gzip": true,
			"identity": false, "br": false, "gzip;q=0": false, "gzip; q=0.0, *": false,
		} {
			resp := e.request("/_next/static/chunks/a.js", "Accept-Encoding", accept)
			body := io.Reader(resp.Body)
			if got := resp.Header.Get("Content-Encoding") == "gzip"; got != zipped {
				t.Errorf("%s: compressed %v", accept, got)
				continue
			}
			if zipped {
				body, _ = gzip.NewReader(body)
				if resp.Header.Get("ETag") == plain.Header.Get("ETag") {
					t.Errorf("%s: two representations have one strong ETag", accept)
				}
			}
			if got, err := io.ReadAll(body); err != nil || string(got) != string(want) {
				t.Errorf("%s: %d bytes, %v", accept, len(got), err)
			}
			if resp.Header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s: Vary %q", accept, resp.Header.Get("Vary"))
			}
		}
	})
}

func TestThePagesPolicyAllowsItsOwnScriptsAlone(t *testing.T) {
	bubble(t, Options{Files: testFiles()}, func(e *env) {
		policy := e.request("/").Header.Get("Content-Security-Policy")
		var want strings.Builder
		want.WriteString("script-src 'self'")
		for _, s := range []string{`one()`, `two("<b>")`, `three()`} {
			sum := sha256.Sum256([]byte(s))
			want.WriteString(" 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'")
		}
		for _, part := range []string{want.String() + ";", "default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%q lacks %q", policy, part)
			}
		}
		if got := e.request("/none").Header.Get("Content-Security-Policy"); !strings.Contains(got, "script-src 'self';") {
			t.Errorf("404 page: %q", got)
		}
		if got := e.request("/icon.svg").Header.Get("Content-Security-Policy"); got != "" {
			t.Errorf("an image: %q", got)
		}
	})
}

func TestWithoutAFrontEndTheStartPageSaysWhatToDo(t *testing.T) {
	for name, files := range map[string]fs.FS{"none": nil, "empty": fstest.MapFS{}} {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			o := Options{Files: files, Logger: slog.New(slog.NewTextHandler(&log, nil))}
			bubble(t, o, func(e *env) {
				if !strings.Contains(log.String(), "npm run build") {
					t.Errorf("log %q", &log)
				}
				resp := e.request("/")
				body, _ := io.ReadAll(resp.Body)
				if resp.StatusCode != 503 || !strings.Contains(string(body), "npm run build") {
					t.Errorf("%s: %s", resp.Status, body)
				}
				if resp := e.request("/x"); resp.StatusCode != 404 {
					t.Errorf("/x: %s", resp.Status)
				}
				e.join("a").create(1, "n_1", "works all the same")
			})
		})
	}
}

func TestInlineScriptsOfBrokenPages(t *testing.T) {
	for html, want := range map[string]int{
		"": 0, "<": 0, "<script": 0, "<script>": 0, "<script>x": 0, "<script a='>x</script>": 0, "<!-- <script>x</script>": 0,
		"<script></script>": 0, "<script>x</script": 1, "<script>x</script><script>x</script>": 1, "<script\nsrc=a>x</script>": 0,
	} {
		if got := len(inlineScripts([]byte(html))); got != want {
			t.Errorf("%q: %d scripts, want %d", html, got, want)
		}
	}
}
