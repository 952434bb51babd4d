package hub_test

import (
	"fmt"
	"maps"

	. "github.com/tidewire/tidewire/hub"
)

// The model: a topic is the list of all that was ever written to it, of which
// the last few are retained, and a table is what one gets by going through the
// list. Nothing is shared, trimmed, linked or cached.
type modelLog struct {
	kind   Kind
	retain int
	events []modelEvent
	revs   map[string]Position // of the live keys
	gone   int                 // events that were trimmed, and stay so if the newest are lost
}

type modelEvent struct {
	key, value string
	deleted    bool
	pos        Position
	owner      int // whose the key is, 0: nobody's
	id         string
}

// A modelBreak is what happened to the log itself: readers beyond keep events
// don't have what it has now.
type modelBreak struct {
	reason Reason
	keep   int
}

func offset(p Position) uint64 {
	_, off, _ := p.Parts()
	return off
}

func (l *modelLog) first() int {
	l.gone = max(l.gone, len(l.events)-l.retain)
	return l.gone
}

// table is the table after the first n events.
func (l *modelLog) table(n int) map[string]string {
	m := map[string]string{}
	for _, e := range l.events[:n] {
		if e.deleted {
			delete(m, e.key)
		} else if e.key != "" {
			m[e.key] = e.value
		}
	}
	return m
}

// place says where a position is, or why it is nowhere.
func (l *modelLog) place(p Position, virgin Position) (int, Reason) {
	if !p.SameLog(virgin) {
		return 0, Epoch
	}
	// What is no longer retained can't vouch for its tag.
	if offset(p) < uint64(l.first()) {
		return int(offset(p)), Trimmed
	}
	at := -1
	if p == virgin {
		at = 0
	}
	for i, e := range l.events {
		if e.pos == p {
			at = i + 1
		}
	}
	if at < 0 {
		return 0, Fork
	}
	return at, 0
}

func (l *modelLog) superseded(i int) bool {
	for _, e := range l.events[i+1:] {
		if e.key == l.events[i].key && e.key != "" {
			return true
		}
	}
	return false
}

// A modelSub is what a subscription is expected to do. It checks the events as
// they come.
type modelSub struct {
	log    *modelLog
	policy Policy
	filter func(key, value string, deleted bool) bool
	// filtered: the reader's own table is not the whole one.
	filtered bool

	cur     int // events consumed
	target  int // where the live marker is due
	live    bool
	mark    Marker // pending
	reason  Reason
	missed  int
	rows    map[string]string // of a snapshot, still to come; nil: none
	pos     Position
	dropped bool // terminal: Disconnect

	debt int // the same, of whom this reader took over from; the hub can't know
	// tainted: that is lost, and the reset for it has not been read to its end.
	tainted bool
	owed    int          // what Coalesce left out is made up for by here
	breaks  []modelBreak // since the last read

	stats SubStats
	base  int               // where the accounts begin
	seen  map[string]string // the reader's own table; nil: it has no complete one
}

func (m *modelSub) snapshot() {
	m.rows = m.log.table(len(m.log.events))
	m.cur, m.target, m.live = len(m.log.events), len(m.log.events), false
}

// heal applies what has happened to the log itself.
func (m *modelSub) heal() {
	reason, keep := Reason(0), max(m.cur, m.owed)
	for _, b := range m.breaks {
		if m.debt > b.keep {
			m.seen = nil
		}
		m.tainted = m.tainted || m.owed > b.keep
		if keep > b.keep || b.reason == Epoch {
			reason, keep = b.reason, b.keep
		}
	}
	m.breaks = nil
	if reason == 0 || m.dropped {
		return
	}
	to := m.log.first()
	switch {
	case m.log.kind == Keyed:
		to = len(m.log.events)
	case reason == Fork && keep > to:
		to = min(keep, m.cur)
	}
	missed := -1
	if reason == Trimmed && to >= m.cur {
		missed = to - m.cur
	}
	if m.mark != NoMarker {
		if missed >= 0 && m.missed >= 0 {
			missed += m.missed
		} else {
			missed = -1
		}
	}
	m.reason, m.missed, m.cur = reason, missed, to
	if m.log.kind == Keyed {
		m.mark = MarkReset
		m.snapshot()
		return
	}
	m.mark = MarkGap
	if !m.live {
		m.target = len(m.log.events)
	}
}

