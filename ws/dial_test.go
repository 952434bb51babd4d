package ws_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/ws"
)

// rawServer answers one connection as respond says, which gets the request and the right Sec-WebSocket-Accept, and
// then keeps it open until the client or the test ends it.
func rawServer(t testing.TB, respond func(r *http.Request, accept string) string) *ws.DialOptions {
	t.Helper()
	return &ws.DialOptions{NetDial: func(context.Context, string, string) (net.Conn, error) {
		client, server := testnet.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer server.Close()
			br := bufio.NewReader(server)
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			io.WriteString(server, respond(r, acceptOf(r)))
			io.Copy(io.Discard, br)
		}()
		t.Cleanup(func() {
			server.Close()
			<-done
		})
		return client, nil
	}}
}

// acceptOf answers the request's key (RFC 6455, section 4.2.2).
func acceptOf(r *http.Request) string {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// switching is a good 101, with lines removed (by the name of their field) and added.
func switching(accept, without string, with ...string) string {
	var b strings.Builder
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	for _, line := range append([]string{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: " + accept}, with...) {
		if name, _, _ := strings.Cut(line, ":"); name != without || len(with) > 0 && line == with[0] {
			b.WriteString(line + "\r\n")
		}
	}
	return b.String() + "\r\n"
}

func TestClientHandshake(t *testing.T) {
	for _, test := range []struct {
		name    string
		respond func(accept string) string
		ok      bool
	}{
		{"good", func(a string) string { return switching(a, "") }, true},
		{"Upgrade in any case", func(a string) string { return switching(a, "Upgrade", "Upgrade: WebSocket") }, true},
		{"Connection list", func(a string) string { return switching(a, "Connection", "Connection: keep-alive, upgrade") }, true},
		{"subprotocol that was offered", func(a string) string { return switching(a, "", "Sec-WebSocket-Protocol: b") }, true},
		{"1xx before the 101", func(a string) string {
			return "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + switching(a, "")
		}, true},
		{"body fields on the 101", func(a string) string { return switching(a, "", "Content-Length: 5") }, true},

		{"Upgrade missing", func(a string) string { return switching(a, "Upgrade") }, false},
		{"Upgrade wrong", func(a string) string { return switching(a, "Upgrade", "Upgrade: h2c") }, false},
		{"Upgrade list", func(a string) string { return switching(a, "Upgrade", "Upgrade: websocket, h2c") }, false},
		{"Upgrade substring", func(a string) string { return switching(a, "Upgrade", "Upgrade: xwebsocket") }, false},
		{"Upgrade twice", func(a string) string { return switching(a, "", "Upgrade: websocket") }, false},
		{"Connection missing", func(a string) string { return switching(a, "Connection") }, false},
		{"Connection wrong", func(a string) string { return switching(a, "Connection", "Connection: notupgrade") }, false},
		{"Accept missing", func(a string) string { return switching(a, "Sec-WebSocket-Accept") }, false},
		{"Accept of another key", func(string) string { return switching(sampleAccept, "") }, false},
		{"Accept in lower case", func(a string) string { return switching(strings.ToLower(a), "") }, false},
		{"Accept twice", func(a string) string { return switching(a, "", "Sec-WebSocket-Accept: "+a) }, false},
		{"subprotocol not offered", func(a string) string { return switching(a, "", "Sec-WebSocket-Protocol: c") }, false},
		{"subprotocol in another case", func(a string) string { return switching(a, "", "Sec-WebSocket-Protocol: B") }, false},
		{"two subprotocols", func(a string) string {
			return switching(a, "", "Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: b")
		}, false},
		{"two subprotocols in a list", func(a string) string { return switching(a, "", "Sec-WebSocket-Protocol: a, b") }, false},
		{"empty subprotocol", func(a string) string { return switching(a, "", "Sec-WebSocket-Protocol: ") }, false},
		{"extension not offered", func(a string) string { return switching(a, "", "Sec-WebSocket-Extensions: permessage-deflate") }, false},
		{"malformed extensions", func(a string) string { return switching(a, "", `Sec-WebSocket-Extensions: "`) }, false},
		{"HTTP/1.0", func(a string) string { return strings.Replace(switching(a, ""), "HTTP/1.1", "HTTP/1.0", 1) }, false},
		{"200", func(a string) string {
			return strings.Replace(switching(a, ""), "101 Switching Protocols", "200 OK", 1)
		}, false},
		{"not HTTP", func(string) string { return "SSH-2.0-OpenSSH_9.6\r\n\r\n" }, false},
		{"1xx without end", func(a string) string {
			return strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100) + switching(a, "")
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			opts := rawServer(t, func(_ *http.Request, accept string) string { return test.respond(accept) })
			opts.Subprotocols = []string{"a", "b"}
			opts.HandshakeTimeout = patience
			if !test.ok { // what waits for a body must not
				opts.HandshakeTimeout = time.Second
			}
			c, err := ws.Dial(t.Context(), "ws://tidewire.test/", opts)
			if err == nil {
				c.CloseNow()
			}
			if (err == nil) != test.ok {
				t.Fatalf("Dial: %v; want good: %v", err, test.ok)
			}
			if _, ok := errors.AsType[*ws.HandshakeError](err); err != nil && !ok {
				t.Errorf("Dial: %T %v, want a HandshakeError", err, err)
			}
		})
	}
}

func TestFramesGluedToThe101AreTheFirst(t *testing.T) {
	for _, n := range []int{1, 10_000} { // within and beyond the handshake's buffer
		opts := rawServer(t, func(_ *http.Request, accept string) string {
			return switching(accept, "") + strings.Repeat("\x81\x05hello", n)
		})
		c := dial(t, "ws://tidewire.test/", opts)
		for i := range n {
			if _, p, err := c.Read(patient(t)); err != nil || string(p) != "hello" {
				t.Fatalf("message %d of %d: %q, %v", i, n, p, err)
			}
		}
	}
}

func TestRequestOfTheClient(t *testing.T) {
	var got *http.Request
	opts := rawServer(t, func(r *http.Request, accept string) string {
		got = r
		return switching(accept, "", "Sec-WebSocket-Protocol: b")
	})
	opts.Subprotocols = []string{"a", "b"}
	opts.Header = http.Header{"Origin": {"https://tidewire.test"}, "X-A": {"1", "2"}, "Host": {"other.test"}}
	c := dial(t, "ws://ann:secret@tidewire.test:8080/chat/ä?q=a%20b", opts)
	if c.Subprotocol() != "b" {
		t.Errorf("subprotocol %q", c.Subprotocol())
	}
	for name, want := range map[string]string{
		"Upgrade": "websocket", "Connection": "Upgrade", "Sec-Websocket-Version": "13", "Sec-Websocket-Protocol": "a, b",
		"Origin": "https://tidewire.test", "X-A": "1|2", "Authorization": "Basic YW5uOnNlY3JldA==", "Sec-Websocket-Extensions": "",
	} {
		if v := strings.Join(got.Header[name], "|"); v != want {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
	if got.Host != "other.test" || got.RequestURI != "/chat/%C3%A4?q=a%20b" {
		t.Errorf("host %q, target %q", got.Host, got.RequestURI)
	}
	if key, err := base64.StdEncoding.DecodeString(got.Header.Get("Sec-WebSocket-Key")); err != nil || len(key) != 16 {
		t.Errorf("key %q", got.Header.Get("Sec-WebSocket-Key"))
	}
	if len(opts.Header) != 3 {
		t.Errorf("the options were changed: %v", opts.Header)
	}
}

func TestNothingIsSentForABadRequest(t *testing.T) {
	for _, test := range []struct {
		name string
		url  string
		opts ws.DialOptions
	}{
		{"CR LF in a value", "ws://a/", ws.DialOptions{Header: http.Header{"X-A": {"b\r\nX-Injected: c"}}}},
		{"LF in a value", "ws://a/", ws.DialOptions{Header: http.Header{"X-A": {"b\nc"}}}},
		{"CR in Host", "ws://a/", ws.DialOptions{Header: http.Header{"Host": {"b\rc"}}}},
		{"CR LF in a name", "ws://a/", ws.DialOptions{Header: http.Header{"X-A: b\r\nX-Injected": {"c"}}}},
		{"CR LF in a subprotocol", "ws://a/", ws.DialOptions{Subprotocols: []string{"a\r\nX-Injected: c"}}},
		{"comma in a subprotocol", "ws://a/", ws.DialOptions{Subprotocols: []string{"a,b"}}},
		{"empty subprotocol", "ws://a/", ws.DialOptions{Subprotocols: []string{""}}},
		{"subprotocol twice", "ws://a/", ws.DialOptions{Subprotocols: []string{"a", "a"}}},
		{"the handshake's own field in another case", "ws://a/", ws.DialOptions{Header: http.Header{"sec-websocket-KEY": {sampleKey}}}},
		{"empty", "", ws.DialOptions{}},
		{"no scheme", "a.test/chat", ws.DialOptions{}},
		{"port for a scheme", "localhost:8080/chat", ws.DialOptions{}},
		{"CR LF from Prepare", "ws://a/", ws.DialOptions{Prepare: func(_ context.Context, a *ws.Attempt) error {
			a.Header.Set("Authorization", "Bearer x\r\nX-Injected: c")
			return nil
		}}},
		{"URL from Prepare", "ws://a/", ws.DialOptions{Prepare: func(_ context.Context, a *ws.Attempt) error {
			a.URL.Scheme = "ftp"
			return nil
		}}},
		{"no URL from Prepare", "ws://a/", ws.DialOptions{Prepare: func(_ context.Context, a *ws.Attempt) error {
			a.URL, a.Header = nil, nil
			return nil
		}}},
		{"the handshake's own field", "ws://a/", ws.DialOptions{Header: http.Header{"Sec-Websocket-Key": {sampleKey}}}},
		{"CR LF in the URL", "ws://a/b\r\nX-Injected: c", ws.DialOptions{}},
		{"scheme", "ftp://a/", ws.DialOptions{}},
		{"no host", "ws:///", ws.DialOptions{}},
		{"fragment", "ws://a/#b", ws.DialOptions{}},
		{"not a URL", "://", ws.DialOptions{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.opts.NetDial = func(context.Context, string, string) (net.Conn, error) {
				t.Error("a connection was made")
				return nil, errors.New("no")
			}
			c, err := ws.Dial(t.Context(), test.url, &test.opts)
			if _, ok := errors.AsType[*ws.HandshakeError](err); !ok {
				t.Errorf("Dial = %v, %v; want a HandshakeError", c, err)
			}
		})
	}
}

// The URL and what else may be a secret are not in the errors, which end in logs.
func TestErrorsTellNoSecrets(t *testing.T) {
	for _, raw := range []string{"ws://ann:secret@[::1/?ticket=secret", "secret.test/chat", "ws://ann:secret@a:port/", "ws://ann:secret/", "ws://ann:pass%secret@a/", "ws://a b.secret/", "ftp://ann:secret@a/", "ws://a/\x7fsecret", "ws:///?ticket=secret", "ws://a/#secret"} {
		if _, err := ws.Dial(t.Context(), raw, nil); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("Dial: %v", err)
		}
	}
	if _, err := ws.Dial(t.Context(), "ws://a/", &ws.DialOptions{Header: http.Header{"Authorization": {"Bearer secret\n"}}}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("Dial: %v", err)
	}
}

func TestDialOfNothingIsAnError(t *testing.T) {
	var noContext context.Context
	for name, err := range map[string]func() (*ws.Conn, error){
		"context": func() (*ws.Conn, error) { return ws.Dial(noContext, "ws://tidewire.test/", nil) },
		"empty":   func() (*ws.Conn, error) { return ws.Dial(t.Context(), "", nil) },
		"NetDial": func() (*ws.Conn, error) {
			return ws.Dial(t.Context(), "ws://tidewire.test/", &ws.DialOptions{NetDial: func(context.Context, string, string) (net.Conn, error) { return nil, nil }})
		},
		"proxy": func() (*ws.Conn, error) {
			return ws.Dial(t.Context(), "ws://tidewire.test/", &ws.DialOptions{Proxy: func(*http.Request) (*url.URL, error) { return &url.URL{}, nil }})
		},
	} {
		if c, err := err(); c != nil || err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}

// The text of the error has the status and the first line of the body, fit for a log.
func TestRefusalIsToldInTheError(t *testing.T) {
	for _, test := range []struct{ body, want string }{
		{"", "refused by the server (status 403)"},
		{"who are you?\nsecond line", `refused by the server (status 403): "who are you?"`},
		{"\r\n  \n\tfirst\r\n", `(status 403): "first"`},
		{"a\x00\x1b[31mred\x07\xff\u202eb", `(status 403): "a[31mred\u202eb"`},
		{strings.Repeat("é", 10_000), `(status 403): "` + strings.Repeat("é", 100) + `..."`},
		{"\xff\x00\x01", "refused by the server (status 403)"},
		{strings.Repeat("\n", 60_000) + "late", "refused by the server (status 403)"},
	} {
		opts := rawServer(t, func(*http.Request, string) string {
			return fmt.Sprintf("HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%s", len(test.body), test.body)
		})
		_, err := ws.Dial(t.Context(), "ws://tidewire.test/", opts)
		if err == nil || !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("%.20q: %v; want %s", test.body, err, test.want)
		}
	}
}

func TestBodyOfARefusalIsReadableAndBounded(t *testing.T) {
	for size, truncated := range map[int]bool{0: false, 100: false, 64 << 10: false, 64<<10 + 1: true, 10 << 20: true} {
		body := strings.Repeat("x", size)
		url, opts := overMemory.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Why", "tired")
			w.WriteHeader(http.StatusTeapot)
			io.WriteString(w, body)
		}))
		_, err := ws.Dial(t.Context(), url, opts)
		e, ok := errors.AsType[*ws.HandshakeError](err)
		if !ok {
			t.Fatalf("Dial: %v", err)
		}
		if e.StatusCode != 418 || e.Header.Get("X-Why") != "tired" || string(e.Body) != body[:min(size, 64<<10)] || e.Truncated != truncated {
			t.Errorf("%d bytes: status %d, %d bytes, truncated %v", size, e.StatusCode, len(e.Body), e.Truncated)
		}
	}
}

