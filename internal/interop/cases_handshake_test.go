package interop

import (
	"errors"
	"net/http"
	"strings"

	"github.com/tidewire/tidewire/ws"
)

func testSubprotocol(e *encounter) {
	server, client := []string{"v3.tide", "v2.tide"}, []string{"v1.tide", "v2.tide"}
	s := settings{ourProtocols: server, theirProtocols: client}
	if e.dir.form == nil {
		s.ourProtocols, s.theirProtocols = client, server
	}
	u, th := e.meet(s)
	if u.Subprotocol() != "v2.tide" || th.protocol() != "v2.tide" {
		e.t.Fatalf("subprotocols: ours %q, theirs %q, want v2.tide", u.Subprotocol(), th.protocol())
	}
	e.bothWays(u, th, textOf("hello", 1))
}

func testSubprotocolNone(e *encounter) {
	u, th, ourErr, theirErr := e.connect(settings{ourProtocols: []string{"ours.tide"}, theirProtocols: []string{"theirs.tide"}})
	if e.dir.form != nil && e.peer.about().insists {
		if theirErr == nil {
			e.t.Fatalf("their client accepts that no subprotocol was chosen; we said %q", u.Subprotocol())
		}
		if u != nil { // we have accepted; they have left
			e.closedByThem(u, ws.CloseAbnormal, "")
		}
		return
	}
	if ourErr != nil || theirErr != nil {
		e.t.Fatalf("no connection: ours %v, theirs %v", ourErr, theirErr)
	}
	if u.Subprotocol() != "" || th.protocol() != "" {
		e.t.Fatalf("subprotocols: ours %q, theirs %q, want none", u.Subprotocol(), th.protocol())
	}
	e.bothWays(u, th, textOf("hello", 1))
}

func testOriginForeign(e *encounter) {
	u, _, ourErr, theirErr := e.connect(settings{foreign: true})
	if e.dir.form == nil {
		he, ok := errors.AsType[*ws.HandshakeError](ourErr)
		if !ok || he.StatusCode != http.StatusForbidden {
			e.t.Fatalf("dialling with a foreign origin: %T %v, want a *ws.HandshakeError with 403", ourErr, ourErr)
		}
		return
	}
	if u != nil || theirErr == nil {
		e.t.Fatal("a foreign origin was let in")
	}
	if r, ok := errors.AsType[*refusal](theirErr); ok {
		if r.status != http.StatusForbidden {
			e.t.Errorf("status %d, want 403", r.status)
		}
	} else if !strings.Contains(theirErr.Error(), "1006") { // all that a page is told
		e.t.Errorf("their error: %v", theirErr)
	}
}

func testOriginListed(e *encounter) {
	u, th := e.meet(settings{foreign: true, listed: true})
	e.bothWays(u, th, textOf("hello", 1))
}
