package e2e

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/tidewire/tidewire/ws"
)

// A page whose place another connection took stays stopped, whatever the network
// and the window do, until its person asks for the board again.
func TestAReplacedPageStaysStoppedUntilAsked(t *testing.T) {
	h := newHouse(t)
	a := h.person("Ada")
	s := a.state()
	c, err := ws.Dial(t.Context(), "ws://"+h.addr+"/ws/main", &ws.DialOptions{Subprotocols: []string{"board.v1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	hello := fmt.Sprintf(`{"t":"hello","v":1,"client":%q,"user":{"id":%q,"name":"Ada","hue":1},"first":1}`, s.Client, s.User.ID)
	if err := c.Write(t.Context(), ws.Text, []byte(hello)); err != nil {
		t.Fatal(err)
	}
	a.waitLink("stopped")
	a.until("the chip to say so", "document.querySelector('[data-testid=chip]').textContent === 'Open in another tab · use here'")
	a.do(chromedp.Evaluate[chromedp.Void](`
		dispatchEvent(new Event('offline'));
		dispatchEvent(new Event('online'));
		document.dispatchEvent(new Event('visibilitychange'));
		dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}));
		dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}));
		navigator.locks.query().then(() => new Promise(r => setTimeout(r, 200))).then(() => { window.__later = true; })`))
	a.until("the events to have had their effects", "window.__later")
	if got := a.state().Link; got != "stopped" {
		t.Errorf("the page went on by itself: %s", got)
	}
	a.shot("stopped")
	a.click("[data-testid=chip] button")
	a.waitLink("live")
	a.create("Here again")
	a.settled()
}
