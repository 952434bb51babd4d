package presence

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidewire/tidewire/hub"
)

// A Handle is one connection of a member. It changes and removes nothing but
// what its own Enter has made: not the member's other connections, nor, when it
// comes late, what another Enter has taken over. All methods are safe for
// concurrent use.
type Handle[S any] struct {
	p    *Presence[S]
	seat *seat[S]    // the Handle has it while seat.holder says so
	stop func() bool // detaches it from Enter's context; guarded by p.mu
}

// Enter makes member present in a topic, by one more connection. The member
// stays as long as one of them does.
//
// The context is the connection's: when it ends, during the call or at any time
// after, that is Disconnect. Give a context that lasts, such as
// [context.WithoutCancel], if its end means something else.
//
// If the member is in its grace, the new connection takes the place of the old:
// the member has not left, and those who watch see at most an Update.
//
// When Enter returns, every Snapshot, Count and Watch of this node that begins
// later has the member. Errors are the hub's, wrapped: *hub.LimitError,
// *hub.NameError, *hub.EncodeError, *hub.KindError if the hub's Configure does
// not know [Config]; also *MemberError, ErrClosed and the context's cause. After
// an error the member is as it was.
func (p *Presence[S]) Enter(ctx context.Context, topic, member string, state S) (*Handle[S], error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if member == "" {
		return nil, &MemberError{Problem: "empty"}
	}
	view, err := p.topic(topic)
	if err != nil {
		return nil, err
	}
	at := place{topic, member}
	h := &Handle[S]{p: p}

	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, ErrClosed
	}
	p.work.Add(1)
	defer p.work.Done()
	s, before := p.sit(h, at, view)
	h.seat = s
	p.mu.Unlock()

	seated := false
	defer func() { // also if the codec panics
		p.mu.Lock()
		defer p.mu.Unlock()
		switch {
		case !seated:
			p.unsit(s, before)
		case ctx.Done() != nil && !p.closed:
			h.stop = context.AfterFunc(ctx, h.Disconnect)
		}
	}()
	if err := p.occupy(ctx, s, before == nil, state); err != nil {
		return nil, fmt.Errorf("presence: entering %.64q into %.64q: %w", member, topic, err)
	}
	seated = true
	return h, nil
}

// occupy writes a seat's entry.
func (p *Presence[S]) occupy(ctx context.Context, s *seat[S], fresh bool, state S) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.yield()
	var opts []hub.WriteOption
	if fresh {
		opts = append(opts, hub.Absent())
	}
	pos, err := s.view.Put(ctx, s.key, record[S]{p.clock.next(), state}, opts...)
	if err == nil {
		s.rev = pos
	}
	return err
}

// Member returns the name the handle was entered with.
func (h *Handle[S]) Member() string { return h.seat.at.member }

// Update changes the state that this connection shows, which becomes the
// member's. The context bounds the call only. Errors are those of Enter, and
// ErrLeft.
func (h *Handle[S]) Update(ctx context.Context, state S) error {
	p, s := h.p, h.seat
	p.mu.Lock()
	if err := h.check(); err != nil {
		p.mu.Unlock()
		return err
	}
	p.work.Add(1)
	defer p.work.Done()
	p.mu.Unlock()

	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.yield()
	p.mu.Lock()
	err := h.check() // while waiting it may have left
	p.mu.Unlock()
	if err != nil {
		return err
	}
	pos, err := s.view.Put(ctx, s.key, record[S]{p.clock.next(), state}, hub.IfMatch(s.rev))
	if err != nil {
		if _, ok := errors.AsType[*hub.ConflictError](err); ok {
			// Somebody has removed the entry; putting it there again would make
			// a member whom they believe gone.
			p.mu.Lock()
			p.drop(s)
			p.mu.Unlock()
			return fmt.Errorf("%w: %w", ErrLeft, err)
		}
		return fmt.Errorf("presence: updating %.64q in %.64q: %w", s.at.member, s.at.topic, err)
	}
	s.rev = pos
	return nil
}

// check says why h can't update, if so. Called with p.mu held.
func (h *Handle[S]) check() error {
	switch {
	case h.p.closed:
		return ErrClosed
	case h.seat.holder != h, h.seat.phase != phaseOpen:
		return ErrLeft
	}
	return nil
}

// Leave ends the connection for good. If it is the member's last on this node,
// the member leaves at once: what other connections have left in their grace
// goes with it. It may be called after Disconnect, to end the grace, and again;
// for a handle that holds nothing any more it does nothing and returns nil.
//
// An error, the context's cause or the hub's, says that the others have not been
// told yet. They will be: it is tried again in the background.
func (h *Handle[S]) Leave(ctx context.Context) error {
	p, s := h.p, h.seat
	p.mu.Lock()
	if p.closed || s.holder != h {
		p.mu.Unlock()
		return nil
	}
	p.work.Add(1)
	defer p.work.Done()
	var rest []*seat[S]
	if s.phase != phaseLeaving {
		if s.timer != nil {
			s.timer.Stop()
		}
		s.phase = phaseLeaving
		rest = p.clearTable(s.at)
	}
	s.cause = Left
	if h.stop != nil {
		h.stop()
	}
	p.mu.Unlock()

	// Its own last: that is the one that makes the member leave, and why.
	for _, r := range rest {
		p.retire(r)
	}
	err := p.remove(ctx, s)
	if err != nil {
		p.mu.Lock()
		p.arm(s, 0)
		p.mu.Unlock()
	}
	return err
}

// Disconnect ends the connection as a broken one does: the member stays for
// Options.Grace, and the next Enter in that time takes its place over. It never
// waits, may be called again, and does nothing after Leave: it is what to defer.
func (h *Handle[S]) Disconnect() {
	p, s := h.p, h.seat
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.stop != nil {
		h.stop()
	}
	if !p.closed && s.holder == h && s.phase == phaseOpen {
		p.disconnect(s)
	}
}
