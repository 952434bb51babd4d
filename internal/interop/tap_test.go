package interop

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
)

// frame is a frame as it went over the wire. Its payload is kept where it is short, and shown without its mask.
type frame struct {
	op     byte
	fin    bool
	rsv    byte
	masked bool
	length uint64
	head   []byte // at most 125 bytes
}

const (
	opContinuation = 0
	opPing         = 9
	opPong         = 10
)

func (f frame) control() bool { return f.op >= 8 }

func (f frame) String() string {
	return fmt.Sprintf("op=%d fin=%t rsv=%d masked=%t length=%d %.40q", f.op, f.fin, f.rsv, f.masked, f.length, f.head)
}

// tap is a relay between a client and a server that reads along.
type tap struct {
	ln     net.Listener
	target string
	pumps  sync.WaitGroup

	mu                     sync.Mutex
	fromClient, fromServer []frame
	conns                  []net.Conn
	closed                 bool
}

// newTap relays to the host and port of target until the test ends.
func newTap(t *testing.T, target string) *tap {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{ln: ln, target: target}
	p.pumps.Go(p.accept)
	t.Cleanup(func() {
		_ = ln.Close()
		p.mu.Lock()
		p.closed = true
		for _, c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.pumps.Wait()
		if t.Failed() {
			t.Logf("frames from the client:\n%s\nframes from the server:\n%s", list(p.fromClient), list(p.fromServer))
		}
	})
	return p
}

func list(frames []frame) string {
	var b strings.Builder
	for i, f := range frames {
		switch last := len(frames) - 10; {
		case i < 20 || i >= last:
			fmt.Fprintf(&b, "  %s\n", f)
		case i == 20:
			fmt.Fprintf(&b, "  and %d more\n", last-i)
		}
	}
	return b.String()
}

// frames returns what has been seen so far.
func (p *tap) frames() (fromClient, fromServer []frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.fromClient), slices.Clone(p.fromServer)
}

func (p *tap) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return // closed
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		if p.closed {
			_, _ = client.Close(), server.Close()
		}
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		up := &parser{tap: p, to: &p.fromClient}
		down := &parser{tap: p, to: &p.fromServer}
		p.pumps.Go(func() { pump(server.(*net.TCPConn), client.(*net.TCPConn), up) })
		p.pumps.Go(func() { pump(client.(*net.TCPConn), server.(*net.TCPConn), down) })
	}
}

// pump passes on what comes, and how it ends: an end as an end, a reset as a reset.
func pump(dst, src *net.TCPConn, along *parser) {
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		along.see(buf[:n])
		if n > 0 {
			if _, werr := dst.Write(buf[:n]); werr != nil {
				reset(src)
				return
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			_ = dst.CloseWrite()
			return
		default:
			reset(dst)
			return
		}
	}
}

func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// parser finds the frames in one direction of one connection. It believes what it reads: both ends are strict already.
type parser struct {
	tap     *tap
	to      *[]frame
	started bool // the handshake's header is over, and it was one of WebSocket
	ignored bool // it was another one
	buf     []byte
	skip    uint64 // bytes of payload that are still to come
}

func (p *parser) see(b []byte) {
	if p.ignored {
		return
	}
	p.buf = append(p.buf, b...)
	if !p.started {
		head, rest, ok := bytes.Cut(p.buf, []byte("\r\n\r\n"))
		if !ok {
			return
		}
		if !bytes.Contains(bytes.ToLower(head), []byte("\nsec-websocket-")) {
			p.ignored = true
			return
		}
		p.started, p.buf = true, rest
	}
	for p.next() {
	}
}

// next takes one frame, or a piece of a payload, off the buffer.
func (p *parser) next() bool {
	if p.skip > 0 {
		n := min(p.skip, uint64(len(p.buf)))
		p.buf, p.skip = p.buf[n:], p.skip-n
		return p.skip == 0 && len(p.buf) > 0
	}
	b := p.buf
	if len(b) < 2 {
		return false
	}
	f := frame{op: b[0] & 15, fin: b[0]&0x80 != 0, rsv: b[0] >> 4 & 7, masked: b[1]&0x80 != 0, length: uint64(b[1] & 0x7f)}
	b = b[2:]
	switch {
	case f.length == 126 && len(b) >= 2:
		f.length, b = uint64(binary.BigEndian.Uint16(b)), b[2:]
	case f.length == 127 && len(b) >= 8:
		f.length, b = binary.BigEndian.Uint64(b), b[8:]
	case f.length >= 126:
		return false
	}
	var key [4]byte
	if f.masked {
		if len(b) < 4 {
			return false
		}
		b = b[copy(key[:], b):]
	}
	short := min(f.length, 125)
	if uint64(len(b)) < short {
		return false
	}
	for i, c := range b[:short] {
		f.head = append(f.head, c^key[i%4])
	}
	p.buf, p.skip = b[short:], f.length-short
	p.tap.mu.Lock()
	*p.to = append(*p.to, f)
	p.tap.mu.Unlock()
	return len(p.buf) > 0
}
