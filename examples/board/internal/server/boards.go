package server

import (
	"context"
	"errors"
	"time"
)

// errTooManyBoards: all of Options.MaxBoards hold something, or somebody, or
// Options.NewBoards were made within an hour.
var errTooManyBoards = errors.New("too many boards")

// startBoard is the one that the start page shows. There is always leave to make
// it.
const startBoard = "main"

// sweepInterval is how often clients that were away for too long are forgotten,
// and boards with them.
const sweepInterval = time.Hour

// acquire returns the board of that name, whose people are known, and keeps it
// until release.
func (s *Server) acquire(ctx context.Context, name string) (*board, error) {
	s.mu.Lock()
	b := s.boards[name]
	if b == nil {
		if name != startBoard && !s.mayMake(time.Now()) || len(s.boards) >= s.opts.MaxBoards && !s.evict() {
			s.mu.Unlock()
			return nil, errTooManyBoards
		}
		b = newBoard(s, name)
		s.boards[name] = b
		watch, stop := context.WithCancel(s.ctx)
		b.stop = stop
		s.tasks.Go(func() { b.people.run(watch) })
	}
	b.refs++
	s.mu.Unlock()
	select {
	case <-b.people.ready:
		return b, nil
	case <-ctx.Done():
		s.release(b)
		return nil, context.Cause(ctx)
	}
}

// mayMake reports whether another board may be made now. A board that is
// forgotten leaves topics that the hub keeps for a day; without this whoever
// visits names without end would fill the hub, and with it everybody's boards.
// Called with mu held.
func (s *Server) mayMake(now time.Time) bool {
	most := float64(s.opts.NewBoards)
	s.unmade = min(most, s.unmade+most*now.Sub(s.unmadeAt).Hours())
	s.unmadeAt = now
	if s.unmade < 1 {
		return false
	}
	s.unmade--
	return true
}

func (s *Server) release(b *board) {
	s.mu.Lock()
	b.refs--
	s.mu.Unlock()
	s.tidy(b)
}

// tidy forgets a board that is empty, where nobody is, and that no client can
// come back to with an operation that was dealt with already.
func (s *Server) tidy(b *board) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.boards[b.name] == b && s.vacant(b) && b.forgettable() {
		s.drop(b)
	}
}

// evict makes room for a board by forgetting an empty one where nobody is, the
// one that was left first. Clients that come back to it with unanswered
// operations are told that they are not known. Called with mu held.
func (s *Server) evict() bool {
	var oldest *board
	var since time.Time
	for _, b := range s.boards {
		if !s.vacant(b) {
			continue
		}
		if at, empty := b.emptySince(); empty && (oldest == nil || at.Before(since)) {
			oldest, since = b, at
		}
	}
	if oldest == nil {
		return false
	}
	s.drop(oldest)
	return true
}

// drop forgets a board. Called with mu held.
func (s *Server) drop(b *board) {
	delete(s.boards, b.name)
	b.stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bury(s.ctx, 0)
}

// sweep runs until the server is closed.
func (s *Server) sweep() {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
		}
		s.mu.Lock()
		all := make([]*board, 0, len(s.boards))
		for _, b := range s.boards {
			all = append(all, b)
		}
		s.mu.Unlock()
		for _, b := range all {
			s.tidy(b)
		}
	}
}

// vacant reports whether nobody is on the board, and everybody was told so: those
// who have come lately are counted, those who have left are still on the list.
// Called with mu held.
func (s *Server) vacant(b *board) bool {
	if b.refs > 0 || !b.people.empty() {
		return false
	}
	n, err := s.presence.Count(s.ctx, notesPrefix+b.name)
	return err == nil && n == 0
}

// forgettable reports whether there is nothing to remember.
func (b *board) forgettable() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clients.expire(time.Now())
	return b.load(context.Background()) == nil && b.live == 0 && b.clients.len() == 0
}

// emptySince returns when the last operation was dealt with, if there are no
// notes.
func (b *board) emptySince() (at time.Time, empty bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.clients.order.Back(); e != nil {
		at = e.Value.(*client).seen
	}
	return at, b.loaded && b.live == 0
}
