package hub

import (
	"sync/atomic"
	"time"
)

const (
	// laneEvents and laneBytes bound what a lane sends at a time.
	laneEvents = 256
	laneBytes  = 256 << 10
)

// A lane is what the followers of a topic in one shard share. Those who have
// all that the lane has, and want nothing special, stand in a group for each
// format, without a place of their own: one read of the log, one joined buffer,
// one try-send each. Whoever can't take all of it leaves the group with a place
// of its own, reads for itself and comes back when it has caught up.
//
// Going through a group of thousands is interrupted now and then, for the sake
// of the shard's other lanes.
type lane struct {
	queued
	t   *topic
	s   *shard
	raw *Topic[[]byte]

	// Guarded by t.mu.
	refs   int
	passed uint64 // frames up to here are of no use to the lane

	// Owned by the shard's worker.
	at     uint64 // where the groups are
	branch uint64 // breaks of the log that the groups know of
	groups []*group
	others []*follower // at rest, and not in a group

	// A round under way: entries up to "to" go to the groups from turn on, then
	// the others from other on have their turn.
	entries []*entry
	to      uint64
	pos     Position
	turn    int
	waking  []*follower
	more    bool // somebody rests who may not have all
}

// A group is the followers of a lane that have all of it, of one format.
type group struct {
	enc     Encoder
	format  string
	passed  uint64      // events sent to all members
	members []*follower // nil: has left in this round

	standing atomic.Pointer[standing]

	// A round under way.
	pieces [][]byte
	ends   []int
	next   int
	ready  bool // pieces are made
}

// A standing is where a group is, for those who ask from outside.
type standing struct {
	pos    Position
	passed uint64
}

func (g *group) stand(pos Position) { g.standing.Store(&standing{pos, g.passed}) }

// lane returns the topic's lane of a shard, made if need be. Called with mu held.
func (t *topic) lane(s *shard) *lane {
	for _, ln := range t.lanes {
		if ln.s == s {
			ln.refs++
			return ln
		}
	}
	ln := &lane{t: t, s: s, raw: t.hub.Topic(t.name), refs: 1, at: t.log.top, passed: t.log.top, branch: t.breaks.n}
	if len(t.lanes) == 0 {
		t.passed = t.log.top
	}
	t.lanes = append(t.lanes, ln)
	return ln
}

// unlane lets go of a lane. Called with mu held.
func (t *topic) unlane(ln *lane) {
	if ln.refs--; ln.refs > 0 {
		return
	}
	for i, other := range t.lanes {
		if other == ln {
			t.lanes = append(t.lanes[:i], t.lanes[i+1:]...)
			break
		}
	}
	t.pass()
}

// work sends what is new to the groups, and then lets the others read.
func (ln *lane) work(s *shard) (again bool) {
	budget := s.turn
	if len(ln.entries) == 0 && len(ln.waking) == 0 {
		s.hub.at("lane reads")
		ln.begin()
		s.hub.at("lane sends")
	}
	for ; ln.turn < len(ln.groups); ln.turn++ {
		if len(ln.entries) > 0 && !ln.groups[ln.turn].send(ln, s, &budget) {
			return true
		}
	}
	if len(ln.entries) > 0 {
		ln.at = ln.to
		ln.entries = nil
	}
	for len(ln.waking) > 0 {
		f := ln.waking[len(ln.waking)-1]
		ln.waking = ln.waking[:len(ln.waking)-1]
		if f.group == nil && !f.resting && f.read(s) {
			s.push(f)
		}
		if budget--; budget <= 0 && len(ln.waking) > 0 {
			return true
		}
	}
	ln.waking = nil
	s.hub.at("lane ends")
	return ln.finish()
}

// begin reads what is new for the groups. If the log did not go on as they have
// it, everybody is on their own.
func (ln *lane) begin() {
	t, l := ln.t, &ln.t.log
	ln.turn, ln.more = 0, false
	t.mu.Lock()
	if l.cfg.MaxAge != unlimited {
		l.trim(time.Now())
	}
	old := ln.at
	scatter := ln.branch != t.breaks.n || ln.at+1 < l.first() || t.drain
	if scatter {
		ln.branch, ln.at = t.breaks.n, l.top
	}
	bytes := 0
	ln.to = ln.at
	for len(ln.entries) < laneEvents && bytes < laneBytes {
		e := l.at(ln.to + 1)
		if e == nil {
			break
		}
		ln.to++
		bytes += len(e.data)
		ln.entries = append(ln.entries, e)
	}
	if ln.pos = (Position{}); t.kind != Ephemeral {
		ln.pos = l.position(ln.to)
	}
	t.mu.Unlock()
	ln.waking, ln.others = ln.others, nil
	for _, f := range ln.waking {
		f.resting = false
	}
	if scatter {
		for _, g := range ln.groups {
			g.scatter(ln, old)
		}
		ln.groups = nil
	}
}

