package hub

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// errDead makes an operation look its topic up again.
var errDead = errors.New("hub: topic was reclaimed")

// A Hub holds topics. Make it by New: the zero value refuses everything with an
// error that matches ErrNil. All its methods are safe for concurrent use. While
// nothing happens it has no goroutine.
type Hub struct {
	// Immutable after New.
	opts Options
	seed maphash.Seed

	hook atomic.Pointer[func(point string)] // forces events between two steps in tests, else nil

	closed     atomic.Bool
	draining   atomic.Bool
	subs       atomic.Int64    // subscriptions of all topics
	left       chan struct{}   // of one token: there are none any more
	ctx        context.Context // ends with Close; that of calls to the broker
	cancel     context.CancelFunc
	total      budget
	dispatcher dispatcher
	janitor    janitor
	runner     runner
	leases     leases // without a broker
	shards     []*shard
	nextShard  atomic.Uint32
	stats      counters
	items      sync.Pool // of *[]item, for the time of a read

	// Guarded by mu, which comes before any topic's: reclaiming must see that
	// nobody has found the topic in between.
	mu     sync.RWMutex
	topics map[string]*topic
	// How many logs with events were reclaimed, by hash of the name. See epoch.
	reclaimed [256]uint32
}

// New returns a hub. It keeps its topics in memory unless Options has a Broker.
// nil options are good. Close it when done.
func New(o *Options) *Hub {
	h := &Hub{opts: o.withDefaults(), seed: maphash.MakeSeed(), topics: make(map[string]*topic), left: make(chan struct{}, 1)}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.total.max = h.opts.MaxBytes
	h.janitor.sweep = h.sweep
	h.shards = newShards(h)
	return h
}

// Close ends all subscriptions with ErrClosed and refuses further use. What
// the hub retains is gone; what a broker keeps is not, and leases there run out.
// It returns when the hub's goroutines have ended, and may be called again.
func (h *Hub) Close() error {
	if err := h.usable(); err != nil {
		return err
	}
	h.closed.Store(true)
	h.cancel()
	h.janitor.close()
	h.leases.close()
	h.mu.Lock()
	topics := h.topics
	h.topics = make(map[string]*topic)
	h.mu.Unlock()
	for _, t := range topics {
		// Whoever takes the topic's lock after this sees that the hub is
		// closed; whoever was there before is on the list.
		t.mu.Lock()
		wake := t.takeWaiters()
		t.mu.Unlock()
		h.dispatcher.wake(wake)
		for _, c := range t.subscriptions(func(c *cursor) bool { return c.push != nil }) {
			c.end(ErrClosed)
		}
	}
	h.dispatcher.close()
	h.runner.close()
	for _, t := range topics {
		t.mu.Lock()
		var detach func()
		if t.link != nil {
			detach, t.link.detach = t.link.detach, nil
			if t.link.timer != nil {
				t.link.timer.Stop()
			}
		}
		t.mu.Unlock()
		if detach != nil {
			detach()
		}
	}
	return nil
}

// A TopicInfo describes a topic at some moment.
type TopicInfo struct {
	Name        string   `json:"name"`
	Kind        Kind     `json:"kind"`
	Head        Position `json:"head"` // zero on ephemeral topics
	Subscribers int      `json:"subscribers"`
	Events      int      `json:"events"` // in the log, or the tail
	Keys        int      `json:"keys"`   // in the table
	Bytes       int64    `json:"bytes"`  // retained, tail and table each counted
}

// Topics describes the topics that retain something or have a subscriber,
// sorted by name.
func (h *Hub) Topics() []TopicInfo {
	if h == nil {
		return nil
	}
	list := h.list()
	infos := make([]TopicInfo, 0, len(list))
	for _, t := range list {
		infos = append(infos, t.info())
	}
	slices.SortFunc(infos, func(a, b TopicInfo) int { return strings.Compare(a.Name, b.Name) })
	return infos
}

func (h *Hub) list() []*topic {
	h.mu.RLock()
	defer h.mu.RUnlock()
	list := make([]*topic, 0, len(h.topics))
	for _, t := range h.topics {
		list = append(list, t)
	}
	return list
}

// find returns the topic of that name if it exists, or else its configuration
// and the position a virgin log of that name is at.
func (h *Hub) find(name string) (*topic, TopicConfig, Position, error) {
	if err := checkName("topic", "Options.MaxNameBytes", name, h.opts.MaxNameBytes); err != nil {
		return nil, TopicConfig{}, Position{}, err
	}
	h.mu.RLock()
	t := h.topics[name]
	var virgin Position
	if t == nil {
		virgin.epoch = h.epoch(name)
	}
	h.mu.RUnlock()
	if h.closed.Load() {
		return nil, TopicConfig{}, Position{}, ErrClosed
	}
	if t != nil {
		return t, t.log.cfg, Position{}, nil // cfg never changes
	}
	cfg, err := h.configure(name)
	return nil, cfg, virgin, err
}

// configure asks for a topic's configuration. Called without locks.
func (h *Hub) configure(name string) (TopicConfig, error) {
	cfg, err := h.opts.Configure(name)
	if err != nil {
		return cfg, fmt.Errorf("hub: topic %q refused: %w", name, err)
	}
	if cfg.Kind > Ephemeral {
		return cfg, fmt.Errorf("hub: topic %q: unknown kind %d", name, cfg.Kind)
	}
	return cfg.withDefaults(), nil
}

