package wstest_test

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// twinServer serves twins.
type twinServer struct {
	fault string
	ln    net.Listener
	quit  chan struct{}
	wg    sync.WaitGroup
}

var twinSubprotocols = []string{"chat.v2", "chat"}

func startTwin(ln net.Listener, fault string) *twinServer {
	s := &twinServer{fault: fault, ln: ln, quit: make(chan struct{})}
	s.wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.serve(nc) })
		}
	})
	return s
}

func (s *twinServer) stop() {
	close(s.quit)
	s.ln.Close()
	s.wg.Wait()
}

func (s *twinServer) has(fault string) bool { return s.fault == fault }

func (s *twinServer) serve(nc net.Conn) {
	defer nc.Close()
	limited := &io.LimitedReader{R: nc, N: 128 << 10}
	if s.has("endless-header") {
		limited.N = 1 << 40
	}
	br := bufio.NewReaderSize(limited, 16<<10)
	for {
		req, err := http.ReadRequest(br)
		if err != nil {
			if limited.N == 0 {
				s.refuse(nc, br, 431, "Connection: close\r\n")
			}
			return
		}
		status, extra := s.judge(req)
		if status != 101 {
			if s.refuse(nc, br, status, extra); strings.Contains(extra, "close") {
				return
			}
			continue
		}
		fmt.Fprintf(nc, "HTTP/1.1 101 Switching Protocols\r\n%s\r\n", extra)
		if s.has("drops-pipelined") {
			br.Discard(br.Buffered())
		}
		limited.N = 1 << 40
		t := &twin{fault: s.fault, server: true, nc: nc, br: br, quit: s.quit}
		t.echo()
		return
	}
}

// refuse answers with an ordinary response, and ends well if it says that it ends.
func (s *twinServer) refuse(nc net.Conn, br *bufio.Reader, status int, extra string) {
	length := len("refused\n")
	if s.has("refusal-too-long") {
		length++
	}
	fmt.Fprintf(nc, "HTTP/1.1 %d No\r\nContent-Length: %d\r\n%s\r\nrefused\n", status, length, extra)
	if strings.Contains(extra, "close") {
		nc.(interface{ CloseWrite() error }).CloseWrite()
		nc.SetReadDeadline(time.Now().Add(twinPatience))
		io.Copy(io.Discard, br)
	}
}

// judge returns the status and the fields of the response.
func (s *twinServer) judge(req *http.Request) (status int, fields string) {
	h := req.Header
	s.slow(h)
	token := func(name, token, exact, substring string) bool {
		return hasToken(h[name], token) && !s.has(exact) ||
			s.has(exact) && strings.EqualFold(h.Get(name), token) ||
			s.has(substring) && strings.Contains(strings.ToLower(h.Get(name)), token)
	}
	keys := h["Sec-Websocket-Key"]
	switch {
	case !req.ProtoAtLeast(1, 1) && !s.has("http-1.0"):
		return 505, "Connection: close\r\n"
	case req.Method != "GET" && !s.has("any-method"):
		return 405, "Allow: GET\r\nConnection: close\r\n"
	case !token("Connection", "upgrade", "connection-exact", "connection-substring"),
		!token("Upgrade", "websocket", "upgrade-exact", "upgrade-substring"):
		return 400, ""
	case (req.ContentLength != 0 || len(req.TransferEncoding) > 0) && !s.has("body-is-frames"):
		return 400, "Connection: close\r\n"
	case len(keys) == 0 && !s.has("key-missing"), len(keys) > 1 && !s.has("key-twice"):
		return 400, ""
	case len(keys) > 0 && !s.goodKey(keys[0]):
		return 400, ""
	}
	switch v := h["Sec-Websocket-Version"]; {
	case len(v) == 0 && s.has("version-missing"), s.has("version-any") && len(v) > 0:
	case len(v) != 1:
		return 400, ""
	case v[0] != "13":
		return 426, "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	}
	if !s.goodOrigin(req) {
		return 403, ""
	}
	key := ""
	if len(keys) > 0 {
		key = keys[0]
	}
	if s.has("accept-wrong") {
		key += "x"
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fields = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n"
	if !s.has("drops-cookie") {
		fields += "Set-Cookie: twin=1\r\n"
	}
	if s.has("length-on-101") {
		fields += "Content-Length: 0\r\n"
	}
	if offer := h["Sec-Websocket-Extensions"]; s.has("extension-echoed") && slices.Contains(offer, "x-wstest-unknown") {
		fields += "Sec-WebSocket-Extensions: " + offer[0] + "\r\n"
	}
	if p := s.choose(h["Sec-Websocket-Protocol"]); p != "" {
		fields += "Sec-WebSocket-Protocol: " + p + "\r\n"
	} else if s.has("subprotocol-empty") && h["Sec-Websocket-Protocol"] == nil {
		fields += "Sec-WebSocket-Protocol: \r\n"
	}
	return 101, fields
}

func hasToken(values []string, token string) bool {
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.Trim(t, " \t"), token) {
				return true
			}
		}
	}
	return false
}

