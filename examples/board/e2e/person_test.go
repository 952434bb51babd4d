package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience bounds every wait for a condition. It is generous: it decides how long a failing test takes, not whether
// a passing one passes.
const patience = 20 * time.Second

// person is somebody with a browser of their own: cookies, storage and connections are shared with nobody.
type person struct {
	t      *testing.T
	name   string
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	problems []string // console errors and uncaught exceptions
}

// note is a note as the page tells it.
type note struct {
	ID      string  `json:"id"`
	X       float64 `json:"x"`
	Y       float64 `json:"y"`
	Z       float64 `json:"z"`
	Color   string  `json:"color"`
	Text    string  `json:"text"`
	TextRev int     `json:"textRev"`
	By      string  `json:"by"`
	At      float64 `json:"at"`
}

// state is what window.__board.debug() tells.
type state struct {
	Confirmed []note            `json:"confirmed"`
	View      []note            `json:"view"`
	Pending   []json.RawMessage `json:"pending"`
	Pos       string            `json:"pos"`
	Link      string            `json:"link"`
	Client    string            `json:"client"`
	User      struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"user"`
}

// person opens the board in a new browser context and waits until it is live.
func (h *house) person(name string) *person {
	h.t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	p := &person{t: h.t, name: name, ctx: ctx, cancel: cancel}
	h.t.Cleanup(func() {
		if h.t.Failed() {
			p.postMortem()
		}
		cancel()
	})
	if err := chromedp.Do(ctx); err != nil {
		h.t.Fatal(err)
	}
	go func() {
		for m, err := range chromedp.Console(ctx) {
			if err != nil {
				return // the context has ended
			}
			if m.Type == chromedp.ConsoleError || m.IsException() {
				p.mu.Lock()
				p.problems = append(p.problems, m.String())
				p.mu.Unlock()
			}
		}
	}()
	p.do(chromedp.EmulateViewport(1280, 800), chromedp.Navigate(h.url("?user="+url.QueryEscape(name))))
	p.waitLink("live")
	p.do(chromedp.Evaluate[chromedp.Void](keepToasts))
	return p
}

// keepToasts notes every toast that is ever shown: they pass, and the test may look at another page meanwhile.
const keepToasts = `window.__toasts = [];
new MutationObserver(() => document.querySelectorAll('[data-testid=toast]').forEach(e => window.__toasts.push(e.textContent)))
	.observe(document.body, {subtree: true, childList: true, characterData: true})`

// do runs steps and fails the test when one does.
func (p *person) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// eval evaluates a JavaScript expression on p's page.
func eval[T any](p *person, expr string) T {
	p.t.Helper()
	v, err := tryEval[T](p, expr)
	if err != nil {
		p.t.Fatalf("%s: %s: %v", p.name, expr, err)
	}
	return v
}

func tryEval[T any](p *person, expr string) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expr))
}

// until waits for a JavaScript condition.
func (p *person) until(what, expr string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expr+")"))
		if err == nil && ok {
			return
		}
		select {
		case <-ctx.Done():
			p.t.Fatalf("%s: waited in vain for %s\n  %s\n  last error: %v\n  state: %s", p.name, what, expr, err, p.dump())
		case <-tick.C:
		}
	}
}

func (p *person) dump() string {
	s, err := tryEval[string](p, "JSON.stringify(window.__board && window.__board.debug())")
	if err != nil {
		return err.Error()
	}
	return s
}

func (p *person) state() state { p.t.Helper(); return eval[state](p, "window.__board.debug()") }

func (p *person) waitLink(want string) {
	p.t.Helper()
	p.until("link "+want, fmt.Sprintf("window.__board && window.__board.debug().link === %q", want))
}

// settled waits until nothing is pending.
func (p *person) settled() {
	p.t.Helper()
	p.until("all to be acknowledged", "window.__board.debug().link === 'live' && window.__board.debug().pending.length === 0")
}

func byID(id string) string { return fmt.Sprintf(`[data-testid=note][data-note-id=%q]`, id) }

// center is the middle of an element on the screen.
func (p *person) center(sel string) (x, y float64) {
	p.t.Helper()
	c := eval[[]float64](p, fmt.Sprintf(`(() => { const r = document.querySelector(%q).getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()`, sel))
	return c[0], c[1]
}

// click clicks where the element stands: what covers it gets the click, as for a person.
func (p *person) click(sel string) {
	p.t.Helper()
	p.until(sel, fmt.Sprintf("document.querySelector(%q)", sel))
	x, y := p.center(sel)
	p.do(chromedp.MouseClickXY(x, y))
}

// create makes a note with the tool bar's button, types the text, leaves the note and returns its id.
func (p *person) create(text string) string {
	p.t.Helper()
	before := map[string]bool{}
	for _, n := range p.state().View {
		before[n.ID] = true
	}
	p.click("[data-testid=add-note]")
	p.until("a new note", fmt.Sprintf("window.__board.debug().view.length === %d", len(before)+1))
	p.until("its text field", "document.activeElement && document.activeElement.tagName === 'TEXTAREA'")
	p.do(chromedp.KeyEvent(text))
	p.do(chromedp.KeyEvent(kb.Escape))
	for _, n := range p.state().View {
		if !before[n.ID] {
			p.until("the typed text", fmt.Sprintf("window.__board.debug().view.find(n => n.id === %q).text === %q", n.ID, text))
			return n.ID
		}
	}
	p.t.Fatalf("%s: no new note in %s", p.name, p.dump())
	return ""
}

// edit replaces the text of a note: double-click, select all, type, leave.
func (p *person) edit(id, text string) {
	p.t.Helper()
	x, y := p.center(byID(id))
	p.do(chromedp.MouseClickXY(x, y, chromedp.ClickCount(1)), chromedp.MouseClickXY(x, y, chromedp.ClickCount(2)))
	p.until("its text field", "document.activeElement && document.activeElement.tagName === 'TEXTAREA'")
	p.do(chromedp.Evaluate[chromedp.Void]("document.activeElement.select()"), chromedp.KeyEvent(text), chromedp.KeyEvent(kb.Escape))
}

// choose selects a note. A click on the one that is selected already would open it.
func (p *person) choose(id string) {
	p.t.Helper()
	if !eval[bool](p, fmt.Sprintf("document.querySelector(%q).hasAttribute('data-selected')", byID(id))) {
		p.click(byID(id))
	}
	p.until("note "+id+" to be selected", fmt.Sprintf("document.querySelector(%q).hasAttribute('data-selected')", byID(id)))
}

// drag moves a note by so many pixels.
func (p *person) drag(id string, dx, dy float64) {
	p.t.Helper()
	x, y := p.center(byID(id))
	p.do(chromedp.DragAndDropXY(x, y, x+dx, y+dy, 8))
}

// sees waits until p's page shows note id with this property, in the document and not only in the store.
func (p *person) sees(id, text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("note %s with %q", id, text),
		fmt.Sprintf(`document.querySelector(%q) && document.querySelector(%q).textContent.includes(%q)`, byID(id), byID(id), text))
}

func (p *person) seesNot(id string) {
	p.t.Helper()
	p.until("note "+id+" to be gone", fmt.Sprintf("!document.querySelector(%q)", byID(id)))
}

func (p *person) seesToast(text string) {
	p.t.Helper()
	p.until("toast "+text, fmt.Sprintf(`window.__toasts.some(s => s.includes(%q))`, text))
}

func (p *person) avatars(want ...string) {
	p.t.Helper()
	ids, _ := json.Marshal(want)
	p.until(fmt.Sprintf("avatars %v", want),
		fmt.Sprintf(`JSON.stringify([...document.querySelectorAll('[data-testid=avatar]')].map(e => e.dataset.userId).sort()) === JSON.stringify(%s.sort())`, ids))
}

// noProblems fails the test if the page wrote an error to the console.
func (p *person) noProblems() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.problems) > 0 {
		p.t.Errorf("%s's console:\n%s", p.name, strings.Join(p.problems, "\n"))
	}
}

// close closes the tab.
func (p *person) close() { p.cancel() }

// prefers makes the page believe that the person prefers this colour scheme.
func (p *person) prefers(scheme string) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// shot saves a screenshot below BOARD_SHOTS, if that is set.
func (p *person) shot(name string) {
	p.t.Helper()
	dir := os.Getenv("BOARD_SHOTS")
	if dir == "" {
		return
	}
	p.save(filepath.Join(dir, name+".png"))
}

func (p *person) save(path string) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	b, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = os.WriteFile(path, b, 0o644)
	}
	if err != nil {
		p.t.Logf("%s: no screenshot: %v", p.name, err)
	}
}

// postMortem leaves what is needed to understand a failure.
func (p *person) postMortem() {
	dir := os.Getenv("BOARD_SHOTS")
	if dir == "" {
		dir = os.TempDir()
	}
	if p.ctx.Err() != nil {
		p.t.Logf("%s had left", p.name)
		return
	}
	path := filepath.Join(dir, "failed-"+strings.ReplaceAll(p.t.Name(), "/", "-")+"-"+p.name+".png")
	p.save(path)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.t.Logf("%s: screenshot %s\n  state %s\n  console %s", p.name, path, p.dump(), strings.Join(p.problems, "\n  "))
}