// scatter puts all members on their own, at an offset.
func (g *group) scatter(ln *lane, off uint64) {
	for _, f := range g.members {
		if f != nil {
			f.part(off, 0, Position{})
			ln.waking = append(ln.waking, f)
		}
	}
	g.members = nil
}

// remove takes a member out between two sends.
func (g *group) remove(f *follower) {
	if g.ready { // in the middle of a round
		g.members[f.slot] = nil
		return
	}
	last := len(g.members) - 1
	g.members[f.slot] = g.members[last]
	g.members[f.slot].slot = f.slot
	g.members[last] = nil
	g.members = g.members[:last]
}

// finish ends a round and reports whether there is another one to make.
func (ln *lane) finish() (again bool) {
	t := ln.t
	for i := 0; i < len(ln.groups); {
		if len(ln.groups[i].members) == 0 {
			ln.groups = append(ln.groups[:i], ln.groups[i+1:]...)
		} else {
			i++
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	ln.passed = ln.at
	t.pass()
	return ln.refs > 0 && (ln.more || t.log.top > ln.at)
}

// rest lets a follower wait for the next round.
func (ln *lane) rest(f *follower) {
	ln.more = ln.more || len(ln.entries) > 0 || f.c.off != ln.at
	if !f.resting {
		f.resting, f.slot = true, len(ln.others)
		ln.others = append(ln.others, f)
	}
}

// group adds a follower that has all of the lane to those of its format.
func (ln *lane) group(f *follower) {
	var g *group
	for _, have := range ln.groups {
		if have.format == f.conn.format {
			g = have
		}
	}
	if g == nil {
		g = &group{enc: f.conn.opts.Encoder, format: f.conn.format}
		ln.groups = append(ln.groups, g)
	}
	f.meet(g)
	f.slot = len(g.members)
	g.members = append(g.members, f)
}

// send gives the lane's entries to the members, and reports whether it got
// through.
func (g *group) send(ln *lane, s *shard, budget *int) bool {
	if !g.ready && !g.prepare(ln, s) {
		return true
	}
	for ; g.next < len(g.members); g.next++ {
		f := g.members[g.next]
		if f == nil {
			continue
		}
		if *budget--; *budget < 0 {
			return false
		}
		if f.ended() { // and will say bye in its turn
			g.drop(f, 0, ln)
			continue
		}
		if f.conn.full {
			g.drop(f, 0, ln)
			f.stall()
			continue
		}
		if len(g.pieces) == 0 {
			continue
		}
		n, err := f.conn.trySend(g.pieces)
		if n < len(g.pieces) {
			s.hub.stats.full.Add(1)
			g.drop(f, max(0, n), ln)
			f.conn.refused(n > 0, err)
			f.stall()
		}
	}
	g.passed += uint64(len(ln.entries))
	n := 0
	for _, f := range g.members {
		if f != nil {
			f.slot = n
			g.members[n] = f
			n++
		}
	}
	clear(g.members[n:])
	g.members = g.members[:n]
	s.hub.stats.sent.Add(uint64(n * len(ln.entries)))
	g.stand(ln.pos)
	g.pieces, g.ends, g.next, g.ready = nil, nil, 0, false
	return true
}

// prepare encodes the lane's entries. If that fails everybody is on their own,
// and those who want the bad event are told.
func (g *group) prepare(ln *lane, s *shard) bool {
	frames := s.frames[:0]
	for _, e := range ln.entries {
		b, err := ln.frameOf(e, g.enc, g.format)
		if err != nil {
			g.scatter(ln, ln.at)
			return false
		}
		frames = append(frames, b)
	}
	s.frames = frames
	join(frames, func(b []byte, end int) {
		g.pieces = append(g.pieces, b)
		g.ends = append(g.ends, end)
	})
	g.next, g.ready = 0, true
	return true
}

// drop takes a member out that got the first n pieces only.
func (g *group) drop(f *follower, n int, ln *lane) {
	events := 0
	if n > 0 {
		events = g.ends[n-1]
	}
	var pos Position
	if events > 0 {
		pos = ln.entries[events-1].rev()
	}
	g.members[f.slot] = nil
	f.part(ln.at+uint64(events), events, pos)
}