// Of a body that does not end a part is read, and then the connection is closed.
func TestEndlessBodyOfARefusalIsCutOff(t *testing.T) {
	for name, header := range map[string]string{"until the end": "", "length": "Content-Length: 1000000000000\r\n", "chunked": "Transfer-Encoding: chunked\r\n"} {
		t.Run(name, func(t *testing.T) {
			client, server := testnet.Pipe()
			sent := make(chan int, 1)
			go func() {
				http.ReadRequest(bufio.NewReader(server))
				io.WriteString(server, "HTTP/1.1 503 Service Unavailable\r\n"+header+"\r\n")
				total := 0
				for {
					part := strings.Repeat("x", 1000)
					if name == "chunked" {
						part = "3e8\r\n" + part + "\r\n"
					}
					n, err := io.WriteString(server, part)
					if total += n; err != nil {
						break
					}
				}
				server.Close()
				sent <- total
			}()
			_, err := ws.Dial(t.Context(), "ws://tidewire.test/", &ws.DialOptions{NetDial: func(context.Context, string, string) (net.Conn, error) { return client, nil }})
			e, ok := errors.AsType[*ws.HandshakeError](err)
			if !ok || e.StatusCode != 503 || len(e.Body) != 64<<10 || !e.Truncated {
				t.Fatalf("Dial: %v", err)
			}
			if n := <-sent; n > 1<<20 {
				t.Errorf("%d bytes were taken", n)
			}
		})
	}
}

