package sse_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/sse"
)

// A request with a body keeps its connection in net/http, which reads the rest
// of the body; the stream is the same.
func TestHandlerStaysForARequestWithABody(t *testing.T) {
	for _, tr := range real {
		t.Run(tr.name, func(t *testing.T) {
			h, streams, _ := hand(&sse.Options{Retry: -1})
			returned := make(chan struct{})
			s := tr.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h.ServeHTTP(w, r)
				close(returned)
			}), nil)
			go func() {
				st := <-streams
				_ = st.Send(t.Context(), &sse.Event{Data: []byte("x")})
				select {
				case <-returned:
					t.Error("the handler has returned before the stream's end")
				default:
				}
				_ = st.Close()
			}()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url, strings.NewReader("question"))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := s.rt.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			if body := readAll(t, resp); string(body) != ": stream\n\ndata: x\n\n" {
				t.Errorf("body %q", body)
			}
			_ = resp.Body.Close()
			receive(t, "the handler's return", returned)
		})
	}
}
