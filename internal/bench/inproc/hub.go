package inproc

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/hub"

	"github.com/tidewire/tidewire/internal/bench/proc"
)

// channelRoom is how many messages wait in a subscriber's channel. It is what a careful program takes for a hundred
// thousand of them: 64 would be 150 MB.
const channelRoom = 16

// broadcaster is a hub: ours, the one that one writes first, or another library's.
type broadcaster interface {
	publish(b []byte) error
	// subscribe adds somebody who does not read.
	subscribe() error
	// follow adds somebody who reads, and tells t of what comes. It ends with the process.
	follow(t *tally) error
}

func newBroadcaster(j Job, room int) (broadcaster, error) {
	switch j.Who {
	case "tidewire":
		h := hub.New(nil)
		return &tidewireHub{topic: h.Topic("news")}, nil
	case "channels":
		return &channelHub{room: room}, nil
	case "centrifuge":
		return newCentrifugeHub(j.payload())
	}
	return nil, fmt.Errorf("no hub of %q", j.Who)
}

// tidewireHub has default options, but that a slow subscriber stays.
type tidewireHub struct{ topic *hub.Topic[[]byte] }

func (h *tidewireHub) publish(b []byte) error {
	_, err := h.topic.Publish(context.Background(), b)
	return err
}

func (h *tidewireHub) open() (*hub.Sub[[]byte], error) {
	return h.topic.Subscribe(context.Background(), &hub.SubOptions[[]byte]{Policy: hub.SkipWithGap})
}

func (h *tidewireHub) subscribe() error {
	_, err := h.open()
	return err
}

func (h *tidewireHub) follow(t *tally) error {
	s, err := h.open()
	if err != nil {
		return err
	}
	go func() {
		ctx := context.Background()
		for {
			events, err := s.Next(ctx)
			if err != nil {
				t.fail(err)
				return
			}
			n := 0
			for _, e := range events {
				if e.Marker == hub.NoMarker {
					n++
				}
			}
			if n > 0 {
				t.got(n)
			}
		}
	}()
	return nil
}

// channelHub has a channel for each subscriber, and who is full misses out.
type channelHub struct {
	room int
	mu   sync.RWMutex
	subs []chan []byte // guarded by mu; never closed
}

func (h *channelHub) publish(b []byte) error {
	b = append([]byte(nil), b...) // the publisher may change it, as with the other
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, c := range h.subs {
		select {
		case c <- b:
		default:
		}
	}
	return nil
}

func (h *channelHub) add() chan []byte {
	c := make(chan []byte, h.room)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subs = append(h.subs, c)
	return c
}

func (h *channelHub) subscribe() error {
	h.add()
	return nil
}

func (h *channelHub) follow(t *tally) error {
	c := h.add()
	go func() {
		for range c {
			t.got(1)
		}
	}()
	return nil
}

// publishing publishes to subscribers who do not read, and so lag by as much as there is.
func publishing(j Job) (map[string]float64, error) {
	h, err := newBroadcaster(j, channelRoom)
	if err != nil {
		return nil, err
	}
	b := j.payload()
	for range j.N {
		if err := h.subscribe(); err != nil {
			return nil, err
		}
	}
	for range channelRoom {
		if err := h.publish(b); err != nil {
			return nil, err
		}
	}
	c, err := j.repeat(func() error { return h.publish(b) })
	if err != nil {
		return nil, err
	}
	return map[string]float64{"publish_ns": c.ns, "allocs": c.allocs}, nil
}

// tally counts deliveries and tells when all have come.
type tally struct {
	left   atomic.Int64
	done   chan struct{}
	failed chan error
}

func newTally() *tally {
	return &tally{done: make(chan struct{}, 1), failed: make(chan error, 1)}
}

func (t *tally) got(n int) {
	if t.left.Add(int64(-n)) == 0 {
		t.done <- struct{}{}
	}
}

// fail tells that a subscriber gets no more. The first one counts.
func (t *tally) fail(err error) {
	select {
	case t.failed <- err:
	default:
	}
}

// wait waits for all that were expected. What does not come is an error and not a figure.
func (t *tally) wait() error {
	timeout := time.NewTimer(time.Minute)
	defer timeout.Stop()
	select {
	case <-t.done:
		return nil
	case err := <-t.failed:
		return fmt.Errorf("a subscriber failed: %w", err)
	case <-timeout.C:
		return fmt.Errorf("%d deliveries are lost", t.left.Load())
	}
}

func followers(h broadcaster, n int) (*tally, error) {
	t := newTally()
	for range n {
		if err := h.follow(t); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// waking publishes one message to subscribers who all wait for it, and looks at the CPU time until the last one has it.
func waking(j Job) (map[string]float64, error) {
	h, err := newBroadcaster(j, channelRoom)
	if err != nil {
		return nil, err
	}
	return deliver(j, h, 1)
}

// bursting publishes a burst to subscribers who all read. Channels have room for all of it, so that nothing is lost: a
// log of the default length has that room once, channels have it for each subscriber, and so does a client's queue in
// centrifuge, which holds 1 MiB by default.
func bursting(j Job) (map[string]float64, error) {
	h, err := newBroadcaster(j, j.Burst)
	if err != nil {
		return nil, err
	}
	return deliver(j, h, j.Burst)
}

func deliver(j Job, h broadcaster, burst int) (map[string]float64, error) {
	t, err := followers(h, j.N)
	if err != nil {
		return nil, err
	}
	b := j.payload()
	var publishing, cpu, wall time.Duration
	rounds := 0
	end := time.Now()
	for i := 0; ; i++ {
		for range 4 { // lets the subscribers go to sleep
			runtime.Gosched()
		}
		t.left.Store(int64(burst * j.N))
		cpu0, err := proc.CPU(0)
		if err != nil {
			return nil, err
		}
		start := time.Now()
		for range burst {
			if err := h.publish(b); err != nil {
				return nil, err
			}
		}
		published := time.Since(start)
		if err := t.wait(); err != nil {
			return nil, err
		}
		took := time.Since(start)
		cpu1, err := proc.CPU(0)
		if err != nil {
			return nil, err
		}
		if i == 0 { // the first one finds everybody awake
			end = time.Now().Add(time.Duration(j.DurationMS) * time.Millisecond)
			continue
		}
		rounds++
		publishing += published
		wall += took
		cpu += cpu1 - cpu0
		if !time.Now().Before(end) {
			break
		}
	}
	messages := float64(rounds * burst)
	deliveries := messages * float64(j.N)
	return map[string]float64{
		"publish_ns":      float64(publishing.Nanoseconds()) / messages,
		"cpu_ns_delivery": float64(cpu.Nanoseconds()) / deliveries,
		"ns_delivery":     float64(wall.Nanoseconds()) / deliveries,
	}, nil
}
