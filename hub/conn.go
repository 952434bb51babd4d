package hub

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// maxRefusals is how often a sink may say that it is writable and then take
// nothing: a frame that is larger than all its room would wait for ever.
const maxRefusals = 16

// ConnOptions of Connect.
type ConnOptions struct {
	// Encoder makes the frames. It is required.
	Encoder Encoder

	// Label says whose connection it is, for Kick.
	Label string

	// Ended, if not nil, is told of each topic that has ended by itself and not
	// by Unfollow or Close: *SlowError, *EncodeError, *PanicError, ErrKicked,
	// ErrDraining, ErrClosed or the sink's own error, and the position up to which
	// the sink has taken it. Whose sink is full is told when it has room again or
	// has ended, see Policy.
	//
	// It is called by the worker that serves the connection, with no lock held, and
	// must not block. Close of an sse.Stream, and of a ws.Conn of ws.Handler, does
	// not; that of a ws.Conn of ws.Accept waits for the peer: go c.Close(...).
	Ended func(topic string, pos Position, err error)
}

// FollowOptions of Follow. nil and the zero value are good. See SubOptions.
type FollowOptions struct {
	From   From
	Policy Policy
	// Filter runs in the shard's worker. A follower with a filter is served by
	// itself and not in common with others. If it panics, the topic ends for this
	// connection, with a *PanicError.
	Filter func(*Event[[]byte]) bool
}

// A Conn is a connection that the hub writes to, made by Connect. It follows any
// number of topics up to Options.MaxFollows; each is a cursor and nothing else, for what is to be
// sent is in the log. While nothing happens it has no goroutine. Methods are safe for
// concurrent use.
//
// The same sink always gets the events of one topic in order. What it has taken
// counts as delivered.
type Conn struct {
	queued

	// Immutable.
	hub      *Hub
	sink     Sink
	opts     ConnOptions
	format   string
	shard    *shard
	writable func()

	// Owned by the shard's worker.
	full    bool // until the sink is writable
	tries   int  // refusals one after the other
	stalled []*follower

	// Guarded by mu, which is never held together with another lock.
	mu      sync.Mutex
	closed  error
	follows map[string]*follower // nil while being set up
}

// Connect makes a sink known to the hub. Close it when the connection ends, in the
// Close event of ws.Handler or sse.Handler, and not when their open returns.
func (h *Hub) Connect(s Sink, o ConnOptions) (*Conn, error) {
	if err := h.usable(); err != nil {
		return nil, err
	}
	switch {
	case s == nil:
		return nil, nilError("Sink")
	case o.Encoder == nil:
		return nil, nilError("ConnOptions.Encoder")
	}
	if err := h.refusal(); err != nil {
		return nil, err
	}
	format := o.Encoder.Format()
	if format == "" {
		return nil, &NameError{What: "format", Problem: "empty: Encoder.Format names what it makes"}
	}
	n := h.nextShard.Add(1)
	c := &Conn{
		hub: h, sink: s, opts: o, format: format,
		shard: h.shards[n%uint32(len(h.shards))], follows: make(map[string]*follower),
	}
	c.writable = func() { c.shard.push(c) }
	h.stats.connections.Add(1)
	return c, nil
}

// Follow writes the events of a topic to the connection from now on. ctx bounds
// the call, not what follows. A topic is followed once: a second time is an
// error, *FollowError.
func (c *Conn) Follow(ctx context.Context, name string, o *FollowOptions) error {
	if err := ready(ctx, c.hub); err != nil {
		return err
	}
	f := &follower{conn: c}
	f.c.push = f
	var from From
	if o != nil {
		from, f.filter, f.c.policy = o.From, o.Filter, o.Policy
	}
	f.c.label = c.opts.Label
	err := from.check()
	if err == nil {
		err = f.c.policy.check()
	}
	if err == nil {
		err = c.reserve(name)
	}
	if err != nil {
		return err
	}
	err = c.hub.with(ctx, name, from.pos, func(in *topic) error {
		if f.c.policy == Coalesce && in.kind == Log {
			c.hub.reclaim(in)
			return &KindError{Topic: name, Kind: in.kind, Op: "Follow with Coalesce"}
		}
		return in.follow(f, from)
	})
	c.hub.at("joined")
	c.mu.Lock()
	if err == nil && c.closed != nil {
		err = c.closed
	}
	if err != nil {
		delete(c.follows, name)
	} else {
		c.follows[name] = f
	}
	c.mu.Unlock()
	switch {
	case err == nil && f.ended() && c.drop(f): // it was ended meanwhile
		return f.c.end(ErrUnsubscribed)
	case err == nil:
		c.shard.push(f)
	case f.lane != nil: // the connection was closed meanwhile
		f.c.end(ErrUnsubscribed)
	}
	return err
}

