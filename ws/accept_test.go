package ws_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/ws"
)

const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ==" // RFC 6455, section 1.3
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// upgradeRequest is a good request, with lines removed (by the name of their field) and added.
func upgradeRequest(without string, with ...string) string {
	lines := []string{"GET /chat HTTP/1.1", "Host: tidewire.test", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: " + sampleKey, "Sec-WebSocket-Version: 13"}
	var b strings.Builder
	for _, line := range lines {
		name, _, _ := strings.Cut(line, ":")
		if !strings.Contains(" "+without+" ", " "+name+" ") {
			b.WriteString(line + "\r\n")
		}
	}
	for _, line := range with {
		b.WriteString(line + "\r\n")
	}
	return b.String() + "\r\n"
}

// exchange sends the raw request to the handler and returns the response, its body read.
func exchange(t *testing.T, h http.Handler, request string) (*http.Response, string) {
	t.Helper()
	_, opts := serveMemory(t, h, testnet.Listen())
	nc, err := opts.NetDial(t.Context(), "tcp", "")
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	go io.WriteString(nc, request) // may be cut short by a refusal
	resp, err := http.ReadResponse(bufio.NewReader(nc), &http.Request{Method: request[:strings.IndexByte(request, ' ')]})
	if err != nil {
		t.Fatal(err)
	}
	body := ""
	if resp.StatusCode != http.StatusSwitchingProtocols {
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("body: %v", err)
		}
		body = string(b)
	}
	return resp, body
}

