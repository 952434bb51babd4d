package inproc

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/hub"

	"github.com/tidewire/tidewire/internal/bench/proc"
)

// nowhere is a sink that takes everything.
type nowhere struct {
	t    *tally
	size int // of a message: those of a burst come as one
}

func (s nowhere) TrySend(frames [][]byte) (int, error) {
	n := 0
	for _, f := range frames {
		n += len(f)
	}
	s.t.got(n / s.size)
	return len(frames), nil
}

func (s nowhere) NotifyWritable(f func()) { go f() }

// plain encodes an event as its data, and counts.
type plain struct{ calls *atomic.Int64 }

func (plain) Format() string { return "plain" }

func (p plain) AppendFrame(dst []byte, ev *hub.Event[[]byte]) ([]byte, error) {
	if ev.Marker != hub.NoMarker {
		return dst, nil
	}
	p.calls.Add(1)
	return append(dst, ev.Data...), nil
}

// pushing is the push form without connections behind it: what a delivery costs beside the send.
func pushing(j Job) (map[string]float64, error) {
	if j.Who != "tidewire" {
		return nil, fmt.Errorf("no push form of %q", j.Who)
	}
	h := hub.New(nil)
	topic := h.Topic("news")
	ctx := context.Background()
	t := newTally()
	enc := plain{calls: new(atomic.Int64)}
	for range j.N {
		c, err := h.Connect(nowhere{t, j.Size}, hub.ConnOptions{Encoder: enc})
		if err != nil {
			return nil, err
		}
		if err := c.Follow(ctx, "news", nil); err != nil {
			return nil, err
		}
	}
	b := make([]byte, j.Size)
	var cpu time.Duration
	messages := 0
	c, err := j.repeat(func() error {
		t.left.Store(int64(j.N * j.Burst))
		before, err := proc.CPU(0)
		if err != nil {
			return err
		}
		for range j.Burst {
			if _, err := topic.Publish(ctx, b); err != nil {
				return err
			}
		}
		if err := t.wait(); err != nil {
			return err
		}
		after, err := proc.CPU(0)
		cpu += after - before
		messages += j.Burst
		return err
	})
	if err != nil {
		return nil, err
	}
	deliveries := float64(messages * j.N)
	return map[string]float64{
		"cpu_ns_delivery": float64(cpu.Nanoseconds()) / deliveries,
		"ns_delivery":     c.ns / float64(j.Burst*j.N),
		"allocs_delivery": c.allocs / float64(j.Burst*j.N),
		"encodings":       float64(enc.calls.Load()) / float64(messages),
	}, nil
}
