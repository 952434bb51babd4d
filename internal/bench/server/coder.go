package server

import (
	"context"
	"net/http"

	"github.com/coder/websocket"
)

// coderServer is coder/websocket with its default options, in which it has no compression and so no buffers for it.
type coderServer struct {
	echoOnly
	spec Spec
}

func newCoder(s Spec) Server { return coderServer{spec: s} }

func (s coderServer) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		ctx, cancel := s.spec.context(r)
		if s.spec.InHandler {
			coderLoop(ctx, cancel, c)
			return
		}
		go coderLoop(ctx, cancel, c) // ends with the connection
	})
}

func coderLoop(ctx context.Context, cancel context.CancelFunc, c *websocket.Conn) {
	defer cancel()
	defer c.CloseNow()
	for {
		typ, msg, err := c.Read(ctx)
		if err != nil {
			return
		}
		if c.Write(ctx, typ, msg) != nil {
			return
		}
	}
}