func TestServerHandshake(t *testing.T) {
	get := "GET /chat HTTP/1.1"
	for _, test := range []struct {
		name    string
		request string
		status  int
		header  map[string]string // that the response must have
	}{
		{"good", upgradeRequest(""), 101, map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-Websocket-Accept": sampleAccept}},
		{"several Connection lines", upgradeRequest("Connection", "Connection: keep-alive", "Connection: Upgrade"), 101, nil},
		{"Connection list", upgradeRequest("Connection", "Connection: keep-alive, Upgrade"), 101, nil},
		{"Connection with spaces, tabs, empty elements", upgradeRequest("Connection", "Connection:  ,\t, keep-alive ,\tuPgRaDe\t ,"), 101, nil},
		{"Upgrade in any case", upgradeRequest("Upgrade", "Upgrade: WebSocket"), 101, nil},
		{"Upgrade list", upgradeRequest("Upgrade", "Upgrade: h2c, websocket"), 101, nil},
		{"several Upgrade lines", upgradeRequest("Upgrade", "Upgrade: h2c", "Upgrade: websocket"), 101, nil},
		{"Content-Length 0", upgradeRequest("", "Content-Length: 0"), 101, nil},
		{"extensions are declined", upgradeRequest("", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x"), 101, map[string]string{"Sec-Websocket-Extensions": ""}},
		{"names of JavaScript's objects", upgradeRequest("", "Sec-WebSocket-Extensions: __proto__; constructor=toString", "Sec-WebSocket-Protocol: __proto__, hasOwnProperty", "__proto__: x"), 101, map[string]string{"Sec-Websocket-Protocol": ""}},
		{"same origin", upgradeRequest("", "Origin: http://tidewire.test"), 101, nil},

		{"HTTP/1.0", strings.Replace(upgradeRequest(""), "HTTP/1.1", "HTTP/1.0", 1), 505, nil},
		{"POST", strings.Replace(upgradeRequest(""), "GET", "POST", 1), 405, map[string]string{"Allow": "GET"}},
		{"HEAD", strings.Replace(upgradeRequest(""), "GET", "HEAD", 1), 405, map[string]string{"Allow": "GET"}},
		{"no upgrade at all", get + "\r\nHost: tidewire.test\r\n\r\n", 426, map[string]string{"Upgrade": "websocket"}},
		{"Connection missing", upgradeRequest("Connection"), 426, nil},
		{"Connection: notupgrade", upgradeRequest("Connection", "Connection: notupgrade"), 426, nil},
		{"Upgrade missing", upgradeRequest("Upgrade"), 426, nil},
		{"Upgrade: xwebsocket", upgradeRequest("Upgrade", "Upgrade: xwebsocket"), 426, nil},
		{"Upgrade: websocket2", upgradeRequest("Upgrade", "Upgrade: websocket2"), 426, nil},
		{"version missing", upgradeRequest("Sec-WebSocket-Version"), 400, nil},
		{"version twice", upgradeRequest("", "Sec-WebSocket-Version: 13"), 400, nil},
		{"version 8", upgradeRequest("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"), 426, map[string]string{"Sec-Websocket-Version": "13"}},
		{"version list", upgradeRequest("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8, 13"), 426, map[string]string{"Sec-Websocket-Version": "13"}},
		{"key missing", upgradeRequest("Sec-WebSocket-Key"), 400, nil},
		{"key twice", upgradeRequest("", "Sec-WebSocket-Key: "+sampleKey), 400, nil},
		{"key not base64", upgradeRequest("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!=="), 400, nil},
		{"key in URL base64", upgradeRequest("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub2-jZQ=="), 400, nil},
		{"key of 15 bytes", upgradeRequest("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j"), 400, nil},
		{"key of 17 bytes", upgradeRequest("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZXM="), 400, nil},
		{"key without padding", upgradeRequest("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"), 400, nil},
		{"key with trailing bits", upgradeRequest("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR=="), 400, nil},
		{"key empty", upgradeRequest("Sec-WebSocket-Key", "Sec-WebSocket-Key: "), 400, nil},
		{"body announced", upgradeRequest("", "Content-Length: 5") + "hello", 400, nil},
		{"body chunked", upgradeRequest("", "Transfer-Encoding: chunked") + "0\r\n\r\n", 400, nil},
		{"malformed subprotocols", upgradeRequest("", "Sec-WebSocket-Protocol: b   x"), 400, nil},
		{"malformed extensions", upgradeRequest("", `Sec-WebSocket-Extensions: a; b="\c\c`), 400, nil},
		{"foreign origin", upgradeRequest("", "Origin: http://evil.test"), 403, nil},
		{"null origin", upgradeRequest("", "Origin: null"), 403, nil},
		{"two origins", upgradeRequest("", "Origin: http://tidewire.test", "Origin: http://tidewire.test"), 403, nil},
		{"2,000 fields", upgradeRequest("", strings.Split(strings.Repeat("X-Field: y\n", 1999)+"X-Field: y", "\n")...), 431, nil},
		{"64 KB of subprotocol", upgradeRequest("", "Sec-WebSocket-Protocol: b"+strings.Repeat(" ", 64<<10)+"x"), 431, nil},
		{"10k commas", upgradeRequest("", "Sec-WebSocket-Extensions: "+strings.Repeat(",", 10_000)), 101, nil},
		{"CR LF in a field", upgradeRequest("", "X-A: b\rX-C: d"), 400, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			reached := make(chan error, 1)
			resp, body := exchange(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := ws.Accept(w, r, nil)
				reached <- err
				if err == nil {
					c.CloseNow()
				}
			}), test.request)
			if resp.StatusCode != test.status {
				t.Fatalf("status %d, want %d: %s", resp.StatusCode, test.status, body)
			}
			for name, want := range test.header {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if test.name == "CR LF in a field" {
				return // net/http has refused it
			}
			err := <-reached
			if test.status == 101 {
				if err != nil {
					t.Errorf("Accept: %v", err)
				}
				return
			}
			if e, ok := errors.AsType[*ws.HandshakeError](err); !ok || e.StatusCode != test.status {
				t.Errorf("Accept: %v; want a HandshakeError with status %d", err, test.status)
			}
			if test.status == 431 {
				if e, ok := errors.AsType[*ws.LimitError](err); !ok || e.Option != "HandshakeLimit" {
					t.Errorf("Accept: %v; want a LimitError that names HandshakeLimit", err)
				}
			}
		})
	}
}

// A request over HTTP/2 can't be upgraded, and is told so.
func TestServerHandshakeRefusesHTTP2(t *testing.T) {
	r, _ := http.NewRequest("GET", "http://tidewire.test/", nil)
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
	w := &recorder{header: http.Header{}}
	if c, err := ws.Accept(w, r, nil); err == nil || w.status != 505 || !strings.Contains(w.body.String(), "HTTP/1.1") {
		t.Errorf("Accept = %v, %v; status %d, %s", c, err, w.status, &w.body)
	}
}

// recorder is a ResponseWriter that can't be hijacked.
type recorder struct {
	header http.Header
	status int
	body   strings.Builder
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) WriteHeader(status int)      { w.status = status }
func (w *recorder) Write(p []byte) (int, error) { return w.body.Write(p) }

func TestAcceptWithoutHijackerIsAnOrdinaryReply(t *testing.T) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(upgradeRequest(""))))
	if err != nil {
		t.Fatal(err)
	}
	w := &recorder{header: http.Header{}}
	_, err = ws.Accept(w, r, nil)
	if !errors.Is(err, http.ErrNotSupported) || w.status != 500 {
		t.Errorf("Accept: %v, status %d; want http.ErrNotSupported, 500", err, w.status)
	}
}

