package server

import (
	"net/http"

	"github.com/r3labs/sse/v2"
)

// r3labsServer is r3labs/sse with its default options but for AutoReplay, which would keep all events for ever.
type r3labsServer struct{ s *sse.Server }

func newR3labs(Spec) Server {
	s := sse.New()
	s.AutoReplay = false
	s.CreateStream("news")
	return r3labsServer{s: s}
}

func (s r3labsServer) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.RawQuery = "stream=news"
		s.s.ServeHTTP(w, r)
	})
}

func (s r3labsServer) Publish(msgs [][]byte) {
	for _, m := range msgs {
		s.s.Publish("news", &sse.Event{Data: m})
	}
}
