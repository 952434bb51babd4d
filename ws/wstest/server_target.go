package wstest

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// serverTarget is a server under test.
type serverTarget struct {
	opts ServerOptions
	tls  *tls.Config // nil: none
	addr string      // host:port
	host string      // for the Host field
	path string
}

func newServerTarget(rawURL string, o ServerOptions) (*serverTarget, error) {
	if !strings.Contains(rawURL, "://") {
		rawURL = "ws://" + rawURL
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("wstest: %w", err)
	}
	t := &serverTarget{opts: o, host: u.Host, path: u.RequestURI()}
	port := "80"
	switch u.Scheme {
	case "ws", "http":
	case "wss", "https":
		port = "443"
		t.tls = o.TLS.Clone()
		if t.tls == nil {
			t.tls = &tls.Config{}
		}
		if t.tls.ServerName == "" {
			t.tls.ServerName = u.Hostname()
		}
		t.tls.NextProtos = []string{"http/1.1"} // there is no Upgrade in HTTP/2
	default:
		return nil, fmt.Errorf("wstest: the scheme of %s is neither ws nor wss", rawURL)
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("wstest: there is no host in %s", rawURL)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	t.addr = net.JoinHostPort(u.Hostname(), port)
	if t.opts.Dial == nil {
		t.opts.Dial = new(net.Dialer).DialContext
	}
	return t, nil
}

func (t *serverTarget) dial(ctx context.Context) (net.Conn, error) {
	nc, err := t.opts.Dial(ctx, "tcp", t.addr)
	if err != nil || t.tls == nil {
		return nc, err
	}
	tc := tls.Client(nc, t.tls)
	if err := tc.HandshakeContext(ctx); err != nil {
		_ = nc.Close() // err says more
		return nil, err
	}
	return tc, nil
}

// connect makes a connection on which nothing has been said yet.
func (x *exam) connect() *link {
	if x.failed() {
		return x.nowhere()
	}
	ctx, cancel := context.WithTimeout(x.ctx, x.patience)
	defer cancel()
	nc, err := x.server.dial(ctx)
	if err != nil {
		x.fail("a connection", "%v", err)
		return x.nowhere()
	}
	return x.newLink(nc)
}

// newKey is a good Sec-WebSocket-Key. It need not be secret here.
func newKey() string {
	var nonce [16]byte
	for i := range nonce {
		nonce[i] = byte(rand.Uint32())
	}
	return base64.StdEncoding.EncodeToString(nonce[:])
}

// upgrade is a good handshake request (RFC 6455, section 4.1).
func (x *exam) upgrade() *head {
	h := &head{start: "GET " + x.server.path + " HTTP/1.1"}
	h.set("Host", x.server.host)
	h.set("Upgrade", "websocket")
	h.set("Connection", "Upgrade")
	h.set("Sec-WebSocket-Key", newKey())
	h.set("Sec-WebSocket-Version", "13")
	h.add(x.server.opts.Header)
	return h
}

// start is a good request with another request line.
func (x *exam) start(method, version string) *head {
	h := x.upgrade()
	h.start = method + " " + x.server.path + " " + version
	return h
}

// ask sends a request, with what follows it in the same piece, and returns the head of the response.
func (l *link) ask(req *head, follows []byte, more ...string) *head {
	if l.dead() {
		return &head{}
	}
	l.x.sent.add("%s", describeHead(req))
	for _, m := range more {
		l.x.sent.add("%s", m)
	}
	l.write(append(req.append(nil), follows...))
	return l.response()
}

// response reads the head of a response, passing over interim ones.
func (l *link) response() *head {
	for interim := 0; !l.dead(); interim++ {
		_ = l.nc.SetReadDeadline(time.Now().Add(l.x.patience))
		h, err := readHead(l.br)
		if err != nil {
			l.x.fail("an HTTP response", "%s", l.describe(err))
			break
		}
		l.x.got.add("%s", h.start)
		status := h.status()
		if status == 0 || interim == 100 {
			l.x.fail("an HTTP response", "%q", h.start)
			break
		}
		if status >= 200 || status == 101 {
			return h
		}
	}
	return &head{}
}

// describeHead is a request for the transcript: its first line, and the fields that matter here.
func describeHead(h *head) string {
	var b strings.Builder
	b.WriteString(h.start)
	for i, f := range h.fields {
		if i == 20 {
			fmt.Fprintf(&b, " | and %d more fields", len(h.fields)-i)
			break
		}
		value := f.value
		if len(value) > 60 {
			value = fmt.Sprintf("%s... (%d bytes)", value[:60], len(value))
		}
		fmt.Fprintf(&b, " | %s: %s", f.name, value)
	}
	return b.String()
}

// accepted asks on a connection of its own, and wants a 101.
func (x *exam) accepted(req *head) (*link, *head) {
	l := x.connect()
	resp := l.ask(req, nil)
	if status := resp.status(); status != 101 {
		x.fail("a response with status 101", "%q", resp.start)
	}
	return l, resp
}

// refused asks on a connection of its own, and wants one of the statuses, or any 4xx if there are none.
func (x *exam) refused(req *head, statuses ...int) *head {
	resp := x.connect().ask(req, nil)
	x.wantStatus(resp, statuses...)
	return resp
}

// wantStatus wants one of the statuses, or any 4xx if there are none.
func (x *exam) wantStatus(resp *head, statuses ...int) {
	status := resp.status()
	switch {
	case x.failed(), slices.Contains(statuses, status):
	case len(statuses) > 0:
		x.fail("a response with a status of "+either(statuses), "%q", resp.start)
	case status < 400, status > 499:
		x.fail("a response with a status of 4xx", "%q", resp.start)
	}
}

func (x *exam) openServer() *link {
	l, _ := x.accepted(x.upgrade())
	return l
}
