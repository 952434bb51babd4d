package ws_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/ws"
)

// world is an internet in memory: every host answers as respond says.
type world struct {
	mu    sync.Mutex
	hosts []string // that were dialled
	seen  []*http.Request
}

func (w *world) options(t *testing.T, respond func(r *http.Request) (status int, location string)) *ws.DialOptions {
	h := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.seen = append(w.seen, r)
		w.mu.Unlock()
		status, location := respond(r)
		if status == 101 {
			c, err := ws.Accept(rw, r, nil)
			if err != nil {
				t.Errorf("Accept: %v", err)
				return
			}
			echo(c)
			return
		}
		rw.Header().Set("Location", location)
		rw.WriteHeader(status)
	})
	ln := testnet.Listen()
	serveMemory(t, h, ln)
	return &ws.DialOptions{NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		w.mu.Lock()
		w.hosts = append(w.hosts, addr)
		w.mu.Unlock()
		return ln.DialContext(ctx, network, addr)
	}}
}

func TestRedirects(t *testing.T) {
	for _, test := range []struct {
		name      string
		status    int
		location  string
		hosts     string // that are dialled
		forgets   bool   // Authorization is dropped
		wantError bool
	}{
		{"301 to a path", 301, "/new?x=1", "a.test:80 a.test:80", false, false},
		{"302 relative", 302, "new", "a.test:80 a.test:80", false, false},
		{"303 to ws", 303, "ws://a.test/new", "a.test:80 a.test:80", false, false},
		{"307 to http", 307, "http://a.test/new", "a.test:80 a.test:80", false, false},
		{"308 to another host", 308, "ws://b.test/new", "a.test:80 b.test:80", true, false},
		{"to a subdomain", 302, "//x.a.test/new", "a.test:80 x.a.test:80", true, false},
		{"to another port", 302, "//a.test:81/new", "a.test:80 a.test:81", true, false},
		{"fragment is dropped", 302, "/new#x", "a.test:80 a.test:80", false, false},
		{"to another scheme", 302, "ftp://a.test/new", "a.test:80", false, true},
		{"to nowhere", 302, "", "a.test:80", false, true},
		{"to what is no URL", 302, "http://[::1", "a.test:80", false, true},
		{"304 is none", 304, "/new", "a.test:80", false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var w world
			opts := w.options(t, func(r *http.Request) (int, string) {
				if r.URL.Path == "/new" {
					return 101, ""
				}
				return test.status, test.location
			})
			opts.Header = http.Header{"authorization": {"Bearer secret"}, "COOKIE": {"session=secret"}, "X-Other": {"kept"}}
			c, err := ws.Dial(t.Context(), "ws://a.test/old", opts)
			if (err != nil) != test.wantError {
				t.Fatalf("Dial: %v", err)
			}
			if got := strings.Join(w.hosts, " "); got != test.hosts {
				t.Errorf("dialled %q, want %q", got, test.hosts)
			}
			if err != nil {
				if e, ok := errors.AsType[*ws.HandshakeError](err); !ok || e.StatusCode != test.status {
					t.Errorf("Dial: %v; want a HandshakeError with status %d", err, test.status)
				}
				return
			}
			c.CloseNow()
			last := w.seen[len(w.seen)-1].Header
			if forgot := last.Get("Authorization") == ""; forgot != test.forgets || last.Get("X-Other") != "kept" || (last.Get("Cookie") == "") != test.forgets {
				t.Errorf("header after the redirect: %v", last)
			}
			if len(opts.Header) != 3 || opts.Header.Get("Authorization") != "" {
				t.Error("the options were changed")
			}
		})
	}
}

