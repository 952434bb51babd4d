package server

import (
	"context"
	"net/http"
	"sync"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/sse"
)

// tidewireStream is the hub's push form to streams of sse.Handler, with default options.
type tidewireStream struct {
	hub   *hub.Hub
	topic *hub.Topic[[]byte]
}

func newTidewireStream(Spec) Server {
	h := hub.New(nil)
	return &tidewireStream{hub: h, topic: h.Topic("news")}
}

func (s *tidewireStream) Handler() http.Handler {
	return sse.Handler(nil, func(st *sse.Stream, r *http.Request) sse.StreamEvents {
		hc, err := s.hub.Connect(st, hub.ConnOptions{Encoder: eventFrames{}})
		if err == nil {
			err = hc.Follow(r.Context(), "news", &hub.FollowOptions{Policy: hub.SkipWithGap})
		}
		if err != nil {
			st.Close() // which the load generator notices
			return sse.StreamEvents{}
		}
		return sse.StreamEvents{Close: func(*sse.Stream, error) { hc.Close() }}
	})
}

func (s *tidewireStream) Publish(msgs [][]byte) {
	for _, m := range msgs {
		s.topic.Publish(context.Background(), m) // the load generator misses what is refused
	}
}

// eventFrames makes an event of each event's data.
type eventFrames struct{}

func (eventFrames) Format() string { return "bench/event" }

func (eventFrames) AppendFrame(dst []byte, ev *hub.Event[[]byte]) ([]byte, error) {
	if ev.Marker != hub.NoMarker {
		return dst, nil
	}
	return sse.AppendEvent(dst, &sse.Event{Data: ev.Data})
}

// tidewireBare is streams of sse.Handler in a list, without a hub, with default options.
type tidewireBare struct {
	mu      sync.Mutex
	streams []*sse.Stream // guarded by mu; those who have left are pushed to in vain
}

func newTidewireBare(Spec) Server { return &tidewireBare{} }

func (s *tidewireBare) Handler() http.Handler {
	return sse.Handler(nil, func(st *sse.Stream, _ *http.Request) sse.StreamEvents {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.streams = append(s.streams, st)
		return sse.StreamEvents{}
	})
}

func (s *tidewireBare) Publish(msgs [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range msgs {
		for _, st := range s.streams {
			st.Push(&sse.Event{Data: m}) // the load generator misses what is refused
		}
	}
}

// tidewireLog is a sse.Log that serves its followers from their handlers, with default options.
type tidewireLog struct{ log *sse.Log }

func newTidewireLog(Spec) Server { return tidewireLog{log: sse.NewLog(nil)} }

func (s tidewireLog) Handler() http.Handler { return s.log }

func (s tidewireLog) Publish(msgs [][]byte) {
	for _, m := range msgs {
		s.log.Append(context.Background(), &sse.Event{Data: m}) // the load generator misses what is refused
	}
}
