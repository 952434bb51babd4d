package server

import (
	"net/http"

	"github.com/olahol/melody"
)

// melodyServer is olahol/melody with its default options: a hub over gorilla/websocket, with pings and a channel for
// each connection.
type melodyServer struct{ m *melody.Melody }

func newMelody(Spec) Server { return melodyServer{m: melody.New()} }

func (s melodyServer) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.m.HandleRequest(w, r) // has answered if it fails
	})
}

func (s melodyServer) Publish(msgs [][]byte) {
	for _, m := range msgs {
		s.m.Broadcast(m) // fails when it is closed, which it never is
	}
}
