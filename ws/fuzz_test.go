package ws

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/testnet"
)

const fuzzRequest = "GET /chat HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

// Whatever net/http lets through is refused with a status of its own, or is what RFC 6455, section 4.2.1, asks for.
func FuzzServerHandshake(f *testing.F) {
	f.Add(fuzzRequest + "\r\n")
	f.Add(fuzzRequest + "Origin: https://a.test\r\nSec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Extensions: x; y=\"z\"\r\n\r\n")
	f.Add(strings.Replace(fuzzRequest, "13", "8", 1) + "\r\n")
	f.Add(strings.Replace(fuzzRequest, "1.1", "1.0", 1) + "Content-Length: 5\r\n\r\nhello")
	f.Fuzz(func(t *testing.T, request string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request)))
		if err != nil {
			return
		}
		if e := checkUpgrade(r, &AcceptOptions{}); e != nil {
			if e.StatusCode < 400 || e.StatusCode > 599 || e.Reason == "" {
				t.Fatalf("refused with %+v", e)
			}
			return
		}
		if r.Method != "GET" || r.ContentLength != 0 || len(r.Header["Sec-Websocket-Key"]) != 1 || len(r.Header["Origin"]) > 1 ||
			!strings.Contains(strings.ToLower(strings.Join(r.Header["Connection"], ",")), "upgrade") {
			t.Fatalf("accepted: %+v", r)
		}
		b, err := appendResponse(nil, nil, nil, acceptKey(r.Header.Get("Sec-WebSocket-Key")), chooseSubprotocol(r, []string{"b", "a"}))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), r)
		if err != nil || resp.StatusCode != 101 {
			t.Fatalf("%q: %v", b, err)
		}
		if _, why := checkResponse(resp, r.Header.Get("Sec-WebSocket-Key"), []string{"a", "b"}); why != "" {
			t.Fatalf("our client refuses our response: %s", why)
		}
	})
}

// Whatever a server answers, the client comes back with a connection or with an error that fits, and keeps a bounded
// part of it.
func FuzzClientHandshake(f *testing.F) {
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	f.Add("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptKey(key) + "\r\n\r\n\x81\x01a")
	f.Add("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")
	f.Add("HTTP/1.1 302 Found\r\nLocation: //b\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffff\r\n")
	f.Add("HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 100))
	f.Fuzz(func(t *testing.T, response string) {
		const limit = 1000
		resp, br, err := readResponse(strings.NewReader(response), &http.Request{Method: "GET"}, limit)
		if err != nil {
			return
		}
		if resp.StatusCode == 101 {
			if _, why := checkResponse(resp, key, []string{"a"}); why == "" && resp.Header.Get("Sec-WebSocket-Accept") != acceptKey(key) {
				t.Fatalf("accepted: %q", response)
			}
			if rest := buffered(br); !strings.HasSuffix(response[:min(len(response), limit)], string(rest)) {
				t.Fatalf("%q has %q left over", response, rest)
			}
			return
		}
		if body, _ := readBody(resp.Body); len(body) > maxBody {
			t.Fatalf("%d bytes of body", len(body))
		}
		e := &HandshakeError{StatusCode: resp.StatusCode, Header: resp.Header}
		from, _ := parseURL("ws://a.test/")
		if to, err := e.redirect(from); err == nil && to != nil && to.Scheme != "http" && to.Scheme != "https" {
			t.Fatalf("redirected to %v", to)
		}
	})
}

// A connection fed with any bytes ends with an error of ours, allocates in proportion to what came, and hands out no
// text that is not UTF-8.
func FuzzReader(f *testing.F) {
	for _, test := range parserCases {
		f.Add([]byte(test.b), true, uint8(0))
	}
	f.Add([]byte("\x81\x05hello\x88\x02\x03\xe8"), false, uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, server bool, readSize uint8) {
		near, far := testnet.PipeSize(1 << 20)
		c := newConn(testnet.Fault(near, testnet.Plan{ReadSize: int(readSize)}), server, "", nil, config{messageLimit: 1 << 30, frameLimit: -1, closeTimeout: 1})
		defer c.CloseNow()
		go io.Copy(io.Discard, far)
		far.Write(b)
		far.CloseWrite()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		received := 0
		var err error
		for err == nil {
			var typ MessageType
			var p []byte
			typ, p, err = c.Read(context.Background())
			received += len(p)
			var check textCheck
			if typ == Text && !(check.add(p) && check.done()) {
				t.Fatalf("text %q", p)
			}
		}
		runtime.ReadMemStats(&after)
		if received > len(b) || after.TotalAlloc-before.TotalAlloc > 4<<20+uint64(10*len(b)) {
			t.Fatalf("%d bytes sent, %d received, %d allocated", len(b), received, after.TotalAlloc-before.TotalAlloc)
		}
		if CloseStatus(err) == 0 {
			t.Fatalf("%T %v", err, err)
		}
	})
}

// What one side writes, in frames of any size, the other reads, however the bytes are cut.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("hello"), []byte{1, 2}, uint8(0), true)
	f.Add(bytes.Repeat([]byte("x"), 70_000), []byte{200}, uint8(100), false)
	f.Add([]byte{}, []byte{}, uint8(1), true)
	f.Fuzz(func(t *testing.T, data, sizes []byte, readSize uint8, server bool) {
		near, far := testnet.Pipe()
		cfg := (&AcceptOptions{FrameLimit: -1}).config()
		a := newConn(near, server, "", nil, cfg)
		b := newConn(testnet.Fault(far, testnet.Plan{ReadSize: int(readSize)}), !server, "", nil, cfg)
		defer a.CloseNow()
		defer b.CloseNow()
		sent := make(chan error, 1)
		go func() {
			sent <- errors.Join(
				a.Write(context.Background(), Binary, data),
				writeFragments(a, data, sizes),
				func() error {
					w, err := a.Writer(context.Background(), Binary)
					if err != nil {
						return err
					}
					w.Write(data)
					return w.Close()
				}(),
			)
		}()
		for i := range 3 {
			typ, got, err := b.Read(context.Background())
			if err != nil || typ != Binary || !bytes.Equal(got, data) {
				t.Fatalf("message %d: %v of %d bytes, %v; want %d bytes", i, typ, len(got), err, len(data))
			}
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	})
}

// writeFragments writes a message in frames of these sizes.
func writeFragments(c *Conn, data, sizes []byte) error {
	op := opBinary
	for i := 0; len(data) > 0 && i < len(sizes); i++ {
		n := min(int(sizes[i]), len(data))
		if err := c.writeFrame(context.Background(), op, false, data[:n]); err != nil {
			return err
		}
		data, op = data[n:], opContinuation
	}
	return c.writeFrame(context.Background(), op, true, data)
}
