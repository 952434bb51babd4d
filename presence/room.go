package presence

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/tidewire/tidewire/hub"
)

// readBatch is how many events a room applies in one step.
const readBatch = 256

// A room follows the hub's topic of one topic for all on this node who watch
// it, so that the connections are counted together once. It has one goroutine,
// from the first watcher to the last.
type room[S any] struct {
	// Immutable.
	p      *Presence[S]
	name   string
	view   *hub.Topic[record[S]]
	cancel context.CancelFunc

	refs int // guarded by Presence.mu

	// writing is held by the follower while it changes people, and by who copies
	// all of them: a copy of a hundred thousand keeps nobody waiting but the
	// follower, whose queue is the hub's log. It comes before mu.
	writing sync.Mutex
	base    []Change[S] // the copy, if it is of the present version; guarded by writing

	// mu is held for steps that cost no more than what has changed. Guarded by
	// it; the people in state change only with writing held as well, so that
	// either is enough to read them.
	mu       sync.Mutex
	state    *state[S]
	at       hub.Position // up to where state has the topic
	reading  bool         // a snapshot is being read: state is not the whole topic
	barriers []*barrier
	wake     chan struct{} // closed by the follower at the next change; nil: nobody waits
	err      error         // why it ended
}

// A barrier is somebody who waits until the room has everything up to a
// position that the topic had reached when they came.
type barrier struct {
	pos  hub.Position // zero: not asked for yet
	done chan struct{}
}

// attach returns the room of a topic, which detach gives back.
func (p *Presence[S]) attach(topic string) (*room[S], error) {
	view, err := p.topic(topic)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	r := p.rooms[topic]
	if r == nil {
		r = &room[S]{p: p, name: topic, view: view, state: newState[S](), reading: true}
		var ctx context.Context
		ctx, r.cancel = context.WithCancel(p.ctx)
		p.rooms[topic] = r
		p.work.Go(func() { r.follow(ctx) })
	}
	r.refs++
	return r, nil
}

func (p *Presence[S]) detach(r *room[S]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.refs--; r.refs == 0 {
		r.cancel()
		p.forget(r)
	}
}

// forget makes the next watcher begin with a new room. Called with p.mu held.
func (p *Presence[S]) forget(r *room[S]) {
	if p.rooms[r.name] == r {
		delete(p.rooms, r.name)
	}
}

// follow is the room's goroutine. It ends with the last watcher, with the
// Presence, or with an error that all watchers get.
func (r *room[S]) follow(ctx context.Context) {
	err := r.run(ctx)
	r.p.mu.Lock()
	r.p.forget(r)
	r.p.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	r.wakeAll()
	for _, b := range r.barriers {
		close(b.done)
	}
	r.barriers = nil
}

func (r *room[S]) run(ctx context.Context) (err error) {
	defer func() {
		if ctx.Err() != nil {
			err = context.Cause(ctx) // ErrClosed, or nobody is there to see it
		} else if _, ok := errors.AsType[*EntryError](err); !ok {
			err = fmt.Errorf("presence: watching %.64q: %w", r.name, err)
		}
	}()
	// A log has no keys to ask for; following it would show an empty room.
	if _, err := r.view.Get(ctx, "-"); err != nil && !errors.Is(err, hub.ErrNoKey) {
		return err
	}
	// SkipWithGap on a keyed topic: a follower that is too slow gets a reset and
	// the snapshot. Not Coalesce, which may leave out the event at a barrier.
	sub, err := r.view.Subscribe(ctx, &hub.SubOptions[record[S]]{From: hub.Start(), Policy: hub.SkipWithGap, Batch: readBatch})
	if err != nil {
		return err
	}
	defer sub.Close()
	for {
		events, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		ask, err := r.apply(events)
		if err != nil {
			return err
		}
		if ask {
			if err := r.ask(ctx); err != nil {
				return err
			}
		}
		r.p.at("applied")
	}
}

