package testnet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

type direction int

const (
	toServer direction = iota
	toClient
)

// One direction of a link holds at most linkQueue pieces of linkPiece bytes (512 KiB), then stops reading.
const (
	linkPiece = 32 << 10
	linkQueue = 16
)

// link is one connection through a proxy: the client's, and the one made to the server for it.
type link struct {
	p      *Proxy
	client net.Conn
	ctx    context.Context // its end resets both sides
	cancel context.CancelFunc
	done   chan struct{} // closed by run, last

	// Guarded by p.mu.
	drop     [2]int64 // bytes still let through, by direction, or unlimited
	lost     [2]bool  // bytes or the end were swallowed
	cutAfter int64
}

// newLink is called with p.mu held.
func newLink(p *Proxy, client net.Conn) *link {
	l := &link{p: p, client: client, done: make(chan struct{}), drop: p.drop, cutAfter: p.cutAfter}
	l.ctx, l.cancel = context.WithCancel(p.ctx)
	return l
}

// run carries the link from accept to end. It has four goroutines under it, and one that resets both sides when
// the context ends; it waits for all.
func (l *link) run() {
	defer func() {
		l.cancel()
		l.p.mu.Lock()
		delete(l.p.links, l)
		l.p.noteChange()
		l.p.mu.Unlock()
		close(l.done)
	}()
	server, err := l.dial()
	if err != nil {
		reset(l.client)
		return
	}
	var resetter, pumps sync.WaitGroup
	resetter.Go(func() { // ends with ctx
		<-l.ctx.Done()
		reset(l.client)
		reset(server)
	})
	l.pump(&pumps, toServer, l.client, server)
	l.pump(&pumps, toClient, server, l.client)
	pumps.Wait()
	if l.ctx.Err() == nil { // both ends came in order
		_ = l.client.Close()
		_ = server.Close()
	}
	l.cancel()
	resetter.Wait()
}

func (l *link) dial() (net.Conn, error) {
	if err := l.waitOpen(); err != nil {
		return nil, err
	}
	l.p.mu.Lock()
	target := l.p.target
	l.p.mu.Unlock()
	var d net.Dialer
	return d.DialContext(l.ctx, "tcp", target)
}

// waitOpen returns nil when the proxy is no blackhole.
func (l *link) waitOpen() error {
	for {
		l.p.mu.Lock()
		hole := l.p.hole
		l.p.mu.Unlock()
		if hole == nil {
			return l.ctx.Err()
		}
		select {
		case <-hole:
		case <-l.ctx.Done():
			return l.ctx.Err()
		}
	}
}

// piece is what one Read gave: bytes, or the end of the direction.
type piece struct {
	due  time.Time // when it may arrive; zero: at once
	data []byte
	end  error // io.EOF, or why reading failed
}

// pump starts the two goroutines of one direction, which end with ctx or with the direction.
func (l *link) pump(wg *sync.WaitGroup, dir direction, src, dst net.Conn) {
	queue := make(chan piece, linkQueue) // sent and closed by read
	wg.Go(func() {
		defer close(queue)
		l.read(src, queue)
	})
	wg.Go(func() {
		for pc := range queue {
			if !l.deliver(dir, pc, dst) {
				return
			}
		}
	})
}

func (l *link) read(src net.Conn, queue chan<- piece) {
	buf := make([]byte, linkPiece)
	for {
		n, err := src.Read(buf)
		l.p.mu.Lock()
		delay := l.p.delay
		l.p.mu.Unlock()
		var due time.Time
		if delay > 0 {
			due = time.Now().Add(delay)
		}
		if n > 0 {
			select {
			case queue <- piece{due: due, data: bytes.Clone(buf[:n])}:
			case <-l.ctx.Done():
				return
			}
		}
		if err != nil {
			select {
			case queue <- piece{due: due, end: err}:
			case <-l.ctx.Done():
			}
			return
		}
	}
}

// deliver passes one piece on, when its time has come and as far as the faults let it. It reports whether the
// direction goes on.
func (l *link) deliver(dir direction, pc piece, dst net.Conn) bool {
	if wait := time.Until(pc.due); !pc.due.IsZero() && wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-l.ctx.Done():
			return false
		}
	}
	if l.waitOpen() != nil {
		return false
	}
	if pc.end != nil {
		l.end(dir, pc.end, dst)
		return false
	}
	pass, cut := l.take(dir, len(pc.data))
	if pass > 0 {
		if _, err := dst.Write(pc.data[:pass]); err != nil {
			l.end(dir, err, dst)
			return false
		}
	}
	if cut {
		l.cancel()
	}
	return !cut
}

// take says how many of n bytes may pass, and whether the link is to be cut after them.
func (l *link) take(dir direction, n int) (pass int, cut bool) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if l.lost[dir] {
		return 0, false // no byte may follow a hole, whatever the limit is now
	}
	pass = n
	if left := l.drop[dir]; left != unlimited {
		if int64(pass) > left {
			pass = int(left)
			l.lost[dir] = true
		}
		l.drop[dir] -= int64(pass)
	}
	if dir == toClient && l.cutAfter != unlimited {
		if int64(pass) >= l.cutAfter {
			pass, cut = int(l.cutAfter), true
		}
		l.cutAfter -= int64(pass)
	}
	return pass, cut
}

// end passes on the end of a direction: an orderly one as a half-close, any other as a reset. Where bytes are
// being swallowed, so is the end.
func (l *link) end(dir direction, err error, dst net.Conn) {
	l.p.mu.Lock()
	swallowed := false
	for d := range l.drop {
		if l.drop[d] == 0 || l.lost[d] {
			if orderly := errors.Is(err, io.EOF); !orderly || d == int(dir) {
				l.lost[d], swallowed = true, true
			}
		}
	}
	l.p.mu.Unlock()
	switch {
	case swallowed:
		<-l.ctx.Done()
	case errors.Is(err, io.EOF):
		if c, ok := dst.(*net.TCPConn); !ok || c.CloseWrite() != nil {
			l.cancel()
		}
	default:
		l.cancel()
	}
}

// reset closes c with an RST, which its peer can't take for an orderly end. On a closed c it does nothing.
func reset(c net.Conn) {
	if tc, ok := c.(*net.TCPConn); ok {
		_ = tc.SetLinger(0)
	}
	_ = c.Close()
}
