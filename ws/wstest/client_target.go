package wstest

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// clientTarget is a client under test, and the place where it is waited for.
type clientTarget struct {
	opts  ClientOptions
	echo  func(ctx context.Context, url string) error
	ln    net.Listener
	conns chan net.Conn // from the accept loop, which waits until each is taken
	quit  chan struct{}
	wg    sync.WaitGroup // the accept loop
	calls int
}

func newClientTarget(echo func(ctx context.Context, url string) error, o ClientOptions) (*clientTarget, error) {
	t := &clientTarget{opts: o, echo: echo, ln: o.Listener, conns: make(chan net.Conn), quit: make(chan struct{})}
	if t.ln == nil {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("wstest: %w", err)
		}
		t.ln = ln
	}
	t.wg.Go(t.accept)
	return t, nil
}

func (t *clientTarget) accept() {
	for {
		nc, err := t.ln.Accept()
		if err != nil {
			return // closed, or of no more use: the exam will miss its connection
		}
		select {
		case t.conns <- nc:
		case <-t.quit:
			_ = nc.Close() // nobody waits for it
		}
	}
}

func (t *clientTarget) close() {
	close(t.quit)
	_ = t.ln.Close() // a listener that was closed before is closed
	t.wg.Wait()
}

// call is one run of the client under test.
type call struct {
	path   string
	done   chan struct{} // closed when it has returned
	err    error         // then
	cancel context.CancelFunc
}

// finish waits until the client has returned, and takes its context away if it does not.
func (c *call) finish(patience time.Duration) bool {
	defer c.cancel()
	if c.returned(patience) {
		return true
	}
	c.cancel()
	return c.returned(patience)
}

func (c *call) returned(patience time.Duration) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.done:
		return true
	case <-timer.C:
		return false
	}
}

// summon runs the client under test with a URL of its own.
func (x *exam) summon(scheme, host string) {
	if x.failed() {
		return
	}
	t := x.client
	t.calls++
	ctx, cancel := context.WithCancel(x.ctx)
	c := &call{path: fmt.Sprint(pathPrefix, t.calls), done: make(chan struct{}), cancel: cancel}
	x.call = c
	go func() { // finish waits for it, unless it is stuck
		defer close(c.done)
		c.err = t.echo(ctx, scheme+"://"+host+c.path)
	}()
}

func (x *exam) host() string { return x.client.ln.Addr().String() }

// localhost is the same place by another name.
func (x *exam) localhost() string {
	_, port, err := net.SplitHostPort(x.host())
	if err != nil {
		return "localhost"
	}
	return net.JoinHostPort("localhost", port)
}

// arrival waits for the client's next connection and reads its request.
func (x *exam) arrival() *link {
	if l := x.arrivalOrEnd(); l != nil {
		return l
	}
	if !x.failed() {
		x.fail("a connection from the client", "it returned: %v", x.call.err)
	}
	return x.nowhere()
}

// arrivalOrEnd is arrival for a client that may as well return: then it is nil. A connection of an earlier call is
// turned away.
func (x *exam) arrivalOrEnd() *link {
	for !x.failed() {
		nc := x.knock()
		if nc == nil {
			return nil
		}
		l := x.newLink(nc)
		_ = nc.SetReadDeadline(time.Now().Add(x.patience))
		req, err := readHead(l.br)
		if err != nil {
			x.fail("a handshake request", "%s", l.describe(err))
			return nil
		}
		l.req = req
		x.got.add("%s", describeHead(req))
		switch path := requestPath(req); {
		case path == x.call.path:
			return l
		case !strings.HasPrefix(path, pathPrefix):
			x.fail("a request for "+x.call.path, "%q", req.start)
			return nil
		}
		l.write((&head{start: "HTTP/1.1 503 Service Unavailable", fields: []field{{"Connection", "close"}}}).append(nil))
	}
	return nil
}

