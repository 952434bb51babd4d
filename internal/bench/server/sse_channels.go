package server

import "net/http"

// sseChannels is a net/http handler with a channel for each subscriber, a write and a flush for each event, and nothing
// else.
type sseChannels struct{ subs subscribers[[]byte] }

func newSSEChannels(Spec) Server { return &sseChannels{} }

func (s *sseChannels) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		w.Header().Set("Content-Type", "text/event-stream")
		ch := s.subs.add()
		if rc.Flush() != nil {
			return
		}
		for {
			select {
			case m := <-ch:
				if _, err := w.Write(m); err != nil || rc.Flush() != nil {
					return
				}
			case <-r.Context().Done():
				return
			}
		}
	})
}

func (s *sseChannels) Publish(msgs [][]byte) {
	for _, m := range msgs {
		b := append([]byte("data: "), m...)
		s.subs.publish(append(b, '\n', '\n'))
	}
}
