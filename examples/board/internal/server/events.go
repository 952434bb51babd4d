package server

import (
	"context"
	"net/http"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/sse"
)

// serveEvents is one stream of a board's notices, from the cursor on if there
// is one, else live.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	name, ok := s.admit(w, r)
	if !ok {
		return
	}
	from, err := hub.ParseFrom(r.URL.Query(), sse.LastEventID(r))
	if err != nil {
		http.Error(w, "the cursor can't be read: "+err.Error(), http.StatusBadRequest)
		return
	}
	if !s.begin() {
		s.unavailable(w)
		return
	}
	defer s.handlers.Done()
	topic := hub.TopicOf[Notice](s.hub, noticesPrefix+name, nil)
	stream, err := sse.NewWriter(w, r, &sse.Options{Heartbeat: s.opts.HeartBeat, Group: s.streams, Logger: s.opts.Logger})
	if err != nil {
		return // has been answered
	}
	defer stream.Close()
	s.follow(stream, topic, from)
}

// follow sends notices until the stream ends. A reader that fell behind what is
// kept is told of a gap; one whose cursor is of another log too, and begins
// live: the old notices of a new log were not what it waited for.
func (s *Server) follow(stream *sse.Writer, topic *hub.Topic[Notice], from hub.From) {
	ctx := stream.Context()
	lost := hub.Reason(0)
	for {
		sub, err := topic.Subscribe(ctx, &hub.SubOptions[Notice]{From: from, Policy: hub.SkipWithGap})
		if err != nil {
			s.streamFailed(ctx, topic, err)
			return
		}
		again, err := s.copyNotices(stream, sub, &lost)
		sub.Close()
		if err != nil {
			s.streamFailed(ctx, topic, err)
		}
		if !again {
			return
		}
		from = hub.Live()
	}
}

// copyNotices sends what sub hands out. It returns true if the stream is to
// begin anew, live, because lost says why the cursor could not be followed.
func (s *Server) copyNotices(stream *sse.Writer, sub *hub.Sub[Notice], lost *hub.Reason) (again bool, err error) {
	ctx := stream.Context()
	for {
		events, err := sub.Next(ctx)
		if err != nil {
			return false, err
		}
		out := make([]*sse.Event, 0, len(events))
		for _, ev := range events {
			e := &sse.Event{ID: ev.Pos.String(), Name: "notice", Data: ev.Data}
			switch ev.Marker {
			case hub.MarkGap:
				if r := ev.Gap.Reason; r == hub.Epoch || r == hub.Fork {
					*lost = r
					return true, nil
				}
				e = gap(ev.Pos, ev.Gap.Reason)
			case hub.MarkLive:
				// Where the stream stands: one that is cut before its first
				// notice resumes from there.
				e.Name, e.Data = "live", []byte("{}")
				if *lost != 0 {
					e = gap(ev.Pos, *lost)
					*lost = 0
				}
			}
			out = append(out, e)
		}
		if err := stream.Send(ctx, out...); err != nil {
			return false, err
		}
	}
}

func gap(pos hub.Position, reason hub.Reason) *sse.Event {
	return &sse.Event{ID: pos.String(), Name: "gap", Data: []byte(`{"reason":"` + reason.String() + `"}`)}
}

// streamFailed tells the log of an end that was not the peer's nor ours.
func (s *Server) streamFailed(ctx context.Context, topic *hub.Topic[Notice], err error) {
	if ctx.Err() == nil && s.ctx.Err() == nil {
		s.opts.Logger.Error("an event stream failed", "topic", topic.Name(), "err", err)
	}
}
