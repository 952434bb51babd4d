package wstest_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/ws/wstest"
)

// brokenServers are the faults that a twin can have as a server, each with the one case that must fail it.
var brokenServers = map[string]string{
	"accept-wrong": "handshake/reply", "length-on-101": "handshake/reply-framing", "drops-cookie": "handshake/reply-header",
	"http-1.0": "handshake/http-1.0", "any-method": "handshake/method",
	"connection-exact": "handshake/connection-tokens", "connection-substring": "handshake/connection-substring",
	"upgrade-exact": "handshake/upgrade-tokens", "upgrade-substring": "handshake/upgrade-substring",
	"body-is-frames": "handshake/body", "drops-pipelined": "handshake/pipelined", "refusal-too-long": "handshake/refusal",
	"extension-echoed": "handshake/extension",
	"key-missing":      "handshake/key-missing", "key-twice": "handshake/key-twice", "key-not-base64": "handshake/key-base64",
	"key-length": "handshake/key-length", "key-trailing-bits": "handshake/key-trailing-bits",
	"version-missing": "handshake/version-missing", "version-any": "handshake/version-other",
	"origin-exact": "handshake/origin-same", "origin-prefix": "handshake/origin-host", "origin-null": "handshake/origin-null",
	"origin-any-port": "handshake/origin-port", "origin-any-scheme": "handshake/origin-scheme",
	"origin-v6-cut": "handshake/origin-ipv6", "origin-first": "handshake/origin-twice",
	"subprotocol-empty": "handshake/subprotocol-none", "subprotocol-theirs": "handshake/subprotocol-order",
	"subprotocol-one-line": "handshake/subprotocol-list", "subprotocol-any-case": "handshake/subprotocol-case",
	"proto-is-known": "handshake/odd-names", "endless-header": "handshake/endless",
	"ignores-mask": "frames/unmasked", "waits-for-client": "close/server-ends",
}

var brokenClients = map[string]string{
	"version-wrong": "dial/request", "key-constant": "dial/key-fresh", "connection-exact": "dial/reply-tokens",
	"drops-glued": "dial/glued", "interim-counts": "dial/interim", "offers-backwards": "dial/subprotocol",
	"any-status": "dial/status", "garbage-is-fine": "dial/garbage", "any-upgrade": "dial/upgrade",
	"any-connection": "dial/connection", "any-accept": "dial/accept", "any-subprotocol": "dial/subprotocol-unoffered",
	"many-subprotocols": "dial/subprotocol-two", "any-extension": "dial/extension-unoffered",
	"endless-header": "dial/endless-header", "endless-body": "dial/endless-body", "waits-for-answer": "dial/stalled",
	"redirects-to-http-only": "dial/redirect", "redirects-without-end": "dial/redirect-loop",
	"keeps-authorization": "dial/redirect-authorization", "certificate-unread": "dial/tls", "any-certificate": "dial/tls-name",
	"downgrades": "dial/redirect-downgrade", "ignores-mask": "frames/masked", "mask-key-reused": "frames/mask-keys",
	"client-ends-first": "close/client-waits",
}

// brokenBoth are faults that servers and clients can have.
var brokenBoth = map[string]string{
	"spoils-a-size": "frames/echo", "drops-of-a-burst": "frames/glued", "length-cut": "frames/cut", "ignores-rsv": "frames/rsv",
	"ignores-opcode": "frames/reserved-opcode", "own-length-long": "frames/own-frames", "masks-wrongly": "frames/own-mask",
	"length-not-minimal": "frames/length-minimal", "top-bit-cleared": "frames/length-top-bit",
	"long-fragment-cut": "frames/fragments", "drops-empty": "frames/empty", "continuation-begins": "frames/continuation-alone",
	"message-in-message": "frames/message-in-message",
	"limit-too-small":    "frames/limit-exact", "limit-late": "frames/limit-declared", "limit-overflows": "frames/limit-declared",
	"limit-per-frame": "frames/limit-sum", "no-frame-limit": "frames/limit-frames", "flood-hangs": "frames/fragment-flood",
	"pings-limited": "frames/ping-flood",
	"pong-empty":    "frames/ping", "pong-zeros": "frames/ping", "pong-stale": "frames/stale-bytes", "pong-late": "frames/ping-in-message",
	"pong-must-be-asked-for": "frames/pong-unasked", "fragmented-control": "frames/control-fragmented", "long-control": "frames/control-long",
	"noncharacters-refused": "text/valid", "utf8-per-frame": "text/cut", "binary-is-text": "text/binary",
	"utf8-lead-then-ascii": "text/stray-bytes", "utf8-overlong": "text/overlong", "utf8-surrogates": "text/surrogates",
	"utf8-too-large": "text/too-large", "utf8-unfinished": "text/unfinished", "utf8-at-end": "text/early",
	"close-echo-wrong": "close/echo-code", "close-1005": "close/no-code", "close-legal-code-refused": "close/legal-codes",
	"close-illegal-code": "close/illegal-codes", "close-one-byte": "close/one-byte", "close-reason-short": "close/reason-length",
	"close-reason-any": "close/reason-text", "close-flushes": "close/in-message", "bad-close-reason": "close/own-frame",
	"pong-after-close": "close/ping-after", "data-after-close": "close/data-after", "close-twice": "close/once",
	"answers-after-failure": "close/after-failure", "no-drain": "close/drain", "eof-hangs": "close/eof",
	"waits-for-ever": "close/no-answer", "no-frame-deadline": "frames/stalled",
}

