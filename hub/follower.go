package hub

import "slices"

// pushBatch is the most events that a follower reads for itself at a time.
const pushBatch = 64

// A follower is a subscription of a connection. It is in one of four places: in
// a group; at rest in its lane; stalled, because the sink is full; or about to
// read. In a group its place in the log is the group's.
type follower struct {
	queued
	c cursor

	// Immutable after Follow.
	conn   *Conn
	lane   *lane
	filter func(*Event[[]byte]) bool

	// Owned by the shard's worker.
	slot    int // in the group, or in the lane's others
	resting bool
	stalled bool
	over    bool

	// Written by the worker with c.mu held.
	group *group
	since uint64 // group.passed when it came
}

// work is what a follower does when it was woken.
func (f *follower) work(s *shard) (again bool) {
	if f.group != nil && !f.ended() {
		return false
	}
	return f.read(s)
}

func (f *follower) ended() bool { return f.c.ended.Load() }

// read sends what the follower has not got, up to where its lane is, and then
// lets it rest or join the group.
func (f *follower) read(s *shard) (again bool) {
	if f.over {
		return false
	}
	for range 4 {
		switch {
		case f.ended():
			f.bye()
			return false
		case f.stalled:
			return false
		case f.conn.full:
			f.stall()
			return false
		}
		f.c.limit = f.lane.at
		s.hub.at("follower reads")
		var err error
		if s.items, err = f.c.fetch(s.items[:0], pushBatch); err != nil {
			f.bye()
			return false
		}
		if len(s.items) == 0 {
			s.hub.at("follower settles")
			f.settle()
			return false
		}
		if !f.send(s) {
			return false
		}
	}
	return true
}

// settle finds a place for a follower that has nothing to read.
func (f *follower) settle() {
	ln := f.lane
	if f.resting || f.group != nil {
		return
	}
	// Not in the middle of a round, which the group may have behind it.
	if len(ln.entries) == 0 && f.filter == nil && f.c.policy != Coalesce && f.c.off == ln.at && f.c.branch == ln.branch {
		ln.group(f)
		return
	}
	ln.rest(f)
}

// send gives the items of s to the sink and reports whether it took all.
func (f *follower) send(s *shard) bool {
	ln := f.lane
	frames := s.frames[:0]
	var failed error
	for i := range s.items {
		it := &s.items[i]
		var b []byte
		var err error
		if it.e != nil && f.filter != nil {
			var ev *Event[[]byte]
			if it.row {
				ev, err = rowOf(ln.raw, it.e)
			} else {
				ev, err = eventOf(ln.raw, it.e)
			}
			wanted := false
			if err == nil {
				wanted, err = f.wants(ev)
			}
			if failed = err; failed != nil {
				break
			}
			if !wanted {
				it.filtered = true
				frames = append(frames, nil)
				continue
			}
		}
		switch {
		case it.row:
			b, err = ln.rowFrame(it, f.conn.opts.Encoder, f.conn.format)
		case it.e != nil:
			b, err = ln.frameOf(it.e, f.conn.opts.Encoder, f.conn.format)
		default:
			b, err = ln.frame(f.conn.opts.Encoder, &Event[[]byte]{Topic: ln.t.name, Marker: it.mark, Pos: it.pos, Gap: it.gap, Reset: it.reset})
		}
		if failed = err; failed != nil {
			break
		}
		frames = append(frames, b)
	}
	s.frames = frames
	s.pieces, s.ends = s.pieces[:0], s.ends[:0]
	join(frames, func(b []byte, end int) {
		s.pieces = append(s.pieces, b)
		s.ends = append(s.ends, end)
	})
	n, done := 0, len(frames)
	var err error
	if len(s.pieces) > 0 {
		n, err = f.conn.trySend(s.pieces)
	}
	if n = max(0, n); n < len(s.pieces) {
		if done = 0; n > 0 {
			done = s.ends[n-1]
		}
	}
	f.account(s, s.items[:done])
	if done < len(s.items) {
		f.c.rewind(s.items[done:])
	}
	if n < len(s.pieces) {
		s.hub.stats.full.Add(1)
		f.conn.refused(n > 0, err)
		f.stall()
		return false
	}
	f.conn.tries = 0
	if failed != nil {
		f.c.end(failed)
		return false
	}
	return true
}

// account enters what the sink has taken, or the filter, into the accounts.
func (f *follower) account(s *shard, items []item) {
	var stats SubStats
	var pos Position
	for i := range items {
		it := &items[i]
		stats.add(it)
		if !it.pos.IsZero() {
			pos = it.pos
		}
	}
	s.hub.stats.sent.Add(stats.Delivered + stats.Snapshot)
	f.c.count(stats, pos)
}

// rewind takes the cursor back to before items that could not be sent.
func (c *cursor) rewind(items []item) {
	t := c.t
	t.mu.Lock()
	defer t.mu.Unlock()
	first := &items[0]
	switch {
	case c.gone:
		return
	case first.row:
		c.row -= len(items)
		return
	case first.mark == MarkGap || first.mark == MarkReset:
		c.mark = *first
	default:
		c.skipped = first.skipped
	}
	c.off = first.off
	for i := range items {
		if items[i].mark == MarkLive {
			c.live = false
		}
	}
}

// stall waits until the sink is writable.
func (f *follower) stall() {
	if !f.stalled {
		f.stalled = true
		f.conn.stalled = append(f.conn.stalled, f)
	}
}

// meet makes the follower a member of a group.
func (f *follower) meet(g *group) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if len(g.members) == 0 {
		g.stand(f.c.pos)
	}
	f.group, f.since = g, g.passed
}

// part makes the follower leave its group for a place of its own in the log: some
// events, the last one at pos, behind the group.
func (f *follower) part(off uint64, events int, pos Position) {
	f.c.off = off
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	f.c.stats.Delivered += f.group.passed - f.since + uint64(events)
	if events == 0 {
		pos = f.group.standing.Load().pos
	}
	if !pos.IsZero() {
		f.c.pos = pos
	}
	f.group = nil
}

// where returns the follower's position and accounts, from any goroutine.
func (f *follower) where() (Position, SubStats) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	pos, stats := f.c.pos, f.c.stats
	if f.group != nil {
		st := f.group.standing.Load()
		stats.Delivered += st.passed - f.since
		if !st.pos.IsZero() {
			pos = st.pos
		}
	}
	return pos, stats
}

// bye takes a follower that has ended out of the shard and tells its owner.
func (f *follower) bye() {
	if f.over {
		return
	}
	f.over = true
	ln := f.lane
	if g := f.group; g != nil {
		f.part(ln.at, 0, Position{})
		g.remove(f)
	} else if f.resting {
		last := len(ln.others) - 1
		ln.others[f.slot] = ln.others[last]
		ln.others[f.slot].slot = f.slot
		ln.others[last] = nil
		ln.others = ln.others[:last]
		f.resting = false
	}
	if f.stalled {
		f.conn.stalled = slices.DeleteFunc(f.conn.stalled, func(other *follower) bool { return other == f })
	}
	f.conn.forget(f)
}
