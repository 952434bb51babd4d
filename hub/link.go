package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// readPage is how many records are asked of the broker at a time.
	readPage = 512
	// maxPending is how many records wait while the copy is being repaired.
	// With more, or more bytes than the log may retain, the oldest are forgotten,
	// and found missing afterwards.
	maxPending = 1024
	// Waits between failed repairs double from the first to the last.
	firstRetry, lastRetry = 100 * time.Millisecond, 5 * time.Second
	// loadTries is how often a copy is begun again because the log moved on
	// faster than it was read.
	loadTries = 5
)

var errChain = errors.New("hub: the broker's records don't follow from one another")

// A link keeps a topic's replica a true copy of the broker's log. It takes only
// records that are proved by the tag of what it has. Whatever does not fit, and
// whatever the feed says it may have lost, is settled by one goroutine that
// reads the log from where the copy ends; however many readers there are, they
// see nothing of it. What arrives meanwhile waits. If the log has no way on from
// there, data is gone: the copy begins anew, and readers are told (see breaks).
//
// A topic is attached by its first user, others wait for the same; when
// the last one has left it lingers before it is detached. A publisher here does
// not touch the copy: what it wrote comes back by the feed, in the one order.
type link struct {
	// Immutable.
	t      *topic
	broker Broker
	ref    BrokerTopic
	ctx    context.Context // ends with the topic
	cancel context.CancelFunc
	ready  chan struct{} // closed when the topic is attached, or err is set
	kick   chan struct{} // of one token: retry now

	// Guarded by t.mu.
	started bool
	live    bool
	err     error // why it could not be attached
	detach  func()
	users   int    // reading or subscribing just now, beside the members
	gen     uint64 // which rest is the last one
	since   time.Time
	timer   *time.Timer
	down    error // why the feed does not run
	pending []Record
	waits   int64      // bytes of pending
	syncing bool       // the goroutine runs
	dirty   bool       // something may be missing
	asked   uint64     // of verify
	done    uint64     // answered
	waiting []verifier // for an answer
	acked   Position   // the latest own write
}

type verifier struct {
	n      uint64
	answer chan error // of one
}

func newLink(t *topic, b Broker) *link {
	l := &link{
		t: t, broker: b, ref: BrokerTopic{Name: t.name, Config: t.log.cfg},
		ready: make(chan struct{}), kick: make(chan struct{}, 1),
	}
	l.ctx, l.cancel = context.WithCancel(t.hub.ctx)
	return l
}

// hold attaches the topic if need be and waits until it can be read from after
// pos, with all that this hub has written.
func (l *link) hold(ctx context.Context, pos Position) error {
	t := l.t
	t.mu.Lock()
	if t.dead {
		t.mu.Unlock()
		return errDead
	}
	l.users++
	l.gen++
	if !l.started {
		l.started = true
		if !t.hub.runner.run(l.attach) {
			t.mu.Unlock()
			return ErrClosed
		}
	}
	t.mu.Unlock()
	err := l.wait(ctx, pos)
	if err != nil {
		l.release()
	}
	return err
}

func (l *link) wait(ctx context.Context, pos Position) error {
	select {
	case <-l.ready:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.t.hub.ctx.Done():
		return ErrClosed
	}
	t := l.t
	t.mu.Lock()
	if l.err != nil {
		t.mu.Unlock()
		return l.err
	}
	if t.kind == Ephemeral {
		t.mu.Unlock()
		return nil
	}
	// A position from another node, or one's own write, can be ahead of the
	// feed.
	reason := Reason(0)
	if !pos.IsZero() {
		reason = t.log.locate(pos)
	}
	acked := l.acked
	behind := !acked.IsZero() && (acked.epoch != t.log.epoch || acked.off > t.log.top)
	t.mu.Unlock()
	if !behind && reason != Fork && reason != Epoch {
		return nil
	}
	if err := l.verify(ctx); err != nil {
		return err
	}
	t.mu.Lock()
	if l.acked == acked {
		l.acked = Position{}
	}
	t.mu.Unlock()
	return nil
}

