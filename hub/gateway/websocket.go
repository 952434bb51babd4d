package gateway

import (
	"net/http"

	"github.com/tidewire/tidewire/ws"
)

func (g *Handler) newWebSockets() http.Handler {
	sockets := ws.Handler(&g.opts.WebSocket, g.openSocket)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, refused := g.plan(r)
		if refused == nil && p.bye != nil {
			refused = p.bye.refusal()
		}
		if refused != nil {
			refused.answer(w)
			return
		}
		sockets.ServeHTTP(w, p.with(r))
	})
}

func (g *Handler) openSocket(c *ws.Conn, r *http.Request) ws.Events {
	p := planOf(r)
	if p == nil { // not to be: the handler above puts it there
		_ = c.Close(ws.CloseInternalError, "")
		return ws.Events{}
	}
	s := g.follow(&socketLine{socket: c}, WebSocketEncoder{}, p)
	return ws.Events{
		Message: func(c *ws.Conn, _ ws.MessageType, _ []byte) {
			_ = c.Close(ws.CloseUnsupportedData, "this connection only follows a topic")
		},
		Close: func(*ws.Conn, error) { s.leave() },
	}
}

// code is the close code for a last word.
func (b *Bye) code() ws.CloseCode {
	switch b.Reason {
	case ByeDrain, ByeAge:
		return ws.CloseServiceRestart
	case ByeSlow, ByeUnavailable:
		return ws.CloseTryAgainLater
	case ByeKicked:
		return ws.ClosePolicyViolation
	case ByeClosed:
		return ws.CloseGoingAway
	}
	return ws.CloseInternalError
}
