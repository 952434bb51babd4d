package testnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

// maxLinks bounds the connections open through one proxy; those past it are reset.
const maxLinks = 4096

// unlimited is a byte limit that is off.
const unlimited = -1

// Proxy is a TCP proxy on loopback, between a client and a server that know nothing of it, which a test can make
// fail as networks do. Faults hold for all connections, those to come too, until they are changed or healed. All
// methods may be called at any time from any goroutine.
//
// Every byte written after a method has returned meets the new fault; bytes on their way at that moment may pass.
type Proxy struct {
	ln     net.Listener
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // the accept loop and one goroutine a link

	mu       sync.Mutex // never held across I/O or a wait
	target   string
	closed   bool
	cut      bool
	hole     chan struct{} // not nil while bytes are held; closed when they may go
	delay    time.Duration
	drop     [2]int64 // by direction
	cutAfter int64
	links    map[*link]struct{}
	accepted int
	changed  chan struct{} // closed and replaced when links or accepted change
}

// NewProxy starts a proxy in front of target, a "host:port". With a t that is not nil the test's cleanup closes it.
func NewProxy(t testing.TB, target string) (*Proxy, error) {
	if _, _, err := net.SplitHostPort(target); err != nil {
		return nil, fmt.Errorf("testnet: proxy target: %w", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("testnet: proxy: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proxy{
		ln: ln, ctx: ctx, cancel: cancel, target: target,
		drop: [2]int64{unlimited, unlimited}, cutAfter: unlimited,
		links: make(map[*link]struct{}), changed: make(chan struct{}),
	}
	p.wg.Go(p.accept)
	if t != nil {
		t.Cleanup(p.Close)
	}
	return p, nil
}

// Addr is where clients connect: "127.0.0.1:port". It stays the same until Close.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// SetTarget sends connections to come to another server, such as a restarted one.
func (p *Proxy) SetTarget(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Cut resets all connections on both sides and, until Heal, every new one at once. When it returns, none is left.
func (p *Proxy) Cut() {
	p.mu.Lock()
	p.cut = true
	p.mu.Unlock()
	p.abort(func(*link) bool { return true })
}

// Blackhole holds bytes and ends both ways while on: nothing arrives, nobody is told. New connections are taken
// from the client and not yet made to the server. Turned off, everything held goes on.
func (p *Proxy) Blackhole(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blackhole(on)
}

func (p *Proxy) blackhole(on bool) {
	switch {
	case on && p.hole == nil:
		p.hole = make(chan struct{})
	case !on && p.hole != nil:
		close(p.hole)
		p.hole = nil
	}
}

// Delay lets bytes arrive d later, each way, without limiting the throughput up to 512 KiB in flight.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// DropServerBytesAfter lets n more bytes from the server through to each client and swallows the rest, the end
// included; the client's bytes still arrive. (Connections to come count from their start.) Negative is off: then
// connections that have lost something are reset, for TCP has no holes.
func (p *Proxy) DropServerBytesAfter(n int64) { p.dropAfter(toClient, n) }

// DropClientBytesAfter is DropServerBytesAfter in the other direction.
func (p *Proxy) DropClientBytesAfter(n int64) { p.dropAfter(toServer, n) }

func (p *Proxy) dropAfter(dir direction, n int64) {
	n = max(n, unlimited)
	p.mu.Lock()
	p.drop[dir] = n
	for l := range p.links {
		l.drop[dir] = n
	}
	p.mu.Unlock()
	if n == unlimited {
		p.abort(func(l *link) bool { return l.lost[dir] })
	}
}

// CutAfter resets each connection, on both sides, when n more bytes from the server have gone to its client; new
// connections are let in and count from their start. 0 is before the first byte; negative is off. (A reset can
// overtake a client's connect where the server speaks first: let the client speak first.)
func (p *Proxy) CutAfter(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutAfter = max(n, unlimited)
	for l := range p.links {
		l.cutAfter = p.cutAfter
	}
}

// Heal ends every fault. Connections that have lost something are reset.
func (p *Proxy) Heal() {
	p.mu.Lock()
	p.cut, p.delay = false, 0
	p.blackhole(false)
	p.mu.Unlock()
	p.CutAfter(unlimited)
	p.DropServerBytesAfter(unlimited)
	p.DropClientBytesAfter(unlimited)
}

// Connections is the number of connections open through the proxy.
func (p *Proxy) Connections() int {
	open, _ := p.counts()
	return open
}

// Accepted is the number of connections that clients have ever made, those reset at once included.
func (p *Proxy) Accepted() int {
	_, accepted := p.counts()
	return accepted
}

func (p *Proxy) counts() (open, accepted int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links), p.accepted
}

// Wait returns nil when ok is true of Connections and Accepted, which it looks at after every change, or ctx's
// cause, or net.ErrClosed after Close.
func (p *Proxy) Wait(ctx context.Context, ok func(open, accepted int) bool) error {
	for {
		p.mu.Lock()
		open, accepted, changed := len(p.links), p.accepted, p.changed
		p.mu.Unlock()
		if ok(open, accepted) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.ctx.Done():
			return net.ErrClosed
		}
	}
}

// Close resets all connections and returns when every goroutine has ended. Clients then get ECONNREFUSED.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.ln.Close() // a second Close may say that it is closed
	p.cancel()       // the parent of every link's context
	p.wg.Wait()
}

// abort resets the links that which picks and waits for their end.
func (p *Proxy) abort(which func(*link) bool) {
	var picked []*link
	p.mu.Lock()
	for l := range p.links {
		if which(l) {
			picked = append(picked, l)
		}
	}
	p.mu.Unlock()
	for _, l := range picked {
		l.cancel()
	}
	for _, l := range picked {
		<-l.done
	}
}

// accept ends with Close.
func (p *Proxy) accept() {
	for {
		c, err := p.ln.Accept()
		if err == nil {
			p.start(c)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		select { // out of descriptors: they may come back
		case <-time.After(10 * time.Millisecond):
		case <-p.ctx.Done():
			return
		}
	}
}

func (p *Proxy) start(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accepted++
	p.noteChange()
	if p.closed || p.cut || len(p.links) >= maxLinks {
		reset(c)
		return
	}
	l := newLink(p, c)
	p.links[l] = struct{}{}
	p.wg.Go(l.run)
}

// noteChange is called with mu held.
func (p *Proxy) noteChange() {
	close(p.changed)
	p.changed = make(chan struct{})
}
