package interop

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidewire/tidewire/ws"
)

// direction says who connects to whom.
type direction struct {
	name string
	// form is that of our server; nil where the peer is the server.
	form *form
}

func directions() []direction {
	d := []direction{{"server", nil}}
	for _, f := range forms {
		d = append(d, direction{"client-" + f.name, f})
	}
	return d
}

// encounter is one case with one peer in one direction.
type encounter struct {
	t    *testing.T
	ctx  context.Context
	peer peer
	dir  direction
	tap  *tap // nil unless the settings, or the environment, ask for it
}

// settings are what a case asks of both sides.
type settings struct {
	ourProtocols, theirProtocols []string
	ourLimit, theirLimit         int64 // 0: 16 MiB
	// foreign gives the client the origin of another site, and listed makes the server allow it.
	foreign, listed bool
	expendable      bool
	tap             bool
}

const mib = 1 << 20

// connect makes a connection. Of the errors, at most one side's is set by a side that knows why.
func (e *encounter) connect(s settings) (u *us, th them, ourErr, theirErr error) {
	e.t.Helper()
	if s.ourLimit == 0 {
		s.ourLimit = 16 * mib
	}
	if s.theirLimit == 0 {
		s.theirLimit = 16 * mib
	}
	tm := terms{protocols: s.theirProtocols, limit: s.theirLimit, expendable: s.expendable}
	if e.dir.form == nil {
		return e.connectToThem(s, tm)
	}
	if s.foreign {
		tm.origin = e.peer.about().foreign
	}
	opts := &ws.AcceptOptions{Subprotocols: s.ourProtocols, MessageLimit: s.ourLimit}
	if s.listed {
		opts.Origins = []string{tm.origin}
	}
	srv := newServer(e.t, e.ctx, e.dir.form, opts)
	th, theirErr = e.peer.dial(e.ctx, e.tapped(s, "ws"+strings.TrimPrefix(srv.http.URL, "http"))+"/ws", tm)
	if theirErr == nil {
		e.t.Cleanup(th.forget)
	}
	if r, ok := errors.AsType[*refusal](theirErr); ok {
		return nil, nil, nil, r
	}
	if theirErr != nil && !e.peer.about().insists {
		return nil, nil, nil, theirErr
	}
	if theirErr != nil {
		// A browser tells a page nothing of a refusal. When there was one, nobody has been accepted, and the answer
		// has gone out before the page knew.
		select {
		case u = <-srv.accepted:
		default:
			return nil, nil, nil, theirErr
		}
	} else {
		select {
		case u = <-srv.accepted:
		case <-e.ctx.Done():
			e.t.Fatal("their client is connected, but our server has accepted nobody")
		}
	}
	e.letGo(u)
	return u, th, nil, theirErr
}

func (e *encounter) connectToThem(s settings, tm terms) (u *us, th them, ourErr, theirErr error) {
	e.t.Helper()
	opts := &ws.DialOptions{Subprotocols: s.ourProtocols, MessageLimit: s.ourLimit, Header: http.Header{}}
	if s.foreign {
		opts.Header.Set("Origin", e.peer.about().foreign)
	}
	if s.listed {
		tm.origins = []string{e.peer.about().foreign}
	}
	l, err := e.peer.listen(e.ctx, tm)
	if err != nil {
		e.t.Fatalf("their server does not start: %v", err)
	}
	e.t.Cleanup(l.close)
	c, err := ws.Dial(e.ctx, e.tapped(s, l.url()), opts)
	if err != nil {
		return nil, nil, err, nil
	}
	u = newUs(c)
	go u.follow(e.ctx) // ends with the connection, which letGo waits for
	e.letGo(u)
	if th, err = l.accept(e.ctx); err != nil {
		e.t.Fatalf("our client is connected, but their server has accepted nobody: %v", err)
	}
	e.t.Cleanup(th.forget)
	return u, th, nil, nil
}