func TestResponseHeaderIsCapped(t *testing.T) {
	for _, test := range []struct {
		size, limit int
		ok          bool
	}{
		{60_000, 0, true}, {70_000, 0, false}, {10 << 20, 0, false}, {2000, 1000, false}, {100_000, -1, true},
	} {
		opts := rawServer(t, func(_ *http.Request, accept string) string {
			return switching(accept, "", "X-Big: "+strings.Repeat("x", test.size))
		})
		opts.HandshakeLimit = test.limit
		c, err := ws.Dial(t.Context(), "ws://tidewire.test/", opts)
		if err == nil {
			c.CloseNow()
		}
		e, limited := errors.AsType[*ws.LimitError](err)
		if (err == nil) != test.ok || !test.ok && (!limited || e.Option != "HandshakeLimit") {
			t.Errorf("%d bytes, limit %d: %v", test.size, test.limit, err)
		}
	}
}

// The response is timed: before its first byte, inside it, and in the body of a refusal.
func TestHandshakeTimeout(t *testing.T) {
	for name, response := range map[string]string{
		"nothing":     "",
		"half a line": "HTTP/1.1 101 Swit",
		"half a body": "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 10\r\n\r\nhalf",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				_, err := ws.Dial(t.Context(), "ws://tidewire.test/", rawServer(t, func(*http.Request, string) string { return response }))
				e, ok := errors.AsType[*ws.HandshakeError](err)
				if !ok || time.Since(start) != 10*time.Second {
					t.Fatalf("after %v: %v", time.Since(start), err)
				}
				if e.StatusCode == 503 {
					if string(e.Body) != "half" || !e.Truncated {
						t.Errorf("body %q, truncated %v", e.Body, e.Truncated)
					}
				} else if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v; want context.DeadlineExceeded", err)
				}
			})
		})
	}
}

func TestCancelledDialReturnsTheCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("changed my mind")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(cause) })
		_, err := ws.Dial(ctx, "ws://tidewire.test/", rawServer(t, func(*http.Request, string) string { return "" }))
		if !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
			t.Errorf("Dial: %v", err)
		}
	})
}

func TestDialsContextDoesNotEndTheConnection(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		url, opts := tr.serve(t, accept(t, nil, echo))
		ctx, cancel := context.WithCancel(t.Context())
		c, err := ws.Dial(ctx, url, opts)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		cancel()
		if err := c.Write(patient(t), ws.Text, []byte("still here")); err != nil {
			t.Fatal(err)
		}
		if _, p, err := c.Read(patient(t)); err != nil || string(p) != "still here" {
			t.Errorf("Read: %q, %v", p, err)
		}
	})
}

func TestWrongTLSNameFails(t *testing.T) {
	url, opts := overTLS.serve(t, accept(t, nil, echo))
	opts.TLS.ServerName = "other.test"
	if c, err := ws.Dial(t.Context(), url, opts); err == nil {
		c.CloseNow()
		t.Error("the connection was made")
	}
	if opts.TLS.NextProtos != nil {
		t.Error("the options were changed")
	}
}

func TestCookies(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	site, _ := url.Parse("http://tidewire.test/")
	jar.SetCookies(site, []*http.Cookie{{Name: "session", Value: "s1"}})
	var got []string
	opts := rawServer(t, func(r *http.Request, accept string) string {
		got = append(got, r.Header.Get("Cookie"))
		if len(got) == 1 {
			return "HTTP/1.1 401 Unauthorized\r\nSet-Cookie: seen=1\r\nContent-Length: 0\r\n\r\n"
		}
		return switching(accept, "", "Set-Cookie: session=s2")
	})
	opts.Jar = jar
	if _, err := ws.Dial(t.Context(), "ws://tidewire.test/", opts); err == nil {
		t.Fatal("the connection was made")
	}
	dial(t, "ws://tidewire.test/", opts)
	if want := []string{"session=s1", "session=s1; seen=1"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("cookies %q, want %q", got, want)
	}
	if c := jar.Cookies(site); fmt.Sprint(c) != "[session=s2 seen=1]" {
		t.Errorf("in the jar: %v", c)
	}
}
