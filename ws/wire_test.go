package ws

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/tidewire/tidewire/internal/testnet"
)

// peer is the other end of a Conn, played by the test frame by frame.
type peer struct {
	t testing.TB
	net.Conn
	r      *bufio.Reader
	client bool // it is the client: masks what it sends
}

// wire returns a Conn over an in-memory pipe, without a handshake, and its peer. options may be nil.
func wire(t testing.TB, server bool, options func(*AcceptOptions)) (*Conn, *peer) {
	t.Helper()
	return wireOver(t, server, options, testnet.Pipe)
}

func wireOver(t testing.TB, server bool, options func(*AcceptOptions), pipe func() (client, server *testnet.Conn)) (*Conn, *peer) {
	t.Helper()
	var o AcceptOptions
	if options != nil {
		options(&o)
	}
	near, far := pipe()
	if server {
		near, far = far, near
	}
	c := newConn(near, server, "", nil, o.config())
	p := &peer{t: t, Conn: far, r: bufio.NewReader(far), client: server}
	t.Cleanup(func() {
		c.CloseNow()
		far.Close()
	})
	return c, p
}

// bothSides runs the test with a server and with a client.
func bothSides(t *testing.T, f func(t *testing.T, server bool)) {
	t.Run("server", func(t *testing.T) { f(t, true) })
	t.Run("client", func(t *testing.T) { f(t, false) })
}

const testKey = 0x78563412

// frame is a frame as this peer sends it.
func (p *peer) frame(op opcode, fin bool, payload string) []byte {
	return appendFrame(nil, header{opcode: op, fin: fin, masked: p.client, key: testKey}, []byte(payload))
}

// header is only the header of one, which declares length.
func (p *peer) header(op opcode, fin bool, length int64) []byte {
	return appendHeader(nil, header{opcode: op, fin: fin, masked: p.client, key: testKey, length: length})
}

func (p *peer) closeFrame(code CloseCode, reason string) []byte {
	return p.frame(opClose, true, string(appendClosePayload(nil, code, reason)))
}

func (p *peer) send(parts ...[]byte) {
	p.t.Helper()
	if _, err := p.Write(bytes.Join(parts, nil)); err != nil {
		p.t.Fatalf("the peer can't write: %v", err)
	}
}

// read returns the next frame, unmasked.
func (p *peer) read() (header, []byte, error) {
	b, err := p.r.Peek(2)
	if err != nil {
		return header{}, nil, err
	}
	b, err = p.r.Peek(headerSize(b[1]))
	if err != nil {
		return header{}, nil, err
	}
	h, n, perr := parseHeader(b)
	if perr != nil {
		return header{}, nil, perr
	}
	p.r.Discard(n)
	if h.masked == p.client {
		p.t.Errorf("frame has masked = %v", h.masked)
	}
	payload := make([]byte, h.length)
	if _, err = io.ReadFull(p.r, payload); err != nil {
		return header{}, nil, err
	}
	if h.masked {
		mask(payload, h.key)
	}
	return h, payload, nil
}

func (p *peer) expect(op opcode, fin bool, payload string) {
	p.t.Helper()
	h, got, err := p.read()
	if err != nil || h.opcode != op || h.fin != fin || string(got) != payload {
		p.t.Fatalf("the peer got opcode %d, fin %v, %.100q, %v; want opcode %d, fin %v, %.100q", h.opcode, h.fin, got, err, op, fin, payload)
	}
}

func (p *peer) expectClose(code CloseCode) (reason string) {
	p.t.Helper()
	h, got, err := p.read()
	if err != nil || h.opcode != opClose || !h.fin {
		p.t.Fatalf("the peer got opcode %d, fin %v, %.100q, %v; want a close frame with %v", h.opcode, h.fin, got, err, code)
	}
	gotCode, reason, perr := parseClosePayload(got)
	if perr != nil || gotCode != code {
		p.t.Fatalf("the peer got a close frame with %v %q, %v; want %v", gotCode, reason, perr, code)
	}
	return reason
}

// expectEOF: nothing more comes, and the network connection is (half-)closed in order.
func (p *peer) expectEOF() {
	p.t.Helper()
	if b, err := p.r.ReadByte(); !errors.Is(err, io.EOF) {
		p.t.Fatalf("the peer got byte %#x, %v; want io.EOF", b, err)
	}
}

// answerClose plays the peer's part of a closing that the other side began.
func (p *peer) answerClose(code CloseCode) {
	p.t.Helper()
	p.expectClose(code)
	p.send(p.closeFrame(code, ""))
	if p.client {
		p.expectEOF()
	}
	p.Close()
}
