package gateway

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tidewire/tidewire/backoff"
)

func (g *Handler) join(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sessions[s] = struct{}{}
}

func (g *Handler) forget(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.sessions[s]; !ok {
		return
	}
	delete(g.sessions, s)
	if g.draining && len(g.sessions) == 0 {
		g.emptied()
	}
}

// emptied tells those who wait for the end of the drain. Called with mu held.
func (g *Handler) emptied() {
	select {
	case <-g.empty:
	default:
		close(g.empty)
	}
}

// Len returns the number of connections that follow a topic, or are being ended.
func (g *Handler) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.sessions)
}

// retry is for how long a client is to stay away.
func (g *Handler) retry() time.Duration {
	g.mu.Lock()
	n := max(len(g.sessions), g.crowd)
	g.mu.Unlock()
	return time.Second + backoff.Moment(max(backoff.Spread(n, g.opts.Rate), 2*time.Second))
}

func (g *Handler) isDraining() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.draining
}

// BeginDrain begins what Drain waits for. It suits
// http.Server.RegisterOnShutdown; but nobody waits for what is registered there,
// so prefer Drain.
func (g *Handler) BeginDrain() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draining {
		return
	}
	g.draining, g.crowd = true, len(g.sessions)
	list := make([]*session, 0, len(g.sessions))
	for s := range g.sessions {
		list = append(list, s)
	}
	if len(list) == 0 {
		g.emptied()
		return
	}
	g.farewell.Go(func() { g.endAll(list) }) // ends with the last moment, or when all have left
}

// endAll ends each connection at a moment of its own.
func (g *Handler) endAll(list []*session) {
	began := time.Now()
	moments := make([]time.Duration, len(list))
	if g.opts.DrainSpread > 0 {
		for i := range moments {
			moments[i] = rand.N(g.opts.DrainSpread)
		}
		slices.Sort(moments) // the connections are in no order
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	hurry := g.hurry
	for i, s := range list {
		if hurry != nil {
			timer.Reset(moments[i] - time.Since(began))
			select {
			case <-timer.C:
			case <-g.empty:
				return
			case <-hurry:
				hurry = nil
			}
		}
		s.bye(&Bye{Reason: ByeDrain, Retry: g.retry()})
	}
}

// Drain ends all connections, each at a random moment of its own within
// DrainSpread, with a bye that says for how long to stay away, and refuses new
// ones: WebSockets with 503, event streams with a bye in the stream, because
// an EventSource would not come back from a 503. It returns when the last
// connection has ended. When ctx ends before that, the rest are ended at once, and the
// error says how many have not gone yet and wraps the context's cause.
//
// Call it before http.Server.Shutdown, which knows nothing of these
// connections, and before hub.Hub.Close.
func (g *Handler) Drain(ctx context.Context) error {
	g.BeginDrain()
	defer g.farewell.Wait()
	select {
	case <-g.empty:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	if !g.hurried {
		g.hurried = true
		close(g.hurry)
	}
	n := len(g.sessions)
	g.mu.Unlock()
	if n == 0 {
		return nil
	}
	return fmt.Errorf("gateway: drain: %d connections still open: %w", n, context.Cause(ctx))
}