// drop forgets a follower, and reports whether it was known.
func (c *Conn) drop(f *follower) bool {
	name := f.lane.t.name
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.follows[name] == f
	if known {
		delete(c.follows, name)
	}
	return known
}

// reserve takes the place of a topic.
func (c *Conn) reserve(topic string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return c.closed
	}
	if _, ok := c.follows[topic]; ok {
		return &FollowError{Topic: topic}
	}
	if n := len(c.follows) + 1; n > c.hub.opts.MaxFollows {
		return &LimitError{Limit: "topics of a connection", Option: "Options.MaxFollows", Max: int64(c.hub.opts.MaxFollows), Got: int64(n)}
	}
	c.follows[topic] = nil
	return nil
}

// follow makes f a subscription of the topic, in its shard's lane.
func (t *topic) follow(f *follower, from From) error {
	return t.admit(func() {
		t.enter(&f.c)
		f.c.start(from)
		f.lane = t.lane(f.conn.shard)
	})
}

// Unfollow ends following a topic and reports whether it was followed. A send
// that is under way may still happen.
func (c *Conn) Unfollow(topic string) bool {
	c.mu.Lock()
	f := c.follows[topic]
	if f != nil {
		delete(c.follows, topic)
	}
	c.mu.Unlock()
	if f == nil {
		return false
	}
	f.c.end(ErrUnsubscribed)
	return true
}

// Topics returns the names of the topics that are followed, sorted.
func (c *Conn) Topics() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := make([]string, 0, len(c.follows))
	for name, f := range c.follows {
		if f != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Position returns up to where the sink has taken a topic, see [Sub.Position],
// zero if it is not followed.
func (c *Conn) Position(topic string) Position {
	if f := c.follower(topic); f != nil {
		pos, _ := f.where()
		return pos
	}
	return Position{}
}

// Stats returns the accounts of a topic, zero if it is not followed.
func (c *Conn) Stats(topic string) SubStats {
	if f := c.follower(topic); f != nil {
		_, stats := f.where()
		return stats
	}
	return SubStats{}
}

func (c *Conn) follower(topic string) *follower {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.follows[topic]
}

// Close ends following all topics. It does not close the sink; a send that is
// under way may still happen. It always returns nil and may be called again.
func (c *Conn) Close() error {
	c.shut(ErrUnsubscribed, ErrUnsubscribed)
	return nil
}

// shut refuses further use with one error and ends what is followed with another.
func (c *Conn) shut(refuse, end error) {
	c.mu.Lock()
	was := c.closed
	if was == nil {
		c.closed = refuse
	}
	var list []*follower
	for _, f := range c.follows {
		if f != nil {
			list = append(list, f)
		}
	}
	if end == ErrUnsubscribed {
		clear(c.follows)
	}
	c.mu.Unlock()
	if was == nil {
		c.hub.stats.connections.Add(-1)
	}
	for _, f := range list {
		f.c.end(end)
	}
}

// forget tells the owner that a topic has ended, unless it was the owner's wish.
func (c *Conn) forget(f *follower) {
	if !c.drop(f) || c.opts.Ended == nil {
		return
	}
	pos, _ := f.where()
	_ = c.tell(f.lane.t.name, pos, f.c.end(ErrUnsubscribed)) // that it panicked is counted, and there is nobody else to tell
}

// work serves those who wait for the sink, once it is writable.
func (c *Conn) work(s *shard) (again bool) {
	c.hub.at("conn is writable")
	c.full = false
	list := c.stalled
	c.stalled = nil
	for _, f := range list {
		if f.stalled = false; f.group == nil && f.read(s) {
			s.push(f)
		}
	}
	return false
}

// refused deals with a sink that has not taken all.
func (c *Conn) refused(some bool, err error) {
	if c.full {
		return
	}
	c.full = true
	if c.tries++; some {
		c.tries = 0
	}
	if !c.isFull(err) || c.tries > maxRefusals {
		if err == nil {
			err = ErrFull
		}
		c.fail(err)
		return
	}
	c.hub.at("conn is full")
	if err := c.notify(); err != nil {
		c.fail(err)
	}
	c.hub.at("conn waits")
}

// fail ends all that is followed, because of the sink.
func (c *Conn) fail(err error) {
	err = fmt.Errorf("hub: sink failed: %w", err)
	c.shut(err, err)
}
