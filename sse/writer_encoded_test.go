package sse_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/tidewire/tidewire/sse"
)

// What was encoded once is sent as Send would send it, and is not changed.
func TestWriterSendEncoded(t *testing.T) {
	everywhere(t, func(t *testing.T, tr transport) {
		one, _ := sse.AppendEvent(nil, &sse.Event{ID: "1", Data: []byte("one")})
		two, _ := sse.AppendEvent(nil, &sse.Event{ID: "2", Data: []byte("two")})
		both := append(bytes.Clone(one), two...)
		s := tr.start(t, stream(t, &sse.Options{Retry: -1}, func(s *sse.Writer, r *http.Request) {
			for _, frames := range [][][]byte{{both}, {one, two}, {}, {nil, {}}} {
				if err := s.SendEncoded(r.Context(), frames...); err != nil {
					t.Error(err)
				}
			}
			_ = s.Close()
			if err := s.SendEncoded(r.Context(), one); err != sse.ErrClosed {
				t.Errorf("after Close: %v", err)
			}
		}), nil)
		want := ": stream\n\n" + string(both) + string(both)
		if body := readAll(t, s.get()); string(body) != want {
			t.Errorf("body %q, want %q", body, want)
		}
	})
}
