package hub

import (
	"context"
	"crypto/rand"
	"sync"
	"time"
)

// expireBatch is how many keys of a lease that has ended are removed under the
// topic's lock at a time.
const expireBatch = 256

// leases are the owners of a hub that keeps its topics in memory. There is no
// goroutine but a timer for each lease.
type leases struct {
	busy sync.WaitGroup // ends under way

	// Guarded by mu.
	mu     sync.Mutex
	m      map[string]*lease
	closed bool
}

// A lease is the claim of an owner on keys of keyed topics.
type lease struct {
	// Immutable.
	all *leases
	id  string
	ttl time.Duration

	// Guarded by mu, which comes after a topic's.
	mu       sync.Mutex
	over     bool
	deadline time.Time
	timer    *time.Timer
	topics   map[*topic]struct{} // that have keys of the lease, or are about to
}

// Enter begins a lease; see [Broker].
func (ls *leases) Enter(ctx context.Context, ttl time.Duration) (string, error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	l := &lease{all: ls, id: rand.Text(), ttl: ttl, topics: make(map[*topic]struct{})}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.closed {
		return "", ErrClosed
	}
	if ls.m == nil {
		ls.m = make(map[string]*lease)
	}
	ls.m[l.id] = l
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline = time.Now().Add(ttl)
	l.timer = time.AfterFunc(ttl, l.expire)
	return l.id, nil
}

// Renew puts the end of a lease off.
func (ls *leases) Renew(ctx context.Context, owner string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	l := ls.get(owner)
	if l == nil {
		return ErrLeaseLost
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return ErrLeaseLost
	}
	l.deadline = time.Now().Add(l.ttl)
	l.timer.Reset(l.ttl)
	return nil
}

// Leave ends a lease now.
func (ls *leases) Leave(ctx context.Context, owner string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if l := ls.get(owner); l != nil && ls.begin() {
		defer ls.busy.Done()
		l.end()
	}
	return nil
}

func (ls *leases) get(owner string) *lease {
	if owner == "" {
		return nil
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.m[owner]
}

// begin lets close wait for the end of a lease, unless it has begun.
func (ls *leases) begin() bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.closed {
		return false
	}
	ls.busy.Add(1)
	return true
}

func (ls *leases) close() {
	ls.mu.Lock()
	ls.closed = true
	for _, l := range ls.m {
		l.mu.Lock()
		l.over = true
		l.timer.Stop()
		l.mu.Unlock()
	}
	ls.m = nil
	ls.mu.Unlock()
	ls.busy.Wait()
}

// expire ends the lease if it has not been renewed meanwhile.
func (l *lease) expire() {
	if !l.all.begin() {
		return
	}
	defer l.all.busy.Done()
	l.mu.Lock()
	late := !time.Now().Before(l.deadline)
	l.mu.Unlock()
	if late {
		l.end()
	}
}

// end ends the lease, once: the first caller removes the keys.
func (l *lease) end() {
	l.mu.Lock()
	over := l.over
	l.over = true
	l.timer.Stop()
	topics := l.topics
	l.topics = nil
	l.mu.Unlock()
	if over {
		return
	}
	l.all.mu.Lock()
	delete(l.all.m, l.id)
	l.all.mu.Unlock()
	for t := range topics {
		for t.expire(l) {
		}
	}
}

// claim notes that a topic is about to get a key of the lease, or says that it
// is too late: whoever ends the lease waits for the topic's lock, which is held.
func (l *lease) claim(t *topic) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return false
	}
	l.topics[t] = struct{}{}
	return true
}

// unclaim is claim undone: the topic has no key of the lease. A lease that lasts
// must not keep all topics in which it ever had one. Called with the topic's lock
// held.
func (l *lease) unclaim(t *topic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.topics, t)
}

// leasedKeys are the keys of a log that belong to leases. Guarded by the
// topic's lock; nil maps until there is one.
type leasedKeys struct {
	owner map[string]*lease
	keys  map[*lease]map[string]struct{}
}

// settle lets a lease go that has no key in the topic.
func (k *leasedKeys) settle(t *topic, l *lease) {
	if l != nil && len(k.keys[l]) == 0 {
		delete(k.keys, l)
		l.unclaim(t)
	}
}

// set says whose a key of the topic is after a write of it: l's, or nobody's.
func (k *leasedKeys) set(t *topic, key string, l *lease) {
	if was := k.owner[key]; was != nil && was != l {
		delete(k.owner, key)
		delete(k.keys[was], key)
		k.settle(t, was)
	}
	if l == nil {
		return
	}
	if k.owner == nil {
		k.owner, k.keys = make(map[string]*lease), make(map[*lease]map[string]struct{})
	}
	k.owner[key] = l
	if k.keys[l] == nil {
		k.keys[l] = make(map[string]struct{})
	}
	k.keys[l][key] = struct{}{}
}