// apply brings the state up to date. It reports whether barriers want a
// position.
func (r *room[S]) apply(events []*hub.Event[record[S]]) (ask bool, err error) {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ev := range events {
		switch {
		case ev.Marker == hub.MarkReset:
			r.state.reset()
			r.reading = true
			r.passed(hub.Position{})
		case ev.Marker == hub.MarkLive && ev.Pos.IsZero():
			return false, &hub.KindError{Topic: r.view.Name(), Kind: hub.Ephemeral, Op: "presence"}
		case ev.Marker == hub.MarkLive:
			if r.reading {
				r.state.reconcile()
			}
			r.reading = false
		case ev.Deleted:
			cause, ok := parseCause(ev.Name)
			if !ok || cause == Unknown {
				cause = NodeDown // removed by somebody else than its node
			}
			r.state.remove(ev.Key, cause)
		case ev.Marker == hub.NoMarker:
			member, ok := memberOf(ev.Key)
			if !ok {
				return false, &EntryError{Topic: r.view.Name(), Key: ev.Key}
			}
			r.p.clock.saw(ev.Value.Clock)
			r.state.put(member, ev.Key, ev)
		}
		if !ev.Pos.IsZero() {
			r.at = ev.Pos
			r.passed(ev.Pos)
		}
	}
	if r.state.commit() {
		r.base = nil
		r.wakeAll()
	}
	return len(r.barriers) > 0 && !r.reading, nil
}

// passed lets those go whose barrier is at pos; the zero position makes all of
// them ask again. Called with r.mu held.
func (r *room[S]) passed(pos hub.Position) {
	n := 0
	for _, b := range r.barriers {
		switch {
		case pos.IsZero():
			b.pos = pos
		case b.pos == pos:
			close(b.done)
			continue
		}
		r.barriers[n] = b
		n++
	}
	clear(r.barriers[n:])
	r.barriers = r.barriers[:n]
}

// ask gives the barriers that have none a position: the topic's head, which
// the follower, who alone moves on, has reached or is going to.
func (r *room[S]) ask(ctx context.Context) error {
	r.p.at("ask")
	head, err := r.view.Head(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.barriers {
		if b.pos.IsZero() {
			b.pos = head
		}
	}
	r.passed(r.at)
	return nil
}

// sync waits until the state has everything that was written before.
//
// The barrier is there before the head is looked at. If the state is not at that
// head then, the follower is going to apply a batch, or is about to after
// having applied one since, and looks after barriers when it has.
func (r *room[S]) sync(ctx context.Context) error {
	b := &barrier{done: make(chan struct{})}
	r.mu.Lock()
	if r.err != nil {
		defer r.mu.Unlock()
		return r.err
	}
	r.barriers = append(r.barriers, b)
	r.mu.Unlock()
	defer r.abandon(b)
	r.p.at("sync")
	head, err := r.view.Head(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return fmt.Errorf("presence: watching %.64q: %w", r.name, err)
	}
	r.p.at("head")
	r.mu.Lock()
	there := !r.reading && r.at == head
	r.mu.Unlock()
	if there {
		return nil
	}
	select {
	case <-b.done:
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// abandon takes a barrier away, if it is still there.
func (r *room[S]) abandon(b *barrier) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, o := range r.barriers {
		if o == b {
			last := len(r.barriers) - 1
			r.barriers[i] = r.barriers[last]
			r.barriers[last] = nil
			r.barriers = r.barriers[:last]
			return
		}
	}
}

// wakeAll wakes those who wait for the next version. Called with r.mu held.
func (r *room[S]) wakeAll() {
	if r.wake != nil {
		close(r.wake)
		r.wake = nil
	}
}

// next returns a channel that is closed at the next change. Called with r.mu
// held.
func (r *room[S]) next() <-chan struct{} {
	if r.wake == nil {
		r.wake = make(chan struct{})
	}
	return r.wake
}
