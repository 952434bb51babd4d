package hub

import (
	"context"
	"errors"
	"iter"
)

// A Topic is a typed view of a hub's topic of that name. It has no state of its
// own: any number of views of one topic, also of different types, are the same
// topic. Methods are safe for concurrent use.
type Topic[T any] struct {
	hub     *Hub
	name    string
	codec   Codec[T]
	codecID any
}

// TopicOf returns the typed view of a topic. A nil codec is JSON. The name is
// looked at when the view is used.
func TopicOf[T any](h *Hub, name string, c Codec[T]) *Topic[T] {
	if c == nil {
		c = JSON[T]{}
	}
	return &Topic[T]{hub: h, name: name, codec: c, codecID: identity(c)}
}

// Topic returns the view of a topic whose values are the bytes themselves.
func (h *Hub) Topic(name string) *Topic[[]byte] { return TopicOf[[]byte](h, name, raw{}) }

// Name returns the topic's name.
func (t *Topic[T]) Name() string { return t.name }

// Kind returns the topic's kind, or the error with which Options.Configure
// refuses its name. It does not ask a broker.
func (t *Topic[T]) Kind() (Kind, error) {
	if err := t.hub.usable(); err != nil {
		return 0, err
	}
	_, cfg, _, err := t.hub.find(t.name)
	return cfg.Kind, err
}

// Publish appends an event to a log or ephemeral topic and returns its
// position, zero on ephemeral ones. When it returns v is encoded and may change.
// It never waits for subscribers.
func (t *Topic[T]) Publish(ctx context.Context, v T, opts ...WriteOption) (Position, error) {
	return t.write(ctx, Write{Op: OpPublish}, &v, opts)
}

// Put makes v the value of a key of a keyed or ephemeral topic.
func (t *Topic[T]) Put(ctx context.Context, key string, v T, opts ...WriteOption) (Position, error) {
	return t.write(ctx, Write{Op: OpPut, Key: key}, &v, opts)
}

// Delete removes a key of a keyed or ephemeral topic; its subscribers get a
// tombstone. If the key is not there it publishes nothing and returns an error
// that matches ErrNoKey.
func (t *Topic[T]) Delete(ctx context.Context, key string, opts ...WriteOption) (Position, error) {
	return t.write(ctx, Write{Op: OpDelete, Key: key}, nil, opts)
}

func (t *Topic[T]) write(ctx context.Context, w Write, v *T, opts []WriteOption) (Position, error) {
	if err := ready(ctx, t.hub); err != nil {
		return Position{}, err
	}
	if v != nil {
		data, err := t.codec.Append(nil, *v)
		if err != nil {
			return Position{}, &EncodeError{Topic: t.name, Err: err}
		}
		if data == nil {
			data = []byte{}
		}
		w.Data = data
	}
	if err := w.apply(opts, &t.hub.opts); err != nil {
		return Position{}, err
	}
	pos, err := t.hub.write(ctx, t.name, &w)
	if err == ErrNoKey {
		err = &keyError{t.name, w.Key}
	}
	if err != nil && w.Owner != "" && errors.Is(err, ErrLeaseLost) {
		err = leaseError(err, t.name, &w)
		for _, o := range opts {
			// Another hub's owner is no business of this one, which may not know it.
			if o.owner != nil && o.owner.id == w.Owner && o.owner.hub == t.hub && o.owner.lose() {
				t.hub.observe(Incident{What: LeaseLost, Topic: t.name, Err: err})
			}
		}
	}
	return pos, err
}

// Get returns the latest event of a key, without Pos; its Rev is what IfMatch
// wants. If there is none the error matches ErrNoKey.
func (t *Topic[T]) Get(ctx context.Context, key string) (*Event[T], error) {
	var e *entry
	err := t.hub.look(ctx, t.name, Position{}, t.tabled("Get"), func(in *topic) error {
		if e = in.get(key); e == nil {
			return &keyError{t.name, key}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return rowOf(t, e)
}

// A Snapshot is a topic's table as it was at one position.
type Snapshot[T any] struct {
	// Pos is where After goes on from the snapshot; zero on ephemeral topics.
	Pos Position

	topic *Topic[T]
	view  fixed
}

// Snapshot returns the table of a keyed or ephemeral topic. It costs little
// however large the table is, and what is written later does not change it.
func (t *Topic[T]) Snapshot(ctx context.Context) (*Snapshot[T], error) {
	s := &Snapshot[T]{topic: t}
	err := t.hub.look(ctx, t.name, Position{}, t.tabled("Snapshot"), func(in *topic) error {
		s.view, s.Pos = in.table()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Len returns the number of keys.
func (s *Snapshot[T]) Len() int { return s.view.n }

// All returns the latest event of each key, in no particular order, without
// Pos. A *DecodeError ends it.
func (s *Snapshot[T]) All() iter.Seq2[*Event[T], error] {
	return func(yield func(*Event[T], error) bool) {
		for i := range s.view.n {
			ev, err := rowOf(s.topic, s.view.row(i))
			if !yield(ev, err) || err != nil {
				return
			}
		}
	}
}

// tabled refuses topics that have no table.
func (t *Topic[T]) tabled(op string) func(Kind) error {
	return func(k Kind) error {
		if k == Log {
			return &KindError{Topic: t.name, Kind: k, Op: op}
		}
		return nil
	}
}

// Head returns the position of the newest event; of a topic without any, the
// one before the first. Zero on ephemeral topics.
func (t *Topic[T]) Head(ctx context.Context) (pos Position, err error) {
	err = t.hub.look(ctx, t.name, Position{}, func(Kind) error { return nil }, func(in *topic) error {
		pos = in.head()
		return nil
	})
	return pos, err
}

// Subscribe follows the topic. The context bounds the life of the
// subscription: when it ends, so does the subscription, with the context's cause.
func (t *Topic[T]) Subscribe(ctx context.Context, o *SubOptions[T]) (*Sub[T], error) {
	if err := ready(ctx, t.hub); err != nil {
		return nil, err
	}
	s := &Sub[T]{topic: t, batch: defaultBatch}
	var from From
	if o != nil {
		from = o.From
		s.filter, s.c.policy, s.c.label = o.Filter, o.Policy, o.Label
		s.batch = batch(o.Batch)
	}
	if err := from.check(); err != nil {
		return nil, err
	}
	if err := s.c.policy.check(); err != nil {
		return nil, err
	}
	s.c.wake = make(chan struct{}, 1)
	err := t.hub.with(ctx, t.name, from.pos, func(in *topic) error {
		if s.c.policy == Coalesce && in.kind == Log {
			t.hub.reclaim(in)
			return &KindError{Topic: t.name, Kind: in.kind, Op: "Subscribe with Coalesce"}
		}
		return in.join(&s.c, from)
	})
	if err != nil {
		return nil, err
	}
	t.hub.at("joined")
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, func() { s.c.end(context.Cause(ctx)) })
		s.c.mu.Lock()
		s.c.stop = stop
		ended := s.c.err != nil
		s.c.mu.Unlock()
		if ended { // meanwhile, when there was nothing to stop
			stop()
		}
	}
	return s, nil
}