// open returns the topic of that name, made if need be.
func (h *Hub) open(name string) (*topic, error) {
	t, cfg, _, err := h.find(name)
	if t != nil || err != nil {
		return t, err
	}
	return h.make(name, cfg)
}

func (h *Hub) make(name string, cfg TopicConfig) (*topic, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed.Load() {
		return nil, ErrClosed
	}
	if t := h.topics[name]; t != nil {
		return t, nil
	}
	if len(h.topics) >= h.opts.MaxTopics {
		return nil, &LimitError{Limit: "topics", Option: "Options.MaxTopics", Max: int64(h.opts.MaxTopics), Got: int64(len(h.topics)) + 1}
	}
	t := newTopic(h, name, cfg, h.epoch(name))
	if h.opts.Broker != nil {
		t.link = newLink(t, h.opts.Broker)
	}
	h.topics[name] = t
	return t, nil
}

// with runs f on the topic of that name, made if need be and readable after pos,
// until it meets one that is not being reclaimed.
func (h *Hub) with(ctx context.Context, name string, pos Position, f func(*topic) error) error {
	for {
		t, err := h.open(name)
		if err != nil {
			return err
		}
		h.at("found")
		if err = t.hold(ctx, pos); err == nil {
			err = f(t)
			t.release()
		}
		if err != errDead {
			return err
		}
	}
}

// look is with for those who leave nothing behind: in memory f gets a topic that
// nobody else knows if there is none of that name. allowed refuses kinds.
func (h *Hub) look(ctx context.Context, name string, pos Position, allowed func(Kind) error, f func(*topic) error) error {
	if err := ready(ctx, h); err != nil {
		return err
	}
	t, cfg, virgin, err := h.find(name)
	if err != nil {
		return err
	}
	if err := allowed(cfg.Kind); err != nil {
		return err
	}
	if h.opts.Broker != nil {
		return h.with(ctx, name, pos, f)
	}
	if t == nil {
		t = newTopic(h, name, cfg, virgin.epoch)
	}
	return f(t)
}

// write commits a write to the topic of that name.
func (h *Hub) write(ctx context.Context, name string, w *Write) (pos Position, err error) {
	if h.opts.Broker != nil {
		dup := *w // goes to the heap; w stays where it is
		return h.send(ctx, name, &dup)
	}
	err = h.with(ctx, name, Position{}, func(t *topic) (err error) {
		if err := w.checkKind(name, t.kind); err != nil {
			h.reclaim(t)
			return err
		}
		pos, err = t.append(w)
		return err
	})
	return pos, err
}

// send is write by the broker. The copy here, if there is one, gets the event
// from there.
func (h *Hub) send(ctx context.Context, name string, w *Write) (Position, error) {
	_, cfg, _, err := h.find(name)
	if err == nil {
		err = w.checkKind(name, cfg.Kind)
	}
	if err != nil {
		return Position{}, err
	}
	pos, err := h.opts.Broker.Append(ctx, BrokerTopic{Name: name, Config: cfg}, w)
	if err != nil {
		if errors.Is(err, ErrUncertain) {
			h.stats.uncertain.Add(1)
			h.observe(Incident{What: WriteUncertain, Topic: name, Err: err})
		}
		return pos, err
	}
	// Looked up again: somebody may have attached it meanwhile, and read the log
	// before this was in it.
	h.mu.RLock()
	t := h.topics[name]
	h.mu.RUnlock()
	if t == nil {
		return pos, nil
	}
	t.mu.Lock()
	if l := t.link; pos.epoch != l.acked.epoch || pos.off > l.acked.off {
		l.acked = pos
	}
	t.mu.Unlock()
	return pos, nil
}

// reclaim forgets a topic that nothing keeps.
func (h *Hub) reclaim(t *topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dead || !t.idle() || h.topics[t.name] != t {
		return
	}
	t.dead = true
	delete(h.topics, t.name)
	if t.log.top > 0 && t.kind != Ephemeral {
		h.reclaimed[h.bucket(t.name)]++
	}
}

// epoch names the log of a topic that does not exist. It is a hash of the name
// and of how many logs with events have been reclaimed there, so that whoever
// waits for a topic's first event has a position that stays good, though
// nothing is kept for them, and that no reclaimed log can be taken for the next
// of that name. Called with mu held.
func (h *Hub) epoch(name string) uint64 {
	type life struct {
		name string
		n    uint32
	}
	return max(1, maphash.Comparable(h.seed, life{name, h.reclaimed[h.bucket(name)]}))
}

func (h *Hub) bucket(name string) uint8 { return uint8(maphash.String(h.seed, name)) }

// sweep drops what is too old in all topics and reports whether some will
// age further.
func (h *Hub) sweep() (again bool) {
	now := time.Now()
	for _, t := range h.list() {
		ages, idle := t.sweep(now)
		again = again || ages
		if idle {
			h.reclaim(t)
		}
	}
	return again
}

// scratch returns room for one read of up to maxBatch items; put takes it back,
// and nothing stays in it.
func (h *Hub) scratch() *[]item {
	if s, ok := h.items.Get().(*[]item); ok {
		return s
	}
	return new([]item)
}

func (h *Hub) put(s *[]item) {
	clear(*s)
	h.items.Put(s)
}

func (h *Hub) at(point string) {
	if f := h.hook.Load(); f != nil {
		(*f)(point)
	}
}
