package hub_test

import (
	"context"
	"errors"
	"fmt"
	"testing/synctest"
	"time"

	. "github.com/tidewire/tidewire/hub"
)

// settle waits until the hub has what the broker has.
func (r *run) settle() {
	if r.where != "memory" {
		synctest.Wait()
	}
	if r.where == "remote" {
		time.Sleep(100 * time.Millisecond) // longer than anything is under way
		synctest.Wait()
	}
}

// restart begins with another hub; its log is another one, too, if nobody else
// keeps it.
func (r *run) restart(kind Kind, retain int) {
	first := r.hub == nil
	if !first {
		for i := 1; i <= owners; i++ {
			if err := r.leave(op{a: i - 1}); err != nil {
				panic(err)
			}
			r.owners[i] = nil
		}
		r.hub.Close()
	}
	o := &Options{Configure: func(string) (TopicConfig, error) {
		return TopicConfig{Kind: kind, MaxEvents: retain, MaxAge: -1}, nil
	}}
	switch r.where {
	case "broker":
		o.Broker = r.memory
	case "remote":
		r.node = r.store.Node()
		o.Broker = r.node
	}
	r.hub = New(o)
	r.topic = TopicOf[string](r.hub, "topic", nil)
	// Something keeps the topic, so that its log goes on.
	if _, err := r.topic.Subscribe(context.Background(), &SubOptions[string]{Label: "keeper"}); err != nil {
		panic(err)
	}
	if first || r.where == "memory" || kind == Ephemeral {
		r.log = &modelLog{kind: kind, retain: retain}
		r.fresh()
	}
	r.pairs = nil
}

// fresh begins a new log in the model.
func (r *run) fresh() {
	r.log.events, r.log.revs = nil, map[string]Position{}
	r.virgin, _ = r.topic.Head(context.Background())
	if r.log.kind == Ephemeral {
		r.virgin = MakePosition(1, 0, 0) // of no topic
	}
	r.known = append(r.known, r.virgin)
	r.ids = map[string]Position{}
}

// life names an owner in one of its lives.
func (r *run) life(i int) int { return i + 10*r.lives[i] }

// end is the end of an owner's lease in the model. Each owner has one key of its
// own at most, so that there is no question of order.
func (r *run) end(i int) error {
	if r.ended[r.life(i)] {
		return nil
	}
	r.ended[r.life(i)] = true
	key := fmt.Sprint("k", i)
	if rev, ok := r.log.revs[key]; ok {
		for _, e := range r.log.events {
			if e.pos == rev && e.owner == r.life(i) {
				head, err := r.topic.Head(context.Background())
				if err != nil {
					return err
				}
				r.append(modelEvent{key: key, deleted: true, pos: head})
			}
		}
	}
	return nil
}

// owned puts an owner's key, in a new life if the last one is over.
func (r *run) owned(o op) error {
	if r.log.kind != Keyed {
		return nil
	}
	i := 1 + o.a%owners
	ctx := context.Background()
	if r.owners[i] == nil {
		owner, err := r.hub.Enter(ctx, &OwnerOptions{TTL: leaseOf})
		if err != nil {
			return err
		}
		r.owners[i] = owner
		r.lives[i]++
	}
	r.n++
	e := modelEvent{key: fmt.Sprint("k", i), value: fmt.Sprint(r.n), owner: r.life(i)}
	var err error
	e.pos, err = r.topic.Put(ctx, e.key, e.value, OwnedBy(r.owners[i]))
	r.settle()
	if r.ended[r.life(i)] {
		if !errors.Is(err, ErrLeaseLost) {
			return fmt.Errorf("late owner: %v, want ErrLeaseLost", err)
		}
		r.owners[i] = nil
		return nil
	}
	if err == nil {
		r.append(e)
	}
	return err
}

// leave ends a lease, expire lets it run out.
func (r *run) leave(o op) error {
	i := 1 + o.a%owners
	if r.owners[i] == nil {
		return nil
	}
	if err := r.owners[i].Close(context.Background()); err != nil {
		return err
	}
	r.settle()
	return r.end(i)
}

func (r *run) expire(o op) error {
	i := 1 + o.a%owners
	if r.owners[i] == nil {
		return nil
	}
	time.Sleep(time.Second) // not just when it gives a sign
	Pause(r.owners[i])
	time.Sleep(2 * leaseOf)
	r.settle()
	return r.end(i)
}

// interrupt writes while the feed is cut.
func (r *run) interrupt(o op) error {
	if r.where != "remote" || r.log.kind == Ephemeral {
		return nil
	}
	before := len(r.log.events)
	mend := r.store.Interrupt()
	for i := range o.b % 4 {
		if err := r.write(op{"write", o.a + i, o.b + i, o.c}, nil); err != nil {
			return err
		}
	}
	mend()
	r.settle()
	if r.log.first() > before {
		return r.broke(Trimmed, -1) // what the hub did not get is gone
	}
	return nil
}

// broke tells the readers in the model.
func (r *run) broke(reason Reason, keep int) error {
	for _, p := range r.pairs {
		if p.model.breaks = append(p.model.breaks, modelBreak{reason, keep}); len(p.model.breaks) > 6 {
			if err := r.read(p, 1); err != nil { // the hub tells no more than eight apart
				return err
			}
		}
	}
	return nil
}

// losetail loses the newest writes, as a failover does.
func (r *run) losetail(o op) error {
	if r.where != "remote" || r.log.kind == Ephemeral {
		return nil
	}
	n := min(1+o.b%4, len(r.log.events))
	if n == 0 {
		return nil
	}
	r.store.LoseTail("topic", n)
	r.settle()
	keep := len(r.log.events) - n
	r.log.events = r.log.events[:keep]
	clear(r.log.revs)
	r.ids = map[string]Position{}
	for _, e := range r.log.events {
		if e.id != "" {
			r.ids[e.id] = e.pos
		}
		if r.log.revs[e.key] = e.pos; e.deleted || e.key == "" {
			delete(r.log.revs, e.key)
		}
	}
	if r.log.gone > keep {
		// All that was retained is gone: the log reaches back to its end only,
		// and nobody here knows where the branches part.
		r.log.gone = keep
		return r.broke(Fork, -1)
	}
	return r.broke(Fork, keep)
}

// wipe loses everything.
func (r *run) wipe() error {
	if r.where != "remote" || r.log.kind == Ephemeral {
		return nil
	}
	r.store.Restart()
	r.settle()
	r.fresh()
	for i := range r.owners {
		r.ended[r.life(i)] = true
	}
	r.log.gone = 0
	return r.broke(Epoch, -1)
}
