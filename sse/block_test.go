package sse_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidewire/tidewire/sse"
)

// randomStream is made of lines that a parser with a short way for simple
// events could get wrong: most are simple, and each kind comes in all places.
func randomStream(r *rand.Rand) []byte {
	lines := []string{
		"event: tick", "event: tick", "event:tock", "event:", "event", "event: ti\xffck", "event: ticktock", "event: …",
		"id: 1", "id:22", "id: 333", "id:", "id", "id: \x00", "id: é", "id: \xc3", "id: " + strings.Repeat("7", 300), "idx: 1",
		"data: one", "data: two", "data:three", "data: ", "data:", "data", "data:  x", "data: \xe2\x82", "data: é\x00", "data: :id: 1",
		"data: " + strings.Repeat("y", 600), "data: " + strings.Repeat("z", 5000), "dat: x", "retry: 5", ":", ": data: x", " data: x",
	}
	simple := []string{"event: tick\nid: %d\ndata: x%[1]d\n\n", "id: %d\nevent: tick\ndata: y\n\n", "data: %d\n\n", "data: %d\nid: 5\n\n"}
	ends := []string{"\n", "\n", "\n", "\r\n", "\r"}
	var s []byte
	steady := r.IntN(2) == 0
	for i := range 100 {
		if r.IntN(2) == 0 {
			s = fmt.Appendf(s, simple[r.IntN(len(simple))], i)
			continue
		}
		for range r.IntN(6) {
			end := "\n"
			if !steady {
				end = ends[r.IntN(len(ends))]
			}
			s = append(append(s, lines[r.IntN(len(lines))]...), end...)
		}
		s = append(s, ends[r.IntN(len(ends))]...)
	}
	return s
}

func sameEvent(a, b sse.Event) bool {
	return a.Name == b.Name && a.ID == b.ID && bytes.Equal(a.Data, b.Data) && a.Retry == b.Retry && a.NoData == b.NoData
}

// The short way for simple events gives what the reference does, wherever it
// begins and ends.
func TestReadRandomStreams(t *testing.T) {
	n := 300
	if raceEnabled {
		n = 30
	}
	for seed := range uint64(n) {
		in := randomStream(rand.New(rand.NewPCG(seed, 0)))
		want := reference(in).events
		for name, r := range map[string]io.Reader{
			"whole":  bytes.NewReader(in),
			"bytes":  iotest.OneByteReader(bytes.NewReader(in)),
			"pieces": &pieces{in: in, seed: uint32(seed)},
			"100":    chunked{bytes.NewReader(in), 100},
			"1000":   chunked{bytes.NewReader(in), 1000},
		} {
			got := collect(t, r, nil)
			if !slices.EqualFunc(want, got, sameEvent) {
				diff := cmp.Diff(want, got, cmpopts.EquateEmpty())
				t.Fatalf("seed %d, %s (-want +got)\n%s", seed, name, diff)
			}
		}
	}
}

// Events may share an allocation, but no byte of it.
func TestReadEventsOverwriteNothing(t *testing.T) {
	var in, want []byte
	for i := range 2000 {
		d := strings.Repeat(string(rune('a'+i%26)), i%700)
		in = fmt.Appendf(in, "event: e%d\nid: %d\ndata: %s\n\n", i%3, i, d)
		want = fmt.Appendf(want, "e%d %d %s\n", i%3, i, d)
	}
	events := collect(t, bytes.NewReader(in), nil)
	var got []byte
	for i, e := range events {
		if e.Data == nil {
			t.Fatalf("event %d: nil data, want empty", i)
		}
		got = fmt.Appendf(got, "%s %s %s\n", e.Name, e.ID, e.Data)
		for j := range e.Data {
			e.Data[j] = '!'
		}
		_ = append(e.Data, "!!!!!!!!"...)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("changing an event changed another one: %s", cmp.Diff(string(want), string(got)))
	}
}

// An event that is kept does not keep what was read with it, but a little.
func TestReadEventsKeepLittle(t *testing.T) {
	block := "id: %06d\ndata: " + strings.Repeat("x", 100) + "\n\n"
	var in []byte
	for i := range 100_000 {
		in = fmt.Appendf(in, block, i)
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	var kept []sse.Event
	i := 0
	for e, err := range sse.Read(bytes.NewReader(in), nil) {
		if err != nil {
			t.Fatal(err)
		}
		if i++; i%500 == 0 { // of each read, at most
			kept = append(kept, e)
		}
	}
	if each := (heap() - before) / int64(len(kept)); each > 4<<10 {
		t.Errorf("%d bytes for each event, want at most 4 KiB", each)
	}
	runtime.KeepAlive(kept)
	runtime.KeepAlive(in)
}

// A large event leaves nothing behind, also if it is not UTF-8.
func TestReadLargeEventIsLetGo(t *testing.T) {
	const size = 8 << 20
	in := "data:" + strings.Repeat("x", size) + "\xff\n\ndata:y\n\n"
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for e, err := range sse.Read(strings.NewReader(in), nil) {
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Data) == 1 {
			runtime.GC()
			runtime.ReadMemStats(&after)
		}
	}
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > size/2 {
		t.Errorf("%d bytes are kept after an event of %d", kept, size)
	}
	runtime.KeepAlive(in)
}