// Options that can't work are the server's fault: 500, and the error and the response name the option. In both forms, and
// for every client, so that the first one who tries it out sees it.
func TestWrongOptionsAnswer500(t *testing.T) {
	opts := &ws.AcceptOptions{Origins: []string{"app.example.com"}}
	refused := make(chan error, 2)
	opts.Observer = &ws.Observer{Refused: func(_ *http.Request, err *ws.HandshakeError) { refused <- err }}
	for _, fm := range forms {
		resp, body := exchange(t, fm.echo(t, opts), upgradeRequest(""))
		err := <-refused
		for _, s := range []string{body, err.Error()} {
			if resp.StatusCode != 500 || !strings.Contains(s, "AcceptOptions.Origins") || !strings.Contains(s, `"https://app.example.com"`) {
				t.Errorf("%s: status %d: %s", fm.name, resp.StatusCode, s)
			}
		}
	}
}

// What a developer needs is in the body of the 403, as plain text.
func TestForeignOriginsResponse(t *testing.T) {
	resp, body := exchange(t, accept403(t), upgradeRequest("", "Origin: https://<script>alert(1)"))
	if resp.StatusCode != 403 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") || resp.Header.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.Contains(body, "AcceptOptions.Origins") || !strings.Contains(body, `"tidewire.test"`) || strings.Contains(body, "<") || len(body) > 1000 {
		t.Errorf("%d %v: %s", resp.StatusCode, resp.Header, body)
	}
}

func accept403(t *testing.T) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := ws.Accept(w, r, nil); err == nil {
			t.Error("it was accepted")
		}
	})
}

// opaque is middleware's ResponseWriter that hides everything.
type opaque struct{ w http.ResponseWriter }

func (o opaque) Header() http.Header         { return o.w.Header() }
func (o opaque) Write(p []byte) (int, error) { return o.w.Write(p) }
func (o opaque) WriteHeader(status int)      { o.w.WriteHeader(status) }

// hands gives what it was told to as the connection.
type hands struct {
	http.ResponseWriter
	nc  net.Conn
	brw *bufio.ReadWriter
	err error
}

func (h hands) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.nc, h.brw, h.err }