// What one host was told does not come back to another by a detour, nor does the Host field of the first.
func TestCredentialsAreForgottenForGood(t *testing.T) {
	var w world
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	opts := w.options(t, func(r *http.Request) (int, string) {
		switch r.URL.Path {
		case "/old":
			return 302, "ws://mallory:pw@b.test/middle"
		case "/middle":
			return 302, "ws://a.test/new"
		}
		return 101, ""
	})
	site, _ := url.Parse("http://a.test/")
	jar.SetCookies(site, []*http.Cookie{{Name: "session", Value: "a1"}})
	opts.Jar, opts.Header = jar, http.Header{"host": {"virtual.test"}}
	c, err := ws.Dial(t.Context(), "ws://ann:secret@a.test/old?ticket=1", opts)
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
	var got []string
	for _, r := range w.seen {
		got = append(got, strings.Join([]string{r.Host, r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("Cookie"), r.Header.Get("Referer")}, "|"))
	}
	want := []string{"virtual.test|/old?ticket=1|Basic YW5uOnNlY3JldA==|session=a1|", "b.test|/middle|||", "a.test|/new||session=a1|"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the hosts got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRedirectsAreBounded(t *testing.T) {
	for limit, dialled := range map[int]int{0: 11, 3: 4, -1: 1} {
		var w world
		opts := w.options(t, func(*http.Request) (int, string) { return 302, "/again" })
		opts.Redirects = limit
		_, err := ws.Dial(t.Context(), "ws://a.test/", opts)
		if e, ok := errors.AsType[*ws.HandshakeError](err); !ok || e.StatusCode != 302 || len(w.hosts) != dialled {
			t.Errorf("limit %d: %v, %d connections, want %d", limit, err, len(w.hosts), dialled)
		}
	}
}

func TestRedirectFromTLSToCleartextIsNotFollowed(t *testing.T) {
	url, opts := overTLS.serve(t, http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound))
	_, err := ws.Dial(t.Context(), url, opts)
	if e, ok := errors.AsType[*ws.HandshakeError](err); !ok || e.StatusCode != 302 || !strings.Contains(err.Error(), "wss to ws") {
		t.Errorf("Dial: %v", err)
	}
}

// A Location that is no URL is not told: a server has made it up.
func TestBadLocationIsNotTold(t *testing.T) {
	for _, location := range []string{"http://[" + strings.Repeat("x", 10_000), "http://a:" + strings.Repeat("x", 10_000), "/%" + strings.Repeat("x", 10_000), "ftp://" + strings.Repeat("x", 10_000)} {
		var w world
		opts := w.options(t, func(*http.Request) (int, string) { return 302, location })
		_, err := ws.Dial(t.Context(), "ws://a.test/", opts)
		if e, ok := errors.AsType[*ws.HandshakeError](err); !ok || e.StatusCode != 302 || strings.Contains(err.Error(), "xxx") || len(w.hosts) != 1 {
			t.Errorf("%.20s: %.200v", location, err)
		}
	}
}

// proxy is an HTTP proxy that knows only CONNECT and brings everybody to target.
func proxy(t *testing.T, target string, refuse int) (addr string, asked *[]*http.Request) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked = new([]*http.Request)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer nc.Close()
				br := bufio.NewReader(nc)
				r, err := http.ReadRequest(br)
				if err != nil {
					return
				}
				*asked = append(*asked, r)
				if refuse != 0 {
					(&http.Response{StatusCode: refuse, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Location": {"/x"}}, Body: io.NopCloser(strings.NewReader("no")), ContentLength: 2}).Write(nc)
					return
				}
				to, err := net.Dial("tcp", target)
				if err != nil {
					return
				}
				defer to.Close()
				io.WriteString(nc, "HTTP/1.1 200 Connection Established\r\n\r\n")
				wg.Go(func() {
					io.Copy(to, br)
					to.(*net.TCPConn).CloseWrite()
				})
				io.Copy(nc, to)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		wg.Wait()
	})
	return ln.Addr().String(), asked
}