// settle applies what has happened to the log since the last read.
func (m *modelSub) settle() {
	m.heal()
	lost := m.log.first() - m.cur
	if lost <= 0 || m.dropped {
		return
	}
	switch {
	case m.mark == MarkGap:
		if m.missed >= 0 {
			m.missed += lost
		}
		m.cur = m.log.first()
		if m.rows != nil {
			m.snapshot()
		}
	case m.mark == MarkReset:
		if m.missed >= 0 {
			m.missed += len(m.log.events) - m.cur
		}
		m.snapshot()
	case m.policy == Disconnect:
		m.dropped = true
		m.stats.Missed += uint64(lost)
		m.cur = m.log.first()
	case m.log.kind == Keyed || m.rows != nil || m.log.kind == Ephemeral && m.policy == Coalesce:
		m.mark, m.reason, m.missed = MarkReset, Dropped, len(m.log.events)-m.cur
		m.snapshot()
	default:
		m.mark, m.reason, m.missed = MarkGap, Dropped, lost
		m.cur = m.log.first()
	}
}

// advance skips what the reader does not see. It returns the event that is
// next, or live, or neither at the head.
func (m *modelSub) advance() (e *modelEvent, live bool) {
	for {
		if !m.live && m.cur >= m.target {
			return nil, true
		}
		if m.cur == len(m.log.events) {
			return nil, false
		}
		e := &m.log.events[m.cur]
		switch {
		case m.policy == Coalesce && m.log.superseded(m.cur):
			m.stats.Superseded++
			m.owed = len(m.log.events)
		case !m.filter(e.key, e.value, e.deleted):
			m.stats.Filtered++
			m.pos = e.pos
		default:
			return e, false
		}
		m.cur++
	}
}

// follow consumes what the reader has filtered at the end of its batch.
func (m *modelSub) follow(filtered uint64) error {
	for m.stats.Filtered < filtered && m.cur < len(m.log.events) {
		switch e := m.log.events[m.cur]; {
		case m.policy == Coalesce && m.log.superseded(m.cur):
			m.stats.Superseded++
			m.owed = len(m.log.events)
		case !m.filter(e.key, e.value, e.deleted):
			m.stats.Filtered++
			m.pos = e.pos
		default:
			return fmt.Errorf("%d filtered, but %+v is due", filtered, e)
		}
		m.cur++
	}
	return nil
}

