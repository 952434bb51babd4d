package e2e

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func (p *person) press(keys ...string) {
	p.t.Helper()
	for _, k := range keys {
		p.do(chromedp.KeyEvent(k))
	}
}

// strike is one key as a keyboard sends it: the text belongs to the key, and is
// not typed where the page takes the key for something else.
func (p *person) strike(key, code, text string, virtual int64) {
	p.t.Helper()
	for _, e := range []input.DispatchKeyEventParams{
		{Type: kb.KeyDown, Key: key, Code: code, Text: text, WindowsVirtualKeyCode: virtual},
		{Type: kb.KeyUp, Key: key, Code: code, WindowsVirtualKeyCode: virtual},
	} {
		if _, err := chromedp.Call(p.ctx, input.DispatchKeyEvent, e); err != nil {
			p.t.Fatal(err)
		}
	}
}

// focusSeen waits until the focus is on an element and is drawn.
func (p *person) focusSeen(sel string) {
	p.t.Helper()
	p.until("a focus that is seen on "+sel, fmt.Sprintf(
		`document.activeElement.matches(%q) && (s => s.outlineStyle === 'solid' && parseFloat(s.outlineWidth) >= 2)(getComputedStyle(document.activeElement))`, sel))
}

// Everything that is done to notes is done without a pointer, and told to those
// who do not see the page.
func TestNotesByKeyboardAlone(t *testing.T) {
	h := newHouse(t)
	a, b := h.person("Ada"), h.person("Bo")

	a.strike("n", "KeyN", "n", 'N')
	a.until("its text field", "document.activeElement.tagName === 'TEXTAREA'")
	a.press("Typed, not clicked", kb.Escape)
	id := a.state().View[0].ID
	b.sees(id, "Typed, not clicked")
	a.focusSeen(byID(id))
	if got := eval[string](a, fmt.Sprintf("document.querySelector(%q).getAttribute('aria-label')", byID(id))); got != "Note by you: Typed, not clicked" {
		t.Errorf("the note is called %q", got)
	}
	if got := eval[string](a, fmt.Sprintf("document.getElementById(document.querySelector(%q).getAttribute('aria-describedby')).textContent", byID(id))); got != "Enter to edit, arrow keys to move, Delete to delete" {
		t.Errorf("its keys are %q", got)
	}

	a.settled()
	before := a.state().Confirmed[0]
	a.press(kb.ArrowRight, kb.ArrowRight, kb.ArrowDown)
	b.until("the note at its new place", fmt.Sprintf(
		"(n => n.x === %g && n.y === %g)(window.__board.debug().confirmed[0])", before.X+16, before.Y+8))

	a.strike("Enter", "Enter", "\r", '\r')
	a.until("its text field", "document.activeElement.tagName === 'TEXTAREA'")
	a.press(" at all", kb.Escape)
	b.sees(id, "Typed, not clicked at all")
	a.focusSeen(byID(id))

	a.press(kb.Delete)
	b.seesNot(id)
	a.focusSeen("[data-testid=add-note]")
	a.until("the toast in a live region that is a box of its own", `(log => log && log.getAttribute('aria-live') === 'polite' &&
		getComputedStyle(log).display !== 'contents')(document.querySelector('[data-testid=toast]')?.closest('[role=log]'))`)

	// From there Tab goes on to what the toast offers.
	for range 20 {
		if eval[string](a, "document.activeElement.textContent") == "Undo" {
			break
		}
		a.press(kb.Tab)
	}
	a.focusSeen(".toast-actions > button")
	a.strike("Enter", "Enter", "\r", '\r')
	b.sees(id, "Typed, not clicked at all")
	a.settled()
	sameBoard(t, a, b)
	a.noProblems()
	b.noProblems()
}

// A window that is turned or made smaller keeps in sight what one was at.
func TestASmallerWindowKeepsTheSelectedNoteInSight(t *testing.T) {
	h := newHouse(t)
	a := h.person("Ada")
	id := a.create("Far to the right")
	a.drag(id, 400, -120)
	a.choose(id)
	whole := fmt.Sprintf(`(r => r.left >= 0 && r.right <= innerWidth && r.top >= 48 && r.bottom <= innerHeight)(document.querySelector(%q).getBoundingClientRect())`, byID(id))
	a.do(chromedp.EmulateViewport(360, 640))
	a.until("the selected note in sight", whole)
	a.press(kb.Escape) // and when nothing is selected at least one note is
	a.do(chromedp.EmulateViewport(1280, 800))
	a.do(chromedp.EmulateViewport(360, 640))
	a.until("a note in sight", whole)
	a.shot("small-selected")
	a.noProblems()
}
