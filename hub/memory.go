package hub

import (
	"context"
	"sync"
	"time"
)

// feedBatch is the most records that Memory delivers at once.
const feedBatch = 64

// Memory is a broker that keeps its logs in this process, for several hubs to
// share: in tests, or where parts of a program want hubs of their own. A single hub
// needs none: without a broker its logs are the ones that its readers read. Make it
// by NewMemory.
type Memory struct {
	h *Hub // nil of the zero Memory, which is of no use
}

var _ Broker = (*Memory)(nil)

// NewMemory returns an empty Memory. Of the options it heeds the limits MaxTopics
// and MaxBytes. Close it after the hubs that use it.
func NewMemory(o *Options) *Memory {
	var own Options
	if o != nil {
		own.MaxTopics, own.MaxBytes = o.MaxTopics, o.MaxBytes
	}
	return &Memory{h: New(&own)}
}

// Close ends all attachments and forgets everything.
func (m *Memory) Close() error { return m.h.Close() }

// unavailable is how a hub that uses a closed broker sees it.
func unavailable(err error) error {
	if err == ErrClosed {
		return ErrUnavailable
	}
	return err
}

// with runs f on a topic, made if need be.
func (m *Memory) with(ctx context.Context, t BrokerTopic, f func(*topic) error) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		in, err := m.h.existing(t.Name)
		if in == nil && err == nil {
			in, err = m.h.make(t.Name, t.Config)
		}
		if err == nil {
			err = in.same(t)
		}
		if err == nil {
			err = f(in)
		}
		if err != errDead {
			return unavailable(err)
		}
	}
}

// look runs f on a topic, or on an empty one that nobody else knows.
func (m *Memory) look(ctx context.Context, t BrokerTopic, f func(*topic)) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	in, err := m.h.existing(t.Name)
	if err != nil {
		return unavailable(err)
	}
	if in != nil {
		if err := in.same(t); err != nil {
			return err
		}
	} else {
		m.h.mu.RLock()
		epoch := m.h.epoch(t.Name)
		m.h.mu.RUnlock()
		in = newTopic(m.h, t.Name, t.Config, epoch)
	}
	f(in)
	return nil
}

// same refuses a hub that takes the topic for one of another kind.
func (t *topic) same(as BrokerTopic) error {
	if t.kind != as.Config.Kind {
		return &KindError{Topic: t.name, Kind: t.kind, Op: "use as " + as.Config.Kind.String()}
	}
	return nil
}

// existing returns the topic of that name, nil if there is none.
func (h *Hub) existing(name string) (*topic, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.closed.Load() {
		return nil, ErrClosed
	}
	return h.topics[name], nil
}

// Append implements [Broker].
func (m *Memory) Append(ctx context.Context, t BrokerTopic, w *Write) (pos Position, err error) {
	err = m.with(ctx, t, func(in *topic) (err error) {
		pos, err = in.append(w)
		return err
	})
	return pos, err
}

// Read implements [Broker].
func (m *Memory) Read(ctx context.Context, t BrokerTopic, after Position, limit int) (seg Segment, err error) {
	err = m.look(ctx, t, func(in *topic) { seg = in.segment(after, limit) })
	return seg, err
}

// Snapshot implements [Broker].
func (m *Memory) Snapshot(ctx context.Context, t BrokerTopic, row func(Record) error) (pos Position, err error) {
	var v fixed
	if err := m.look(ctx, t, func(in *topic) { v, pos = in.table() }); err != nil {
		return Position{}, err
	}
	for i := range v.n {
		if err := row(v.row(i).record()); err != nil {
			return Position{}, err
		}
	}
	return pos, nil
}

// Enter implements [Broker].
func (m *Memory) Enter(ctx context.Context, ttl time.Duration) (string, error) {
	owner, err := m.h.leases.Enter(ctx, ttl)
	return owner, unavailable(err)
}

// Renew implements [Broker].
func (m *Memory) Renew(ctx context.Context, owner string) error {
	return m.h.leases.Renew(ctx, owner)
}

// Leave implements [Broker].
func (m *Memory) Leave(ctx context.Context, owner string) error {
	return m.h.leases.Leave(ctx, owner)
}

// Attach implements [Broker]. An attachment is a cursor like any other, read by
// a goroutine of its own: a feed that blocks costs nobody else anything, and one
// that has fallen off the log is told.
func (m *Memory) Attach(ctx context.Context, t BrokerTopic, f Feed) (detach func(), err error) {
	a := &attachment{feed: f, stop: make(chan struct{})}
	a.c.wake = make(chan struct{}, 1)
	err = m.with(ctx, t, func(in *topic) error {
		in.mu.Lock()
		defer in.mu.Unlock()
		if in.dead {
			return errDead
		}
		if m.h.closed.Load() {
			return ErrClosed
		}
		in.enter(&a.c)
		a.c.off = in.log.top
		return nil
	})
	if err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	m.h.runner.run(func() {
		defer close(ended)
		a.run()
	})
	return sync.OnceFunc(func() {
		close(a.stop)
		if !m.h.closed.Load() {
			<-ended
			a.c.t.leave(&a.c)
		}
	}), nil
}

type attachment struct {
	c    cursor
	feed Feed
	stop chan struct{} // closed by detach
}

func (a *attachment) run() {
	for {
		records, gap := a.next()
		switch {
		case gap:
			a.feed.Up()
		case len(records) > 0:
			a.feed.Deliver(records...)
		default:
			select {
			case <-a.c.wake:
			case <-a.stop:
				return
			case <-a.c.t.hub.ctx.Done():
				a.feed.Down(ErrUnavailable)
				return
			}
		}
		select {
		case <-a.stop:
			return
		default:
		}
	}
}

// next returns what follows, or that some of it is gone.
func (a *attachment) next() (records []Record, gap bool) {
	t, l := a.c.t, &a.c.t.log
	t.mu.Lock()
	defer t.mu.Unlock()
	if a.c.behind() {
		a.c.off = l.top
		return nil, true
	}
	for len(records) < feedBatch {
		e := l.at(a.c.off + 1)
		if e == nil {
			break
		}
		a.c.off++
		records = append(records, e.record())
	}
	if len(records) == 0 {
		t.await(&a.c)
	}
	return records, false
}

// segment reads up to n records after a position.
func (t *topic) segment(after Position, n int) Segment {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := &t.log
	l.trim(time.Now())
	seg := Segment{Head: l.head()}
	if after.IsZero() {
		after = l.before()
	}
	if seg.Reason = l.locate(after); seg.Reason != 0 {
		return seg
	}
	for off := after.off + 1; off <= l.top && len(seg.Records) < n; off++ {
		seg.Records = append(seg.Records, l.at(off).record())
	}
	return seg
}