func (l *link) release() {
	t := l.t
	t.mu.Lock()
	defer t.mu.Unlock()
	l.users--
	l.rest()
}

// rest begins to linger if nobody uses the topic. There is one timer, which looks
// again when it is due: topics that are asked about often would pile them up.
// Called with t.mu held.
func (l *link) rest() {
	t := l.t
	if t.dead || l.users > 0 || len(t.members) > 0 {
		return
	}
	l.gen++
	linger := t.hub.opts.Linger
	if linger <= 0 {
		gen := l.gen
		t.hub.runner.run(func() { l.part(gen) })
		return
	}
	l.since = time.Now()
	if l.timer == nil {
		l.timer = time.AfterFunc(linger, func() { t.hub.runner.run(l.look) })
	}
}

// look detaches the topic if it has been at rest for long enough.
func (l *link) look() {
	t := l.t
	t.mu.Lock()
	rests := !t.dead && l.users == 0 && len(t.members) == 0
	left := t.hub.opts.Linger - time.Since(l.since)
	gen := l.gen
	switch {
	case !rests:
		l.timer = nil
	case left > 0:
		l.timer.Reset(left)
	}
	t.mu.Unlock()
	if rests && left <= 0 {
		l.part(gen)
	}
}

// part detaches the topic, unless it was used again.
func (l *link) part(gen uint64) {
	t, h := l.t, l.t.hub
	h.mu.Lock()
	t.mu.Lock()
	if t.dead || l.gen != gen || h.topics[t.name] != t {
		l.timer = nil
		if !t.dead {
			l.rest()
		}
		t.mu.Unlock()
		h.mu.Unlock()
		return
	}
	detach := l.bury()
	t.mu.Unlock()
	h.mu.Unlock()
	if detach != nil {
		detach()
	}
}

// bury takes the topic out of the hub. Called with Hub.mu and t.mu held.
func (l *link) bury() (detach func()) {
	t := l.t
	t.dead = true
	delete(t.hub.topics, t.name)
	t.hub.total.used.Add(-t.log.bytes())
	t.log.ring, t.log.table = ring{}, nil
	if l.timer != nil {
		l.timer.Stop()
	}
	l.cancel()
	detach, l.detach = l.detach, nil
	if l.down != nil {
		l.down = nil
		t.hub.stats.down.Add(-1)
	}
	l.answer(l.asked, errDead)
	return detach
}

// attach runs once, as a goroutine.
func (l *link) attach() {
	t := l.t
	detach, err := l.broker.Attach(l.ctx, l.ref, l)
	var ld *loaded
	if err == nil && t.kind != Ephemeral {
		ld, err = l.load()
	}
	if err != nil {
		t.hub.mu.Lock()
		t.mu.Lock()
		l.err = fmt.Errorf("hub: attaching topic %q: %w", t.name, err)
		closed := t.hub.closed.Load()
		if closed {
			l.err = ErrClosed
		}
		if !t.dead {
			l.bury()
		}
		close(l.ready)
		t.mu.Unlock()
		t.hub.mu.Unlock()
		if detach != nil {
			detach()
		}
		if !closed {
			t.hub.observe(Incident{What: AttachFailed, Topic: t.name, Err: err})
		}
		return
	}
	t.mu.Lock()
	l.detach = detach
	if ld != nil {
		t.log.epoch = ld.head.epoch
		l.install(ld, true)
	}
	l.live = true
	close(l.ready)
	l.take(l.unpend())
	if l.dirty {
		l.start()
	}
	ages := t.log.ages()
	t.mu.Unlock()
	if ages {
		t.hub.janitor.arm()
	}
}

