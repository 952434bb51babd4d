package hub

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// defaultTTL is how long a lease outlives the last sign of its owner, minTTL the
// shortest time in which a sign can be counted on.
const (
	defaultTTL = 15 * time.Second
	minTTL     = 100 * time.Millisecond
)

// OwnerOptions of Enter. nil and the zero value are good.
type OwnerOptions struct {
	// TTL is how long the lease lasts after the last sign of life, which the
	// hub gives three times in that time; 0 means 15 s, and less than 100 ms means
	// that.
	TTL time.Duration
}

// An Owner is one life of somebody, such as a node, who holds keys of keyed
// topics: those whose latest write was made with OwnedBy. When it ends, by Close,
// or because the hub that renews it was away for too long, each of them ends with
// exactly one tombstone. It never comes back: whoever was away too long gets
// ErrLeaseLost for what it writes and Enters again, as somebody new.
//
// Methods are safe for concurrent use.
type Owner struct {
	// Immutable.
	hub  *Hub
	id   string
	ttl  time.Duration
	lost chan struct{}

	// Guarded by mu.
	mu    sync.Mutex
	over  bool
	timer *time.Timer
	stop  func() bool // of what Hub.Close calls
}

// leaser is what keeps leases: the broker, or the hub itself.
type leaser interface {
	Enter(ctx context.Context, ttl time.Duration) (string, error)
	Renew(ctx context.Context, owner string) error
	Leave(ctx context.Context, owner string) error
}

func (h *Hub) leaser() leaser {
	if h.opts.Broker != nil {
		return h.opts.Broker
	}
	return &h.leases
}

// Enter begins a lease and keeps it alive until it is closed or the hub is.
func (h *Hub) Enter(ctx context.Context, o *OwnerOptions) (*Owner, error) {
	if err := ready(ctx, h); err != nil {
		return nil, err
	}
	if h.closed.Load() {
		return nil, ErrClosed
	}
	w := &Owner{hub: h, ttl: defaultTTL, lost: make(chan struct{})}
	if o != nil && o.TTL > 0 {
		w.ttl = max(o.TTL, minTTL)
	}
	var err error
	if w.id, err = h.leaser().Enter(ctx, w.ttl); err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.timer = time.AfterFunc(w.ttl/3, w.tick)
	w.stop = context.AfterFunc(h.ctx, func() { w.lose() })
	w.mu.Unlock()
	return w, nil
}

// OwnedBy ties the key of a Put to a lease: unless it is written again without
// it, it ends with the lease. A Delete takes effect only if the lease is alive.
// Keyed topics only.
func OwnedBy(o *Owner) WriteOption {
	w := WriteOption{kind: optOwner, owner: o}
	if o != nil {
		w.text = o.id
	}
	return w
}

// ID returns the name of this life, which no other has.
func (o *Owner) ID() string { return o.id }

// Lost is closed when the lease has ended, as far as is known here, and when the hub
// is closed, for then it will.
func (o *Owner) Lost() <-chan struct{} { return o.lost }

// Close ends the lease now.
func (o *Owner) Close(ctx context.Context) error {
	if ctx == nil {
		return nilError("context")
	}
	o.lose()
	if o.hub.closed.Load() {
		return ErrClosed
	}
	return o.hub.leaser().Leave(ctx, o.id)
}

// lose notes that the lease is over, and reports whether it is news.
func (o *Owner) lose() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return false
	}
	o.over = true
	o.timer.Stop()
	o.stop()
	close(o.lost)
	return true
}

func (o *Owner) tick() { o.hub.runner.run(o.renew) }

// renew gives a sign of life. When the broker does not answer it tries again
// sooner; whether it is too late only the broker knows.
func (o *Owner) renew() {
	ctx, cancel := context.WithTimeout(o.hub.ctx, o.ttl/3)
	err := o.hub.leaser().Renew(ctx, o.id)
	cancel()
	if errors.Is(err, ErrLeaseLost) {
		if o.lose() {
			o.hub.observe(Incident{What: LeaseLost, Err: fmt.Errorf("%w: that of owner %s, with a TTL of %v: Enter again", err, o.id, o.ttl)})
		}
		return
	}
	next := o.ttl / 3
	if err != nil {
		next = o.ttl / 10
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.over {
		o.timer.Reset(next)
	}
}
