package hub

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// channels is the hub that one writes first: a channel for each subscriber, and
// who is full misses out.
type channels struct {
	mu    sync.RWMutex
	subs  []chan []byte
	drops atomic.Int64
}

const channelCap = 256

func (h *channels) subscribe() chan []byte {
	c := make(chan []byte, channelCap)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subs = append(h.subs, c)
	return c
}

func (h *channels) publish(data []byte) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, c := range h.subs {
		select {
		case c <- data:
		default:
			h.drops.Add(1)
		}
	}
}

func (h *channels) close() {
	for _, c := range h.subs {
		close(c)
	}
}

var payload = make([]byte, 128)

// BenchmarkPublish is what a publish costs the publisher: with nobody there, with
// readers who do not read, and with as many who have read and sleep, which is as
// much as they are told while the publisher waits for nothing.
func BenchmarkPublish(b *testing.B) {
	for _, bench := range []struct {
		name     string
		cursors  int
		sleeping bool
	}{{"none", 0, false}, {"lagging/100k", 100_000, false}, {"sleeping/100k", 100_000, true}} {
		b.Run(bench.name, func(b *testing.B) {
			h := newHub(b, TopicConfig{})
			topic := h.Topic("log")
			ctx := context.Background()
			subs := make([]*Sub[[]byte], bench.cursors)
			for i := range subs {
				s, err := topic.Subscribe(ctx, &SubOptions[[]byte]{Policy: SkipWithGap})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				subs[i] = s
			}
			var items []item
			var publishing time.Duration
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				if n++; bench.sleeping {
					h.dispatcher.wg.Wait()
					for _, s := range subs { // reads all, and goes to sleep
						for items = items[:0]; ; items = items[:0] {
							if items, _ = s.c.fetch(items, maxBatch); len(items) == 0 {
								break
							}
						}
					}
				}
				start := time.Now()
				topic.Publish(ctx, payload)
				publishing += time.Since(start)
			}
			b.ReportMetric(float64(publishing.Nanoseconds())/float64(n), "publish-ns/msg")
		})
	}
}

// BenchmarkBurst is a burst to readers that all read: the time a message takes
// the publisher, and the time until the last reader has got its last message. A
// reader of channels misses what did not fit.
func BenchmarkBurst(b *testing.B) {
	const burst = 1000
	for _, readers := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("hub/%d", readers), func(b *testing.B) {
			if raceEnabled && readers > 1000 {
				b.Skip("the race detector takes no more than 8000 goroutines")
			}
			h := newHub(b, TopicConfig{MaxEvents: -1, MaxBytes: 1 << 30})
			topic := h.Topic("log")
			ctx := context.Background()
			var got atomic.Int64
			arrived := make(chan struct{}, 1)
			var wg sync.WaitGroup
			var want atomic.Int64
			for range readers {
				s, err := topic.Subscribe(ctx, nil)
				if err != nil {
					b.Fatal(err)
				}
				wg.Go(func() {
					for {
						events, err := s.Next(ctx)
						if err != nil {
							return
						}
						n := len(events)
						if events[0].Marker == MarkLive {
							n--
						}
						if n > 0 && got.Add(int64(n)) == want.Load() {
							arrived <- struct{}{}
						}
					}
				})
			}
			runtime.Gosched()
			var publishing time.Duration
			n := 0
			for b.Loop() {
				n++
				want.Store(int64(n * burst * readers))
				start := time.Now()
				for range burst {
					topic.Publish(ctx, payload)
				}
				publishing += time.Since(start)
				<-arrived
			}
			b.ReportMetric(float64(publishing.Nanoseconds())/float64(n*burst), "publish-ns/msg")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*burst*readers), "ns/delivery")
			b.ReportMetric(0, "drops/op")
			h.Close()
			wg.Wait()
		})
		b.Run(fmt.Sprintf("channels/%d", readers), func(b *testing.B) {
			if raceEnabled && readers > 1000 {
				b.Skip("the race detector takes no more than 8000 goroutines")
			}
			h := &channels{}
			var got atomic.Int64
			var wg sync.WaitGroup
			for range readers {
				c := h.subscribe()
				wg.Go(func() {
					for range c {
						got.Add(1)
					}
				})
			}
			var publishing time.Duration
			n := 0
			for b.Loop() {
				n++
				start := time.Now()
				for range burst {
					h.publish(payload)
				}
				publishing += time.Since(start)
				for got.Load()+h.drops.Load() < int64(n*burst*readers) {
					runtime.Gosched()
				}
			}
			b.ReportMetric(float64(publishing.Nanoseconds())/float64(n*burst), "publish-ns/msg")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*burst*readers), "ns/delivery")
			b.ReportMetric(float64(h.drops.Load())/float64(n), "drops/op")
			h.close()
			wg.Wait()
		})
	}
}

// BenchmarkPush is the push form without connections behind it: what a delivery
// costs beside the send.
func BenchmarkPush(b *testing.B) {
	for _, conns := range []int{1000, 10_000} {
		for _, burst := range []int{1, 8} {
			b.Run(fmt.Sprintf("conns=%d/burst=%d", conns, burst), func(b *testing.B) {
				h := newHub(b, TopicConfig{})
				topic := h.Topic("log")
				ctx := context.Background()
				enc := &words{format: "words"}
				for range conns {
					c, err := h.Connect(&nullSink{}, ConnOptions{Encoder: enc})
					if err != nil {
						b.Fatal(err)
					}
					defer c.Close()
					if err := c.Follow(ctx, "log", nil); err != nil {
						b.Fatal(err)
					}
				}
				h.runner.wg.Wait()
				n := 0
				b.ReportAllocs()
				for b.Loop() {
					n++
					for range burst {
						topic.Publish(ctx, payload)
					}
					h.runner.wg.Wait()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*burst*conns), "ns/delivery")
			})
		}
	}
}
