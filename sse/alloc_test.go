//go:build !race

package sse_test

import (
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse"
)

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
