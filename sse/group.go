package sse

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tidewire/tidewire/backoff"
)

// defaultRate is GroupOptions.Rate by default.
const defaultRate = 1000

// GroupOptions says how a [Group] admits and drains. Nil and the zero value
// are good.
type GroupOptions struct {
	// MaxStreams is the admission limit: the request over it is answered with
	// 503 and a random Retry-After. Zero and negative mean no limit.
	//
	// A browser's EventSource gives up for good on any status but 200, so
	// this is a last defence, not a way to shape load.
	MaxStreams int

	// Rate is how many streams the server can take in a second. When it
	// restarts, all its clients come back, and the reconnection times that
	// they were told spread them over at least (streams / Rate) seconds. Zero,
	// negative and not a number mean 1000.
	Rate float64
}

// A Group holds the open streams of a server, or of a part of it, so that they
// can be limited and ended together. Streams join it by [Options.Group].
//
// At the end of a server, drain first and then shut down:
// [http.Server.Shutdown] waits for open streams and never ends one.
//
//	group.Drain(ctx)
//	server.Shutdown(ctx)
//
// All methods may be called from any goroutine. A nil *Group holds nothing.
type Group struct {
	// Immutable after NewGroup.
	max  int
	rate float64 // zero in a Group that NewGroup did not make

	// Guarded by mu; never held across I/O.
	mu       sync.Mutex
	streams  map[member]struct{}
	draining bool
	drained  int           // streams that were open when the drain began
	empty    chan struct{} // closed by the last to leave while draining
}

// A member is a Writer or a Stream.
type member interface {
	// leave ends the stream, without waiting for anything.
	leave(reason error)
}

// NewGroup returns an empty group. The zero value of Group is one with the
// default options.
func NewGroup(o *GroupOptions) *Group {
	g := new(Group)
	if o != nil {
		g.max = max(o.MaxStreams, 0)
		if o.Rate > 0 { // not NaN either
			g.rate = o.Rate
		}
	}
	return g
}

// lock locks mu and makes what the zero value lacks.
func (g *Group) lock() {
	g.mu.Lock()
	if g.streams == nil {
		g.streams = make(map[member]struct{})
		g.empty = make(chan struct{})
	}
}

// Len returns the number of open streams.
func (g *Group) Len() int {
	if g == nil {
		return 0
	}
	g.lock()
	defer g.mu.Unlock()
	return len(g.streams)
}

// BeginDrain refuses new streams with 503 and a random Retry-After, and ends
// the open ones with [ErrDraining]: as each handler closes its Writer, and at
// once for a [Stream], the client is told its own random reconnection time. It
// does not wait, so it suits [http.Server.RegisterOnShutdown]; but nobody
// waits for what is registered there, so prefer [Group.Drain].
func (g *Group) BeginDrain() {
	if g == nil {
		return
	}
	g.lock()
	first := !g.draining
	g.draining = true
	var open []member
	if first {
		open = make([]member, 0, len(g.streams))
		for s := range g.streams {
			open = append(open, s)
		}
		g.drained = len(open)
		if len(open) == 0 {
			close(g.empty)
		}
	}
	g.mu.Unlock()
	for _, s := range open {
		s.leave(ErrDraining)
	}
}

// Drain calls [Group.BeginDrain] and waits until all streams have been closed,
// and the Close events of those of a [Handler] have returned.
// If the context ends before, the error says how many are left, and wraps the
// context's cause.
func (g *Group) Drain(ctx context.Context) error {
	if g == nil {
		return nil
	}
	g.BeginDrain()
	if ctx == nil {
		return errNilContext // the drain goes on by itself
	}
	select {
	case <-g.empty:
		return nil
	case <-ctx.Done():
	}
	if n := g.Len(); n > 0 {
		return fmt.Errorf("sse: drain: %d streams still open: %w", n, context.Cause(ctx))
	}
	return nil
}

func (g *Group) add(s member) error {
	g.lock()
	defer g.mu.Unlock()
	if err := g.closedTo(); err != nil {
		return err
	}
	g.streams[s] = struct{}{}
	return nil
}

// refuses returns why another stream would not be admitted, nil if it would.
func (g *Group) refuses() error {
	if g == nil {
		return nil
	}
	g.lock()
	defer g.mu.Unlock()
	return g.closedTo()
}

// closedTo is refuses for a caller that holds mu.
func (g *Group) closedTo() error {
	if g.draining {
		return ErrDraining
	}
	if g.max > 0 && len(g.streams) >= g.max {
		return ErrFull
	}
	return nil
}

func (g *Group) remove(s member) {
	if g == nil {
		return
	}
	g.lock()
	defer g.mu.Unlock()
	if _, ok := g.streams[s]; !ok {
		return
	}
	delete(g.streams, s)
	if g.draining && len(g.streams) == 0 {
		close(g.empty)
	}
}

// window is the time over which the group's clients have to come back.
func (g *Group) window() time.Duration {
	if g == nil {
		return 0
	}
	g.lock()
	defer g.mu.Unlock()
	return g.spread(max(len(g.streams), g.drained))
}

func (g *Group) spread(n int) time.Duration {
	rate := g.rate
	if rate == 0 {
		rate = defaultRate
	}
	return backoff.Spread(n, rate)
}

// retryAfter is the random time for a client that was refused.
func (g *Group) retryAfter() time.Duration {
	return time.Second + randomIn(0, max(5*time.Second, g.window()))
}