func (s *twinServer) goodKey(key string) bool {
	b, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return s.has("key-not-base64")
	}
	if _, err := base64.StdEncoding.Strict().DecodeString(key); err != nil && !s.has("key-trailing-bits") {
		return false
	}
	return len(b) == 16 || s.has("key-length")
}

func (s *twinServer) goodOrigin(req *http.Request) bool {
	origins, host := req.Header["Origin"], req.Host
	if len(origins) == 0 {
		return true
	}
	if len(origins) > 1 && !s.has("origin-first") {
		return false
	}
	scheme, rest, _ := strings.Cut(origins[0], "://")
	if !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return s.has("origin-null") && origins[0] == "null" || s.has("origin-any-scheme") && rest == host
	}
	upToColon := func(s string) string { name, _, _ := strings.Cut(s, ":"); return name }
	switch v6 := strings.HasPrefix(host, "["); {
	case s.has("origin-exact"):
		return rest == host
	case s.has("origin-prefix") && strings.HasPrefix(rest, host+"."):
		return true
	case s.has("origin-any-port") && !v6, s.has("origin-v6-cut") && v6:
		return strings.EqualFold(upToColon(rest), upToColon(host))
	}
	return strings.EqualFold(rest, host)
}

// choose takes the first that it knows, in its own order.
func (s *twinServer) choose(lines []string) string {
	if s.has("subprotocol-one-line") && len(lines) > 1 {
		lines = lines[:1]
	}
	var offer []string
	for _, l := range lines {
		for t := range strings.SplitSeq(l, ",") {
			offer = append(offer, strings.Trim(t, " \t"))
		}
	}
	if s.has("proto-is-known") && slices.Contains(offer, "__proto__") {
		return "__proto__"
	}
	known := twinSubprotocols
	if s.has("subprotocol-theirs") {
		offer, known = known, offer
	}
	for _, k := range known {
		for _, o := range offer {
			if o == k || s.has("subprotocol-any-case") && strings.EqualFold(o, k) {
				return o
			}
		}
	}
	return ""
}

// slow has the faults that take much more time when there is more to read: the cube, so that the noise of a busy
// machine can't hide it.
func (s *twinServer) slow(h http.Header) {
	fields := 0
	for _, values := range h {
		fields += len(values)
	}
	all := strings.Join(slices.Concat(h["Upgrade"], h["Sec-Websocket-Protocol"], h["Sec-Websocket-Extensions"]), "")
	switch s.fault {
	case "slow-fields":
		waste(fields, 2000)
	case "slow-spaces":
		waste(strings.Count(all, " "), 64<<10)
	case "slow-commas":
		waste(strings.Count(all, ","), 10_000)
	case "slow-quotes":
		waste(strings.Count(all, `\`), 32<<10)
	}
}

// wasted keeps the compiler from leaving waste out.
var wasted atomic.Int64

func waste(n, full int) {
	sum, share := 0, float64(n)/float64(full)
	for i := range int(150e6 * share * share * share) {
		sum += i & 3
	}
	wasted.Add(int64(sum))
}