// pathPrefix begins the path of each URL that a client is given.
const pathPrefix = "/wstest/"

// requestPath is the second word of a request line.
func requestPath(req *head) string {
	var method, target, version string
	if n, _ := fmt.Sscan(req.start, &method, &target, &version); n < 3 {
		return ""
	}
	return target
}

// knock waits for the client's next connection; nil when it returns instead, or none comes. It speaks TLS with a
// client that does.
func (x *exam) knock() net.Conn {
	const want = "a connection from the client"
	timer := time.NewTimer(x.patience)
	defer timer.Stop()
	select {
	case nc := <-x.client.conns:
		return x.maybeTLS(nc)
	case <-x.call.done:
	case <-timer.C:
		x.fail(want, "%s for %v", endNothing, x.patience)
	case <-x.ctx.Done():
		x.fail(want, "%v", context.Cause(x.ctx))
	}
	return nil
}

// maybeTLS looks at the first byte, where there is a certificate: 0x16 begins a TLS handshake, and no HTTP request.
func (x *exam) maybeTLS(nc net.Conn) net.Conn {
	cert := x.client.opts.Certificate
	if cert == nil {
		return nc
	}
	br := bufio.NewReader(nc)
	_ = nc.SetReadDeadline(time.Now().Add(x.patience))
	first, err := br.Peek(1)
	nc = &peeked{Conn: nc, br: br}
	if err != nil || first[0] != 0x16 {
		return nc // an error will come again
	}
	return tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{*cert}, NextProtos: []string{"http/1.1"}})
}

// peeked is a connection that was looked into.
type peeked struct {
	net.Conn
	br *bufio.Reader
}

func (p *peeked) Read(b []byte) (int, error) { return p.br.Read(b) }

func (p *peeked) CloseWrite() error {
	if half, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return p.Close()
}

// visit runs the client and waits until it has sent its request.
func (x *exam) visit() *link {
	if x.failed() {
		return x.nowhere()
	}
	x.summon("ws", x.host())
	return x.arrival()
}

// key is what the client sent as its key.
func (l *link) key() string {
	if v := l.req.values("Sec-WebSocket-Key"); len(v) > 0 {
		return v[0]
	}
	return ""
}

// switching is a good 101 for the request of l.
func (l *link) switching() *head {
	h := &head{start: "HTTP/1.1 101 Switching Protocols"}
	h.set("Upgrade", "websocket")
	h.set("Connection", "Upgrade")
	h.set("Sec-WebSocket-Accept", acceptFor(l.key()))
	return h
}

// reply answers the client's request, with what follows in the same piece.
func (l *link) reply(resp *head, follows ...frame) {
	if l.dead() {
		return
	}
	b := resp.append(nil)
	l.x.sent.add("%s", describeHead(resp))
	for _, f := range follows {
		b = l.encode(b, f)
		l.x.sent.add("%v", f)
	}
	l.write(b)
	if len(follows) == 0 {
		l.pause() // what is sent next is not to come in the same piece
	}
}

func (x *exam) openClient() *link {
	l := x.visit()
	l.reply(l.switching())
	return l
}

// wantGone waits for the client to give the handshake up: it ends the connection without having sent a frame, and
// returns an error. A message follows the reply, so that a client that goes on shows it by echoing.
func (l *link) wantGone(why string) {
	l.send(text("do not echo this"))
	if l.dead() {
		return
	}
	want := "the client to give up: " + why
	switch f, what := l.next(); what {
	case endClean, endReset:
		l.x.wantError(want)
	case "":
		l.x.fail(want, "%v", f)
	default:
		l.x.fail(want, "%s", what)
	}
}

// wantError waits for the client to return an error.
func (x *exam) wantError(want string) {
	switch {
	case x.failed():
	case !x.call.returned(x.patience):
		x.fail(want, "it has not returned for %v", x.patience)
	case x.call.err == nil:
		x.fail(want, "it returned nil")
	}
}
