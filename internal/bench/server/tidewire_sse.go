package server

import (
	"context"
	"net/http"

	"github.com/tidewire/tidewire/sse"
)

// tidewireLog is a sse.Log that serves its followers from their handlers, with default options.
type tidewireLog struct{ log *sse.Log }

func newTidewireLog(Spec) Server { return tidewireLog{log: sse.NewLog(nil)} }

func (s tidewireLog) Handler() http.Handler { return s.log }

func (s tidewireLog) Publish(msgs [][]byte) {
	for _, m := range msgs {
		s.log.Append(context.Background(), &sse.Event{Data: m}) // the load generator misses what is refused
	}
}
