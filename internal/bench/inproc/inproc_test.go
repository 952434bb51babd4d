package inproc

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// Every contestant of every kind does its work, with tiny parameters, and says what the rows want to know.
func TestEveryJobRuns(t *testing.T) {
	all := slices.Sorted(maps.Keys(masks))
	hubs := []string{"tidewire", "channels", "centrifuge"}
	for _, tt := range []struct {
		job     Job
		who     []string
		metrics []string
	}{
		{Job{Kind: "mask", Size: 61}, all, []string{"gb_per_s", "ns"}},
		{Job{Kind: "sse-encode", Size: 50}, []string{"tidewire", "go-sse"}, []string{"ns", "allocs", "writes"}},
		{Job{Kind: "sse-encode", Size: 50, N: 1}, []string{"tidewire", "go-sse"}, []string{"ns", "allocs", "writes"}},
		{Job{Kind: "sse-send", Size: 50}, []string{"tidewire", "go-sse"}, []string{"ns", "allocs", "writes"}},
		{Job{Kind: "sse-parse", Size: 50}, []string{"tidewire", "go-sse"}, []string{"ns", "allocs"}},
		{Job{Kind: "sse-parse-1", Size: 5000}, []string{"tidewire", "go-sse"}, []string{"ms", "allocs"}},
		{Job{Kind: "hub-none", Size: 50}, hubs, []string{"publish_ns", "allocs"}},
		{Job{Kind: "hub-lagging", Size: 50, N: 10}, []string{"tidewire", "channels"}, []string{"publish_ns", "allocs"}},
		{Job{Kind: "hub-sleeping", Size: 50, N: 10}, hubs, []string{"publish_ns", "cpu_ns_delivery"}},
		{Job{Kind: "hub-burst", Size: 50, N: 10, Burst: 300}, hubs, []string{"publish_ns", "cpu_ns_delivery"}},
		{Job{Kind: "hub-push", Size: 50, N: 10, Burst: 8}, []string{"tidewire"}, []string{"cpu_ns_delivery", "allocs_delivery", "encodings"}},
	} {
		for _, who := range tt.who {
			t.Run(tt.job.Kind+"/"+who, func(t *testing.T) {
				j := tt.job
				j.Who = who
				j.DurationMS = 1
				m, err := Run(j)
				if err != nil {
					t.Fatal(err)
				}
				for _, name := range tt.metrics {
					if v, ok := m[name]; !ok || v < 0 {
						t.Errorf("%s is %v, %v", name, v, ok)
					}
				}
			})
		}
	}
}

func TestStrangersAreRefused(t *testing.T) {
	for kind := range kinds {
		if m, err := Run(Job{Kind: kind, Who: "nobody", Size: 50, N: 1, Burst: 1, DurationMS: 1}); err == nil {
			t.Errorf("%s of nobody gives %v", kind, m)
		}
	}
	if m, err := Run(Job{Kind: "nothing"}); err == nil {
		t.Errorf("no job gives %v", m)
	}
}

func TestRepeatCountsItsCalls(t *testing.T) {
	calls := 0
	c, err := Job{DurationMS: 1}.repeat(func() error { calls++; return nil })
	want := calls - 1 // the first does not count
	if calls == 1 {
		want = 1 // unless the machine was so busy that it took the whole time
	}
	if err != nil || c.n != want || c.ns <= 0 {
		t.Errorf("%+v, %v after %d calls", c, err, calls)
	}
	c, err = Job{}.repeat(func() error { return nil })
	if err != nil || c.n != 1 {
		t.Errorf("a first call that takes the whole time: %+v, %v", c, err)
	}
	broken := errors.New("broken")
	if _, err := (Job{DurationMS: 1000}).repeat(func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

// What centrifuge delivers is compared with what was published, and a difference is told at once.
func TestCentrifugeDeliveriesAreCompared(t *testing.T) {
	want := Job{Size: 50}.payload()
	h, err := newCentrifugeHub(want)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.node.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	count, err := followers(h, 3)
	if err != nil {
		t.Fatal(err)
	}
	count.left.Store(3)
	if err := h.publish(want); err != nil {
		t.Fatal(err)
	}
	if err := count.wait(); err != nil {
		t.Error(err)
	}
	if err := h.publish(bytes.Repeat([]byte("x"), len(want))); err != nil {
		t.Fatal(err)
	}
	if err := count.wait(); err == nil || !strings.Contains(err.Error(), "not what was published") {
		t.Errorf("a changed publication: %v", err)
	}
	if h.subscribe() == nil {
		t.Error("a client that does not read is accepted")
	}
}

// A burst of a thousand messages is lossless for all hubs, or its figures would not be comparable.
func TestBurstsLoseNothing(t *testing.T) {
	start := time.Now()
	for _, who := range []string{"tidewire", "channels", "centrifuge"} {
		if _, err := Run(Job{Kind: "hub-burst", Who: who, N: 3, Size: 50, Burst: 1000, DurationMS: 1}); err != nil {
			t.Errorf("%s, after %v: %v", who, time.Since(start), err)
		}
	}
}
