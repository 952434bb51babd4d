//go:build !race

package sse_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse"
)

const raceEnabled = false

func TestAppendEventAllocatesNothing(t *testing.T) {
	e := &sse.Event{Name: "note", ID: "k3F9xQ.1042", Data: []byte("{\"a\":1}\r\nline\nline"), Retry: time.Second, Comment: "c"}
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := sse.AppendEvent(buf[:0], e); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestReadAllocatesOnlyWhatItGives(t *testing.T) {
	stream := strings.Repeat("event: note\nid: 7\ndata: {\"a\":1}\n\n:\n\n", 1000)
	n := testing.AllocsPerRun(10, func() {
		for _, err := range sse.Read(strings.NewReader(stream), nil) {
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	if n > 1020 { // the data of each event, and a few for the reader
		t.Errorf("%v allocations for 1000 events, want one each", n)
	}
}