// letGo ends our connection with the test, if the case has not, and waits for its end.
func (e *encounter) letGo(u *us) {
	e.t.Cleanup(func() {
		_ = u.CloseNow()
		if _, err := u.inbox.wait(e.ctx); err != nil {
			e.t.Error("our connection does not end:", err)
		}
	})
}

// tapped returns the URL to connect to: the server's own, or that of a relay to it.
func (e *encounter) tapped(s settings, url string) string {
	if !s.tap && os.Getenv("TIDEWIRE_INTEROP_TAP") == "" {
		return url
	}
	host, path, _ := strings.Cut(strings.TrimPrefix(url, "ws://"), "/")
	e.tap = newTap(e.t, host)
	url = "ws://" + e.tap.ln.Addr().String()
	if path != "" {
		url += "/" + path
	}
	return url
}

// meet is connect where both must succeed.
func (e *encounter) meet(s settings) (*us, them) {
	e.t.Helper()
	u, th, ourErr, theirErr := e.connect(s)
	if ourErr != nil || theirErr != nil {
		e.t.Fatalf("no connection: ours %v, theirs %v", ourErr, theirErr)
	}
	return u, th
}

// must fails the test when one side can't do what the case wants.
func (e *encounter) must(what string, err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatalf("%s: %v", what, err)
	}
}

// toUs lets the peer send m and wants it here as it was sent.
func (e *encounter) toUs(u *us, th them, m message) {
	e.t.Helper()
	if err := th.send(e.ctx, m); err != nil {
		e.t.Fatalf("they send: %v; we: %v", err, u.inbox.state())
	}
	got, err := u.inbox.receive(e.ctx)
	e.must("we receive", err)
	if diff := cmp.Diff(m.digest(), got); diff != "" {
		e.t.Fatalf("received by us (-want +got):\n%s", diff)
	}
}

// toThem sends m and wants it there.
func (e *encounter) toThem(u *us, th them, m message) {
	e.t.Helper()
	e.must("we send", u.send(e.ctx, m))
	got, err := th.receive(e.ctx)
	e.must("they receive", err)
	if diff := cmp.Diff(m.digest(), got); diff != "" {
		e.t.Fatalf("received by them (-want +got):\n%s", diff)
	}
}

// bothWays sends m in both directions.
func (e *encounter) bothWays(u *us, th them, m message) {
	e.t.Helper()
	e.toUs(u, th, m)
	e.toThem(u, th, m)
}

// ourEnd waits for the error that our connection ended with.
func (e *encounter) ourEnd(u *us) error {
	e.t.Helper()
	err, timeout := u.inbox.wait(e.ctx)
	e.must("our end", timeout)
	return err
}

// closedByThem wants the peer's code and reason on our side.
func (e *encounter) closedByThem(u *us, code ws.CloseCode, reason string) {
	e.t.Helper()
	err := e.ourEnd(u)
	ce, ok := errors.AsType[*ws.CloseError](err)
	if !ok {
		e.t.Fatalf("our connection ended with %T %v, want a *ws.CloseError", err, err)
	}
	if ce.Code != code || ce.Reason != reason || ce.Local {
		e.t.Fatalf("our connection ended with %+v, want code %d, reason %q, not local", ce, code, reason)
	}
}

// theirEnding wants this ending on their side.
func (e *encounter) theirEnding(th them, want ending) {
	e.t.Helper()
	got, err := th.end(e.ctx)
	e.must("their end", err)
	if diff := cmp.Diff(want, got); diff != "" {
		e.t.Fatalf("their end (-want +got):\n%s", diff)
	}
}

// frames returns the frames that each side has sent, from a case with a tap.
func (e *encounter) frames() (ours, theirs []frame) {
	fromClient, fromServer := e.tap.frames()
	if e.dir.form == nil {
		return fromClient, fromServer
	}
	return fromServer, fromClient
}
