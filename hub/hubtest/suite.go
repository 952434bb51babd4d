package hubtest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/hub"
)

// patience is how long a case waits for what has to happen. Only a broken broker
// makes it wait that long.
const patience = 30 * time.Second

// T is what a case needs of a test; *testing.T has it.
type T interface {
	Helper()
	Name() string
	Context() context.Context
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(f func())
}

// A Setup is a store without any topics, and what can be done to it. What it
// opens and starts it ends itself, by Cleanup.
type Setup struct {
	// Open returns a broker on the store, as another process would have it.
	Open func() hub.Broker

	// TTL is the shortest lease that the broker keeps well; 0 means 1 s.
	TTL time.Duration

	// Interrupt, if not nil, cuts the feeds of all that is attached, until mend
	// is called.
	Interrupt func() (mend func())

	// LoseTail, if not nil, makes the store lose the newest n writes of a topic.
	LoseTail func(topic string, n int)

	// Restart, if not nil, makes the store lose everything.
	Restart func()
}

// A Case is one promise.
type Case struct {
	Name string
	Run  func(t T, s *Setup)
	// needs is what the setup must be able to do.
	needs func(s *Setup) bool
}

// Runs reports whether a setup can do what the case needs.
func (c *Case) Runs(s *Setup) bool { return c.needs == nil || c.needs(s) }

// Cases returns all cases.
func Cases() []Case {
	var all []Case
	for _, list := range [][]Case{appendCases, readCases, snapshotCases, feedCases, leaseCases, hubCases} {
		all = append(all, list...)
	}
	return all
}

// Run runs each case as a subtest, on a setup of its own.
func Run(t *testing.T, setup func(t T) *Setup) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			s := setup(t)
			if !c.Runs(s) {
				t.Log("not run: the setup can't do what it needs")
				return
			}
			c.Run(t, s)
		})
	}
}

// topic returns a topic of a kind with everything else as usual.
func topic(name string, kind hub.Kind, change ...func(*hub.TopicConfig)) hub.BrokerTopic {
	c := hub.TopicConfig{
		Kind: kind, MaxEvents: 1024, MaxAge: 1 << 60, MaxBytes: 8 << 20, MaxKeys: 1 << 18, MaxTableBytes: 64 << 20,
		IdempotencyWindow: 24 * time.Hour, MaxIdempotencyKeys: 10_000,
	}
	if kind == hub.Ephemeral {
		c.MaxAge = 30 * time.Second
	}
	for _, f := range change {
		f(&c)
	}
	return hub.BrokerTopic{Name: name, Config: c}
}

// A client does what must not fail.
type client struct {
	T
	hub.Broker
	at hub.BrokerTopic
}

func (s *Setup) client(t T, at hub.BrokerTopic) *client { return &client{t, s.Open(), at} }

func (c *client) ctx() context.Context { return c.Context() }

func (c *client) write(w hub.Write) hub.Position {
	c.Helper()
	if w.Data == nil && w.Op != hub.OpDelete {
		w.Data = []byte{}
	}
	pos, err := c.Append(c.ctx(), c.at, &w)
	if err != nil {
		c.Fatalf("%s(%q, %q): %v", w.Op, w.Key, w.Data, err)
	}
	return pos
}

func (c *client) publish(data string) hub.Position {
	c.Helper()
	return c.write(hub.Write{Data: []byte(data)})
}

func (c *client) put(key, data string) hub.Position {
	c.Helper()
	return c.write(hub.Write{Op: hub.OpPut, Key: key, Data: []byte(data)})
}

func (c *client) read(after hub.Position, limit int) hub.Segment {
	c.Helper()
	seg, err := c.Read(c.ctx(), c.at, after, limit)
	if err != nil {
		c.Fatalf("Read: %v", err)
	}
	return seg
}

// log reads all that is retained, in one page.
func (c *client) log() []hub.Record {
	c.Helper()
	return c.read(hub.Position{}, 1<<20).Records
}

func (c *client) rows() (map[string]string, hub.Position) {
	c.Helper()
	rows := map[string]string{}
	pos, err := c.Snapshot(c.ctx(), c.at, func(r hub.Record) error {
		rows[r.Key] = string(r.Data)
		return nil
	})
	if err != nil {
		c.Fatalf("Snapshot: %v", err)
	}
	return rows, pos
}

// A collector is a feed that keeps what it gets.
type collector struct {
	mu      sync.Mutex
	records []hub.Record
	ups     int
	changed chan struct{}
}

func (f *collector) Deliver(records ...hub.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.records = append(f.records, records...)
	f.signal()
}

func (f *collector) Down(error) {}

func (f *collector) Up() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ups++
	f.signal()
}

func (f *collector) signal() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

func (f *collector) all() []hub.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]hub.Record(nil), f.records...)
}

// has reports whether a record with that data has come.
func (f *collector) has(data string) bool {
	for _, r := range f.all() {
		if string(r.Data) == data {
			return true
		}
	}
	return false
}

// attach attaches a new feed until the test ends.
func (c *client) attach() (*collector, func()) {
	c.Helper()
	f := &collector{changed: make(chan struct{}, 1)}
	detach, err := c.Attach(c.ctx(), c.at, f)
	if err != nil {
		c.Fatalf("Attach: %v", err)
	}
	c.Cleanup(detach)
	return f, detach
}

// until waits for something to come by a feed. If poke is not nil it is called
// now and then: it writes something more, for cases that do not ask that the last
// record comes by itself.
func (c *client) until(f *collector, what string, cond func() bool, poke func()) {
	c.Helper()
	end := time.NewTimer(patience)
	defer end.Stop()
	again := 10 * time.Millisecond
	for {
		if cond() {
			return
		}
		tick := time.NewTimer(again)
		select {
		case <-f.changed:
		case <-tick.C:
			again *= 2
			if poke != nil {
				poke()
			}
		case <-end.C:
			c.Fatalf("waited in vain for %s; the feed has brought %s", what, show(f.all()))
		}
		tick.Stop()
	}
}

// poke writes a record that no case looks at.
func (c *client) poke() {
	if c.at.Config.Kind == hub.Keyed {
		c.put("poke", "poke")
	} else {
		c.publish("poke")
	}
}

// show writes records as offset:key=data.
func show(records []hub.Record) string {
	var s strings.Builder
	for _, r := range records {
		_, off, _ := r.Pos.Parts()
		value := r.Key + "=" + string(r.Data)
		if r.Deleted {
			value = "-" + r.Key
		}
		s.WriteString(fmt.Sprintf("%d:%s ", off, value))
	}
	return s.String()
}

func offset(p hub.Position) uint64 {
	_, off, _ := p.Parts()
	return off
}
