package server

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/tidewire/tidewire/presence"
)

// people gives notice of who comes to a board and who leaves it, and knows when
// nobody is left.
type people struct {
	srv   *Server
	board *board
	ready chan struct{} // closed when the first state is known
	here  atomic.Int64  // how many there are, by what notice was given of
}

func newPeople(s *Server, b *board) *people {
	return &people{srv: s, board: b, ready: make(chan struct{})}
}

// run ends with ctx, when the board is forgotten or the server closed.
func (p *people) run(ctx context.Context) {
	first := true
	for changes, err := range p.srv.presence.Watch(ctx, notesPrefix+p.board.name) {
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, presence.ErrClosed) {
				p.srv.opts.Logger.Error("presence is lost", "board", p.board.name, "err", err)
			}
			break
		}
		gone := false
		for _, c := range changes {
			switch c.Kind {
			case presence.Enter:
				p.here.Add(1)
				if !first {
					p.board.notices.person(ctx, "joined", c.State)
				}
			case presence.Leave:
				p.here.Add(-1)
				p.board.notices.person(ctx, "left", c.State)
				gone = true
			}
		}
		if first {
			first = false
			close(p.ready)
		}
		if gone {
			p.srv.tidy(p.board)
		}
	}
	if first {
		close(p.ready)
	}
}

func (p *people) empty() bool { return p.here.Load() == 0 }

// watch tells the connection who is there, and then who comes and goes, until it
// ends. It has begun behind the connection's own entering, and a watch begins
// with all that was written before it: whoever could be seen by anybody when
// this one came is in the first message, and nobody is missed or told twice
// behind it.
func (c *conn) watch() {
	first := true
	for changes, err := range c.srv.presence.Watch(c.ctx, notesPrefix+c.board.name) {
		if err != nil {
			c.explain(err)
			return
		}
		c.tell(c.peers(changes, first), 0)
		first = false
	}
}

func (c *conn) peers(changes []presence.Change[User], first bool) peersMessage {
	m := peersMessage{T: "peers", Reset: first, Join: []User{}, Leave: []string{}}
	for _, ch := range changes {
		if ch.Kind == presence.Leave {
			m.Leave = append(m.Leave, ch.Member)
		} else {
			m.Join = append(m.Join, ch.State)
		}
	}
	if first {
		slices.SortFunc(m.Join, func(a, b User) int { return cmp.Compare(a.ID, b.ID) })
	}
	return m
}