// Deliver implements [Feed].
func (l *link) Deliver(records ...Record) {
	t := l.t
	t.mu.Lock()
	if t.dead {
		t.mu.Unlock()
		return
	}
	if !l.live || l.syncing {
		l.later(records)
		t.mu.Unlock()
		return
	}
	top := t.log.top
	l.take(records)
	if l.dirty {
		l.start()
	}
	var wake []*cursor
	if t.log.top != top {
		wake = t.takeWaiters()
	}
	ages := t.log.ages()
	t.mu.Unlock()
	t.hub.dispatcher.wake(wake)
	if ages {
		t.hub.janitor.arm()
	}
}

// Down implements [Feed].
func (l *link) Down(err error) {
	if err == nil {
		err = ErrUnavailable
	}
	l.t.mu.Lock()
	if l.t.dead {
		l.t.mu.Unlock()
		return
	}
	if l.down == nil {
		l.t.hub.stats.down.Add(1)
	}
	l.down = err
	l.t.mu.Unlock()
	l.t.hub.observe(Incident{What: FeedDown, Topic: l.t.name, Err: err})
}

// Up implements [Feed].
func (l *link) Up() {
	l.t.mu.Lock()
	if l.t.dead {
		l.t.mu.Unlock()
		return
	}
	if l.down != nil {
		l.t.hub.stats.down.Add(-1)
	}
	l.down = nil
	if l.t.kind != Ephemeral {
		l.dirty = true
		if l.live {
			l.start()
		}
	}
	l.t.mu.Unlock()
	l.t.hub.observe(Incident{What: FeedUp, Topic: l.t.name})
}

// later keeps records for later, the newest at least. Called with t.mu held.
func (l *link) later(records []Record) {
	l.pending = append(l.pending, records...)
	for i := range records {
		l.waits += records[i].cost()
	}
	drop := 0
	for n := len(l.pending); n-drop > maxPending || n-drop > 1 && l.waits > l.ref.Config.MaxBytes; drop++ {
		l.waits -= l.pending[drop].cost()
	}
	if drop > 0 {
		l.pending = slices.Delete(l.pending, 0, drop)
	}
}

// unpend returns the records that wait, and forgets them. Called with t.mu held.
func (l *link) unpend() []Record {
	records := l.pending
	l.pending, l.waits = nil, 0
	return records
}

// take adds the records that follow from what is there. Those that are there
// already are passed over; at the first that does not fit the copy is dirty and
// the rest waits. Called with t.mu held.
func (l *link) take(records []Record) {
	for i := range records {
		if !l.add(&records[i]) {
			l.dirty = true
			l.later(records[i:])
			return
		}
	}
}

func (l *link) add(r *Record) bool {
	t, log := l.t, &l.t.log
	if t.kind == Ephemeral {
		e := entryOf(r)
		e.epoch, e.off, e.tag, e.prev = 0, log.top+1, 0, 0
		log.push(e, len(t.members) > 0)
		t.hub.stats.published.Add(1)
		l.shed()
		return true
	}
	p := r.Pos
	switch {
	case p.epoch != log.epoch:
		return false
	case p.off == log.top+1:
		if r.Prev != log.topTag {
			return false
		}
		log.push(entryOf(r), true)
		t.hub.stats.published.Add(1)
		l.shed()
		return true
	case p.off > log.top, p.off < log.first():
		return false
	}
	return log.at(p.off).tag == p.tag
}

// shed keeps the copy within the hub's budget, and the table of an ephemeral topic,
// whose keys no broker counts, within its limits. Called with t.mu held.
func (l *link) shed() {
	log := &l.t.log
	over := func() bool { return log.total.used.Load() > log.total.max }
	for log.ring.n > 1 && over() {
		log.pop()
	}
	if log.cfg.Kind != Ephemeral {
		return
	}
	for t := log.table; t.live > log.cfg.MaxKeys || t.bytes > log.cfg.MaxTableBytes || t.live > 1 && over(); {
		log.expel(t.oldest)
	}
}
