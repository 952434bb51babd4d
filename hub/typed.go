package hub

import (
	"context"
	"iter"
	"time"
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

// Publish appends an event to a log or ephemeral topic and returns its
// position, zero on ephemeral ones. When it returns v is encoded and may change.
// It never waits for subscribers.
func (t *Topic[T]) Publish(ctx context.Context, v T, opts ...WriteOption) (Position, error) {
	return t.write(ctx, write{op: opPublish}, &v, opts)
}

// Put makes v the value of a key of a keyed or ephemeral topic.
func (t *Topic[T]) Put(ctx context.Context, key string, v T, opts ...WriteOption) (Position, error) {
	return t.write(ctx, write{op: opPut, key: key}, &v, opts)
}

// Delete removes a key of a keyed or ephemeral topic; its subscribers get a
// tombstone. If the key is not there it publishes nothing and returns ErrNoKey.
func (t *Topic[T]) Delete(ctx context.Context, key string, opts ...WriteOption) (Position, error) {
	return t.write(ctx, write{op: opDelete, key: key}, nil, opts)
}

func (t *Topic[T]) write(ctx context.Context, w write, v *T, opts []WriteOption) (Position, error) {
	if ctx.Err() != nil {
		return Position{}, context.Cause(ctx)
	}
	if v != nil {
		data, err := t.codec.Append(nil, *v)
		if err != nil {
			return Position{}, &EncodeError{Topic: t.name, Err: err}
		}
		if data == nil {
			data = []byte{}
		}
		w.data = data
	}
	if err := w.apply(opts, &t.hub.opts); err != nil {
		return Position{}, err
	}
	var pos Position
	err := t.hub.with(t.name, func(in *topic) (err error) {
		if err := w.checkKind(t.name, in.kind); err != nil {
			t.hub.reclaim(in)
			return err
		}
		pos, err = in.append(&w)
		return err
	})
	return pos, err
}

// Get returns the latest event of a key, without Pos; its Rev is what IfMatch
// wants. ErrNoKey if there is none.
func (t *Topic[T]) Get(ctx context.Context, key string) (*Event[T], error) {
	in, err := t.table(ctx, "Get")
	if err != nil {
		return nil, err
	}
	if in == nil {
		return nil, ErrNoKey
	}
	in.mu.Lock()
	in.log.trim(time.Now())
	e := in.log.table.get(key)
	in.mu.Unlock()
	if e == nil {
		return nil, ErrNoKey
	}
	return rowOf(t, in.epoch(), e)
}

// A Snapshot is a topic's table as it was at one position.
type Snapshot[T any] struct {
	// Pos is where After goes on from the snapshot; zero on ephemeral topics.
	Pos Position

	topic *Topic[T]
	epoch uint64
	view  view
}

// Snapshot returns the table of a keyed or ephemeral topic. It costs little
// however large the table is, and what is written later does not change it.
func (t *Topic[T]) Snapshot(ctx context.Context) (*Snapshot[T], error) {
	in, err := t.table(ctx, "Snapshot")
	if err != nil {
		return nil, err
	}
	s := &Snapshot[T]{topic: t}
	if in == nil {
		s.Pos, err = t.Head(ctx)
		return s, err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.log.trim(time.Now())
	s.epoch = in.epoch()
	s.view = *in.log.table.look(in.log.top) // the rows of a copy don't expire
	if in.kind != Ephemeral {
		s.Pos = in.log.head()
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
			ev, err := rowOf(s.topic, s.epoch, s.view.row(i))
			if !yield(ev, err) || err != nil {
				return
			}
		}
	}
}

// table returns the topic, nil if it does not exist, or why it has no table.
func (t *Topic[T]) table(ctx context.Context, op string) (*topic, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	in, cfg, _, err := t.hub.find(t.name)
	if err != nil {
		return nil, err
	}
	if cfg.Kind == Log {
		return nil, &KindError{Topic: t.name, Kind: cfg.Kind, Op: op}
	}
	return in, nil
}

// Head returns the position of the newest event; of a topic without any, the
// one before the first. Zero on ephemeral topics.
func (t *Topic[T]) Head(ctx context.Context) (Position, error) {
	if ctx.Err() != nil {
		return Position{}, context.Cause(ctx)
	}
	in, cfg, virgin, err := t.hub.find(t.name)
	if err != nil || cfg.Kind == Ephemeral {
		return Position{}, err
	}
	if in == nil {
		return virgin, nil
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.log.head(), nil
}

// Subscribe follows the topic. The context bounds the life of the
// subscription: when it ends, so does the subscription, with the context's cause.
func (t *Topic[T]) Subscribe(ctx context.Context, o *SubOptions[T]) (*Sub[T], error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s := &Sub[T]{topic: t, batch: defaultBatch}
	var from From
	if o != nil {
		from = o.From
		s.filter, s.c.policy = o.Filter, o.Policy
		if o.Batch > 0 {
			s.batch = min(o.Batch, maxBatch)
		}
	}
	if err := from.check(); err != nil {
		return nil, err
	}
	s.c.wake = make(chan struct{}, 1)
	err := t.hub.with(t.name, func(in *topic) error {
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
		s.c.mu.Unlock()
	}
	return s, nil
}
