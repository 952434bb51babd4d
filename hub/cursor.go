package hub

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A Policy says what becomes of a subscription whose reader is so slow that the
// log no longer has its next event. It is applied when the reader reads again; to a
// connection, when its sink has room again or has ended. A peer that never reads is
// ended by its transport's WriteTimeout and not by the Policy.
type Policy uint8

const (
	// Disconnect ends it with a *SlowError that carries the position.
	Disconnect Policy = iota
	// SkipWithGap goes on behind what is lost: with a gap marker, or on keyed
	// topics a reset and the snapshot.
	SkipWithGap
	// Coalesce skips, at all times, events whose key has been written again
	// since, and goes on with a reset and the snapshot when it has fallen
	// behind nevertheless. Keyed and ephemeral topics only.
	Coalesce
)

// String returns "disconnect", "skip with gap" or "coalesce".
func (p Policy) String() string {
	switch p {
	case Disconnect:
		return "disconnect"
	case SkipWithGap:
		return "skip with gap"
	case Coalesce:
		return "coalesce"
	}
	return "unknown"
}

func (p Policy) check() error {
	if p > Coalesce {
		return &NameError{What: "policy", Name: strconv.Itoa(int(p)), Problem: "unknown"}
	}
	return nil
}

// SubStats counts what became of the events published since a subscription's
// start: Delivered + Filtered + Superseded + Missed of them, once its reader is
// at the head. Snapshot counts the rows of snapshots, apart from that.
type SubStats struct {
	Delivered  uint64 `json:"delivered"`  // handed out
	Filtered   uint64 `json:"filtered"`   // skipped by the Filter
	Superseded uint64 `json:"superseded"` // skipped by Coalesce, or contained in the snapshot after a reset
	Missed     uint64 `json:"missed"`     // told of by gap markers or a *SlowError
	Snapshot   uint64 `json:"snapshot"`
}

// An item is the next thing in a subscription's stream: an entry of the log, a
// row of the table, or a marker.
type item struct {
	e     *entry
	row   bool
	ref   rowRef   // of a row that other followers read too
	pos   Position // where to resume after it; zero: the position stays
	mark  Marker
	gap   *Gap
	reset *Reset
	off   uint64 // of the cursor just before it
	// For the accounts: Coalesce left out this many just before, and the filter
	// the item itself.
	skipped  uint64
	filtered bool
}

// add enters an item that was handed out, or filtered.
func (s *SubStats) add(it *item) {
	s.Superseded += it.skipped
	switch {
	case it.gap != nil:
		s.Missed += uint64(max(0, it.gap.Missed))
	case it.reset != nil:
		s.Superseded += uint64(max(0, it.reset.Missed))
	case it.row && !it.filtered:
		s.Snapshot++
	case it.row, it.e == nil:
	case it.filtered:
		s.Filtered++
	default:
		s.Delivered++
	}
}

// A cursor is a reader's place in a topic: two words and a wake token. The log
// is its queue. It has no type, so that all the logic is compiled once; Sub
// gives the events theirs.
//
// What comes next is a matter of three fields in turn: mark, if something has
// to be said first; view, while a snapshot is being read; then the log after
// off. Replay and live are the same read.
type cursor struct {
	// Immutable after Subscribe.
	t      *topic
	policy Policy
	wake   chan struct{} // of one token; sent by signal, never closed
	label  string        // whose it is
	push   *follower     // that it belongs to, and then there is no wake

	reading atomic.Bool // held by the goroutine inside Next
	ended   atomic.Bool // err is set

	// Guarded by t.mu.
	index   int    // in t.members
	branch  uint64 // how many breaks of the log it has seen
	gone    bool   // it has left
	limit   uint64 // of a follower: reads up to here only
	waiting bool
	waitGen uint64
	waitIdx int
	mark    item
	view    *view
	row     int // next of view
	off     uint64
	target  uint64 // the live marker is due here
	live    bool   // the live marker has been handed out
	skipped uint64 // by Coalesce since the last item
	owed    uint64 // what it has skipped is made up for by here

	// Guarded by mu.
	mu    sync.Mutex
	pos   Position
	stats SubStats
	err   error       // why it ended
	stop  func() bool // detaches it from the context of Subscribe
}