func TestWrappedResponseWriterIsNamed(t *testing.T) {
	failed := make(chan error, 1)
	try := func(wrap func(http.ResponseWriter) http.ResponseWriter) (int, string, error) {
		resp, body := exchange(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := ws.Accept(wrap(w), r, nil)
			failed <- err
		}), upgradeRequest(""))
		return resp.StatusCode, body, <-failed
	}
	status, body, err := try(func(w http.ResponseWriter) http.ResponseWriter { return wrapper{opaque{w}} })
	if status != 500 || !errors.Is(err, http.ErrNotSupported) || !strings.Contains(err.Error(), "ws_test.opaque") || !strings.Contains(err.Error(), "Unwrap() http.ResponseWriter") {
		t.Errorf("%d, %v", status, err)
	}
	if !strings.Contains(body, "middleware") || strings.Contains(body, "ws_test") {
		t.Errorf("body %q", body)
	}
	// Broken middleware: an error of its own, no connection, a connection without a reader.
	broken := errors.New("broken")
	if status, _, err := try(func(w http.ResponseWriter) http.ResponseWriter { return hands{w, nil, nil, broken} }); status != 500 || !errors.Is(err, broken) {
		t.Errorf("its own error: %d, %v", status, err)
	}
	if _, _, err := try(func(w http.ResponseWriter) http.ResponseWriter { return hands{w, nil, nil, nil} }); err == nil {
		t.Error("no connection, and no error")
	}
	if status, _, err := try(func(w http.ResponseWriter) http.ResponseWriter {
		nc, _, err := w.(http.Hijacker).Hijack()
		return hands{w, nc, nil, err}
	}); status != 101 || err != nil {
		t.Errorf("no reader: %d, %v", status, err)
	}
}

// A second Accept of the same request is an error, and nothing is written to the connection of the first.
func TestSecondAcceptIsAnError(t *testing.T) {
	url, opts := overMemory.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := ws.Accept(w, r, nil); !errors.Is(err, http.ErrHijacked) {
			t.Errorf("again: %v", err)
		}
		echo(c)
	}))
	c := dial(t, url, opts)
	c.Write(patient(t), ws.Text, []byte("x"))
	if _, p, err := c.Read(patient(t)); err != nil || string(p) != "x" {
		t.Errorf("Read: %q, %v", p, err)
	}
}

func TestAcceptOfNothingIsAnError(t *testing.T) {
	r, _ := http.NewRequest("GET", "http://tidewire.test/", nil)
	for _, f := range []func() (*ws.Conn, error){
		func() (*ws.Conn, error) { return ws.Accept(nil, nil, nil) },
		func() (*ws.Conn, error) { return ws.Accept(&recorder{header: http.Header{}}, nil, nil) },
		func() (*ws.Conn, error) { return ws.Accept(nil, r, nil) },
		func() (*ws.Conn, error) { return ws.Accept(&recorder{header: http.Header{}}, &http.Request{}, nil) },
	} {
		if c, err := f(); c != nil || err == nil {
			t.Errorf("%v, %v", c, err)
		}
	}
}

func TestServerPrefersItsOwnOrderOfSubprotocols(t *testing.T) {
	for _, test := range []struct {
		offer []string
		ours  []string
		want  string
	}{
		{nil, []string{"a"}, ""},
		{[]string{"a"}, nil, ""},
		{[]string{"a, b, c"}, []string{"c", "b"}, "c"},
		{[]string{"a", "b"}, []string{"x", "b"}, "b"},
		{[]string{"A"}, []string{"a"}, ""},
	} {
		t.Run(fmt.Sprint(test.offer, test.ours), func(t *testing.T) {
			var with []string
			for _, o := range test.offer {
				with = append(with, "Sec-WebSocket-Protocol: "+o)
			}
			got := make(chan string, 1)
			resp, _ := exchange(t, accept(t, &ws.AcceptOptions{Subprotocols: test.ours}, func(c *ws.Conn) {
				got <- c.Subprotocol()
			}), upgradeRequest("", with...))
			sent := resp.Header.Values("Sec-WebSocket-Protocol")
			if chosen := <-got; resp.StatusCode != 101 || chosen != test.want || strings.Join(sent, "|") != test.want {
				t.Errorf("status %d, chosen %q, sent %q; want %q", resp.StatusCode, chosen, sent, test.want)
			}
		})
	}
}