func TestProxyByConnect(t *testing.T) {
	for _, tr := range []transport{overTCP, overTLS} {
		t.Run(tr.name, func(t *testing.T) {
			target, opts := tr.serve(t, accept(t, nil, echo))
			u, _ := url.Parse(target)
			addr, asked := proxy(t, u.Host, 0)
			opts.Proxy = func(r *http.Request) (*url.URL, error) {
				if want := map[string]string{"TCP": "http", "TLS": "https"}[tr.name]; r.URL.Scheme != want {
					t.Errorf("Proxy is asked for %v, want %s", r.URL, want)
				}
				return url.Parse("http://ann:secret@" + addr)
			}
			opts.Header = http.Header{"Authorization": {"Bearer for the server"}}
			c := dial(t, target, opts)
			if err := c.Write(patient(t), ws.Text, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if _, p, err := c.Read(patient(t)); err != nil || string(p) != "hello" {
				t.Errorf("Read: %q, %v", p, err)
			}
			c.Close(ws.CloseNormal, "")
			r := (*asked)[0]
			if r.Method != "CONNECT" || r.Host != u.Host || r.Header.Get("Proxy-Authorization") != "Basic YW5uOnNlY3JldA==" || r.Header.Get("Authorization") != "" {
				t.Errorf("the proxy was asked %s %s, %v", r.Method, r.Host, r.Header)
			}
		})
	}
}

func TestProxyRefusesAndItsRedirectIsNotFollowed(t *testing.T) {
	for _, status := range []int{302, 407, 502} {
		addr, asked := proxy(t, "", status)
		_, err := ws.Dial(t.Context(), "ws://tidewire.test/", &ws.DialOptions{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: addr})})
		if e, ok := errors.AsType[*ws.HandshakeError](err); !ok || e.StatusCode != status || string(e.Body) != "no" || len(*asked) != 1 {
			t.Errorf("%d: Dial: %v", status, err)
		}
	}
	_, err := ws.Dial(t.Context(), "ws://tidewire.test/", &ws.DialOptions{Proxy: http.ProxyURL(&url.URL{Scheme: "socks5", Host: "127.0.0.1:1"})})
	if err == nil || !strings.Contains(err.Error(), "socks5") {
		t.Errorf("SOCKS: %v", err)
	}
}

// Whatever a proxy says that is not a bare 2xx, there is no tunnel; and it can't say without end.
func TestProxyWithABadAnswer(t *testing.T) {
	for name, answer := range map[string]string{
		"101":               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
		"speaks first":      "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n",
		"a body":            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"a chunked body":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"not HTTP":          "\x05\x00",
		"half a line":       "HTTP/1.1 200 Connec",
		"nothing":           "",
		"a header too long": "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 100_000) + "\r\n\r\n",
		"1xx without end":   strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 1000),
		"500":               "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 3\r\n\r\nout",
	} {
		t.Run(name, func(t *testing.T) {
			client, server := testnet.Pipe()
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer server.Close()
				if _, err := http.ReadRequest(bufio.NewReader(server)); err == nil {
					io.WriteString(server, answer)
				}
			}()
			c, err := ws.Dial(patient(t), "ws://tidewire.test/", &ws.DialOptions{
				Proxy:   http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.test", User: url.UserPassword("ann", "secret")}),
				NetDial: func(context.Context, string, string) (net.Conn, error) { return client, nil },
			})
			<-done
			if err == nil {
				c.CloseNow()
				t.Fatal("a connection was made")
			}
			if _, ok := errors.AsType[*ws.HandshakeError](err); !ok || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "YW5uOnNlY3JldA") {
				t.Errorf("Dial: %v", err)
			}
		})
	}
}

// The environment is read once in a process, so this one is another.
func TestProxyFromTheEnvironment(t *testing.T) {
	const role = "TIDEWIRE_TEST_DIAL"
	if url := os.Getenv(role); url != "" {
		c := dial(t, url, nil)
		c.Write(patient(t), ws.Text, []byte("hello"))
		if _, p, err := c.Read(patient(t)); err != nil || string(p) != "hello" {
			t.Errorf("Read: %q, %v", p, err)
		}
		c.Close(ws.CloseNormal, "")
		return
	}
	target, _ := overTCP.serve(t, accept(t, nil, echo))
	addr, asked := proxy(t, strings.TrimPrefix(target, "ws://"), 0)
	cmd := exec.Command(os.Args[0], "-test.run=^TestProxyFromTheEnvironment$")
	cmd.Env = append(os.Environ(), role+"=ws://tidewire.test/", "HTTP_PROXY=http://"+addr, "NO_PROXY=")
	if out, err := cmd.CombinedOutput(); err != nil || len(*asked) != 1 || (*asked)[0].Host != "tidewire.test:80" {
		t.Errorf("%v, %d requests\n%s", err, len(*asked), out)
	}
}
