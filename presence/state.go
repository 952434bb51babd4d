package presence

import (
	"cmp"
	"container/list"
	"slices"
	"sort"

	"github.com/tidewire/tidewire/hub"
)

// A state is who is in a topic, made from the entries of its connections. It
// has no locks; the room that owns it says who may call what.
//
// It answers what has changed since version c, for any c, without keeping
// anything for each of those who ask. The people stand in the order of their
// last change, so that the answer is what stands behind c. Each is in it once,
// however often it changed: who asks rarely gets the net difference.
//
// Those who left are the difficulty, for whoever was told of them must learn
// it, however late they ask. They are kept as ghosts while somebody at a
// version between their entering and their leaving has yet to ask (see needed
// and sweep), and no longer. So what is kept for those who are late is at most what
// they have been told of, whatever came and went since. (A set of the known
// members for each watcher would be simpler, and cost members × watchers all the
// time.)
type state[S any] struct {
	version uint64
	conns   map[string]*conn[S]
	people  map[string]*person[S]
	present list.List // of *person, by ascending changed
	ghosts  list.List // of *person, by ascending left
	touched []*person[S]
	round   uint64 // of the snapshot that is being read; see reset

	cursors list.List // of *cursor, by ascending version
	swept   int       // how many ghosts the last sweep has spared
}

// A conn is one connection of a member.
type conn[S any] struct {
	key   string
	event *hub.Event[record[S]]
	owner *person[S]
	round uint64
}

// before orders connections by how late their state is.
func (c *conn[S]) before(d *conn[S]) bool {
	if c.event.Value.Clock != d.event.Value.Clock {
		return c.event.Value.Clock < d.event.Value.Clock
	}
	return c.key < d.key
}

// A person is a member from entering to leaving.
type person[S any] struct {
	name  string
	conns []*conn[S]
	last  *hub.Event[record[S]] // the state: of the latest connection, or of the last one when none is left
	cause Cause                 // how the last connection ended

	entered, changed, left uint64 // versions
	at                     *list.Element

	// What was told before the batch that is being applied.
	touched bool
	was     *hub.Event[record[S]] // nil: not there
}

// A cursor is the version up to which a watcher knows the state.
type cursor struct {
	version uint64
	at      *list.Element
}

func newState[S any]() *state[S] {
	return &state[S]{conns: make(map[string]*conn[S]), people: make(map[string]*person[S])}
}

// put enters or updates the connection of key.
func (s *state[S]) put(member, key string, ev *hub.Event[record[S]]) {
	if c := s.conns[key]; c != nil {
		s.touch(c.owner)
		c.event, c.round = ev, s.round
		c.owner.choose()
		return
	}
	p := s.people[member]
	if p == nil {
		p = &person[S]{name: member}
		s.people[member] = p
	}
	s.touch(p)
	c := &conn[S]{key: key, event: ev, owner: p, round: s.round}
	s.conns[key] = c
	p.conns = append(p.conns, c)
	p.choose()
}

// remove ends the connection of key, if there is one.
func (s *state[S]) remove(key string, cause Cause) {
	c := s.conns[key]
	if c == nil {
		return
	}
	p := c.owner
	s.touch(p)
	delete(s.conns, key)
	p.conns = slices.DeleteFunc(p.conns, func(d *conn[S]) bool { return d == c })
	p.cause = cause
	p.choose()
}

func (p *person[S]) choose() {
	if len(p.conns) > 0 {
		p.last = slices.MaxFunc(p.conns, func(a, b *conn[S]) int {
			if a.before(b) {
				return -1
			}
			return 1
		}).event
	}
}

// reset begins to read a snapshot, which may follow what is known already;
// reconcile ends it, and with it the connections that it did not name.
func (s *state[S]) reset() { s.round++ }

func (s *state[S]) reconcile() {
	for key, c := range s.conns {
		if c.round != s.round {
			s.remove(key, Unknown)
		}
	}
}

func (s *state[S]) touch(p *person[S]) {
	if p.touched {
		return
	}
	p.touched, p.was = true, nil
	if len(p.conns) > 0 {
		p.was = p.last
	}
	s.touched = append(s.touched, p)
}

// commit makes what has been put and removed since the last one a new version,
// if it makes a difference to anybody. It reports whether it does.
func (s *state[S]) commit() bool {
	version := s.version + 1
	changed := false
	for _, p := range s.touched {
		p.touched = false
		there := len(p.conns) > 0
		switch {
		case !there:
			delete(s.people, p.name)
			if p.was == nil {
				continue
			}
			p.left = version
			if !sameState(p.was.Data, p.last.Data) {
				p.changed = version // and left in one step: nobody has been told that state
			}
			s.present.Remove(p.at)
			if s.needed(p) {
				p.at = s.ghosts.PushBack(p)
			}
		case p.was == nil:
			p.entered, p.changed = version, version
			p.at = s.present.PushBack(p)
		case p.was != p.last && !sameState(p.was.Data, p.last.Data):
			p.changed = version
			s.present.MoveToBack(p.at)
		default:
			continue
		}
		changed = true
	}
	for i, p := range s.touched {
		p.was, s.touched[i] = nil, nil
	}
	s.touched = s.touched[:0]
	if changed {
		s.version = version
		s.sweep()
	}
	return changed
}

