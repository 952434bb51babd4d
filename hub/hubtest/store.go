package hubtest

import (
	"context"
	"crypto/rand"
	"errors"
	mrand "math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/hub"
)

// undoMost is how many writes of a topic LoseTail can take back.
const undoMost = 10_000

// recordCharge is what a record costs beside its bytes.
const recordCharge = 200

// A Store is a server somewhere else that keeps logs, for tests: it is reached
// by the nodes that Node returns, which delay and reorder what goes to and fro as
// a network does, and it can be made to fail as servers do. It is written without
// regard to speed and shares nothing with hub.Memory.
type Store struct {
	mu     sync.Mutex
	rnd    *mrand.Rand
	delay  time.Duration
	topics map[string]*stored
	owners map[string]*owner
	nodes  []*Remote
}

// A stored is a topic in a store.
type stored struct {
	kind    hub.Kind // for whom it was made
	epoch   uint64
	top     uint64
	tag     uint32
	records []hub.Record // retained
	table   map[string]row
	ids     map[string]known
	undo    []undo
	feeds   []*feeder
}

type row struct {
	hub.Record
	owner string
}

type known struct {
	pos hub.Position
	at  time.Time
}

// An undo is a write that may be taken back.
type undo struct {
	record hub.Record
	before row // of the key; zero: there was none
	id     string
}

type owner struct {
	ttl   time.Duration
	timer *time.Timer
}

// NewStore returns an empty store. Requests, answers and records of feeds each
// take up to delay; the seed decides how long.
func NewStore(seed uint64, delay time.Duration) *Store {
	return &Store{
		rnd: mrand.New(mrand.NewPCG(seed, 0)), delay: delay,
		topics: make(map[string]*stored), owners: make(map[string]*owner),
	}
}

// Close ends all leases' timers and the feeds of all nodes.
func (s *Store) Close() {
	s.mu.Lock()
	for _, o := range s.owners {
		o.timer.Stop()
	}
	nodes := s.nodes
	s.mu.Unlock()
	for _, n := range nodes {
		n.close()
	}
}

// Interrupt cuts the feeds of all nodes; records that are on their way or
// written before mend is called are lost to them. Mending says so.
func (s *Store) Interrupt() (mend func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cut()
}

// cut is Interrupt with mu held.
func (s *Store) cut() (mend func()) {
	var cut []*feeder
	for _, t := range s.topics {
		for _, f := range t.feeds {
			f.cut()
			cut = append(cut, f)
		}
	}
	return func() {
		for _, f := range cut {
			f.mend()
		}
	}
}

// LoseTail makes the store forget the newest n writes of a topic, as a failover
// to a copy that was behind does: what is written next takes their offsets.
func (s *Store) LoseTail(topic string, n int) {
	s.mu.Lock()
	t := s.topics[topic]
	for ; t != nil && n > 0 && len(t.undo) > 0; n-- {
		u := t.undo[len(t.undo)-1]
		t.undo = t.undo[:len(t.undo)-1]
		_, off, _ := u.record.Pos.Parts()
		t.top, t.tag = off-1, u.record.Prev
		if last := len(t.records) - 1; last >= 0 && t.records[last].Pos == u.record.Pos {
			t.records = t.records[:last]
		}
		delete(t.ids, u.id)
		if u.record.Key == "" || t.table == nil {
			continue
		}
		if t.table[u.record.Key] = u.before; u.before.Pos.IsZero() {
			delete(t.table, u.record.Key)
		}
	}
	mend := s.cut()
	s.mu.Unlock()
	mend()
}

// Restart makes the store forget everything: what comes next are other logs.
func (s *Store) Restart() {
	s.mu.Lock()
	for _, t := range s.topics {
		*t = stored{kind: t.kind, epoch: s.epoch(), feeds: t.feeds}
	}
	for _, o := range s.owners {
		o.timer.Stop()
	}
	clear(s.owners)
	mend := s.cut()
	s.mu.Unlock()
	mend()
}

func (s *Store) epoch() uint64 { return max(1, s.rnd.Uint64()) }

// topic returns a topic, made if need be. Called with mu held.
func (s *Store) topic(t hub.BrokerTopic) *stored {
	in := s.topics[t.Name]
	if in == nil {
		in = &stored{kind: t.Config.Kind, epoch: s.epoch()}
		s.topics[t.Name] = in
	}
	if in.table == nil && in.kind == hub.Keyed {
		in.table = make(map[string]row)
	}
	for len(in.records) > 0 && time.Since(in.records[0].Time) > t.Config.MaxAge {
		in.records = in.records[1:]
	}
	return in
}

// same refuses those who take the topic for one of another kind.
func (t *stored) same(as hub.BrokerTopic) error {
	if t.kind != as.Config.Kind {
		return &hub.KindError{Topic: as.Name, Kind: t.kind, Op: "use as " + as.Config.Kind.String()}
	}
	return nil
}

func (t *stored) head() hub.Position { return hub.MakePosition(t.epoch, t.top, t.tag) }

