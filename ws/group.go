package ws

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Group is a set of connections that are to be closed together, when the server goes away. The zero Group is ready;
// the exported fields are not to be changed after the first use. A nil Group holds nothing. A connection leaves by
// itself when it ends.
//
// http.Server.Shutdown knows nothing of WebSocket connections, so Drain comes first, then Shutdown:
//
//	group.Drain(ctx)
//	server.Shutdown(ctx)
type Group struct {
	// Code is what connections are closed with by Drain: 0 is CloseGoingAway; CloseServiceRestart asks clients to come
	// back. Instead of one that must not be sent, such as 1006, it is CloseInternalError, and Drain says so.
	Code CloseCode
	// Reason goes with it.
	Reason string
	// Spread is the time over which Drain spreads the closing, each connection at its own random moment, so that the
	// clients do not come back all at once. 0: 5 s. Negative: no time. Clients that are refused meanwhile, with 503, get
	// a random Retry-After between 1 s and Spread and a second.
	Spread time.Duration

	mu      sync.Mutex // taken while the mu of a Conn is held, never the other way round, nor that of another Group
	conns   map[*Conn]struct{}
	begun   bool           // Drain or BeginDrain was called
	coming  int            // handshakes under way, which Drain waits for
	cut     bool           // the context of a Drain has ended: nobody is given time any more
	hurry   chan struct{}  // made by the drain, closed with cut
	closers sync.WaitGroup // the goroutines of the drain; added to under mu, or by one of them
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
	begun, cut := g.insert(c, 1)
	if !begun {
		return nil
	}
	if cut {
		_ = c.CloseNow() // always nil
	} else {
		g.close(c)
	}
	return ErrDraining
}

func (g *Group) close(c *Conn) {
	code := g.Code
	if code == 0 {
		code = CloseGoingAway
	}
	_ = c.Close(code, g.Reason) // the connection has ended, one way or the other
}

// Add puts c in the group. Once the group drains, c is closed instead and the error is ErrDraining. A connection is in
// one group at most: it leaves the one it was in. One that has ended is in none, and that is no error.
func (g *Group) Add(c *Conn) error {
	if g == nil {
		return errors.New("ws: the group is nil")
	}
	if c == nil {
		return errors.New("ws: the connection is nil")
	}
	if begun, _ := g.insert(c, 0); begun {
		g.close(c)
		return ErrDraining
	}
	return nil
}

// insert puts c, which lives, in g, and takes it out of the group it was in. expected is 1 for a connection that expect
// has announced, which comes in even when the drain has begun. All of it happens under the mu of c, so that the group
// that c names is always the one that has it, whoever adds it where at the same time.
func (g *Group) insert(c *Conn, expected int) (begun, cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g.mu.Lock()
	begun, cut = g.begun, g.cut
	in := !c.dead() && (!begun || expected > 0)
	if in {
		if g.conns == nil {
			g.conns = make(map[*Conn]struct{})
		}
		g.conns[c] = struct{}{}
	}
	g.coming -= expected
	g.look()
	g.mu.Unlock()
	if !in {
		return begun, cut
	}
	old := c.group
	c.group = g
	if old != nil && old != g {
		old.remove(c)
	}
	return begun, cut
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
	if g == nil {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.conns)
}

// All yields the connections that are in the group when it begins, in no order.
func (g *Group) All() iter.Seq[*Conn] {
	return func(yield func(*Conn) bool) {
		for _, c := range g.members() {
			if !yield(c) {
				return
			}
		}
	}
}

func (g *Group) members() []*Conn {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Keys(g.conns))
}

// BeginDrain begins what Drain waits for. It is made for http.Server.RegisterOnShutdown, which nobody waits for: a
// program that ends after Shutdown needs Drain.
func (g *Group) BeginDrain() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.begun {
		return
	}
	g.begun, g.drained, g.hurry = true, make(chan struct{}), make(chan struct{})
	g.look()
	if len(g.conns) == 0 {
		return
	}
	conns := slices.Collect(maps.Keys(g.conns))
	g.closers.Go(func() { g.closeAll(conns) }) // ends with the last moment, or when all have ended
}

// closeAll closes each connection at its own moment. The goroutines, one for each that is being closed, end at the
// latest CloseTimeout after their connection's moment; a crowd that is spread does not have them all at once.
func (g *Group) closeAll(conns []*Conn) {
	spread := max(g.spread(), 1)
	moments := make([]time.Duration, len(conns))
	for i := range moments {
		moments[i] = rand.N(spread)
	}
	slices.Sort(moments) // the connections are in no order
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i, c := range conns {
		timer.Reset(moments[i] - time.Since(began))
		select {
		case <-timer.C:
			g.closers.Go(func() { g.close(c) })
		case <-g.drained:
			return
		case <-g.hurry:
			return
		}
	}
}

// Drain closes all connections with Code, each at its own moment within Spread, with a closing handshake, and refuses
// new ones. It returns when the last has ended; when ctx ends before, it cuts the others off at once, so that their
// peers see a 1006, and returns an error that wraps the context's cause. A ctx that ends within Spread cuts off those
// whose moment had not come: give it Spread and CloseTimeout. Called again, it waits again.
//
// What it waits for are connections, not the program's events: an Open that is under way may outlast the connection, and
// Events.Close comes when it has ended. A program that must not go before these have returned counts them itself, with a
// sync.WaitGroup.
func (g *Group) Drain(ctx context.Context) error {
	g.BeginDrain()
	if ctx == nil {
		return errNilContext // the drain goes on by itself
	}
	if g == nil {
		return nil
	}
	var err error
	select {
	case <-g.drained:
	case <-ctx.Done():
		err = contextError(ctx, "drain")
		g.mu.Lock()
		if !g.cut {
			g.cut = true
			close(g.hurry)
		}
		g.mu.Unlock()
		for _, c := range g.members() {
			_ = c.CloseNow() // always nil
		}
	}
	g.closers.Wait()
	if err == nil && g.Code != 0 && g.Code != CloseNoStatus && !g.Code.onWire() {
		return fmt.Errorf("ws: drain: the group's close code %d must not be sent; it was %d", uint16(g.Code), uint16(CloseInternalError))
	}
	return err
}
