package e2e

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEverythingThatThePageNamesIsServed(t *testing.T) {
	h := newHouse(t)
	a := h.person("Ada")
	if got := h.status("/healthz"); got != 200 {
		t.Errorf("/healthz: %d", got)
	}
	html := eval[string](a, "document.documentElement.outerHTML")
	urls := regexp.MustCompile(`/_next/[^"'\\ ]+`).FindAllString(html, -1)
	if len(urls) < 5 {
		t.Fatalf("only %d assets found in the page", len(urls))
	}
	for _, u := range urls {
		if got := h.status(u); got != 200 {
			t.Errorf("%s: %d", u, got)
		}
	}
	a.until("the empty board's welcome", "document.querySelector('[data-testid=empty-state]')")
	a.noProblems()
}

func TestTwoPeopleSeeEachOthersNotes(t *testing.T) {
	h := newHouse(t)
	a, b := h.person("Ada"), h.person("Bo")
	a.avatars(a.state().User.ID, b.state().User.ID)
	b.avatars(a.state().User.ID, b.state().User.ID)

	id := a.create("Ship it")
	b.sees(id, "Ship it")
	b.seesToast("Ada")

	a.edit(id, "Ship it today")
	b.sees(id, "Ship it today")

	before := b.state().View[0]
	a.drag(id, 220, 90)
	b.until("the note at its new place", fmt.Sprintf("Math.abs(window.__board.debug().confirmed[0].x - %g) < 3 && Math.abs(window.__board.debug().confirmed[0].y - %g) < 3", before.X+220, before.Y+90))

	color := "sky"
	if before.Color == color {
		color = "rose"
	}
	a.choose(id)
	a.click("[data-testid=color-" + color + "]")
	b.until("the new colour", fmt.Sprintf("window.__board.debug().confirmed[0].color === %q", color))

	// B answers on the same note, so that both directions are seen.
	b.edit(id, "Shipped")
	a.sees(id, "Shipped")
	a.settled()
	b.settled()
	sameBoard(t, a, b)

	a.choose(id)
	a.click("[data-testid=delete-note]")
	a.seesNot(id)
	b.seesNot(id)
	a.settled()
	sameBoard(t, a, b)
	a.noProblems()
	b.noProblems()
}

func TestReloadShowsTheSameBoard(t *testing.T) {
	h := newHouse(t)
	a := h.person("Ada")
	id := a.create("Still here")
	a.settled()
	before := a.state()
	a.do(reload)
	a.waitLink("live")
	a.sees(id, "Still here")
	if diff := cmp.Diff(before.Confirmed, a.state().Confirmed); diff != "" {
		t.Errorf("the board after a reload (-before +after):\n%s", diff)
	}
	a.noProblems()
}

func TestCutConnectionsComeBackAndAnOfflineEditArrivesOnce(t *testing.T) {
	h := newHouse(t)
	a, b := h.person("Ada"), h.person("Bo")
	w := h.witness()
	id := a.create("Before the cut")
	b.sees(id, "Before the cut")
	a.settled()

	h.proxy.Cut()
	a.until("the chip to say so", "document.querySelector('[data-testid=chip]').textContent.includes('Offline')")
	b.until("the chip to say so", "document.querySelector('[data-testid=chip]').textContent.includes('Offline')")

	a.edit(id, "Made while cut off")
	second := a.create("A new one, too")
	a.until("the unsent to be counted", "/[1-9]\\d* unsent/.test(document.querySelector('[data-testid=chip]').textContent)")
	if n := len(b.state().Confirmed); n != 1 {
		t.Fatalf("B sees %d notes through a cut cable", n)
	}
	a.shot("offline")

	h.proxy.Heal()
	a.settled() // by itself: nothing is clicked
	b.settled()
	b.sees(id, "Made while cut off")
	b.sees(second, "A new one, too")
	sameBoard(t, a, b)
	if n := len(b.state().Confirmed); n != 2 {
		t.Errorf("%d notes, want 2: %s", n, b.dump())
	}
	w.eachOnce(id, "create", "set", "set")
	w.eachOnce(second, "create", "set")
}

func TestRestartedProgramResetsTheBoard(t *testing.T) {
	h := newHouse(t)
	a, b := h.person("Ada"), h.person("Bo")
	id := a.create("From the old world")
	b.sees(id, "From the old world")
	a.settled()

	h.restart()
	for _, p := range []*person{a, b} {
		p.waitLink("live")
		p.seesToast("reset")
		p.seesNot(id)
	}
	// And on they go, in both directions.
	second := a.create("In the new world")
	b.sees(second, "In the new world")
	third := b.create("Me too")
	a.sees(third, "Me too")
	a.settled()
	b.settled()
	sameBoard(t, a, b)
	b.avatars(a.state().User.ID, b.state().User.ID)
}

func TestEditMadeWhileTheProgramIsDownSurvivesItsRestart(t *testing.T) {
	h := newHouse(t)
	a, b := h.person("Ada"), h.person("Bo")
	h.proxy.Cut()
	a.until("offline", "document.querySelector('[data-testid=chip]').textContent.includes('Offline')")
	id := a.create("Typed in the dark")
	h.restart()
	h.proxy.Heal()
	a.settled()
	b.sees(id, "Typed in the dark")
	if n := len(b.state().Confirmed); n != 1 {
		t.Errorf("%d notes, want 1: %s", n, b.dump())
	}
}

func TestClosingATabRemovesItsAvatar(t *testing.T) {
	h := newHouse(t)
	a, b := h.person("Ada"), h.person("Bo")
	b.avatars(a.state().User.ID, b.state().User.ID)
	a.close()
	b.avatars(b.state().User.ID)
	b.noProblems()
}

// sameBoard checks that both pages hold the same notes, in the store and on the screen.
func sameBoard(t *testing.T, a, b *person) {
	t.Helper()
	a.until("the other's position", fmt.Sprintf("window.__board.debug().pos === %q", b.state().Pos))
	sa, sb := a.state(), b.state()
	if diff := cmp.Diff(sa.Confirmed, sb.Confirmed); diff != "" {
		t.Errorf("two pages at one position differ (-%s +%s):\n%s", a.name, b.name, diff)
	}
	for _, p := range []*person{a, b} {
		s := p.state()
		if diff := cmp.Diff(s.Confirmed, s.View); diff != "" {
			t.Errorf("%s shows something else than what is confirmed (-confirmed +view):\n%s", p.name, diff)
		}
		if got := eval[int](p, "document.querySelectorAll('[data-testid=note]').length"); got != len(s.View) {
			t.Errorf("%s: %d notes in the document, %d in the store", p.name, got, len(s.View))
		}
	}
}
