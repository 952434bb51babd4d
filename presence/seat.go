package presence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidewire/tidewire/hub"
)

// A seat is an entry of the hub's topic that this node has made: the key of one
// connection of a member. The connection holds it by a Handle; while it is
// empty, for the grace, the member's next Enter takes it over.
//
//	open ──Disconnect──▶ grace ──time, Leave──▶ leaving ──deleted──▶ gone
//	  ▲  ◀────Enter─────── │                       ▲
//	  └────────────────────┴───────Leave───────────┘
type seat[S any] struct {
	// Immutable.
	at   place
	key  string
	view *hub.Topic[record[S]]

	// turn has one token, and who took it may write to the key. So an update
	// can't come after the removal and bring a member back that nobody holds.
	turn chan struct{}
	rev  hub.Position // of the last write; belongs to the holder of the token

	// Guarded by Presence.mu.
	phase  phase
	holder *Handle[S]
	timer  *time.Timer // of the grace, or of another attempt at the removal
	term   uint64      // counts the timers
	cause  Cause       // of the removal
}

type phase uint8

const (
	phaseOpen    phase = iota
	phaseGrace         // nobody is connected; timer is running
	phaseLeaving       // being removed; nobody can take it over
	phaseGone
)

// sit gives h a seat: one of the member's that is in its grace, whose holder so
// far it returns too, or a new one. Called with p.mu held.
func (p *Presence[S]) sit(h *Handle[S], at place, view *hub.Topic[record[S]]) (s *seat[S], before *Handle[S]) {
	list := p.seats[at]
	for _, s := range slices.Backward(list) {
		if s.phase == phaseGrace {
			s.timer.Stop()
			before, s.phase, s.holder = s.holder, phaseOpen, h
			return s, before
		}
	}
	p.serial++
	s = &seat[S]{at: at, key: entryKey(at.member, p.incarnation, p.serial), view: view, turn: make(chan struct{}, 1), holder: h}
	s.turn <- struct{}{}
	p.seats[at] = append(list, s)
	return s, nil
}

// unsit undoes sit. Called with p.mu held.
func (p *Presence[S]) unsit(s *seat[S], before *Handle[S]) {
	if before == nil {
		p.drop(s)
		return
	}
	s.holder = before
	p.disconnect(s)
}

// disconnect empties a seat. Called with p.mu held.
func (p *Presence[S]) disconnect(s *seat[S]) {
	s.phase, s.cause = phaseGrace, Disconnected
	p.arm(s, p.opts.Grace)
}

// arm removes s after d, unless somebody takes it over first. Called with p.mu
// held.
func (p *Presence[S]) arm(s *seat[S], d time.Duration) {
	if p.closed {
		return // Close removes it
	}
	s.term++
	term := s.term
	s.timer = time.AfterFunc(d, func() { p.lapse(s, term) })
}

// lapse is what a seat's timer does. Stopping a timer does not stop what it has
// begun: by now the seat may be taken, and in another grace with another timer.
func (p *Presence[S]) lapse(s *seat[S], term uint64) {
	p.mu.Lock()
	if p.closed || s.term != term || s.phase != phaseGrace && s.phase != phaseLeaving {
		p.mu.Unlock()
		return
	}
	s.phase = phaseLeaving
	p.work.Add(1)
	p.mu.Unlock()
	defer p.work.Done()
	p.retire(s)
}

// clearTable marks the member's seats that are in their grace as leaving and
// returns them, unless the member has an open one. Called with p.mu held.
func (p *Presence[S]) clearTable(at place) []*seat[S] {
	var list []*seat[S]
	for _, s := range p.seats[at] {
		switch s.phase {
		case phaseOpen:
			return nil
		case phaseGrace:
			list = append(list, s)
		}
	}
	for _, s := range list {
		s.timer.Stop()
		s.phase = phaseLeaving
	}
	return list
}

// retire removes a leaving seat in the background; if the hub will not, later.
func (p *Presence[S]) retire(s *seat[S]) {
	if p.remove(p.ctx, s) != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.arm(s, retryDelay)
	}
}

// remove deletes a leaving seat's entry. That it is gone already is no error,
// nor that the hub is.
func (p *Presence[S]) remove(ctx context.Context, s *seat[S]) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.yield()
	p.mu.Lock()
	gone, cause := s.phase == phaseGone, s.cause
	p.mu.Unlock()
	if gone {
		return nil
	}
	_, err := s.view.Delete(ctx, s.key, hub.Name(cause.String()))
	if err != nil && !errors.Is(err, hub.ErrNoKey) && !errors.Is(err, hub.ErrClosed) {
		return fmt.Errorf("presence: removing %q from %q: %w", s.at.member, s.at.topic, err)
	}
	p.mu.Lock()
	p.drop(s)
	p.mu.Unlock()
	return nil
}

// drop forgets a seat that has no entry. Called with p.mu held.
func (p *Presence[S]) drop(s *seat[S]) {
	if s.phase == phaseGone {
		return
	}
	s.phase, s.holder = phaseGone, nil
	if s.timer != nil {
		s.timer.Stop()
	}
	list := slices.DeleteFunc(p.seats[s.at], func(o *seat[S]) bool { return o == s })
	if len(list) == 0 {
		delete(p.seats, s.at)
	} else {
		p.seats[s.at] = list
	}
}

// evict removes all seats at Close, when nobody else can touch them any more.
func (p *Presence[S]) evict() error {
	p.mu.Lock()
	var list []*seat[S]
	for _, seats := range p.seats {
		for _, s := range seats {
			if s.timer != nil {
				s.timer.Stop()
			}
			if s.holder != nil && s.holder.stop != nil {
				s.holder.stop()
			}
			if s.phase != phaseLeaving {
				s.cause = NodeDown
			}
			s.phase = phaseLeaving
			list = append(list, s)
		}
	}
	p.mu.Unlock()
	var errs []error
	for _, s := range list {
		if err := p.remove(context.Background(), s); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// take waits for the token.
func (s *seat[S]) take(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case <-s.turn:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *seat[S]) yield() { s.turn <- struct{}{} }
