package server

import (
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

// gorillaServer is gorilla/websocket with its default options and, as in its chat example, goroutines that outlive the
// handler. Frugal takes that example's buffers of 1 KiB and the documented pool of write buffers.
type gorillaServer struct {
	echoOnly
	spec Spec
	up   websocket.Upgrader
}

func newGorilla(s Spec) Server {
	g := &gorillaServer{spec: s}
	if s.Frugal {
		g.up = websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024, WriteBufferPool: &sync.Pool{}}
	}
	return g
}

func (s *gorillaServer) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := s.up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		if s.spec.InHandler {
			gorillaLoop(c)
			return
		}
		go gorillaLoop(c) // ends with the connection
	})
}

func gorillaLoop(c *websocket.Conn) {
	defer c.Close()
	for {
		typ, msg, err := c.ReadMessage()
		if err != nil {
			return
		}
		if c.WriteMessage(typ, msg) != nil {
			return
		}
	}
}

// gorillaFanout is its chat example with a PreparedMessage: two goroutines and a channel for each connection.
type gorillaFanout struct {
	up   websocket.Upgrader
	subs subscribers[*websocket.PreparedMessage]
}

func newGorillaFanout(Spec) Server {
	return &gorillaFanout{up: websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024}}
}

func (s *gorillaFanout) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := s.up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		ch := s.subs.add()
		go func() { // ends with the connection, by the write that fails
			for m := range ch {
				if c.WritePreparedMessage(m) != nil {
					return
				}
			}
		}()
		go func() { // ends with the connection
			defer c.Close()
			for {
				if _, _, err := c.ReadMessage(); err != nil {
					return
				}
			}
		}()
	})
}

func (s *gorillaFanout) Publish(msgs [][]byte) {
	for _, m := range msgs {
		p, err := websocket.NewPreparedMessage(websocket.TextMessage, m)
		if err != nil {
			return // the load generator misses it
		}
		s.subs.publish(p)
	}
}
