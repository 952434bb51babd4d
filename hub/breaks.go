package hub

// maxBreaks is how many breaks of a log are told apart for readers who have not
// read since.
const maxBreaks = 8

// A broken is a place where the log did not go on as its readers had it: data
// was lost at the broker, and the copy here began anew.
type broken struct {
	n      uint64 // this is the n-th
	reason Reason
	keep   int64 // readers at offsets up to this one go on untouched; -1: none
}

// breaks are those of a topic. A reader that has seen fewer than n of them is
// told of the others when it reads.
type breaks struct {
	n    uint64
	list []broken // the latest, by ascending n; the first stands for all before it too
}

func (b *breaks) add(reason Reason, keep int64) {
	b.n++
	b.list = append(b.list, broken{b.n, reason, keep})
	if len(b.list) > maxBreaks {
		first, second := b.list[0], b.list[1]
		second.keep = min(first.keep, second.keep)
		if first.reason == Epoch {
			second.reason = Epoch
		}
		b.list = append(b.list[:0], b.list[1:]...)
		b.list[0] = second
	}
}

// since tells what happened to a reader at an offset who has seen n breaks: the
// reason, 0 if nothing, and how far what it has still is the log's, -1: nothing.
func (b *breaks) since(n, off uint64) (reason Reason, keep int64) {
	keep = int64(off)
	for _, br := range b.list {
		if br.n > n && (keep > br.keep || br.reason == Epoch) {
			reason, keep = br.reason, br.keep
		}
	}
	return reason, keep
}

// heal moves a reader to where it can go on, with a marker, if the log broke
// behind what it has. Called with t.mu held.
func (c *cursor) heal(pos Position) {
	t, l := c.t, &c.t.log
	// What Coalesce left out is contained in something later, which may be lost.
	reason, keep := t.breaks.since(c.branch, max(c.off, c.owed))
	c.branch = t.breaks.n
	if reason == 0 {
		return
	}
	missed := int64(-1)
	pending := c.mark.gap != nil || c.mark.reset != nil
	told := func(before int64) int64 {
		if pending && (before < 0 || missed < 0) {
			return -1
		}
		return missed + before
	}
	if t.kind == Keyed || c.view != nil {
		if reason == Trimmed && l.top >= c.off {
			missed = int64(l.top - c.off)
		}
		if c.mark.reset != nil {
			missed = told(c.mark.reset.Missed)
		}
		c.reset(reason, pos, c.off)
		c.mark.reset.Missed = missed
		return
	}
	t.hub.stats.gaps.Add(1)
	to := l.before()
	if reason == Fork && keep+1 >= int64(l.first()) {
		to = l.position(min(uint64(keep), c.off))
	}
	if reason == Trimmed && to.off >= c.off {
		missed = int64(to.off - c.off)
	}
	if c.mark.gap != nil {
		missed = told(c.mark.gap.Missed)
	}
	c.off = to.off
	if !c.live {
		c.target = l.top
	}
	if t.kind == Ephemeral {
		to = Position{}
	}
	c.mark = item{mark: MarkGap, gap: &Gap{Reason: reason, From: pos, Now: to, Missed: missed}, pos: to}
}
