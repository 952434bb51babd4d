package hubtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/hub"
)

// queueMost is how many records wait in a feed. With more it says that it has
// lost some.
const queueMost = 1024

// A Remote is one process's way to a Store.
type Remote struct {
	store *Store
	ctx   context.Context // of the feeds
	stop  context.CancelFunc
	wg    sync.WaitGroup

	mu     sync.Mutex
	parted bool
	deaf   int // acknowledgements that will be lost
	reads  int
	closed bool
}

var _ hub.Broker = (*Remote)(nil)

// Node returns another node. The store's Close ends it.
func (s *Store) Node() *Remote {
	n := &Remote{store: s}
	n.ctx, n.stop = context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes = append(s.nodes, n)
	return n
}

// Part takes the node off the network, or brings it back. Its feeds are not
// concerned.
func (n *Remote) Part(parted bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.parted = parted
}

// LoseAcks loses the answers to the next k writes: they take effect.
func (n *Remote) LoseAcks(k int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deaf = k
}

// Reads returns how many times the log was read from here.
func (n *Remote) Reads() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.reads
}

func (n *Remote) close() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.stop()
	n.wg.Wait()
}

// request does something at the store, there and back.
func (n *Remote) request(ctx context.Context, do func()) error {
	n.mu.Lock()
	parted := n.parted || n.closed
	n.mu.Unlock()
	if parted {
		return fmt.Errorf("%w: no route", hub.ErrUnavailable)
	}
	if err := n.store.pause(ctx); err != nil {
		return err
	}
	do()
	return n.store.pause(ctx)
}

// locked is request with the store's lock held.
func (n *Remote) locked(ctx context.Context, do func()) error {
	return n.request(ctx, func() {
		n.store.mu.Lock()
		defer n.store.mu.Unlock()
		do()
	})
}

// Append implements [hub.Broker].
func (n *Remote) Append(ctx context.Context, t hub.BrokerTopic, w *hub.Write) (pos hub.Position, err error) {
	sent := false
	lost := n.locked(ctx, func() {
		sent = true
		pos, err = n.store.append(t, w, false)
	})
	n.mu.Lock()
	if lost == nil && err == nil && n.deaf > 0 {
		n.deaf--
		lost = errCut
	}
	n.mu.Unlock()
	switch {
	case lost == nil:
		return pos, err
	case sent:
		return hub.Position{}, fmt.Errorf("%w: %w", hub.ErrUncertain, lost)
	}
	return hub.Position{}, lost
}

// Read implements [hub.Broker].
func (n *Remote) Read(ctx context.Context, t hub.BrokerTopic, after hub.Position, limit int) (seg hub.Segment, err error) {
	n.mu.Lock()
	n.reads++
	n.mu.Unlock()
	err = n.locked(ctx, func() { seg = n.store.topic(t).read(after, limit) })
	return seg, err
}

// Snapshot implements [hub.Broker].
func (n *Remote) Snapshot(ctx context.Context, t hub.BrokerTopic, each func(hub.Record) error) (pos hub.Position, err error) {
	var rows []hub.Record
	err = n.locked(ctx, func() {
		in := n.store.topic(t)
		for _, r := range in.table {
			rows = append(rows, r.Record)
		}
		pos = in.head()
	})
	for i := 0; i < len(rows) && err == nil; i++ {
		err = each(rows[i])
	}
	return pos, err
}

// Enter implements [hub.Broker].
func (n *Remote) Enter(ctx context.Context, ttl time.Duration) (id string, err error) {
	err = n.request(ctx, func() { id = n.store.enter(ttl) })
	return id, err
}

// Renew implements [hub.Broker].
func (n *Remote) Renew(ctx context.Context, id string) (err error) {
	if lost := n.request(ctx, func() { err = n.store.renew(id) }); lost != nil {
		return lost
	}
	return err
}

// Leave implements [hub.Broker].
func (n *Remote) Leave(ctx context.Context, id string) error {
	return n.request(ctx, func() { n.store.leave(id) })
}

// Attach implements [hub.Broker].
func (n *Remote) Attach(ctx context.Context, t hub.BrokerTopic, to hub.Feed) (func(), error) {
	f := &feeder{to: to, wake: make(chan struct{}, 1)}
	var other error
	err := n.locked(ctx, func() {
		in := n.store.topic(t)
		if other = in.same(t); other == nil {
			in.feeds = append(in.feeds, f)
		}
	})
	if err == nil {
		err = other
	}
	drop := func() {
		n.store.mu.Lock()
		defer n.store.mu.Unlock()
		in := n.store.topic(t)
		in.feeds = slices.DeleteFunc(in.feeds, func(other *feeder) bool { return other == f })
	}
	if err != nil {
		drop()
		return nil, err
	}
	fctx, stop := context.WithCancel(n.ctx)
	ended := make(chan struct{})
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		stop()
		return nil, hub.ErrUnavailable
	}
	n.wg.Go(func() {
		defer close(ended)
		f.run(fctx, n.store)
	})
	return func() {
		stop()
		<-ended
		drop()
	}, nil
}

// A feeder brings records from the store to a hub.
type feeder struct {
	to   hub.Feed
	wake chan struct{} // of one token

	mu    sync.Mutex
	queue []hub.Record
	down  bool
	tell  []func() // Down and Up, in order, before the queue
}

func (f *feeder) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// put is called by the store, in the order of the log.
func (f *feeder) put(r hub.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return
	}
	if f.queue = append(f.queue, r); len(f.queue) > queueMost {
		f.queue = nil
		f.tell = append(f.tell, f.to.Up)
	}
	f.signal()
}

func (f *feeder) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down, f.queue = true, nil
	f.tell = append(f.tell, func() { f.to.Down(errCut) })
	f.signal()
}

func (f *feeder) mend() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = false
	f.tell = append(f.tell, f.to.Up)
	f.signal()
}

func (f *feeder) run(ctx context.Context, s *Store) {
	for {
		f.mu.Lock()
		tell, queue := f.tell, f.queue
		f.tell, f.queue = nil, nil
		f.mu.Unlock()
		if len(tell)+len(queue) == 0 {
			select {
			case <-f.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		if s.pause(ctx) != nil {
			return
		}
		for _, f := range tell {
			f()
		}
		if len(queue) > 0 {
			f.to.Deliver(queue...)
		}
	}
}
