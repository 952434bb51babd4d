package presence

import (
	"context"
	"iter"
	"slices"

	"github.com/tidewire/tidewire/hub"
)

// Watch returns who is in a topic, and then how that changes.
//
// The first batch is the whole state as Enter changes, empty if nobody is there.
// Each batch after it is the difference to what was told before, in the order
// it came about: never empty, no member in it twice, nothing left out and
// nothing told twice in between. How much time a batch spans is up to the loop:
// while its body is busy, or sleeps on purpose, changes add up, and what was
// undone meanwhile is not told. Nobody else is delayed by that.
//
// The error is terminal and comes last: the context's cause, ErrClosed, or the
// hub's, wrapped. Leaving the loop ends the watch. Each range over the sequence
// is a watch of its own. The first batch may be shared with others who watch
// and is not to be modified, no more than states are.
func (p *Presence[S]) Watch(ctx context.Context, topic string) iter.Seq2[[]Change[S], error] {
	return func(yield func([]Change[S], error) bool) {
		r, err := p.begin(ctx, topic)
		if err != nil {
			yield(nil, err)
			return
		}
		defer p.detach(r)
		p.at("synced")
		changes, c := r.all()
		defer r.forget(c)
		for {
			if !yield(changes, nil) {
				return
			}
			if changes, err = r.since(ctx, c); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// WatchCount returns how many members are in a topic, and then each newer
// number; while the loop's body is busy, only the newest. It is as Watch is
// otherwise, at a small part of the cost.
func (p *Presence[S]) WatchCount(ctx context.Context, topic string) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		r, err := p.begin(ctx, topic)
		if err != nil {
			yield(0, err)
			return
		}
		defer p.detach(r)
		for n := -1; ; {
			if n, err = r.count(ctx, n); err != nil {
				yield(0, err)
				return
			}
			if !yield(n, nil) {
				return
			}
		}
	}
}

// begin returns the room of a topic, up to date. Unless there is an error, detach
// gives it back.
func (p *Presence[S]) begin(ctx context.Context, topic string) (*room[S], error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	r, err := p.attach(topic)
	if err != nil {
		return nil, err
	}
	if err := r.sync(ctx); err != nil {
		p.detach(r)
		return nil, err
	}
	return r, nil
}

// all returns the state and a cursor behind it. Whoever comes while nothing
// changes gets the same copy.
func (r *room[S]) all() ([]Change[S], *cursor) {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.mu.Lock()
	c := r.state.follow()
	r.mu.Unlock()
	if r.base == nil {
		r.p.at("copy")
		r.base = slices.Clip(r.state.all())
	}
	return r.base, c
}

func (r *room[S]) forget(c *cursor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.unfollow(c)
}

// since waits for the next difference.
func (r *room[S]) since(ctx context.Context, c *cursor) ([]Change[S], error) {
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		r.mu.Lock()
		if r.err != nil {
			defer r.mu.Unlock()
			return nil, r.err
		}
		var changes []Change[S]
		if c.version != r.state.version {
			changes = r.state.since(c)
		}
		if len(changes) > 0 {
			r.mu.Unlock()
			return changes, nil
		}
		wake := r.next()
		r.mu.Unlock()
		r.p.at("wait")
		select {
		case <-wake:
		case <-ctx.Done():
		}
	}
}

// count waits for another number than n.
func (r *room[S]) count(ctx context.Context, n int) (int, error) {
	for {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		r.mu.Lock()
		if r.err != nil {
			defer r.mu.Unlock()
			return 0, r.err
		}
		if now := len(r.state.people); now != n {
			r.mu.Unlock()
			return now, nil
		}
		wake := r.next()
		r.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
		}
	}
}

// countAt returns the number of members if the state is that of pos.
func (r *room[S]) countAt(pos hub.Position) (int, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.state.people), !r.reading && r.at == pos && r.err == nil
}
