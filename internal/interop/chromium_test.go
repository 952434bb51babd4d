package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/systeminfo"
	"github.com/chromedp/chromedp"
)

// chromium is the WebSocket of pages in Chromium, which can only be a client.
type chromium struct {
	of        *about
	path      string
	shared    *browser         // serves all connections but the expendable ones
	elsewhere *httptest.Server // has a page of another origin
}

func newChromium() *chromium {
	const noAPI = "pages have no API for it"
	return &chromium{of: &about{
		name: "chromium", title: "Chromium", from: "Debian's chromium", noServer: true, insists: true,
		lacks: map[string]string{
			casePingFromPeer:      noAPI,
			caseFragmentsFromPeer: noAPI,
			caseDropByPeer:        noAPI,
			caseDropInMessage:     noAPI,
			caseTooBigForPeer:     "pages have no limit",
		},
	}}
}

func (c *chromium) about() *about { return c.of }

func (c *chromium) start(ctx context.Context) (err error) {
	if c.path, err = findChromium(); err != nil {
		return err
	}
	version, err := exec.CommandContext(ctx, c.path, "--version").Output()
	if err != nil {
		return fmt.Errorf("%s: %w", c.path, err)
	}
	c.of.version = strings.TrimSpace(string(version))
	c.elsewhere = httptest.NewServer(http.HandlerFunc(servePage))
	c.of.foreign = c.elsewhere.URL
	c.shared, err = startBrowser(c.path)
	return err
}

func (c *chromium) stop() {
	if c.shared != nil {
		c.shared.stop()
	}
	if c.elsewhere != nil {
		c.elsewhere.Close()
	}
}

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

func (c *chromium) listen(context.Context, terms) (listener, error) {
	return nil, fmt.Errorf("pages can't listen")
}

// dial opens a page in a tab of its own, on the server itself or elsewhere, and connects from there.
func (c *chromium) dial(ctx context.Context, target string, tm terms) (them, error) {
	b := c.shared
	if tm.expendable {
		var err error
		if b, err = startBrowser(c.path); err != nil {
			return nil, err
		}
	}
	t := &tab{}
	t.ctx, t.cancel = chromedp.NewContext(b.ctx)
	r := newRemote(t)
	r.clean = t.cancel
	if tm.expendable {
		r.kill = b.kill
		r.clean = func() { t.cancel(); b.stop() }
	}
	home := tm.origin
	if home == "" {
		u, err := url.Parse(target)
		if err != nil {
			return nil, err
		}
		home = "http://" + u.Host
	}
	err := chromedp.Do(t.ctx) // opens the tab, for as long as t.ctx lasts
	if err == nil {
		err = t.open(ctx, home+"/page")
	}
	if err == nil {
		err = r.dial(ctx, target, tm)
	}
	if err != nil {
		r.forget()
		return nil, err
	}
	return r, nil
}

// browser is a Chromium process with a profile of its own.
type browser struct {
	ctx     context.Context
	cancel  func()
	profile string
}

func startBrowser(path string) (*browser, error) {
	profile, err := os.MkdirTemp("", "interop-chromium-")
	if err != nil {
		return nil, err
	}
	alloc, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(profile),
		chromedp.NoSandbox, // tests run as root in containers; the pages are our own
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
	)...)
	ctx, cancel := chromedp.NewContext(alloc)
	b := &browser{ctx: ctx, cancel: func() { cancel(); stop() }, profile: profile}
	if err := chromedp.Do(ctx); err != nil {
		b.stop()
		return nil, fmt.Errorf("starting Chromium: %w", err)
	}
	return b, nil
}

// kill ends the process that holds the browser's sockets, as a crash would. (Where the browser itself is killed, that
// process may live long enough to close the connection properly, with 1001.)
func (b *browser) kill() error {
	info, err := chromedp.CallBrowser(b.ctx, systeminfo.GetProcessInfo, cdp.Empty{})
	if err != nil {
		return err
	}
	for _, p := range info.ProcessInfo {
		words, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.ID))
		if err == nil && strings.Contains(string(words), "--utility-sub-type=network.") {
			return syscall.Kill(int(p.ID), syscall.SIGKILL)
		}
	}
	return errors.New("this Chromium has no network process")
}

func (b *browser) stop() {
	b.cancel()
	_ = os.RemoveAll(b.profile)
}

// tab is a page that takes requests. It is told one at a time.
type tab struct {
	ctx    context.Context // chromedp's, which lasts until cancel
	cancel context.CancelFunc
}

func (t *tab) open(ctx context.Context, page string) error {
	_, err := within(ctx, t, chromedp.Navigate(page))
	return err
}

func (t *tab) call(ctx context.Context, q request) (reply, error) {
	line, err := json.Marshal(q)
	if err != nil {
		return reply{}, err
	}
	r, err := within(ctx, t, chromedp.Evaluate[reply]("peer.call("+string(line)+")", chromedp.EvalAwaitPromise))
	if err != nil {
		return reply{}, fmt.Errorf("%s: %w", q.Op, err)
	}
	return r, r.check(q.Op)
}

// within runs an action on the tab until ctx ends.
func within[T any](ctx context.Context, t *tab, a chromedp.Action[T]) (T, error) {
	tctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	return chromedp.Run(tctx, a)
}