// signal leaves a wake token. It never blocks.
func (c *cursor) signal() {
	if c.push != nil {
		c.push.lane.s.push(c.push)
		return
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// start takes the cursor's place. Called with t.mu held.
func (c *cursor) start(f From) {
	l := &c.t.log
	c.target = l.top
	mode := f.mode
	if mode == fromDefault {
		mode = fromLive
		if c.t.kind == Keyed {
			mode = fromStart
		}
	}
	switch {
	case mode == fromStart && c.t.kind != Log:
		c.snapshot()
	case mode == fromStart:
		c.seek(l.before())
	case mode == fromLast && c.t.kind != Ephemeral:
		c.seek(l.position(l.top - uint64(min(f.n, l.ring.n))))
	case mode != fromAfter && mode != fromLost:
		c.seek(l.head())
	case c.t.kind == Ephemeral:
		c.gap(Epoch, f.pos)
		c.snapshot()
	default:
		c.pos = f.pos
		reason := Epoch
		if mode == fromAfter {
			reason = l.locate(f.pos)
		}
		switch {
		case reason == 0:
			c.off = f.pos.off
		case c.t.kind == Keyed:
			c.reset(reason, f.pos, f.pos.off)
		default:
			c.gap(reason, f.pos)
		}
	}
}

// seek goes to a position of this log.
func (c *cursor) seek(p Position) {
	c.off = p.off
	if c.t.kind != Ephemeral {
		c.pos = p
	}
}

// gap goes on with the oldest entry, a marker first. Called with t.mu held.
func (c *cursor) gap(reason Reason, from Position) {
	c.t.hub.stats.gaps.Add(1)
	now := c.t.log.before()
	g := &Gap{Reason: reason, From: from, Now: now, Missed: -1}
	switch reason {
	case Trimmed:
		g.Missed = int64(now.off - from.off)
	case Dropped:
		g.Missed = int64(now.off - c.off)
	}
	c.off = now.off
	if c.t.kind == Ephemeral {
		g.Now = Position{}
	}
	c.mark = item{mark: MarkGap, gap: g, pos: g.Now}
}

// reset goes on with a snapshot, a marker first; seen is the offset up to which
// the reader has the log. Called with t.mu held.
func (c *cursor) reset(reason Reason, from Position, seen uint64) {
	c.t.hub.stats.resets.Add(1)
	r := &Reset{Reason: reason, From: from, Missed: -1}
	if reason == Trimmed || reason == Dropped {
		r.Missed = int64(c.t.log.top - seen)
	}
	c.mark = item{mark: MarkReset, reset: r}
	c.snapshot()
}

// snapshot goes on with the table as it is now. Called with t.mu held.
func (c *cursor) snapshot() {
	l := &c.t.log
	if c.view != nil {
		l.table.release(c.view)
	}
	c.view, c.row = l.table.acquire(l.top), 0
	c.off, c.target, c.live = l.top, l.top, false
}

// fetch appends up to n items to dst and moves the cursor behind them. When
// there is none it puts the cursor on the topic's list of those to wake. An
// error is for good.
func (c *cursor) fetch(dst []item, n int) ([]item, error) {
	c.mu.Lock()
	err, pos := c.err, c.pos
	c.mu.Unlock()
	if err == nil {
		dst, err = c.read(dst, n, pos)
		if err != nil {
			err = c.end(err)
		}
	}
	return dst, err
}

func (c *cursor) read(dst []item, n int, pos Position) ([]item, error) {
	t, l := c.t, &c.t.log
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hub.closed.Load() {
		return dst, ErrClosed
	}
	if c.gone {
		return dst, ErrUnsubscribed // or whatever ended it
	}
	if l.cfg.MaxAge != unlimited {
		l.trim(time.Now())
	}
	if c.branch != t.breaks.n {
		c.heal(pos)
	}
	if c.behind() { // and not again below: nothing leaves the log meanwhile
		if err := c.fellOff(pos); err != nil {
			return dst, err
		}
	}
	for len(dst) < n {
		if c.push != nil && len(dst) > 0 && c.turns() {
			break
		}
		it, ok := c.step()
		if !ok {
			break
		}
		dst = append(dst, it)
	}
	if len(dst) == 0 && t.drain && c.off >= t.end {
		return dst, ErrDraining
	}
	if len(dst) == 0 && c.push == nil {
		t.await(c)
	}
	t.hub.stats.read.Add(uint64(len(dst)))
	return dst, nil
}

// turns reports whether a marker, the snapshot or the log is at its end: what a
// follower reads at a time is of one sort, so that it can be taken back.
func (c *cursor) turns() bool {
	return c.mark.mark == NoMarker && c.view != nil && (c.row == 0 || c.row == c.view.n)
}

// behind reports whether the log has lost what the cursor needs next. A
// snapshot, too, is of no use if the log no longer goes on from there.
func (c *cursor) behind() bool { return c.off+1 < c.t.log.first() }

// fellOff applies the policy. A gap or reset that the reader has not seen yet
// is only made larger: nothing is dropped because of this reader so far.
// Called with t.mu held.
func (c *cursor) fellOff(pos Position) error {
	l := &c.t.log
	switch {
	case c.mark.gap != nil:
		reason, from, missed := c.mark.gap.Reason, c.mark.gap.From, c.mark.gap.Missed
		more := int64(l.before().off - c.off)
		c.gap(reason, from)
		if c.mark.gap.Missed = missed; missed >= 0 {
			c.mark.gap.Missed += more
		}
		if c.view != nil {
			c.snapshot()
		}
	case c.mark.reset != nil:
		if c.mark.reset.Missed >= 0 {
			c.mark.reset.Missed += int64(l.top - c.off)
		}
		c.snapshot()
	case c.policy == Disconnect:
		return &SlowError{Topic: c.t.name, Pos: pos, Missed: int64(l.before().off - c.off)}
	case c.t.kind == Keyed, c.view != nil, c.t.kind == Ephemeral && c.policy == Coalesce:
		c.reset(Dropped, pos, c.off)
	default:
		c.gap(Dropped, pos)
	}
	return nil
}

// step takes the next item, false at the head. Called with t.mu held, the
// cursor not behind.
func (c *cursor) step() (item, bool) {
	l := &c.t.log
	if c.mark.mark != NoMarker {
		it := c.mark
		it.off = c.off
		c.mark = item{}
		return it, true
	}
	if c.view != nil {
		if c.row < c.view.n {
			it := item{e: c.view.row(c.row), row: true}
			if c.push != nil && (c.view.refs > 1 || c.view.framed > 0) {
				it.ref = rowRef{c.view, c.view.chunks[c.row/chunkRows], c.row}
			}
			c.row++
			return it, true
		}
		l.table.release(c.view)
		c.view = nil
	}
	for {
		if !c.live && c.off >= c.target {
			c.live = true
			return c.at(item{mark: MarkLive, off: c.off}), true
		}
		e := l.at(c.off + 1)
		if e == nil || c.push != nil && c.off >= c.limit || c.t.drain && c.off >= c.t.end {
			return item{}, false
		}
		c.off++
		if c.policy == Coalesce && e.superseded {
			c.skipped++
			c.owed = l.top
			continue
		}
		return c.at(item{e: e, off: c.off - 1}), true
	}
}

// at completes an item with the position that c has reached.
func (c *cursor) at(it item) item {
	it.skipped, c.skipped = c.skipped, 0
	if c.t.kind != Ephemeral {
		it.pos = c.t.log.position(c.off)
	}
	return it
}

// end ends the subscription, once, and returns why it ended.
func (c *cursor) end(err error) error {
	c.mu.Lock()
	was, stop := c.err, c.stop
	if was == nil {
		c.err = err
		c.ended.Store(true)
		if slow, ok := err.(*SlowError); ok {
			c.stats.Missed += uint64(slow.Missed)
		}
	}
	c.mu.Unlock()
	if slow, ok := err.(*SlowError); ok && was == nil {
		c.t.hub.stats.slow.Add(1)
		c.t.hub.observe(Incident{What: SlowReader, Topic: slow.Topic, Err: err, Missed: slow.Missed})
	}
	if was != nil {
		return was
	}
	if stop != nil {
		stop()
	}
	c.t.leave(c)
	c.signal()
	return err
}

// count enters what has been handed out or filtered into the accounts.
func (c *cursor) count(s SubStats, pos Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Delivered += s.Delivered
	c.stats.Filtered += s.Filtered
	c.stats.Superseded += s.Superseded
	c.stats.Missed += s.Missed
	c.stats.Snapshot += s.Snapshot
	if !pos.IsZero() {
		c.pos = pos
	}
}
