package sse_test

import (
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// dearer returns how many times the processor time of small big takes: of each
// the best of a few runs in turn, until that is below enough. What else the
// machine does counts little: it is the time of this thread alone, where the
// system tells that.
func dearer(enough float64, small, big func()) (ratio float64) {
	least := [2]time.Duration{math.MaxInt64, math.MaxInt64}
	for range 5 {
		least[0] = min(least[0], took(small, 3))
		least[1] = min(least[1], took(big, 1))
		if ratio = float64(least[1]) / float64(max(1, least[0])); ratio < enough || least[1] > 2*time.Second {
			break
		}
	}
	return ratio
}

// took returns the least processor time of some runs.
func took(f func(), runs int) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	least := time.Duration(math.MaxInt64)
	for range runs {
		start := threadTime()
		f()
		least = min(least, threadTime()-start)
	}
	return least
}

// Work is linear in the length of an event and of a stream, whatever the reads
// and the line ends: sixteen times the size would be 256 times the work if it
// were not. The bound lies between, far from both.
func TestReadIsLinear(t *testing.T) {
	for name, line := range map[string]string{
		"one line":         "",
		"lines of LF":      "data:xy\n",
		"lines of CR":      "data:xy\r",
		"lines of CRLF":    "data:xy\r\n",
		"empty CR":         "\r",
		"comments":         ":\n",
		"unfinished field": "x",
		"names":            "event:xy\n",
		"ids":              "id:1\nid:2\n",
		"events":           "id:1\ndata:x\n\n",
		"events of CR":     "id:1\rdata:x\r\r",
		"some simple":      "data:x\n\nid:2\ndata:y\n\nretry:1\ndata:y\n\ndata:\xff\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			const most = 1 << 18
			size := most
			if raceEnabled {
				size = 32 << 10
			}
			work := func(n, k int) func() {
				in := "data:" + strings.Repeat("x", n) + "\n\n"
				if line != "" {
					in = strings.Repeat(line, n/len(line)) + "\n\n"
				}
				return func() { collect(t, chunked{strings.NewReader(in), k}, nil) }
			}
			for _, k := range []int{1 << 10, 1} {
				n := size
				if k == 1 {
					n /= 64
				}
				// A small piece that takes no time fits into memory that is there, while the big one asks for more. From
				// some milliseconds on both do.
				for n < most && took(work(n, k), 3) < 3*time.Millisecond {
					n *= 2
				}
				if ratio := dearer(64, work(n, k), work(16*n, k)); ratio >= 64 {
					t.Errorf("sixteen times the size took %.1f times as long, in reads of %d bytes", ratio, k)
				}
			}
		})
	}
}

// Nothing is searched for over and over in a read that has none of it: large
// reads, which would take ten times as long, are no dearer than small ones.
func TestReadIsLinearInOneRead(t *testing.T) {
	for _, line := range []string{
		"data:xy\n", "data:xy\r", "\r", "\n", "data:xy\n\n", "data:x\r\r", "data:x\r\n\r\n", "x\n\n", "event:\n", "id:\x00\n",
		"data:x\n\nid:2\ndata:y\n\nretry:1\ndata:y\n\n", "id:1\ndata:\xff\n\n", "event:\xff\ndata:x\n\n:\n",
	} {
		in := strings.Repeat(line, (1<<20)/len(line)) + "\n\n"
		work := func(k int) func() {
			return func() {
				for _, err := range sse.Read(chunked{strings.NewReader(in), k}, nil) {
					if err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if ratio := dearer(4, work(1<<10), work(64<<10)); ratio >= 4 {
			t.Errorf("%q: reads of 64 KiB took %.1f times as long as reads of 1 KiB", line, ratio)
		}
	}
}