// brokenSlow are faults of servers that only take their time, which fake time can't show.
var brokenSlow = map[string]string{
	"slow-fields": "handshake/linear-fields", "slow-spaces": "handshake/linear-spaces",
	"slow-commas": "handshake/linear-commas", "slow-quotes": "handshake/linear-quotes",
}

// twinPeer is what twins are set up with. Floods are smaller than by default, but more than a twin takes.
var twinPeer = wstest.Peer{MessageLimit: twinMessages, FrameLimit: twinFrames, Stalls: true, Patience: time.Minute, Flood: 15_000}

// runTwinServer runs the suite against a twin on fake time.
func runTwinServer(t *testing.T, fault string, only ...string) (results []wstest.Result) {
	t.Helper()
	peer := twinPeer
	peer.Only = only
	synctest.Test(t, func(t *testing.T) {
		ln := testnet.Listen()
		s := startTwin(ln, fault)
		defer s.stop()
		var err error
		results, err = wstest.RunServer(t.Context(), "ws://twin.test/echo", &wstest.ServerOptions{
			Peer: peer, Dial: ln.DialContext, Subprotocols: twinSubprotocols, ReplyHeader: http.Header{"Set-Cookie": {"twin=1"}},
		})
		if err != nil {
			t.Error(err)
		}
	})
	return results
}

// runTwinClient runs the suite against a twin on fake time.
func runTwinClient(t *testing.T, fault string, only ...string) (results []wstest.Result) {
	t.Helper()
	peer := twinPeer
	peer.Only = only
	cert, roots := certificate()
	synctest.Test(t, func(t *testing.T) {
		ln := testnet.Listen()
		c := &twinClient{fault: fault, dial: ln.DialContext, roots: roots}
		var err error
		results, err = wstest.RunClient(t.Context(), c.echo, &wstest.ClientOptions{
			Peer: peer, Listener: ln, Subprotocols: twinSubprotocols, Redirects: true, Authorization: true, Certificate: cert,
		})
		if err != nil {
			t.Error(err)
		}
	})
	return results
}

// certificate is one for 127.0.0.1 and not for localhost, and who trusts it.
func certificate() (*tls.Certificate, *x509.CertPool) {
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS()
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	return &srv.TLS.Certificates[0], roots
}

// judge wants exactly one case to fail, or none.
func judge(t *testing.T, results []wstest.Result, want string) {
	t.Helper()
	if len(results) == 0 {
		t.Fatal("no case was run")
	}
	found := want == ""
	for _, r := range results {
		switch {
		case r.Outcome == wstest.Fail && r.Case.ID == want:
			found = true
			if r.Want == "" || r.Instead == "" {
				t.Errorf("the report does not say what was wanted and what came instead: %+v", r)
			}
		case r.Outcome == wstest.Fail:
			t.Errorf("another case failed: %v", r)
		case r.Outcome == wstest.Skip && r.Instead == "not among Only" && raceEnabled:
		case r.Outcome == wstest.Skip && (want == "" || r.Instead != want+" has failed"):
			t.Errorf("a case was skipped: %v", r)
		}
	}
	if !found {
		t.Errorf("%s did not fail", want)
	}
}

