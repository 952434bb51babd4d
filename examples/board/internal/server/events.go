package server

import (
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
	// Subscribed before the response begins: who sees it open misses nothing from
	// then on.
	topic := hub.TopicOf[Notice](s.hub, noticesPrefix+name, nil)
	sub, err := topic.Subscribe(r.Context(), &hub.SubOptions[Notice]{From: from, Policy: hub.SkipWithGap})
	if err != nil {
		s.opts.Logger.Error("an event stream can't begin", "board", name, "err", err)
		s.unavailable(w)
		return
	}
	defer func() { sub.Close() }()
	stream, err := sse.NewWriter(w, r, &sse.Options{Heartbeat: s.opts.HeartBeat, Group: s.streams, Logger: s.opts.Logger})
	if err != nil {
		return // has been answered
	}
	defer stream.Close()

	lost, err := copyNotices(stream, sub, 0)
	if err == nil { // the cursor could not be followed
		sub.Close()
		if sub, err = topic.Subscribe(r.Context(), &hub.SubOptions[Notice]{From: hub.Live(), Policy: hub.SkipWithGap}); err == nil {
			_, err = copyNotices(stream, sub, lost)
		}
	}
	if stream.Err() == nil && s.ctx.Err() == nil {
		s.opts.Logger.Error("an event stream failed", "board", name, "err", err)
	}
}

// copyNotices sends what sub hands out until the stream ends. A reader that fell
// behind what is kept is told of a gap. So is one whose cursor is of another log,
// but it has to begin anew, live, for the old notices of a new log are not what it
// waited for: then copyNotices returns why, without an error, and is called again
// with a live subscription and that reason.
func copyNotices(stream *sse.Writer, sub *hub.Sub[Notice], lost hub.Reason) (hub.Reason, error) {
	for {
		events, err := sub.Next(stream.Context())
		if err != nil {
			return 0, err
		}
		out := make([]*sse.Event, 0, len(events))
		for _, ev := range events {
			e := &sse.Event{ID: ev.Pos.String(), Name: "notice", Data: ev.Data}
			switch ev.Marker {
			case hub.MarkGap:
				if r := ev.Gap.Reason; r == hub.Epoch || r == hub.Fork {
					return r, nil
				}
				e = gap(ev.Pos, ev.Gap.Reason)
			case hub.MarkLive:
				// Where the stream stands: one that is cut before its first
				// notice resumes from there.
				e.Name, e.Data = "live", []byte("{}")
				if lost != 0 {
					e = gap(ev.Pos, lost)
				}
			}
			out = append(out, e)
		}
		if err := stream.Send(stream.Context(), out...); err != nil {
			return 0, err
		}
	}
}

func gap(pos hub.Position, reason hub.Reason) *sse.Event {
	return &sse.Event{ID: pos.String(), Name: "gap", Data: []byte(`{"reason":"` + reason.String() + `"}`)}
}
