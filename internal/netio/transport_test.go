package netio

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
)

// transport is one way for a Conn to reach its peer. The peer is a plain net.Conn that the test plays.
type transport struct {
	name string
	cfg  Config
	pair func(t testing.TB) (server, peer net.Conn)
	wire wire
}

func transports() []transport {
	all := []transport{
		{"tcp", Config{}, tcpPair, fast},
		{"tcp-portable", Config{Portable: true}, tcpPair, plain},
		{"tls", Config{}, tlsPair, overTLS},
		{"tls-portable", Config{Portable: true}, tlsPair, plain},
		{"unix", Config{}, unixPair, fast},
		{"pipe", Config{}, pipePair, plain},
	}
	if !canFast {
		for i := range all {
			all[i].wire = plain
		}
	}
	return all
}

// run runs f over every transport, and checks that nothing is left behind.
func run(t *testing.T, f func(t *testing.T, tr transport)) {
	for _, tr := range transports() {
		t.Run(tr.name, func(t *testing.T) {
			noLeaks(t)
			f(t, tr)
		})
	}
}

// start makes a Conn of the transport, with the protocol that make gives.
func (tr transport) start(t testing.TB, p Protocol, change func(*Config)) (*Conn, net.Conn) {
	t.Helper()
	server, peer := tr.pair(t)
	cfg := tr.cfg
	if change != nil {
		change(&cfg)
	}
	c := New(server, p, &cfg, nil)
	if c.wire != tr.wire {
		t.Fatalf("wire %d, want %d", c.wire, tr.wire)
	}
	t.Cleanup(func() {
		c.CloseNow(nil)
		peer.Close()
	})
	return c, peer
}

func tcpPair(t testing.TB) (server, peer net.Conn) { return listenPair(t, "tcp", "127.0.0.1:0") }

func unixPair(t testing.TB) (server, peer net.Conn) {
	return listenPair(t, "unix", filepath.Join(t.TempDir(), "s"))
}

func listenPair(t testing.TB, network, addr string) (server, peer net.Conn) {
	t.Helper()
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	peer, err = net.Dial(network, ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return server, peer
}

func pipePair(testing.TB) (server, peer net.Conn) {
	peer, server = testnet.Pipe()
	return server, peer
}

var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

func tlsPair(t testing.TB) (server, peer net.Conn) {
	t.Helper()
	s, p := tcpPair(t)
	srv := tls.Server(s, &tls.Config{Certificates: []tls.Certificate{certificate()}})
	cl := tls.Client(p, &tls.Config{InsecureSkipVerify: true})
	shaken := make(chan error, 1)
	go func() { shaken <- srv.Handshake() }()
	if err := cl.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	return srv, cl
}

// noLeaks fails the test if goroutines of this package, descriptors or places in the park are left when it has ended.
// It waits for them: what ends a connection does not wait itself.
func noLeaks(t testing.TB) {
	t.Helper()
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil { // the first one opens the runtime's own descriptors
		ln.Close()
	}
	files := openFiles()
	t.Cleanup(func() {
		var left string
		for range 2000 {
			left = leftBehind(files)
			if left == "" {
				return
			}
			runtime.Gosched()
			time.Sleep(time.Millisecond)
		}
		t.Errorf("left behind: %s", left)
	})
}

func leftBehind(files int) string {
	if n := lotUsers(); n != 0 {
		return "places in the park"
	}
	buf := make([]byte, 1<<20)
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "netio.(*Conn)") || strings.Contains(g, "netio.(*parkingLot)") || strings.Contains(g, "netio.(*wheel)") {
			return g
		}
	}
	if n := openFiles(); n > files {
		return "file descriptors"
	}
	return ""
}

func openFiles() int {
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(d)
}

// eventually waits for a condition that other goroutines bring about.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for range 10_000 {
		if cond() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	buf := make([]byte, 1<<20)
	t.Fatalf("never came true: %s\n%s", what, buf[:runtime.Stack(buf, true)])
}

// get waits for a value with a bound that only a hanging test reaches.
func get[T any](t testing.TB, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(20 * time.Second):
		buf := make([]byte, 1<<20)
		t.Fatalf("never came: %s\n%s", what, buf[:runtime.Stack(buf, true)])
		panic("unreachable")
	}
}

func mustReadFull(t testing.TB, r io.Reader, p []byte) {
	t.Helper()
	if n, err := io.ReadFull(r, p); err != nil {
		t.Fatalf("read %d of %d bytes: %v", n, len(p), err)
	}
}

func goexit() { runtime.Goexit() }

func (c *Conn) state() reader {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reader
}

// fill sends until the peer, who does not read, and the queue are full: until the flusher, if any, makes no more room.
func fill(t testing.TB, c *Conn) (sent int) {
	t.Helper()
	p := make([]byte, 16<<10)
	for refused := 0; refused < 50; {
		n, err := c.TrySend([][]byte{p})
		sent += n * len(p)
		switch {
		case err == nil:
			refused = 0
		case c.Err() != nil, c.wire == fast:
			return sent
		default:
			refused++
			time.Sleep(time.Millisecond)
		}
		if sent > 1<<30 {
			t.Fatal("the peer's buffers have no end")
		}
	}
	return sent
}
