package ws

import (
	"context"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Group is a set of connections that are to be closed together, when the server goes away. The zero Group is ready;
// the exported fields are not to be changed after the first use. A connection leaves by itself when it ends.
//
// http.Server.Shutdown knows nothing of WebSocket connections, so Drain comes first, then Shutdown:
//
//	group.Drain(ctx)
//	server.Shutdown(ctx)
type Group struct {
	// Code is what connections are closed with by Drain: 0 is CloseGoingAway; CloseServiceRestart asks clients to come
	// back.
	Code CloseCode
	// Reason goes with it.
	Reason string
	// Spread is the time over which Drain spreads the closing, each connection at its own random moment, so that the
	// clients do not come back all at once. 0: 5 s. Negative: no time.
	Spread time.Duration

	mu      sync.Mutex
	conns   map[*Conn]struct{}
	begun   bool           // Drain or BeginDrain was called
	coming  int            // handshakes under way, which Drain waits for
	closers sync.WaitGroup // the goroutines of the drain; added to under mu
	drained chan struct{}  // made by the drain, closed when all connections have ended
}

func (g *Group) spread() time.Duration {
	if g == nil {
		return 0
	}
	return orOff(g.Spread, 5*time.Second)
}

// expect announces a connection whose handshake is under way; arrived or missed must follow. A nil group expects
// anything.
func (g *Group) expect() error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.begun {
		return ErrDraining
	}
	g.coming++
	return nil
}

func (g *Group) missed() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.coming--
	g.look()
}

// arrived puts c in the group. If it drains by now, c is closed, and the drain waits for that.
func (g *Group) arrived(c *Conn) error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	g.insert(c)
	g.coming--
	begun := g.begun
	g.mu.Unlock()
	g.claim(c)
	if begun {
		g.close(c)
		return ErrDraining
	}
	return nil
}

func (g *Group) close(c *Conn) {
	code := g.Code
	if code == 0 {
		code = CloseGoingAway
	}
	_ = c.Close(code, g.Reason) // the connection has ended, one way or the other
}

// Add puts c in the group. Once the group drains, c is closed instead and the error is ErrDraining. A connection is in
// one group at most: it leaves the one it was in.
func (g *Group) Add(c *Conn) error {
	g.mu.Lock()
	if g.begun {
		g.mu.Unlock()
		g.close(c)
		return ErrDraining
	}
	g.insert(c)
	g.mu.Unlock()
	g.claim(c)
	return nil
}

// insert is called with mu held.
func (g *Group) insert(c *Conn) {
	if g.conns == nil {
		g.conns = make(map[*Conn]struct{})
	}
	g.conns[c] = struct{}{}
}

// claim tells c, which is inserted, whose it is. No lock is held while another is taken.
func (g *Group) claim(c *Conn) {
	c.mu.Lock()
	dead, old := c.dead(), c.group
	if !dead {
		c.group = g
	}
	c.mu.Unlock()
	if dead {
		g.remove(c)
	} else if old != nil && old != g {
		old.remove(c)
	}
}

func (g *Group) remove(c *Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
	g.look()
}

// look ends the drain when all are gone. Called with mu held.
func (g *Group) look() {
	if !g.begun || len(g.conns) > 0 || g.coming > 0 {
		return
	}
	select {
	case <-g.drained:
	default:
		close(g.drained)
	}
}

// Len is the number of connections.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.conns)
}

// All yields the connections that are in the group when it begins, in no order.
func (g *Group) All() iter.Seq[*Conn] {
	return func(yield func(*Conn) bool) {
		g.mu.Lock()
		conns := slices.Collect(maps.Keys(g.conns))
		g.mu.Unlock()
		for _, c := range conns {
			if !yield(c) {
				return
			}
		}
	}
}

// BeginDrain begins what Drain waits for. It is made for http.Server.RegisterOnShutdown, which nobody waits for: a
// program that ends after Shutdown needs Drain.
func (g *Group) BeginDrain() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.begun {
		return
	}
	g.begun, g.drained = true, make(chan struct{})
	g.look()
	spread := g.spread()
	for c := range g.conns {
		wait := time.Duration(0)
		if spread > 0 {
			wait = rand.N(spread)
		}
		g.closers.Go(func() { // ends with the connection, at the latest CloseTimeout after its moment
			timer := time.NewTimer(wait)
			defer timer.Stop()
			select {
			case <-timer.C:
				g.close(c)
			case <-c.whenDone():
			}
		})
	}
}

// Drain closes all connections with Code, each at its own moment within Spread, with a closing handshake, and refuses
// new ones. It returns when the last has ended; when ctx ends before, it closes the others at once and returns the
// context's cause. Called again, it waits again.
func (g *Group) Drain(ctx context.Context) error {
	g.BeginDrain()
	g.mu.Lock()
	drained := g.drained
	g.mu.Unlock()
	var err error
	select {
	case <-drained:
	case <-ctx.Done():
		err = contextError(ctx, "drain")
		for c := range g.All() {
			_ = c.CloseNow() // always nil
		}
	}
	g.closers.Wait()
	return err
}