// check compares an event with what is expected next.
func (m *modelSub) check(ev *Event[string]) error {
	if m.mark != NoMarker {
		want := fmt.Sprint(m.mark, m.reason, m.missed)
		count(&m.stats, m.mark, m.missed)
		if m.missed < 0 {
			m.base = m.cur
			m.rebase()
		}
		m.mark = NoMarker
		switch {
		case ev.Gap != nil:
			if got := fmt.Sprint(ev.Marker, ev.Gap.Reason, ev.Gap.Missed); got != want || ev.Pos != ev.Gap.Now || ev.Gap.From != m.pos {
				return fmt.Errorf("got gap %s, want %s", got, want)
			}
			m.pos, m.seen = ev.Pos, nil
		case ev.Reset != nil:
			if got := fmt.Sprint(ev.Marker, ev.Reset.Reason, ev.Reset.Missed); got != want || !ev.Pos.IsZero() {
				return fmt.Errorf("got reset %s, want %s", got, want)
			}
			if m.seen = map[string]string{}; m.filtered {
				m.seen = nil
			}
		default:
			return fmt.Errorf("got %s, want %s", Show([]*Event[string]{ev}), want)
		}
		return nil
	}
	if m.rows != nil {
		maps.DeleteFunc(m.rows, func(k, v string) bool { return !m.filter(k, v, false) })
		if len(m.rows) > 0 {
			if v, ok := m.rows[ev.Key]; !ok || ev.Value != v || !ev.Pos.IsZero() || ev.Marker != NoMarker {
				return fmt.Errorf("got %s, want one of the rows %v", Show([]*Event[string]{ev}), m.rows)
			}
			delete(m.rows, ev.Key)
			m.stats.Snapshot++
			if m.seen != nil {
				m.seen[ev.Key] = ev.Value
			}
			return nil
		}
		m.rows = nil
	}
	e, live := m.advance()
	switch {
	case live:
		m.live, m.tainted = true, false
		if ev.Marker != MarkLive {
			return fmt.Errorf("got %s, want live", Show([]*Event[string]{ev}))
		}
	case e == nil:
		return fmt.Errorf("got %s at the head", Show([]*Event[string]{ev}))
	default:
		m.cur++
		m.stats.Delivered++
		if ev.Marker != NoMarker || ev.Key != e.key || ev.Value != e.value || ev.Deleted != e.deleted || ev.Pos != e.pos {
			return fmt.Errorf("got %s, want %+v", Show([]*Event[string]{ev}), *e)
		}
		if m.seen != nil && e.key != "" {
			if m.seen[e.key] = e.value; e.deleted {
				delete(m.seen, e.key)
			}
		}
	}
	if (m.log.kind == Ephemeral) != ev.Pos.IsZero() {
		return fmt.Errorf("event %s of a topic of kind %s has position %q", Show([]*Event[string]{ev}), m.log.kind, ev.Pos)
	}
	if !ev.Pos.IsZero() {
		m.pos = ev.Pos
	}
	return nil
}

func count(s *SubStats, mark Marker, missed int) {
	switch {
	case missed < 0:
	case mark == MarkGap:
		s.Missed += uint64(missed)
	default:
		s.Superseded += uint64(missed)
	}
}

// rebase starts the accounts anew where the number of missed events can't be
// known.
func (m *modelSub) rebase() {
	m.base -= int(m.stats.Delivered + m.stats.Filtered + m.stats.Superseded + m.stats.Missed)
}

// head checks that nothing is due, and the accounts.
func (m *modelSub) head(stats SubStats, pos Position) error {
	if m.mark != NoMarker {
		return fmt.Errorf("at the head, but a %s marker is due", m.mark)
	}
	maps.DeleteFunc(m.rows, func(k, v string) bool { return !m.filter(k, v, false) })
	if len(m.rows) > 0 {
		return fmt.Errorf("at the head, but the rows %v are due", m.rows)
	}
	if e, live := m.advance(); e != nil || live {
		return fmt.Errorf("at the head, but %+v is due (live: %v)", e, live)
	}
	if pos != m.pos {
		return fmt.Errorf("position %s, want %s", pos, m.pos)
	}
	if m.seen != nil {
		if want := m.log.table(len(m.log.events)); !maps.Equal(m.seen, want) {
			return fmt.Errorf("the reader's table is %v, want %v", m.seen, want)
		}
	}
	return m.accounts(stats)
}

// accounts checks the invariant: delivered + filtered + superseded + missed =
// published since the start.
func (m *modelSub) accounts(stats SubStats) error {
	if stats != m.stats {
		return fmt.Errorf("accounts %+v, want %+v", stats, m.stats)
	}
	sum := int(stats.Delivered + stats.Filtered + stats.Superseded + stats.Missed)
	if published := m.cur - m.base; sum != published {
		return fmt.Errorf("accounts %+v add up to %d, published were %d", stats, sum, published)
	}
	return nil
}
