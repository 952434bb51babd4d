package server

import (
	"context"
	"net/http"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/ws"
)

// tidewireFanout is the hub's push form: each connection is a sink that follows one topic.
type tidewireFanout struct {
	hub   *hub.Hub
	topic *hub.Topic[[]byte]
}

func newTidewireFanout(Spec) Server {
	h := hub.New(nil)
	return &tidewireFanout{hub: h, topic: h.Topic("news")}
}

func (s *tidewireFanout) Handler() http.Handler {
	return ws.Handler(nil, func(c *ws.Conn, r *http.Request) ws.Events {
		hc, err := s.hub.Connect(c, hub.ConnOptions{Encoder: textFrames{}})
		if err == nil {
			err = hc.Follow(context.WithoutCancel(r.Context()), "news", &hub.FollowOptions{Policy: hub.SkipWithGap})
		}
		if err != nil {
			c.Close(ws.CloseInternalError, err.Error())
			return ws.Events{}
		}
		return ws.Events{Close: func(*ws.Conn, error) { hc.Close() }}
	})
}

func (s *tidewireFanout) Publish(msgs [][]byte) {
	for _, m := range msgs {
		s.topic.Publish(context.Background(), m) // the load generator misses what is refused
	}
}

// textFrames makes a text frame of each event's data.
type textFrames struct{}

func (textFrames) Format() string { return "bench/text" }

func (textFrames) AppendFrame(dst []byte, ev *hub.Event[[]byte]) ([]byte, error) {
	if ev.Marker != hub.NoMarker {
		return dst, nil
	}
	return ws.AppendFrame(dst, ws.Text, ev.Data)
}
