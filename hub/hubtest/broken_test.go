package hubtest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/hub"
)

// previous is the position just before another one.
func previous(w *twin, ctx context.Context, t hub.BrokerTopic, pos hub.Position) hub.Position {
	seg, err := w.Memory.Read(ctx, t, hub.Position{}, 1<<20)
	if err != nil {
		return pos
	}
	for _, r := range seg.Records {
		if r.Pos == pos {
			epoch, off, _ := pos.Parts()
			return hub.MakePosition(epoch, off-1, r.Prev)
		}
	}
	return pos
}

// broken are brokers with one fault each, and the case that has to find it.
var broken = []struct {
	name, fails string
	fault       fault
}{
	{"lost tail: the newest record waits for the next one", "feed/the newest record comes by itself", fault{
		deliver: func(p *proxy, r hub.Record) {
			if len(p.held) > 0 {
				p.to.Deliver(p.held...)
			}
			p.held = []hub.Record{r}
		},
	}},
	{"duplicate: some records come twice", "feed/each record comes once", fault{
		deliver: func(p *proxy, r hub.Record) {
			if p.to.Deliver(r); p.n%3 == 1 {
				p.to.Deliver(r)
			}
		},
	}},
	{"reorder: some records come after the next one", "feed/records come in order", fault{
		deliver: func(p *proxy, r hub.Record) {
			if offset(r.Pos)%5 == 0 && !r.Pos.IsZero() {
				p.held = append(p.held, r)
				return
			}
			p.to.Deliver(r)
			if len(p.held) > 0 {
				p.to.Deliver(p.held...)
				p.held = nil
			}
		},
	}},
	{"blind to kinds: a topic is what it is asked as", "append/a topic of another kind is refused", fault{
		append: func(w *twin, ctx context.Context, t hub.BrokerTopic, wr *hub.Write) (hub.Position, error) {
			pos, err := w.Memory.Append(ctx, t, wr)
			var kind *hub.KindError
			if errors.As(err, &kind) {
				t.Config.Kind = kind.Kind
				return w.Memory.Append(ctx, t, &hub.Write{Key: wr.Key, Data: wr.Data})
			}
			return pos, err
		},
	}},
	{"broken chain: fed records name another predecessor", "feed/records are those of the log", fault{
		deliver: func(p *proxy, r hub.Record) {
			r.Prev ^= 1
			p.to.Deliver(r)
		},
	}},
	{"late attachment: the first record after Attach is missed", "feed/what comes after Attach comes", fault{
		deliver: func(p *proxy, r hub.Record) {
			if !p.late || p.n > 0 {
				p.to.Deliver(r)
			}
		},
	}},
	{"stale detach: it ends what was attached later", "feed/detaching one leaves the other", fault{
		detach: func(p *proxy, detach func()) {
			detach()
			p.twin.all.mu.Lock()
			later := slices.Clone(p.twin.made[p.index+1:])
			p.twin.all.mu.Unlock()
			for _, f := range later {
				f()
			}
		},
	}},
	{"deaf detach: it goes on", "feed/nothing comes after detaching", fault{
		detach: func(p *proxy, detach func()) {},
	}},
	{"sticky: ephemeral records are kept", "feed/ephemeral records have no position and are not kept", fault{
		append: func(w *twin, ctx context.Context, t hub.BrokerTopic, wr *hub.Write) (hub.Position, error) {
			if t.Config.Kind == hub.Ephemeral {
				w.all.mu.Lock()
				w.all.held = append(w.all.held, hub.Record{Time: time.Now(), Key: wr.Key, Data: wr.Data})
				w.all.mu.Unlock()
			}
			return w.Memory.Append(ctx, t, wr)
		},
		attached: func(p *proxy) {
			p.twin.all.mu.Lock()
			held := p.twin.all.held
			p.twin.all.mu.Unlock()
			p.to.Deliver(held...)
		},
	}},
	{"silent interruption: nobody says that records were lost", "feed/an interruption is told", fault{mute: true}},

	{"off-by-one snapshot: its position is the one before", "snapshot/it is at exactly its position", fault{
		snapshot: func(w *twin, ctx context.Context, t hub.BrokerTopic, row func(hub.Record) error) (hub.Position, error) {
			pos, err := w.Memory.Snapshot(ctx, t, row)
			return previous(w, ctx, t, pos), err
		},
	}},
	{"half a snapshot: what stopped it is not told", "snapshot/it is the latest of each key", fault{
		snapshot: func(w *twin, ctx context.Context, t hub.BrokerTopic, row func(hub.Record) error) (hub.Position, error) {
			failed := false
			return w.Memory.Snapshot(ctx, t, func(r hub.Record) error {
				failed = failed || row(r) != nil
				return nil
			})
		},
	}},

	{"gap swallowed: a position that was left behind reads from the oldest", "read/a position that was left behind is told", fault{
		read: swallow(hub.Trimmed),
	}},
	{"fork followed silently: the tag of a position is not looked at", "read/a position of another branch is told", fault{
		read: swallow(hub.Fork),
	}},
	{"epoch swallowed: a position of another log reads from the oldest", "read/a position of another log is told", fault{
		read: swallow(hub.Epoch),
	}},
	{"overlap: a page begins with the record before it", "read/from each position comes what follows", fault{
		read: func(w *twin, ctx context.Context, t hub.BrokerTopic, after hub.Position, limit int) (hub.Segment, error) {
			if !after.IsZero() && limit == 3 && offset(after) > 1 {
				after = previous(w, ctx, t, after)
			}
			return w.Memory.Read(ctx, t, after, limit)
		},
	}},
	{"unproved: the last of five records names another predecessor", "read/records follow from one another", fault{
		read: func(w *twin, ctx context.Context, t hub.BrokerTopic, after hub.Position, limit int) (hub.Segment, error) {
			seg, err := w.Memory.Read(ctx, t, after, limit)
			if len(seg.Records) == 5 {
				seg.Records[4].Prev ^= 1
			}
			return seg, err
		},
	}},
	{"no beginning: the position before the first event is of no log", "read/a topic without events has a position", fault{
		read: func(w *twin, ctx context.Context, t hub.BrokerTopic, after hub.Position, limit int) (hub.Segment, error) {
			seg, err := w.Memory.Read(ctx, t, after, limit)
			if !after.IsZero() && offset(seg.Head) == 0 {
				seg.Reason = hub.Epoch
			}
			return seg, err
		},
	}},
	{"stale read: the head of others is the one before", "read/what is acknowledged is seen at once", fault{
		append: func(w *twin, ctx context.Context, t hub.BrokerTopic, wr *hub.Write) (hub.Position, error) {
			pos, err := w.Memory.Append(ctx, t, wr)
			w.all.mu.Lock()
			w.all.lastBy = w
			w.all.mu.Unlock()
			return pos, err
		},
		read: func(w *twin, ctx context.Context, t hub.BrokerTopic, after hub.Position, limit int) (hub.Segment, error) {
			seg, err := w.Memory.Read(ctx, t, after, limit)
			w.all.mu.Lock()
			stale := w.all.lastBy != w && limit == 1 && offset(seg.Head) > 0
			w.all.mu.Unlock()
			if stale {
				seg.Head = previous(w, ctx, t, seg.Head)
			}
			return seg, err
		},
	}},
	{"short memory: one event less than agreed is kept", "read/the newest are kept, as many as agreed", fault{
		append: func(w *twin, ctx context.Context, t hub.BrokerTopic, wr *hub.Write) (hub.Position, error) {
			t.Config.MaxEvents--
			return w.Memory.Append(ctx, t, wr)
		},
	}},
	{"lost attribute: names are not kept", "read/the log has what was acknowledged", fault{
		append: func(w *twin, ctx context.Context, t hub.BrokerTopic, wr *hub.Write) (hub.Position, error) {
			other := *wr
			other.Name = ""
			return w.Memory.Append(ctx, t, &other)
		},
	}},

	{"stale condition accepted: a position that the key was at will do", "append/a condition that held once is refused", fault{
		append: func(w *twin, ctx context.Context, t hub.BrokerTopic, wr *hub.Write) (hub.Position, error) {
			pos, err := w.Memory.Append(ctx, t, wr)
			var conflict *hub.ConflictError
			if !errors.As(err, &conflict) {
				return pos, err
			}
			w.all.mu.Lock()
			mine := w.mine[wr.Key]
			own := len(mine) > 1 && mine[len(mine)-1] == conflict.Current && slices.Contains(mine, wr.Match)
			w.all.mu.Unlock()
			if !own || len(mine) > 2 {
				return pos, err
			}
			other := *wr
			other.Conditional = false
			return w.Memory.Append(ctx, t, &other)
		},
	}},
	{"wishful condition: of a key that is absent anything is true", "append/a condition that never held is refused", fault{
		append: func(w *twin, ctx context.Context, t hub.BrokerTopic, wr *hub.Write) (hub.Position, error) {
			pos, err := w.Memory.Append(ctx, t, wr)
			var conflict *hub.ConflictError
			if !errors.As(err, &conflict) || !conflict.Current.IsZero() {
				return pos, err
			}
			other := *wr
			other.Conditional = false
			return w.Memory.Append(ctx, t, &other)
		},
	}},
	{"check, then act: a condition is looked at before the write and not with it", "append/of several writers with one condition one wins", fault{
		append: func(w *twin, ctx context.Context, t hub.BrokerTopic, wr *hub.Write) (hub.Position, error) {
			if !wr.Conditional || wr.ID != "" || wr.Op != hub.OpPut {
				return w.Memory.Append(ctx, t, wr)
			}
			var current hub.Position
			if _, err := w.Memory.Snapshot(ctx, t, func(r hub.Record) error {
				if r.Key == wr.Key {
					current = r.Pos
				}
				return nil
			}); err != nil {
				return hub.Position{}, err
			}
			if current != wr.Match || wr.Owner != "" {
				return w.Memory.Append(ctx, t, wr)
			}
			time.Sleep(time.Millisecond) // everybody else looks, too
			other := *wr
			other.Conditional = false
			return w.Memory.Append(ctx, t, &other)
		},
	}},
	{"wrong receipt: a write is answered with the head", "append/concurrent writes each have a place", fault{
		append: func(w *twin, ctx context.Context, t hub.BrokerTopic, wr *hub.Write) (hub.Position, error) {
			pos, err := w.Memory.Append(ctx, t, wr)
			if err != nil || wr.Conditional || wr.ID != "" || t.Config.Kind != hub.Log {
				return pos, err
			}
			time.Sleep(time.Millisecond)
			seg, err := w.Memory.Read(ctx, t, hub.Position{}, 1)
			return seg.Head, err
		},
	}},
	{"eager delete: deleting nothing succeeds", "append/deleting nothing is told", fault{
		append: func(w *twin, ctx context.Context, t hub.BrokerTopic, wr *hub.Write) (hub.Position, error) {
			pos, err := w.Memory.Append(ctx, t, wr)
			if errors.Is(err, hub.ErrNoKey) {
				return pos, nil
			}
			return pos, err
		},
	}},
	{"condition first: a repeated write meets its own condition", "append/a repeated write returns the first position", fault{
		append: func(w *twin, ctx context.Context, t hub.BrokerTopic, wr *hub.Write) (hub.Position, error) {
			if wr.ID != "" && wr.Conditional {
				other := *wr
				other.ID = ""
				pos, err := w.Memory.Append(ctx, t, &other)
				if err != nil {
					return hub.Position{}, err
				}
				return pos, nil
			}
			return w.Memory.Append(ctx, t, wr)
		},
	}},
	{"idempotency forgotten: with the next write", "append/a write is remembered when others came in between", fault{
		append: func(w *twin, ctx context.Context, t hub.BrokerTopic, wr *hub.Write) (hub.Position, error) {
			w.all.mu.Lock()
			if wr.ID != w.all.last {
				w.all.last = wr.ID
				w.all.gen++
			}
			other := *wr
			if wr.ID != "" {
				other.ID = fmt.Sprint(wr.ID, " ", w.all.gen)
			}
			w.all.mu.Unlock()
			return w.Memory.Append(ctx, t, &other)
		},
	}},
	{"bottomless table: its limit is not heeded", "append/a table that is full refuses new keys only", fault{
		append: func(w *twin, ctx context.Context, t hub.BrokerTopic, wr *hub.Write) (hub.Position, error) {
			t.Config.MaxKeys += 100
			return w.Memory.Append(ctx, t, wr)
		},
	}},

	{"double tombstone: the end of a lease is written twice", "lease/each key ends with one tombstone", fault{
		leave: func(w *twin, ctx context.Context, owner string) error {
			w.all.mu.Lock()
			var keys []string
			for key, of := range w.all.owner {
				if of == owner {
					keys = append(keys, key)
					delete(w.all.owner, key)
				}
			}
			w.all.mu.Unlock()
			if err := w.Memory.Leave(ctx, owner); err != nil {
				return err
			}
			again, err := w.Memory.Enter(ctx, time.Hour)
			for _, key := range keys {
				name, key, _ := strings.Cut(key, " ")
				if _, e := w.Memory.Append(ctx, topic(name, hub.Keyed), &hub.Write{Op: hub.OpPut, Key: key, Data: []byte{}, Owner: again}); e != nil {
					err = e
				}
			}
			return errors.Join(err, w.Memory.Leave(ctx, again))
		},
	}},
	{"lease never ends: unless it is given back", "lease/it ends when nobody renews it", fault{
		enter: func(w *twin, ctx context.Context, ttl time.Duration) (string, error) {
			return w.Memory.Enter(ctx, 1000*time.Hour)
		},
	}},
	{"deaf lease: renewing does nothing", "lease/it lives while it is renewed", fault{
		renew: func(w *twin, ctx context.Context, owner string) error {
			w.all.mu.Lock()
			defer w.all.mu.Unlock()
			if w.all.ended[owner] {
				return hub.ErrLeaseLost
			}
			return nil
		},
	}},
	{"late owner accepted: whoever has left still writes", "lease/an owner who is late is refused", fault{
		append: func(w *twin, ctx context.Context, t hub.BrokerTopic, wr *hub.Write) (hub.Position, error) {
			other := *wr
			w.all.mu.Lock()
			if w.all.ended[wr.Owner] {
				other.Owner = ""
			}
			w.all.mu.Unlock()
			return w.Memory.Append(ctx, t, &other)
		},
	}},
	{"lasting claim: a key stays whose it was first", "lease/what others have written over stays", fault{
		append: func(w *twin, ctx context.Context, t hub.BrokerTopic, wr *hub.Write) (hub.Position, error) {
			other := *wr
			w.all.mu.Lock()
			if was := w.all.owner[t.Name+" "+wr.Key]; was != "" && !w.all.ended[was] && wr.Op == hub.OpPut && wr.Owner == "" {
				other.Owner = was
			}
			w.all.mu.Unlock()
			return w.Memory.Append(ctx, t, &other)
		},
	}},
	{"half an end: of several topics one keeps its keys", "lease/its keys end with it", fault{
		append: func(w *twin, ctx context.Context, t hub.BrokerTopic, wr *hub.Write) (hub.Position, error) {
			other := *wr
			if t.Name == "u" {
				other.Owner = ""
			}
			return w.Memory.Append(ctx, t, &other)
		},
	}},
	{"second life: the name of an owner who has left is given again", "lease/no two are the same", fault{
		enter: func(w *twin, ctx context.Context, ttl time.Duration) (string, error) {
			w.all.mu.Lock()
			defer w.all.mu.Unlock()
			for owner := range w.all.ended {
				return owner, nil
			}
			return w.Memory.Enter(ctx, ttl)
		},
	}},
}

