package gateway

import (
	"net/http"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/sse"
)

// streamLine is an event stream as a line.
type streamLine struct{ *sse.Stream }

func (l streamLine) bye(topic string, b *Bye) {
	// What could go wrong is that there is no room, or nobody there any more.
	_ = l.Close(&sse.Event{Name: NameBye, Retry: b.Retry, Data: AppendBye(nil, topic, b)})
}

func (g *Handler) newEventStreams() http.Handler {
	streams := sse.Handler(&g.opts.EventStream, g.openStream)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			(&RefusedError{Status: http.StatusMethodNotAllowed}).answer(w)
			return
		}
		p, refused := g.plan(r)
		if refused != nil {
			refused.answer(w)
			return
		}
		streams.ServeHTTP(w, p.with(r))
	})
}

func (g *Handler) openStream(st *sse.Stream, r *http.Request) sse.StreamEvents {
	p := planOf(r)
	if p == nil { // not to be: the handler above puts it there
		_ = st.Close()
		return sse.StreamEvents{}
	}
	s := g.follow(streamLine{st}, EventStreamEncoder{}, p)
	return sse.StreamEvents{
		Leave: func(_ *sse.Stream, reason error) {
			b := &Bye{Reason: ByeDrain, Retry: g.retry()}
			if reason == sse.ErrMaxAge {
				b = &Bye{Reason: ByeAge}
			}
			s.bye(b)
		},
		Close: func(*sse.Stream, error) { s.leave() },
	}
}

var _ hub.Sink = streamLine{}
