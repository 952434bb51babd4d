package server

import (
	"context"
	"net/http"

	"github.com/tidewire/tidewire/ws"
)

// tidewireCallback is the callback form with default options, which are the frugal ones too.
type tidewireCallback struct{ echoOnly }

func newTidewireCallback(Spec) Server { return tidewireCallback{} }

func (tidewireCallback) Handler() http.Handler {
	ctx := context.Background()
	echo := ws.Events{Message: func(c *ws.Conn, typ ws.MessageType, data []byte) {
		c.Write(ctx, typ, data) // an error is told to Close
	}}
	return ws.Handler(nil, func(*ws.Conn, *http.Request) ws.Events { return echo })
}

// tidewireBlocking is the blocking form, in the handler or in a goroutine of its own.
type tidewireBlocking struct {
	echoOnly
	spec Spec
}

func newTidewireBlocking(s Spec) Server { return tidewireBlocking{spec: s} }

func (s tidewireBlocking) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		ctx, cancel := s.spec.context(r)
		if s.spec.InHandler {
			s.loop(ctx, cancel, c)
			return
		}
		c.Detach()
		go s.loop(ctx, cancel, c) // ends with the connection
	})
}

// loop keeps its buffer for the next message, unless it is to be frugal.
func (s tidewireBlocking) loop(ctx context.Context, cancel context.CancelFunc, c *ws.Conn) {
	defer cancel()
	defer c.CloseNow()
	var buf []byte
	for {
		typ, data, err := c.ReadAppend(ctx, buf[:0])
		if err != nil || c.Write(ctx, typ, data) != nil {
			return
		}
		if !s.spec.Frugal {
			buf = data
		}
	}
}
