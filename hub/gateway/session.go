package gateway

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tidewire/tidewire/hub"
)

// followTimeout bounds subscribing, which waits only for a broker.
const followTimeout = 10 * time.Second

// A line is a connection of one of the transports.
type line interface {
	hub.Sink
	// bye sends the last word, if there is room for it, and ends the connection.
	// It never waits.
	bye(topic string, b *Bye)
}

// A session is a connection that follows a topic.
type session struct {
	g     *Handler
	line  line
	topic string

	// Guarded by mu, which is never held while anything else is called.
	mu   sync.Mutex
	conn *hub.Conn
	over bool
}

// follow lets a connection follow what the plan says. It is called once, before
// the connection's end is told to leave.
func (g *Handler) follow(l line, enc hub.Encoder, p *plan) *session {
	s := &session{g: g, line: l, topic: p.topic}
	g.join(s)
	if p.bye != nil {
		s.bye(p.bye)
		return s
	}
	if g.isDraining() {
		s.bye(&Bye{Reason: ByeDrain, Retry: g.retry()})
		return s
	}
	conn, err := g.hub.Connect(l, hub.ConnOptions{Encoder: enc, Label: p.grant.User, Ended: s.ended})
	if err != nil {
		s.end(g.byeOf(hub.Position{}, err), err)
		return s
	}
	s.mu.Lock()
	s.conn = conn
	over := s.over
	s.mu.Unlock()
	if over {
		conn.Close()
		return s
	}
	o := &hub.FollowOptions{From: p.from, Policy: p.policy, Filter: p.grant.Filter}
	ctx, cancel := context.WithTimeoutCause(context.Background(), followTimeout, hub.ErrUnavailable)
	defer cancel()
	if err := conn.Follow(ctx, p.topic, o); err != nil {
		s.end(g.byeOf(hub.Position{}, err), err)
	}
	return s
}

// ended is told by the hub, in one of its workers. What it does not name is the
// line's: it is gone, or takes nothing although it says that it would.
func (s *session) ended(topic string, pos hub.Position, err error) {
	b := s.g.byeOf(pos, err)
	_, encode := errors.AsType[*hub.EncodeError](err)
	_, panicked := errors.AsType[*hub.PanicError](err)
	if b.Reason == ByeFailed && !encode && !panicked {
		b.Reason = ByeSlow
	}
	s.end(b, err)
}

// end is bye, for a reason that the program may have to hear of.
func (s *session) end(b *Bye, err error) {
	if !s.bye(b) || b.Reason != ByeFailed {
		return
	}
	args := []any{"topic", s.topic, "error", err}
	if p, ok := errors.AsType[*hub.PanicError](err); ok {
		args = append(args, "stack", string(p.Stack))
	}
	s.g.logger().Error("gateway: a topic can't be followed", args...)
}

// byeOf turns the error that ended a subscription into what the client is told.
func (g *Handler) byeOf(pos hub.Position, err error) *Bye {
	b := &Bye{Reason: ByeFailed, Retry: g.retry(), Pos: pos}
	limit, _ := errors.AsType[*hub.LimitError](err)
	slow, _ := errors.AsType[*hub.SlowError](err)
	switch {
	case slow != nil:
		b.Reason, b.Missed = ByeSlow, slow.Missed
	case errors.Is(err, hub.ErrDraining):
		b.Reason = ByeDrain
	case errors.Is(err, hub.ErrKicked):
		b.Reason = ByeKicked
	case errors.Is(err, hub.ErrClosed):
		b.Reason = ByeClosed
	case errors.Is(err, hub.ErrUnavailable), limit != nil, errors.Is(err, context.Canceled):
		b.Reason = ByeUnavailable
	}
	return b
}

// bye ends the session with a last word, unless it has ended, and reports
// whether it had not.
func (s *session) bye(b *Bye) bool {
	s.mu.Lock()
	was, conn := s.over, s.conn
	s.over = true
	s.mu.Unlock()
	if was {
		return false
	}
	if conn != nil {
		conn.Close()
	}
	s.line.bye(s.topic, b)
	return true
}

// leave is told when the connection has ended.
func (s *session) leave() {
	s.mu.Lock()
	conn := s.conn
	s.over = true
	s.mu.Unlock()
	if conn != nil {
		conn.Close()
	}
	s.g.forget(s)
}