// append commits a write. Called with mu held.
func (s *Store) append(t hub.BrokerTopic, w *hub.Write, expired bool) (hub.Position, error) {
	in := s.topic(t)
	if err := in.same(t); err != nil {
		return hub.Position{}, err
	}
	r := hub.Record{Time: time.Now(), Name: w.Name, Key: w.Key, Data: w.Data, Deleted: w.Op == hub.OpDelete, Expired: expired}
	if t.Config.Kind == hub.Ephemeral {
		for _, f := range in.feeds {
			f.put(r)
		}
		return hub.Position{}, nil
	}
	if k, ok := in.ids[w.ID]; ok && w.ID != "" && time.Since(k.at) <= t.Config.IdempotencyWindow {
		return k.pos, nil
	}
	if w.Owner != "" && s.owners[w.Owner] == nil {
		return hub.Position{}, hub.ErrLeaseLost
	}
	before, exists := in.table[w.Key]
	if w.Conditional && w.Match != before.Pos {
		return hub.Position{}, &hub.ConflictError{Topic: t.Name, Key: w.Key, Current: before.Pos}
	}
	if w.Op == hub.OpDelete && !exists {
		return hub.Position{}, hub.ErrNoKey
	}
	if n := len(in.table) + 1; w.Op == hub.OpPut && !exists && n > t.Config.MaxKeys {
		return hub.Position{}, &hub.LimitError{Limit: "keys of a topic", Option: "TopicConfig.MaxKeys", Max: int64(t.Config.MaxKeys), Got: int64(n)}
	}
	tag := s.rnd.Uint32()
	r.Pos, r.Prev = hub.MakePosition(in.epoch, in.top+1, tag), in.tag
	in.top, in.tag = in.top+1, tag
	in.records = append(in.records, r)
	switch w.Op {
	case hub.OpPut:
		in.table[w.Key] = row{r, w.Owner}
	case hub.OpDelete:
		delete(in.table, w.Key)
	}
	if w.ID != "" {
		if in.ids == nil {
			in.ids = make(map[string]known)
		}
		in.ids[w.ID] = known{r.Pos, r.Time}
	}
	if in.undo = append(in.undo, undo{r, before, w.ID}); len(in.undo) > undoMost {
		in.undo = in.undo[1:]
	}
	in.trim(t.Config)
	for _, f := range in.feeds {
		f.put(r)
	}
	return r.Pos, nil
}

func (t *stored) trim(c hub.TopicConfig) {
	if drop := len(t.records) - c.MaxEvents; drop > 0 {
		t.records = t.records[drop:]
	}
	var bytes int64
	for i, r := range slices.Backward(t.records) {
		if bytes += int64(len(r.Data)+len(r.Key)+len(r.Name)) + recordCharge; bytes > c.MaxBytes {
			t.records = t.records[i+1:]
			return
		}
	}
}

// read returns a part of the log. Called with mu held.
func (t *stored) read(after hub.Position, limit int) hub.Segment {
	seg := hub.Segment{Head: t.head()}
	before := seg.Head
	if len(t.records) > 0 {
		_, off, _ := t.records[0].Pos.Parts()
		before = hub.MakePosition(t.epoch, off-1, t.records[0].Prev)
	}
	if after.IsZero() {
		after = before
	}
	epoch, off, _ := after.Parts()
	_, first, _ := before.Parts()
	switch {
	case epoch != t.epoch:
		seg.Reason = hub.Epoch
		return seg
	case off > t.top:
		seg.Reason = hub.Fork
		return seg
	case off < first:
		seg.Reason = hub.Trimmed
		return seg
	}
	rest := t.records[off-first:]
	at := seg.Head
	if len(rest) > 0 {
		at = hub.MakePosition(t.epoch, off, rest[0].Prev)
	}
	if at != after {
		seg.Reason = hub.Fork
		return seg
	}
	seg.Records = slices.Clone(rest[:min(limit, len(rest))])
	return seg
}

func (s *Store) enter(ttl time.Duration) string {
	id := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owners[id] = &owner{ttl, time.AfterFunc(ttl, func() { s.leave(id) })}
	return id
}

func (s *Store) renew(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owners[id]
	if o == nil {
		return hub.ErrLeaseLost
	}
	o.timer.Reset(o.ttl)
	return nil
}

// leave ends a lease, and all its keys with it.
func (s *Store) leave(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owners[id]
	if o == nil {
		return
	}
	o.timer.Stop()
	delete(s.owners, id)
	all := hub.TopicConfig{Kind: hub.Keyed, MaxEvents: 1 << 30, MaxBytes: 1 << 50, MaxAge: 1 << 60, MaxKeys: 1 << 30}
	for name, t := range s.topics {
		for key, r := range t.table {
			if r.owner == id {
				s.append(hub.BrokerTopic{Name: name, Config: all}, &hub.Write{Op: hub.OpDelete, Key: key}, true)
			}
		}
	}
}

// errCut is why a feed is down.
var errCut = errors.New("hubtest: connection cut")

// pause waits as long as a message takes on its way.
func (s *Store) pause(ctx context.Context) error {
	if s.delay <= 0 {
		return nil
	}
	s.mu.Lock()
	d := time.Duration(s.rnd.Int64N(int64(s.delay)))
	s.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