// wrapper is middleware's ResponseWriter: it hides all but what http.ResponseController looks for.
type wrapper struct{ http.ResponseWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestHeadersOfMiddlewareReachThe101(t *testing.T) {
	h := accept(t, &ws.AcceptOptions{Header: http.Header{"X-Options": {"1", "2"}, "Sec-WebSocket-Accept": {"forged"}}}, func(*ws.Conn) {})
	resp, _ := exchange(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "s1"})
		http.SetCookie(w, &http.Cookie{Name: "theme", Value: "dark"})
		w.Header().Set("Content-Length", "5")
		w.Header().Set("Transfer-Encoding", "chunked")
		w.Header().Set("Connection", "close")
		w.Header().Set(http.TrailerPrefix+"X-Late", "x")
		h.ServeHTTP(wrapper{w}, r)
	}), upgradeRequest(""))
	if resp.StatusCode != 101 || len(resp.Cookies()) != 2 || len(resp.Header["X-Options"]) != 2 {
		t.Errorf("status %d, header %v", resp.StatusCode, resp.Header)
	}
	for name, want := range map[string]string{"Content-Length": "", "Transfer-Encoding": "", "Connection": "Upgrade", "Sec-Websocket-Accept": sampleAccept} {
		if got := strings.Join(resp.Header[name], "|"); got != want || resp.TransferEncoding != nil {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestServerNeverSendsCRLFInAField(t *testing.T) {
	for name, header := range map[string]http.Header{
		"value": {"X-A": {"b\r\nX-Injected: c"}},
		"LF":    {"X-A": {"b\nc"}},
		"NUL":   {"X-A": {"b\x00"}},
		"name":  {"X-A: b\r\nX-Injected": {"c"}},
		"empty": {"": {"c"}},
	} {
		t.Run(name, func(t *testing.T) {
			failed := make(chan error, 1)
			resp, _ := exchange(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, err := ws.Accept(w, r, &ws.AcceptOptions{Header: header})
				failed <- err
			}), upgradeRequest(""))
			if err := <-failed; err == nil || resp.StatusCode != 500 || resp.Header.Get("X-Injected") != "" {
				t.Errorf("Accept: %v; status %d, header %v", err, resp.StatusCode, resp.Header)
			}
		})
	}
}

func TestHandshakeLimitIsAnOption(t *testing.T) {
	request := upgradeRequest("", "X-Big: "+strings.Repeat("x", 20_000))
	for limit, status := range map[int]int{0: 431, 1 << 20: 101, -1: 101, 19_000: 431} {
		resp, _ := exchange(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ws.Accept(w, r, &ws.AcceptOptions{HandshakeLimit: limit})
		}), request)
		if resp.StatusCode != status {
			t.Errorf("limit %d: status %d, want %d", limit, resp.StatusCode, status)
		}
	}
}

// The frames that came in one packet with the request are the first that are read.
func TestFramesBehindTheRequestAreTheFirst(t *testing.T) {
	for _, n := range []int{1, 100, 3000} { // within and beyond what net/http has buffered
		var sent strings.Builder
		sent.WriteString(upgradeRequest(""))
		for i := range n {
			m := fmt.Sprintf("message %d", i)
			sent.Write(append([]byte{0x81, 0x80 | byte(len(m)), 0, 0, 0, 0}, m...))
		}
		got := make(chan error, 1)
		h := accept(t, nil, func(c *ws.Conn) {
			for i := range n {
				_, p, err := c.Read(patient(t))
				if want := fmt.Sprintf("message %d", i); err != nil || string(p) != want {
					got <- fmt.Errorf("read %q, %v; want %q", p, err, want)
					return
				}
			}
			got <- nil
		})
		_, opts := serveMemory(t, h, testnet.Listen())
		nc, err := opts.NetDial(t.Context(), "tcp", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(nc, sent.String()); err != nil {
			t.Fatal(err)
		}
		if err := <-got; err != nil {
			t.Errorf("%d frames: %v", n, err)
		}
		nc.Close()
	}
}