// follow returns a cursor at the present version.
func (s *state[S]) follow() *cursor {
	c := &cursor{version: s.version}
	c.at = s.cursors.PushBack(c)
	return c
}

// unfollow forgets a cursor.
func (s *state[S]) unfollow(c *cursor) {
	s.cursors.Remove(c.at)
	s.release()
}

// all returns the state as Enter changes. It reads what only commit changes.
func (s *state[S]) all() []Change[S] {
	changes := make([]Change[S], 0, s.present.Len())
	for e := s.present.Front(); e != nil; e = e.Next() {
		p := e.Value.(*person[S])
		changes = append(changes, Change[S]{Kind: Enter, Member: p.name, State: p.last.Value.State})
	}
	return changes
}

// since returns what has changed since the cursor's version, in order, and
// moves the cursor to the present one. Nobody is in it twice.
func (s *state[S]) since(c *cursor) []Change[S] {
	type dated struct {
		version uint64
		Change[S]
	}
	var found []dated
	var gone map[string]*person[S] // whom the cursor knows, and who have left
	for e := s.ghosts.Back(); e != nil; e = e.Prev() {
		p := e.Value.(*person[S])
		if p.left <= c.version {
			break
		}
		if p.entered <= c.version {
			if gone == nil {
				gone = make(map[string]*person[S])
			}
			gone[p.name] = p
		}
	}
	for e := s.present.Back(); e != nil; e = e.Prev() {
		p := e.Value.(*person[S])
		if p.changed <= c.version {
			break
		}
		kind := Update
		if p.entered > c.version {
			kind = Enter
			// Left and back since: the same person to the one who asks.
			if g := gone[p.name]; g != nil {
				delete(gone, p.name)
				if g.changed <= c.version && sameState(g.last.Data, p.last.Data) {
					continue
				}
				kind = Update
			}
		}
		found = append(found, dated{p.changed, Change[S]{Kind: kind, Member: p.name, State: p.last.Value.State}})
	}
	for _, p := range gone {
		found = append(found, dated{p.left, Change[S]{Kind: Leave, Member: p.name, State: p.last.Value.State, Cause: p.cause}})
	}
	slices.SortFunc(found, func(a, b dated) int {
		return cmp.Or(cmp.Compare(a.version, b.version), cmp.Compare(a.Member, b.Member))
	})
	changes := make([]Change[S], len(found))
	for i := range found {
		changes[i] = found[i].Change
	}
	c.version = s.version
	s.cursors.MoveToBack(c.at)
	s.release()
	return changes
}

// needed reports whether a cursor has still to learn that p left, just now. All
// cursors are behind, and the last is the furthest.
func (s *state[S]) needed(p *person[S]) bool {
	e := s.cursors.Back()
	return e != nil && e.Value.(*cursor).version >= p.entered
}

// release drops the ghosts that all cursors have passed.
func (s *state[S]) release() {
	oldest := s.version
	if e := s.cursors.Front(); e != nil {
		oldest = e.Value.(*cursor).version
	}
	for e := s.ghosts.Front(); e != nil && e.Value.(*person[S]).left <= oldest; e = s.ghosts.Front() {
		s.ghosts.Remove(e)
	}
	s.swept = min(s.swept, s.ghosts.Len())
}

// sweepEvery is how many ghosts gather before a sweep looks whom they are for.
const sweepEvery = 256

// sweep drops the ghosts between whose entering and leaving no cursor stands:
// those that an old cursor keeps from being released, though it has never heard
// of them. It waits until they have doubled, so that its cost is spread.
func (s *state[S]) sweep() {
	if s.ghosts.Len() < 2*s.swept+sweepEvery {
		return
	}
	cursors := make([]uint64, 0, s.cursors.Len())
	for e := s.cursors.Front(); e != nil; e = e.Next() {
		cursors = append(cursors, e.Value.(*cursor).version)
	}
	for e := s.ghosts.Front(); e != nil; {
		next := e.Next()
		p := e.Value.(*person[S])
		i := sort.Search(len(cursors), func(i int) bool { return cursors[i] >= p.entered })
		if i == len(cursors) || cursors[i] >= p.left {
			s.ghosts.Remove(e)
		}
		e = next
	}
	s.swept = s.ghosts.Len()
}
