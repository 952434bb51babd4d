package hubtest

import (
	"errors"
	"time"

	"github.com/tidewire/tidewire/hub"
)

var leaseCases = []Case{
	{Name: "lease/its keys end with it", Run: leaseEnds},
	{Name: "lease/each key ends with one tombstone", Run: leaseOnce},
	{Name: "lease/what others have written over stays", Run: leaseStays},
	{Name: "lease/it ends when nobody renews it", Run: leaseExpires},
	{Name: "lease/it lives while it is renewed", Run: leaseRenewed},
	{Name: "lease/an owner who is late is refused", Run: leaseLate},
	{Name: "lease/no two are the same", Run: leaseNames},
}

func (s *Setup) ttl() time.Duration {
	if s.TTL > 0 {
		return s.TTL
	}
	return time.Second
}

// enter begins a lease that does not end while a case runs.
func (c *client) enter(ttl time.Duration) string {
	c.Helper()
	owner, err := c.Enter(c.ctx(), ttl)
	if err != nil {
		c.Fatalf("Enter: %v", err)
	}
	return owner
}

func (c *client) own(owner, key, data string) hub.Position {
	c.Helper()
	return c.write(hub.Write{Op: hub.OpPut, Key: key, Data: []byte(data), Owner: owner})
}

func (c *client) leave(owner string) {
	c.Helper()
	if err := c.Leave(c.ctx(), owner); err != nil {
		c.Fatalf("Leave: %v", err)
	}
}

// tombstones counts those of a key.
func (c *client) tombstones(key string) (n int) {
	c.Helper()
	for _, r := range c.log() {
		if r.Key == key && r.Deleted {
			if n++; !r.Expired {
				c.Errorf("the tombstone of %q does not say that it is of a lease", key)
			}
		}
	}
	return n
}

// gone waits until a key has ended.
func (c *client) gone(key string) {
	c.Helper()
	f := &collector{changed: make(chan struct{}, 1)}
	c.until(f, "the end of "+key, func() bool {
		rows, _ := c.rows()
		_, ok := rows[key]
		return !ok
	}, func() {})
}

func leaseEnds(t T, s *Setup) {
	c, other := s.client(t, topic("t", hub.Keyed)), s.client(t, topic("u", hub.Keyed))
	owner := c.enter(time.Hour)
	c.own(owner, "a", "1")
	c.own(owner, "b", "1")
	other.own(owner, "c", "1")
	c.leave(owner)
	c.gone("a")
	c.gone("b")
	other.gone("c")
	if c.tombstones("a") == 0 || c.tombstones("b") == 0 || other.tombstones("c") == 0 {
		t.Errorf("no tombstone: %s", show(c.log()))
	}
}

func leaseOnce(t T, s *Setup) {
	c, other := s.client(t, topic("t", hub.Keyed)), s.client(t, topic("t", hub.Keyed))
	owner := c.enter(time.Hour)
	c.own(owner, "a", "1")
	c.own(owner, "a", "2")
	c.own(owner, "b", "1")
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := other.Leave(other.ctx(), owner); err != nil {
			t.Errorf("Leave: %v", err)
		}
	}()
	c.leave(owner)
	<-done
	c.leave(owner)
	c.gone("a")
	c.gone("b")
	if a, b := c.tombstones("a"), c.tombstones("b"); a > 1 || b > 1 {
		t.Errorf("%d and %d tombstones: %s", a, b, show(c.log()))
	}
}

func leaseStays(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Keyed))
	owner, heir := c.enter(time.Hour), c.enter(time.Hour)
	c.put("free", "1")
	c.own(owner, "freed", "1")
	c.put("freed", "2")
	c.own(owner, "inherited", "1")
	c.own(heir, "inherited", "2")
	c.own(owner, "own", "1")
	c.leave(owner)
	c.gone("own")
	rows, _ := c.rows()
	if rows["free"] != "1" || rows["freed"] != "2" || rows["inherited"] != "2" {
		t.Errorf("what is left is %v", rows)
	}
}

func leaseExpires(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Keyed))
	owner := c.enter(s.ttl())
	_, err := c.Append(c.ctx(), c.at, &hub.Write{Op: hub.OpPut, Key: "k", Data: []byte("1"), Owner: owner})
	if err != nil && !errors.Is(err, hub.ErrLeaseLost) { // this machine may have slept
		t.Fatalf("Put: %v", err)
	}
	c.gone("k")
}

func leaseRenewed(t T, s *Setup) {
	ttl := s.ttl()
	c := s.client(t, topic("t", hub.Keyed))
tries:
	for range 5 {
		owner := c.enter(ttl)
		last := time.Now()
		for i := range 12 {
			pause := time.NewTimer(ttl / 4)
			<-pause.C
			err := c.Renew(c.ctx(), owner)
			if err == nil && i == 0 {
				_, err = c.Append(c.ctx(), c.at, &hub.Write{Op: hub.OpPut, Key: "k", Data: []byte("1"), Owner: owner})
			}
			late := time.Since(last) >= ttl
			switch {
			case err != nil && late:
				continue tries // this machine slept for too long
			case err != nil:
				t.Fatalf("renewed after %s of %s: %v", time.Since(last), ttl, err)
			}
			last = time.Now()
		}
		if rows, _ := c.rows(); rows["k"] != "1" && time.Since(last) < ttl {
			t.Errorf("the key has ended")
		}
		c.leave(owner)
		return
	}
	t.Logf("not shown: this machine sleeps too long")
}

func leaseLate(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Keyed))
	owner := c.enter(time.Hour)
	rev := c.put("free", "1")
	c.leave(owner)
	for what, w := range map[string]hub.Write{
		"Put":             {Op: hub.OpPut, Key: "k", Data: []byte("1"), Owner: owner},
		"Put of a key":    {Op: hub.OpPut, Key: "free", Data: []byte("2"), Owner: owner},
		"conditional Put": {Op: hub.OpPut, Key: "free", Data: []byte("2"), Owner: owner, Conditional: true, Match: rev},
		"Delete":          {Op: hub.OpDelete, Key: "free", Owner: owner},
		"of nobody":       {Op: hub.OpPut, Key: "k", Data: []byte("1"), Owner: "nobody"},
	} {
		if _, err := c.Append(c.ctx(), c.at, &w); !errors.Is(err, hub.ErrLeaseLost) {
			t.Errorf("%s: %v, want ErrLeaseLost", what, err)
		}
	}
	if err := c.Renew(c.ctx(), owner); !errors.Is(err, hub.ErrLeaseLost) {
		t.Errorf("Renew: %v, want ErrLeaseLost", err)
	}
	if rows, _ := c.rows(); rows["free"] != "1" || len(rows) != 1 {
		t.Errorf("the table is %v", rows)
	}
}

func leaseNames(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Keyed))
	seen := map[string]bool{"": true}
	for range 20 {
		owner := c.enter(time.Hour)
		if seen[owner] {
			t.Errorf("%q again", owner)
		}
		seen[owner] = true
		c.leave(owner)
	}
}
