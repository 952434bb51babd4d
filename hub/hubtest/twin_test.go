package hubtest

import (
	"context"
	"sync"
	"time"

	"github.com/tidewire/tidewire/hub"
)

// A twin is a broker that hands everything on to the memory broker, but for what
// a fault makes of it. Without a fault it passes the suite.
type twin struct {
	*hub.Memory
	fault fault
	all   *shared

	// Of this twin alone, guarded by all.mu.
	mine map[string][]hub.Position // own writes, by key
	made []func()                  // detach functions, in order
}

// shared is what the twins of one store know together.
type shared struct {
	mu     sync.Mutex
	feeds  map[*proxy]bool
	cut    bool
	owner  map[string]string // of keys, "topic key"
	ended  map[string]bool   // owners
	last   string            // idempotency key
	gen    int
	lastBy *twin
	held   []hub.Record
}

// A fault replaces what it wants to.
type fault struct {
	append   func(w *twin, ctx context.Context, t hub.BrokerTopic, wr *hub.Write) (hub.Position, error)
	read     func(w *twin, ctx context.Context, t hub.BrokerTopic, after hub.Position, limit int) (hub.Segment, error)
	snapshot func(w *twin, ctx context.Context, t hub.BrokerTopic, row func(hub.Record) error) (hub.Position, error)
	deliver  func(p *proxy, r hub.Record) // instead of p.out(r)
	attached func(p *proxy)
	detach   func(p *proxy, detach func())
	mute     bool // an interruption is not told
	enter    func(w *twin, ctx context.Context, ttl time.Duration) (string, error)
	renew    func(w *twin, ctx context.Context, owner string) error
	leave    func(w *twin, ctx context.Context, owner string) error
}

func twins(f fault) func(t T) *Setup {
	return func(t T) *Setup {
		m := hub.NewMemory(nil)
		t.Cleanup(func() { m.Close() })
		all := &shared{feeds: map[*proxy]bool{}, owner: map[string]string{}, ended: map[string]bool{}}
		return &Setup{
			Open:      func() hub.Broker { return &twin{Memory: m, fault: f, all: all, mine: map[string][]hub.Position{}} },
			Interrupt: all.interrupt(f.mute),
		}
	}
}

func (s *shared) interrupt(mute bool) func() func() {
	each := func(cut bool, tell func(*proxy)) {
		s.mu.Lock()
		s.cut = cut
		var feeds []*proxy
		for p := range s.feeds {
			feeds = append(feeds, p)
		}
		s.mu.Unlock()
		for _, p := range feeds {
			p.mu.Lock()
			p.cut = cut
			if !mute {
				tell(p)
			}
			p.mu.Unlock()
		}
	}
	return func() func() {
		each(true, func(p *proxy) { p.to.Down(errCut) })
		return func() {
			time.Sleep(time.Millisecond) // what was written meanwhile gets lost
			each(false, func(p *proxy) { p.to.Up() })
		}
	}
}

// Append implements [hub.Broker]. It keeps the books that some faults need.
func (w *twin) Append(ctx context.Context, t hub.BrokerTopic, wr *hub.Write) (pos hub.Position, err error) {
	if w.fault.append != nil {
		pos, err = w.fault.append(w, ctx, t, wr)
	} else {
		pos, err = w.Memory.Append(ctx, t, wr)
	}
	if err == nil && wr.Op != hub.OpPublish {
		w.all.mu.Lock()
		defer w.all.mu.Unlock()
		w.mine[wr.Key] = append(w.mine[wr.Key], pos)
		w.all.owner[t.Name+" "+wr.Key] = wr.Owner
	}
	return pos, err
}

func (w *twin) Read(ctx context.Context, t hub.BrokerTopic, after hub.Position, limit int) (hub.Segment, error) {
	if w.fault.read != nil {
		return w.fault.read(w, ctx, t, after, limit)
	}
	return w.Memory.Read(ctx, t, after, limit)
}

func (w *twin) Snapshot(ctx context.Context, t hub.BrokerTopic, row func(hub.Record) error) (hub.Position, error) {
	if w.fault.snapshot != nil {
		return w.fault.snapshot(w, ctx, t, row)
	}
	return w.Memory.Snapshot(ctx, t, row)
}

func (w *twin) Enter(ctx context.Context, ttl time.Duration) (string, error) {
	if w.fault.enter != nil {
		return w.fault.enter(w, ctx, ttl)
	}
	return w.Memory.Enter(ctx, ttl)
}

func (w *twin) Renew(ctx context.Context, owner string) error {
	if w.fault.renew != nil {
		return w.fault.renew(w, ctx, owner)
	}
	return w.Memory.Renew(ctx, owner)
}

func (w *twin) Leave(ctx context.Context, owner string) error {
	w.all.mu.Lock()
	w.all.ended[owner] = true
	w.all.mu.Unlock()
	if w.fault.leave != nil {
		return w.fault.leave(w, ctx, owner)
	}
	return w.Memory.Leave(ctx, owner)
}

// Attach implements [hub.Broker].
func (w *twin) Attach(ctx context.Context, t hub.BrokerTopic, to hub.Feed) (func(), error) {
	p := &proxy{to: to, twin: w}
	if seg, err := w.Memory.Read(ctx, t, hub.Position{}, 1); err == nil {
		p.late = offset(seg.Head) > 0
	}
	w.all.mu.Lock()
	w.all.feeds[p] = true
	p.cut = w.all.cut
	w.all.mu.Unlock()
	if w.fault.attached != nil {
		w.fault.attached(p)
	}
	inner, err := w.Memory.Attach(ctx, t, p)
	if err != nil {
		return nil, err
	}
	detach := func() {
		w.all.mu.Lock()
		delete(w.all.feeds, p)
		w.all.mu.Unlock()
		inner()
	}
	w.all.mu.Lock()
	p.index = len(w.made)
	w.made = append(w.made, detach)
	w.all.mu.Unlock()
	return func() {
		if w.fault.detach != nil {
			w.fault.detach(p, detach)
		} else {
			detach()
		}
	}, nil
}

// A proxy is a feed on its way.
type proxy struct {
	to    hub.Feed
	twin  *twin
	index int
	late  bool // the topic had events when it was attached

	mu   sync.Mutex
	cut  bool
	held []hub.Record
	n    int
}

func (p *proxy) Deliver(records ...hub.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut {
		return
	}
	if p.twin.fault.deliver == nil {
		p.to.Deliver(records...)
		return
	}
	for _, r := range records {
		p.twin.fault.deliver(p, r)
		p.n++
	}
}

func (p *proxy) Down(err error) { p.to.Down(err) }
func (p *proxy) Up()            { p.to.Up() }