// swallow reads from the oldest record where there is no way on.
func swallow(reason hub.Reason) func(w *twin, ctx context.Context, t hub.BrokerTopic, after hub.Position, limit int) (hub.Segment, error) {
	return func(w *twin, ctx context.Context, t hub.BrokerTopic, after hub.Position, limit int) (hub.Segment, error) {
		seg, err := w.Memory.Read(ctx, t, after, limit)
		if err == nil && seg.Reason == reason {
			return w.Memory.Read(ctx, t, hub.Position{}, limit)
		}
		return seg, err
	}
}

// A trial is a test whose failure is a result.
type trial struct {
	name     string
	ctx      context.Context
	cancel   context.CancelFunc
	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (t *trial) Helper()                  {}
func (t *trial) Name() string             { return t.name }
func (t *trial) Context() context.Context { return t.ctx }
func (t *trial) Logf(string, ...any)      {}
func (t *trial) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures = append(t.failures, fmt.Sprintf(format, args...))
}
func (t *trial) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}
func (t *trial) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, f)
}

// try runs a case in a bubble and returns what it complained about.
func try(t *testing.T, c Case, setup func(t T) *Setup) []string {
	t.Helper()
	tr := &trial{name: c.Name}
	synctest.Test(t, func(t *testing.T) {
		tr.ctx, tr.cancel = context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if s := setup(tr); c.Runs(s) {
				c.Run(tr, s)
			}
		}()
		<-done
		tr.cancel()
		for _, f := range slices.Backward(tr.cleanups) {
			f()
		}
	})
	return tr.failures
}

// TestBrokenBrokers runs the suite against each broken broker: it fails the case
// that is named for its fault, and no other; its twin without a fault fails none.
func TestBrokenBrokers(t *testing.T) {
	found := map[string]bool{}
	for _, b := range broken {
		found[b.fails] = true
		t.Run(b.name, func(t *testing.T) {
			known := false
			for _, c := range Cases() {
				failures := try(t, c, twins(b.fault))
				if c.Name == b.fails {
					if known = true; len(failures) == 0 {
						t.Errorf("%s does not find it", c.Name)
					} else {
						t.Logf("%s: %s", c.Name, failures[0])
					}
				} else if len(failures) > 0 {
					t.Errorf("%s fails too: %q", c.Name, failures)
				}
			}
			if !known {
				t.Errorf("no case %q", b.fails)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		for _, c := range Cases() {
			if failures := try(t, c, twins(fault{})); len(failures) > 0 {
				t.Errorf("%s: %q", c.Name, failures)
			}
		}
	})
	for _, c := range Cases() {
		if !found[c.Name] && !strings.HasPrefix(c.Name, "hub/") {
			t.Errorf("nothing shows that %q finds anything", c.Name)
		}
	}
}