func TestStrictServerPassesEverything(t *testing.T) { judge(t, runTwinServer(t, ""), "") }

func TestStrictClientPassesEverything(t *testing.T) { judge(t, runTwinClient(t, ""), "") }

// stalling are the cases that wait for the peer's deadlines, which take real time over a real network.
var stalling = []string{"close/no-answer", "frames/stalled", "dial/stalled"}

func TestStrictServerPassesOverTCP(t *testing.T) {
	s := startTwin(listenTCP(t), "")
	defer s.stop()
	peer := wstest.Peer{MessageLimit: twinMessages, FrameLimit: twinFrames, Skip: stalling, Flood: flood()}
	wstest.Server(t, s.ln.Addr().String(), &wstest.ServerOptions{
		Peer: peer, Subprotocols: twinSubprotocols, ReplyHeader: http.Header{"Set-Cookie": {"twin=1"}},
	})
}

func TestStrictClientPassesOverTCP(t *testing.T) {
	cert, roots := certificate()
	c := &twinClient{dial: new(net.Dialer).DialContext, roots: roots}
	peer := wstest.Peer{MessageLimit: twinMessages, FrameLimit: twinFrames, Skip: stalling, Flood: flood()}
	wstest.Client(t, c.echo, &wstest.ClientOptions{
		Peer: peer, Subprotocols: twinSubprotocols, Redirects: true, Authorization: true, Certificate: cert,
	})
}

// flood is enough to fill the buffers of real connections.
func flood() int {
	if raceEnabled {
		return 300_000
	}
	return 0 // a million
}

func listenTCP(t *testing.T) net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// onlyThese are the cases that a broken twin is run against: all of them, but under the race detector its own.
func onlyThese(id string) []string {
	if raceEnabled {
		return []string{id}
	}
	return nil
}

func TestBrokenServersFailTheirCase(t *testing.T) {
	for _, faults := range []map[string]string{brokenServers, brokenBoth} {
		for fault, id := range faults {
			t.Run(fault, func(t *testing.T) {
				t.Parallel()
				judge(t, runTwinServer(t, fault, onlyThese(id)...), id)
			})
		}
	}
}

func TestBrokenClientsFailTheirCase(t *testing.T) {
	for _, faults := range []map[string]string{brokenClients, brokenBoth} {
		for fault, id := range faults {
			t.Run(fault, func(t *testing.T) {
				t.Parallel()
				judge(t, runTwinClient(t, fault, onlyThese(id)...), id)
			})
		}
	}
}

// A server that takes the square of the input is only found out on a clock that runs. What it is compared with is itself.
func TestSlowServersFailTheirCase(t *testing.T) {
	for fault, id := range brokenSlow {
		t.Run(fault, func(t *testing.T) {
			s := startTwin(listenTCP(t), fault)
			defer s.stop()
			peer := wstest.Peer{Only: []string{"handshake/*"}}
			results, err := wstest.RunServer(t.Context(), s.ln.Addr().String(), &wstest.ServerOptions{Peer: peer, Subprotocols: twinSubprotocols})
			if err != nil {
				t.Error(err)
			}
			found := false
			for _, r := range results {
				if r.Outcome == wstest.Fail {
					found = found || r.Case.ID == id
					if r.Case.ID != id {
						t.Errorf("another case failed: %v", r)
					}
				}
			}
			if !found {
				t.Errorf("%s did not fail", id)
			}
		})
	}
}

func TestEveryCaseHasItsBrokenTwin(t *testing.T) {
	caught := map[wstest.Side]map[string]bool{wstest.ServerSide: {}, wstest.ClientSide: {}}
	for _, b := range []struct {
		sides  wstest.Side
		faults map[string]string
	}{{wstest.ServerSide, brokenServers}, {wstest.ServerSide, brokenSlow}, {wstest.ClientSide, brokenClients}, {wstest.BothSides, brokenBoth}} {
		for _, id := range b.faults {
			for side, ids := range caught {
				ids[id] = ids[id] || b.sides&side != 0
			}
		}
	}
	for _, c := range wstest.Cases() {
		for side, ids := range caught {
			if c.Side&side != 0 && !ids[c.ID] {
				t.Errorf("no broken %v is there to fail %s", side, c.ID)
			}
		}
	}
}
