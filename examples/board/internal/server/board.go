package server

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/hub"
)

// Topics of a board.
const (
	notesPrefix   = "board/"
	noticesPrefix = "notices/"
)

// A board is what the server knows of one board beside its topics, which hold
// the notes and the notices. It can be forgotten when there is nothing to
// remember (see Server.tidy) and is read from the topics again.
type board struct {
	// Immutable after newBoard.
	name    string
	opts    *Options
	topic   *hub.Topic[record]
	notices *notices
	people  *people
	stop    context.CancelFunc // ends people's goroutine

	// Guarded by Server.mu.
	refs int // connections that joined or are about to

	// Guarded by mu, which makes the read-modify-write of an operation one
	// step. Taken after Server.mu. It is held across calls of the hub,
	// which wait for nobody, and never across I/O to a peer.
	mu      sync.Mutex
	loaded  bool
	live    int     // notes that are not deleted
	text    int     // weight of all of them, and of the deleted
	top     int64   // the highest z there was
	graves  []grave // the deleted, the longest dead first
	clients clientTable
	conns   map[string]*conn // by client
}

// A grave is a deleted note that can be restored.
type grave struct {
	id     string
	at     int64
	weight int
}

func newBoard(s *Server, name string) *board {
	b := &board{
		name:    name,
		opts:    &s.opts,
		topic:   hub.TopicOf[record](s.hub, notesPrefix+name, recordCodec{}),
		notices: newNotices(s, name),
		clients: clientTable{max: s.opts.MaxClients, age: s.opts.ClientMemory},
		conns:   make(map[string]*conn),
	}
	b.people = newPeople(s, b)
	return b
}

// load derives what the topic implies, once. Called with mu held.
func (b *board) load(ctx context.Context) error {
	if b.loaded {
		return nil
	}
	snap, err := b.topic.Snapshot(ctx)
	if err != nil {
		return err
	}
	b.live, b.text, b.top, b.graves = 0, 0, 0, nil
	for ev, err := range snap.All() {
		if err != nil {
			return err
		}
		r := &ev.Value
		b.top = max(b.top, r.Note.Z)
		b.text += r.weight()
		if r.Gone {
			b.graves = append(b.graves, grave{ev.Key, r.At, r.weight()})
		} else {
			b.live++
		}
	}
	slices.SortFunc(b.graves, func(a, b grave) int { return cmp.Compare(a.at, b.at) })
	b.loaded = true
	return nil
}

// join makes c the connection of its client. From here on nobody but c can
// advance that client's number, and c does not read operations before it has
// built its welcome: so acked and the position of the welcome agree.
func (b *board) join(ctx context.Context, c *conn) (acked *uint64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.load(ctx); err != nil {
		return nil, err
	}
	id := c.hello.client
	if old := b.conns[id]; old != nil {
		old.end(closeReplaced, "replaced by a newer connection")
	}
	b.conns[id] = c
	b.clients.expire(time.Now())
	var known bool
	c.client, known = b.clients.find(id)
	c.known = known || c.hello.first == 1
	c.echoed = c.client.acked
	if !c.known {
		return nil, nil
	}
	n := c.client.acked
	return &n, nil
}

func (b *board) part(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conns[c.hello.client] == c {
		delete(b.conns, c.hello.client)
	}
}

// deal deals with an operation: once, in the order of its client's numbers.
// What has an effect is answered by its echo, everything else by a message to
// its sender.
func (b *board) deal(ctx context.Context, c *conn, op *operation) error {
	// The connection may end in the middle of this. What has taken effect is
	// counted and told of all the same.
	ctx = context.WithoutCancel(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conns[c.hello.client] != c {
		return nil // replaced; its end is on the way
	}
	cl := c.client
	switch {
	case !c.known:
		return refuse(closeHole, "client is not known here; it starts from 1 under a new id")
	case op.seq > cl.acked+1:
		return refuse(closeHole, "operation %d after %d", op.seq, cl.acked)
	case op.seq <= cl.acked:
		b.clients.touch(cl, time.Now())
		return b.answer(ctx, c, op.seq)
	}
	code, echo := op.bad, false
	if code == "" {
		var err error
		if code, echo, err = b.perform(ctx, c, op); err != nil {
			return err // the number is not used up: the client sends it again
		}
	}
	cl.acked = op.seq
	b.clients.touch(cl, time.Now())
	switch {
	case echo:
		cl.effect = op.seq
		return nil
	case code != "":
		cl.reject(rejected{op.seq, code, op.id})
	}
	return b.answer(ctx, c, op.seq)
}

// answer tells c how the operation of that number was dealt with, after the
// echoes of those before it. Called with mu held.
func (b *board) answer(ctx context.Context, c *conn, seq uint64) error {
	r, ok := c.client.rejected(seq)
	if !ok {
		c.tell(ackMessage{"ack", seq}, c.client.effect)
		return nil
	}
	m := rejectMessage{T: "reject", Seq: seq, Code: r.code}
	if r.code == rejectGone {
		ev, err := b.topic.Get(ctx, r.id)
		switch {
		case err == nil && ev.Value.Gone:
			m.Note, m.By = &ev.Value.Note, ev.Value.By
		case err != nil && !errors.Is(err, hub.ErrNoKey):
			return err
		}
	}
	c.tell(m, c.client.effect)
	return nil
}
