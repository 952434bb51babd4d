package server

import (
	"net/http"

	"github.com/tmaxmax/go-sse"
)

// goSSE is tmaxmax/go-sse with its default provider, Joe, and without replay.
type goSSE struct{ s *sse.Server }

func newGoSSE(Spec) Server { return goSSE{s: &sse.Server{}} }

func (g goSSE) Handler() http.Handler { return g.s }

func (g goSSE) Publish(msgs [][]byte) {
	for _, m := range msgs {
		e := &sse.Message{}
		e.AppendData(string(m))
		g.s.Publish(e) // fails when it is closed, which it never is
	}
}
