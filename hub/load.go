package hub

import (
	"cmp"
	"slices"
)

// A loaded is a broker's log as read from its beginning.
type loaded struct {
	head    Position
	before  Position // just before the first entry
	entries []*entry
	rows    []*entry // of a keyed topic's table
}

// tag is that of the position at an offset from before to the head.
func (ld *loaded) tag(off uint64) uint32 {
	if off == ld.before.off {
		return ld.before.tag
	}
	return ld.entries[off-ld.before.off-1].tag
}

// load reads the whole log. The table is asked for first: if its position then
// lies within the log that was read, the two are joined exactly. A row that is
// older than the log was not written since, and all that is younger is in the log.
func (l *link) load() (*loaded, error) {
	for range loadTries {
		ld := &loaded{}
		var at Position
		if l.t.kind == Keyed {
			var err error
			at, err = l.broker.Snapshot(l.ctx, l.ref, func(r Record) error {
				ld.rows = append(ld.rows, entryOf(&r))
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
		ok, err := l.readAll(ld)
		if err != nil {
			return nil, err
		}
		if ok && (l.t.kind != Keyed || ld.has(at)) {
			return ld, nil
		}
	}
	return nil, errChain
}

func (ld *loaded) has(p Position) bool {
	return p.epoch == ld.head.epoch && p.off >= ld.before.off && p.off <= ld.head.off && ld.tag(p.off) == p.tag
}

// readAll reads the log page by page; false if it moved away meanwhile.
func (l *link) readAll(ld *loaded) (bool, error) {
	var after Position
	for {
		seg, err := l.broker.Read(l.ctx, l.ref, after, readPage)
		switch {
		case err != nil:
			return false, err
		case seg.Head.IsZero():
			return false, errChain
		case seg.Reason != 0:
			return false, nil
		}
		for i := range seg.Records {
			r := &seg.Records[i]
			if after.IsZero() {
				after = Position{r.Pos.epoch, r.Pos.off - 1, r.Prev}
				ld.before = after
			}
			if r.Pos.epoch != after.epoch || r.Pos.off != after.off+1 || r.Prev != after.tag {
				return false, errChain
			}
			ld.entries = append(ld.entries, entryOf(r))
			after = r.Pos
		}
		if after.IsZero() {
			after, ld.before = seg.Head, seg.Head
		}
		if len(seg.Records) == 0 && after != seg.Head {
			return false, errChain // it is not all, whatever the broker says
		}
		if after.off >= seg.Head.off {
			ld.head = after
			return true, nil
		}
		if drop := len(ld.entries) - l.ref.Config.MaxEvents; drop > 0 {
			ld.before = ld.entries[drop-1].rev()
			ld.entries = slices.Delete(ld.entries, 0, drop)
		}
	}
}

// install makes the copy what was loaded. What it has in common with the old one
// stays, and so do the readers who have nothing beyond that. It returns why others
// do not. Called with t.mu held.
func (l *link) install(ld *loaded, first bool) (reason Reason) {
	t, log := l.t, &l.t.log
	keep := int64(-1)
	if !first {
		reason, keep = log.compare(ld)
	}
	held := log.bytes()
	if keep < 0 {
		log.epoch, log.top, log.topTag = ld.before.epoch, ld.before.off, ld.before.tag
		log.ring = ring{}
	}
	for log.top > uint64(max(keep, 0)) && log.ring.n > 0 {
		e := log.ring.cut()
		log.top, log.topTag = e.off-1, e.prev
	}
	if log.table != nil {
		old := log.table
		log.table = newTable()
		log.table.total = log.total
		log.table.inherit(old, keep)
		slices.SortFunc(ld.rows, func(a, b *entry) int { return cmp.Compare(a.off, b.off) })
		for _, e := range ld.rows {
			if e.off < log.first() {
				log.table.put(e)
			}
		}
		for i := range log.ring.n {
			e := log.ring.at(i)
			e.superseded = false
			if e.deleted {
				log.table.delete(e, true)
			} else {
				log.table.put(e)
			}
		}
	}
	log.total.used.Add(log.bytes() - held)
	for _, e := range ld.entries {
		if e.off == log.top+1 {
			log.push(e, true)
		}
	}
	l.shed()
	if reason != 0 {
		t.breaks.add(reason, keep)
		t.unpass(uint64(max(keep, 0)))
		t.end = min(t.end, log.top) // a drain does not wait for what is gone
	}
	return reason
}

// compare tells why the log that was loaded is not a continuation of the copy, 0
// if it is, and up to which offset they are the same, -1: nowhere.
func (l *replica) compare(ld *loaded) (reason Reason, keep int64) {
	if ld.head.epoch != l.epoch {
		return Epoch, -1
	}
	low := max(l.first()-1, ld.before.off)
	for off := min(l.top, ld.head.off); off >= low; off-- {
		if l.position(off).tag == ld.tag(off) {
			if off == l.top {
				return 0, int64(off)
			}
			return Fork, int64(off)
		}
		if off == 0 {
			break
		}
	}
	if ld.before.off > l.top {
		return Trimmed, -1
	}
	return Fork, -1
}

// inherit takes over the views of readers that go on untouched, those at offsets
// up to keep; the others lose theirs.
func (t *table) inherit(old *table, keep int64) {
	for _, v := range old.views {
		if int64(v.off) <= keep {
			t.views = append(t.views, v)
		} else {
			v.chunks = nil
			t.unframe(v)
		}
	}
}
