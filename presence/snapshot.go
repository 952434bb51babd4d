package presence

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/tidewire/tidewire/hub"
)

// A Snapshot is who was in a topic at one position.
type Snapshot[S any] struct {
	// Pos is of the hub's topic, prefix and name.
	Pos     hub.Position
	Members []Member[S] // by name
}

// A Member is somebody who is there. The state is shared and not to be
// modified.
type Member[S any] struct {
	Member string `json:"member"`
	State  S      `json:"state"`
}

// Snapshot returns who is in a topic. It sees all that was written before it
// began, and holds no lock while it reads.
func (p *Presence[S]) Snapshot(ctx context.Context, topic string) (*Snapshot[S], error) {
	s := newState[S]()
	pos, err := p.read(ctx, topic, func(member string, ev *hub.Event[record[S]]) {
		s.put(member, ev.Key, ev)
	})
	if err != nil {
		return nil, err
	}
	members := make([]Member[S], 0, len(s.people))
	for _, m := range s.people {
		members = append(members, Member[S]{m.name, m.last.Value.State})
	}
	slices.SortFunc(members, func(a, b Member[S]) int { return cmp.Compare(a.Member, b.Member) })
	return &Snapshot[S]{Pos: pos, Members: members}, nil
}

// Count returns how many members are in a topic. It costs nothing while
// somebody watches the topic and the watch is up to date; else it reads the
// whole topic.
func (p *Presence[S]) Count(ctx context.Context, topic string) (int, error) {
	view, err := p.topic(topic)
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	closed, r := p.closed, p.rooms[topic]
	p.mu.Unlock()
	if closed {
		return 0, ErrClosed
	}
	if r != nil {
		if head, err := view.Head(ctx); err == nil {
			if n, ok := r.countAt(head); ok {
				return n, nil
			}
		}
	}
	seen := make(map[string]struct{})
	_, err = p.read(ctx, topic, func(member string, _ *hub.Event[record[S]]) {
		seen[member] = struct{}{}
	})
	return len(seen), err
}

// read goes through the entries of a topic at one position.
func (p *Presence[S]) read(ctx context.Context, topic string, entry func(member string, ev *hub.Event[record[S]])) (hub.Position, error) {
	view, err := p.topic(topic)
	if err != nil {
		return hub.Position{}, err
	}
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return hub.Position{}, ErrClosed
	}
	snap, err := view.Snapshot(ctx)
	if err != nil {
		return hub.Position{}, fmt.Errorf("presence: reading %.64q: %w", topic, err)
	}
	if snap.Pos.IsZero() {
		return hub.Position{}, &hub.KindError{Topic: view.Name(), Kind: hub.Ephemeral, Op: "presence"}
	}
	for ev, err := range snap.All() {
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return hub.Position{}, fmt.Errorf("presence: reading %.64q: %w", topic, err)
		}
		member, ok := memberOf(ev.Key)
		if !ok {
			return hub.Position{}, &EntryError{Topic: view.Name(), Key: ev.Key}
		}
		entry(member, ev)
	}
	return snap.Pos, nil
}
