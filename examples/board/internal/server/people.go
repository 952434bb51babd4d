package server

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/presence"
)

// people tells a board's connections who is there. One goroutine follows the
// presence of the board for all of them.
type people struct {
	// Immutable.
	srv   *Server
	board *board
	ready chan struct{} // closed when the first state is known

	// Guarded by mu; never held across I/O.
	mu    sync.Mutex
	here  map[string]User
	conns map[*conn]struct{}
}

func newPeople(s *Server, b *board) *people {
	return &people{
		srv: s, board: b,
		ready: make(chan struct{}),
		here:  make(map[string]User),
		conns: make(map[*conn]struct{}),
	}
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
		p.apply(changes)
		if first {
			first = false
			close(p.ready)
			continue
		}
		gone := false
		for _, c := range changes {
			switch c.Kind {
			case presence.Enter:
				p.board.notices.person(ctx, "joined", c.State)
			case presence.Leave:
				p.board.notices.person(ctx, "left", c.State)
				gone = true
			}
		}
		if gone {
			p.srv.tidy(p.board)
		}
	}
	if first {
		close(p.ready)
	}
}

// apply brings here up to date and tells the connections.
func (p *people) apply(changes []presence.Change[User]) {
	m := peersMessage{T: "peers", Join: []User{}, Leave: []string{}}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range changes {
		switch c.Kind {
		case presence.Enter, presence.Update:
			p.here[c.Member] = c.State
			m.Join = append(m.Join, c.State)
		case presence.Leave:
			delete(p.here, c.Member)
			m.Leave = append(m.Leave, c.Member)
		}
	}
	if len(changes) == 0 {
		return
	}
	data := encode(m)
	for c := range p.conns {
		c.post(data, 0)
	}
}

// attach tells c who is there, and from now on who comes and goes.
func (p *people) attach(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = struct{}{}
	me := c.hello.user
	all := []User{me} // whether or not the news of it has arrived
	for _, id := range slices.Sorted(maps.Keys(p.here)) {
		if id != me.ID {
			all = append(all, p.here[id])
		}
	}
	c.tell(peersMessage{T: "peers", Reset: true, Join: all, Leave: []string{}}, 0)
}

func (p *people) detach(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

func (p *people) empty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.here) == 0 && len(p.conns) == 0
}

// now is the server's clock as notes and notices show it.
func now() int64 { return time.Now().UnixMilli() }
