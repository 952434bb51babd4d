package sseinterop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/chromedp/chromedp"
)

// page is one kind of EventSource in a page of Chromium.
type page struct {
	of       *about
	kind     string // as node/page.html calls it
	packages bool   // it is in npm's packages
}

func pages() []*page {
	const noStatus = "it gives up for good on any status but 200, as the HTML standard has it"
	const noCursor = "it takes an id only from an event with data"
	const noHeader = "it gives up for good when a response ends within its header"
	const noRestart = "the wrapper takes a cursor from the browser's own MessageEvent only, so what it starts anew begins without one"
	const waits = "the page shortens the polyfill's waits of a second and more"
	return []*page{
		{kind: "native", of: &about{
			name: "chromium", title: "Chromium's EventSource", from: "Debian's chromium", cursor: "header",
			lacks: map[string]string{caseRefused: noStatus, caseHeader: noHeader},
		}},
		{kind: "reconnecting", packages: true, of: &about{
			name: "reconnecting-eventsource", title: "reconnecting-eventsource on Chromium's", from: "npm", pinned: packageVersion("reconnecting-eventsource"),
			cursor: "header", lacks: map[string]string{},
			note: "after a refusal it brings its cursor by query, and after a later cut the browser adds the newer one by header",
		}},
		{kind: "polyfill", packages: true, of: &about{
			name: "event-source-polyfill", title: "event-source-polyfill", from: "npm", pinned: packageVersion("event-source-polyfill"),
			cursor: "query", lacks: map[string]string{caseRefused: noStatus, caseHeader: noHeader, caseLiveCursor: noCursor}, note: waits,
		}},
		{kind: "reconnecting-polyfill", packages: true, of: &about{
			name: "reconnecting-polyfill", title: "reconnecting-eventsource on event-source-polyfill", from: "npm", pinned: packageVersion("reconnecting-eventsource"),
			cursor: "query", lacks: map[string]string{caseRefused: noRestart, caseHeader: noRestart, caseLiveCursor: noCursor}, note: waits,
		}},
	}
}

func (p *page) about() *about { return p.of }

func (p *page) start(context.Context) error {
	if p.packages {
		if err := findNode(true); err != nil {
			return err
		}
	}
	path, err := findChromium()
	if err != nil {
		return err
	}
	return startBrowser(path)
}

func (p *page) stop() {}

func findChromium() (string, error) {
	if p := os.Getenv("CHROMIUM"); p != "" {
		return exec.LookPath(p)
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("%w: install Chromium or name it in CHROMIUM", errMissing)
}

// follow opens a page in a tab of its own, of another origin than the stream.
func (p *page) follow(ctx context.Context, url string) ([]event, error) {
	elsewhere := httptest.NewServer(http.HandlerFunc(servePage))
	defer elsewhere.Close()
	tab, cancel := chromedp.NewContext(theBrowser.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	if err := chromedp.Do(tab); err != nil { // opens the tab
		return nil, fmt.Errorf("opening a tab: %w", err)
	}
	if _, err := chromedp.Run(tab, chromedp.Navigate(elsewhere.URL+"/page")); err != nil {
		return nil, fmt.Errorf("opening the page: %w", err)
	}
	args, err := json.Marshal([]any{p.kind, url, names})
	if err != nil {
		return nil, err
	}
	return chromedp.Run(tab, chromedp.Evaluate[[]event]("window.followWith(..."+string(args)+")", chromedp.EvalAwaitPromise))
}

// servePage serves the page and the libraries.
func servePage(w http.ResponseWriter, r *http.Request) {
	modules := filepath.Join("node", "node_modules")
	file := map[string]string{
		"/page":                filepath.Join("node", "page.html"),
		"/lib/follow.js":       filepath.Join("node", "follow.js"),
		"/lib/polyfill.js":     filepath.Join(modules, "event-source-polyfill", "src", "eventsource.js"),
		"/lib/reconnecting.js": filepath.Join(modules, "reconnecting-eventsource", "dist", "ReconnectingEventSource.min.js"),
	}[r.URL.Path]
	if file == "" {
		http.NotFound(w, r)
		return
	}
	http.ServeFile(w, r, file)
}

// browser is the Chromium process that all pages share, with a profile of its own.
type browser struct {
	ctx     context.Context
	cancel  func()
	profile string
}

// theBrowser belongs to TestInterop: started by the first peer that needs it, stopped at the end.
var theBrowser *browser

func startBrowser(path string) error {
	if theBrowser != nil {
		return nil
	}
	profile, err := os.MkdirTemp("", "interop-sse-chromium-")
	if err != nil {
		return err
	}
	alloc, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(profile),
		chromedp.NoSandbox, // tests run as root in containers; the pages are our own
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
	)...)
	ctx, cancel := chromedp.NewContext(alloc)
	theBrowser = &browser{ctx: ctx, cancel: func() { cancel(); stop() }, profile: profile}
	limit := time.AfterFunc(patience, theBrowser.cancel)
	defer limit.Stop()
	if err := chromedp.Do(ctx); err != nil {
		stopBrowser()
		return fmt.Errorf("starting Chromium: %w", err)
	}
	return nil
}

func stopBrowser() {
	if theBrowser != nil {
		theBrowser.cancel()
		_ = os.RemoveAll(theBrowser.profile)
		theBrowser = nil
	}
}
