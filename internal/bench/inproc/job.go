package inproc

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"time"
)

// Job says what to measure.
type Job struct {
	Kind string `json:"kind"` // a key of kinds
	Who  string `json:"who"`

	Size       int `json:"size,omitempty"`  // of a payload or an event, in bytes
	N          int `json:"n,omitempty"`     // subscribers
	Burst      int `json:"burst,omitempty"` // messages at once
	DurationMS int `json:"duration_ms"`
}

// payload is what is published, of the job's size.
func (j Job) payload() []byte {
	b := make([]byte, j.Size)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

var kinds = map[string]func(Job) (map[string]float64, error){
	"mask":         masking,
	"sse-encode":   encoding,
	"sse-send":     sending,
	"sse-parse":    parsing,
	"sse-parse-1":  parsingOne,
	"hub-none":     publishing,
	"hub-lagging":  publishing,
	"hub-sleeping": waking,
	"hub-burst":    bursting,
	"hub-push":     pushing,
}

// Run does the job.
func Run(j Job) (map[string]float64, error) {
	f, ok := kinds[j.Kind]
	if !ok {
		return nil, fmt.Errorf("no job %q", j.Kind)
	}
	return f(j)
}

// cost is what an operation took.
type cost struct {
	n          int
	ns, allocs float64 // for each
}

// repeat calls f for the job's time, at least once. The first call only counts if it has taken that long by itself.
func (j Job) repeat(f func() error) (c cost, err error) {
	runtime.GC()
	d := time.Duration(j.DurationMS) * time.Millisecond
	before := allocs()
	start := time.Now()
	if err := f(); err != nil {
		return c, err
	}
	if took := time.Since(start); took >= d {
		return cost{n: 1, ns: float64(took.Nanoseconds()), allocs: float64(allocs() - before)}, nil
	}
	runtime.GC()
	before = allocs()
	start = time.Now()
	end := start.Add(d)
	batch := 1
	for now := start; ; {
		for range batch {
			if err := f(); err != nil {
				return c, err
			}
		}
		c.n += batch
		was := now
		if now = time.Now(); !now.Before(end) {
			c.ns = float64(now.Sub(start).Nanoseconds()) / float64(c.n)
			c.allocs = float64(allocs()-before) / float64(c.n)
			return c, nil
		}
		if now.Sub(was) < 100*time.Microsecond { // so that the clock costs nothing
			batch *= 2
		}
	}
}

// allocs is how many objects the process has allocated.
func allocs() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
