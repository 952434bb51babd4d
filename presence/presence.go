package presence

import (
	"context"
	"crypto/rand"
	"sync"

	"github.com/tidewire/tidewire/hub"
)

// A Presence knows who is in the topics of a hub. S is the state that a member
// shows: a name, a colour, whether it is typing. All methods are safe for
// concurrent use. While nobody watches it has no goroutine.
//
// One for each kind of state is enough for all topics. Several on one hub, or on
// the hubs of several processes with a broker between, see each other's members
// if they have the same prefix and codec.
type Presence[S any] struct {
	// Immutable after New.
	hub         *hub.Hub
	opts        Options[S]
	incarnation string
	hook        func(point string) // forces events between two steps in tests, else nil

	clock clock

	// ctx ends, with ErrClosed, when Close begins. Rooms and the removals in the
	// background live in it.
	ctx    context.Context
	cancel context.CancelCauseFunc
	work   sync.WaitGroup // rooms, removals, and calls that write; added to with mu held

	// mu is held for a few steps in memory at a time, never across a call of
	// the hub or the codec. Guarded by it, and so are the seats' and rooms'
	// fields that say so.
	mu     sync.Mutex
	closed bool
	serial uint64
	seats  map[place][]*seat[S] // of this node; never empty lists
	rooms  map[string]*room[S]
}

// A place is where a member sits.
type place struct{ topic, member string }

// New returns a Presence on h. Close it when done, before the hub.
func New[S any](h *hub.Hub, o *Options[S]) *Presence[S] {
	p := &Presence[S]{
		hub: h, opts: o.withDefaults(), incarnation: rand.Text()[:10],
		seats: make(map[place][]*seat[S]), rooms: make(map[string]*room[S]),
	}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	return p
}

// Close removes the members whose connections this Presence holds, for the
// cause NodeDown, and ends its watches with ErrClosed. It returns when that is
// done and its goroutines have ended, and may be called again. The error is the
// hub's, if it would not remove a member; a hub that was closed before is none.
func (p *Presence[S]) Close() error {
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	p.mu.Unlock()
	p.cancel(ErrClosed)
	p.work.Wait()
	if !first {
		return nil
	}
	return p.evict()
}

// topic returns the view of the hub's topic that holds the members of a topic.
func (p *Presence[S]) topic(name string) (*hub.Topic[record[S]], error) {
	if name == "" {
		return nil, &hub.NameError{What: "topic", Problem: "empty"}
	}
	return hub.TopicOf[record[S]](p.hub, p.opts.Prefix+name, recordCodec[S]{p.opts.Codec}), nil
}

func (p *Presence[S]) at(point string) {
	if p.hook != nil {
		p.hook(point)
	}
}
