package sseinterop

import (
	"bufio"
	"bytes"
	"net"
	"sync"
	"testing"
)

// cut says what becomes of one connection.
type cut struct {
	how   string // one of the constants
	after int    // bytes of the response, from its beginning (cutHeader) or from its body's
	mark  string // cutMark: the text behind which the connection ends
}

const (
	cutNone   = ""
	cutFIN    = "fin"    // the connection ends behind the byte
	cutReset  = "reset"  // it is reset
	cutHeader = "header" // it ends within the header
	cutMark   = "mark"   // the response ends in order behind the mark; nothing is published meanwhile
	refuse503 = "503"    // the server is not reached at all
)

// relay stands between a client and a server and cuts connections.
type relay struct {
	ln     net.Listener
	target string
	pumps  sync.WaitGroup

	// plan is asked for each request, n from 0. It may publish, and wait.
	plan func(n int) cut
	// passed is called when bytes have been passed on and the connection stands. It publishes the next event.
	passed func()

	mu     sync.Mutex
	n      int // requests so far
	conns  map[net.Conn]struct{}
	closed bool
}

// newRelay relays to target until the test ends.
func newRelay(t *testing.T, target string, plan func(n int) cut, passed func()) *relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &relay{ln: ln, target: target, plan: plan, passed: passed, conns: map[net.Conn]struct{}{}}
	p.pumps.Go(p.accept)
	t.Cleanup(func() {
		_ = ln.Close()
		p.mu.Lock()
		p.closed = true
		for c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.pumps.Wait()
	})
	return p
}

func (p *relay) addr() string { return p.ln.Addr().String() }

// requests returns how many have come.
func (p *relay) requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

// keep registers a connection for the end of the test.
func (p *relay) keep(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = c.Close()
	}
	p.conns[c] = struct{}{}
}

func (p *relay) drop(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

func (p *relay) accept() {
	for {
		c, err := p.ln.Accept()
		if err != nil {
			return // closed
		}
		p.keep(c)
		p.pumps.Go(func() {
			defer p.drop(c)
			p.serve(c)
		})
	}
}

// serve relays one connection: one request without a body and its response.
func (p *relay) serve(client net.Conn) {
	br := bufio.NewReader(client)
	var request []byte
	for !bytes.HasSuffix(request, []byte("\r\n\r\n")) { // browsers open connections on suspicion, and never use them
		line, err := br.ReadSlice('\n')
		if err != nil {
			return
		}
		request = append(request, line...)
	}
	p.mu.Lock()
	n := p.n
	p.n++
	p.mu.Unlock()
	c := p.plan(n)
	if c.how == refuse503 {
		_, _ = client.Write([]byte("HTTP/1.1 503 Service Unavailable\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
		return
	}
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	p.keep(server)
	defer p.drop(server)
	if _, err := server.Write(request); err != nil {
		return
	}
	// The client says nothing more; when it ends, so does the other side.
	p.pumps.Go(func() {
		_, _ = br.WriteTo(server)
		_ = server.Close()
	})
	p.pump(client, server, c)
}

// pump passes the response on, up to the cut.
func (p *relay) pump(client, server net.Conn, c cut) {
	var header []byte // and, up to a mark, what follows
	inHeader := true
	left := c.after
	buf := make([]byte, 32<<10)
	for {
		n, err := server.Read(buf)
		b := buf[:n]
		if c.how == cutMark {
			header = append(header, b...)
			_, _ = client.Write(b)
			if err != nil {
				return
			}
			// In order, or a client might never see what came just before. A chunk ends in CRLF.
			if bytes.Contains(header, []byte(c.mark)) && bytes.HasSuffix(header, []byte("\r\n")) {
				_, _ = client.Write([]byte("0\r\n\r\n"))
				return
			}
			continue
		}
		count := len(b) // bytes that count for the cut
		if inHeader {
			before := len(header)
			header = append(header, b...)
			i := bytes.Index(header, []byte("\r\n\r\n"))
			switch {
			case c.how == cutHeader:
			case i < 0:
				count = 0
			default:
				inHeader = false
				count = before + len(b) - (i + 4)
			}
		}
		if c.how != cutNone && count >= left {
			b = b[:len(b)-(count-left)]
			_, _ = client.Write(b)
			if tcp, ok := client.(*net.TCPConn); ok && c.how == cutReset {
				_ = tcp.SetLinger(0) // closing is then a reset
			}
			return
		}
		left -= count
		if n > 0 {
			if _, err := client.Write(b); err != nil {
				return
			}
			if count > 0 {
				p.passed()
			}
		}
		if err != nil {
			return // the server has ended the response
		}
	}
}
