package hub

import (
	"context"
	"slices"
)

// Kick ends the subscriptions that have the label who, or all if who is "", of
// the named topics, or of all if none is named. Their readers get ErrKicked. It
// returns how many there were. It looks at each subscription of these topics,
// and at those of this hub only.
func (h *Hub) Kick(who string, topics ...string) int {
	if h == nil {
		return 0
	}
	n := 0
	for _, t := range h.list() {
		if len(topics) > 0 && !slices.Contains(topics, t.name) {
			continue
		}
		for _, c := range t.subscriptions(func(c *cursor) bool { return who == "" || c.label == who }) {
			if c.end(ErrKicked) == ErrKicked {
				n++
			}
		}
	}
	return n
}

// subscriptions returns those of a topic that match.
func (t *topic) subscriptions(match func(*cursor) bool) (list []*cursor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.members {
		if match(c) {
			list = append(list, c)
		}
	}
	return list
}

// Drain ends all subscriptions with ErrDraining, each when it has got what there
// was when Drain was called, and refuses new ones. Publishing goes on. It returns
// when there are none left; when ctx ends before that, the rest are ended where
// they are and the context's cause is returned. Close comes after it.
func (h *Hub) Drain(ctx context.Context) error {
	if err := h.usable(); err != nil {
		return err
	}
	if ctx == nil {
		return nilError("context")
	}
	h.draining.Store(true)
	for _, t := range h.list() {
		t.mu.Lock()
		if !t.drain {
			t.drain, t.end = true, t.log.top
		}
		wake := t.takeWaiters()
		t.mu.Unlock()
		h.dispatcher.wake(wake)
	}
	defer h.empty() // for others who wait
	for h.subs.Load() > 0 {
		select {
		case <-h.left:
		case <-h.ctx.Done():
			return ErrClosed
		case <-ctx.Done():
			for _, t := range h.list() {
				for _, c := range t.subscriptions(func(*cursor) bool { return true }) {
					c.end(ErrDraining)
				}
			}
			return context.Cause(ctx)
		}
	}
	return nil
}

// empty leaves word that there may be no subscriptions any more.
func (h *Hub) empty() {
	select {
	case h.left <- struct{}{}:
	default:
	}
}

// refusal says why the hub takes no new subscriptions.
func (h *Hub) refusal() error {
	switch {
	case h.closed.Load():
		return ErrClosed
	case h.draining.Load():
		return ErrDraining
	}
	return nil
}
