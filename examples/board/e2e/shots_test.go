package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"
)

var reload = chromedp.Reload()

// TestPicturesOfTheBoard walks through what a person sees and leaves a picture of each, for people to look at. What it
// asserts holds without pictures, too: nothing overflows sideways on a small screen, and no error reaches the console.
func TestPicturesOfTheBoard(t *testing.T) {
	h := newHouse(t)
	a, b := h.person("Ada"), h.person("Bo")
	a.shot("empty")
	first := a.create("Welcome to the board")
	a.drag(first, -260, -140)
	second := b.create("Release notes: who writes them?")
	b.drag(second, 180, -120)
	third := a.create("Buy milk, bread, and a new kettle for the kitchen")
	a.drag(third, 30, 120)
	a.settled()
	b.settled()
	b.seesToast("Ada")
	b.shot("two-people-notes-toast")
	a.choose(first)
	a.shot("selected")
	b.prefers("dark")
	b.shot("dark")
	b.prefers("light")
	b.do(chromedp.EmulateViewport(360, 640))
	b.until("a page as wide as the screen", "document.documentElement.scrollWidth <= 360")
	b.shot("small")
	a.noProblems()
	b.noProblems()
}
