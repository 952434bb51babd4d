package server

import (
	"net/http"
	"sync"

	"github.com/lxzan/gws"
)

// newGWS is lxzan/gws with its default options and, as its documentation advises, ReadLoop in a goroutine of its own.
// Frugal makes its read buffer smaller. Publish is its Broadcaster.
func newGWS(s Spec) Server {
	g := &gwsServer{spec: s}
	opt := &gws.ServerOption{}
	if s.Frugal {
		opt.ReadBufferSize = 1024
	}
	g.up = gws.NewUpgrader(&gwsEvents{}, opt)
	return g
}

type gwsServer struct {
	spec Spec
	up   *gws.Upgrader

	mu    sync.Mutex
	conns []*gws.Conn // guarded by mu; those who have left are written to in vain
}

func (g *gwsServer) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := g.up.Upgrade(w, r)
		if err != nil {
			return
		}
		if g.spec.Kind == "fanout/gws" {
			g.mu.Lock()
			g.conns = append(g.conns, c)
			g.mu.Unlock()
		}
		if g.spec.InHandler {
			c.ReadLoop()
			return
		}
		go c.ReadLoop() // ends with the connection
	})
}

func (g *gwsServer) Publish(msgs [][]byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range msgs {
		b := gws.NewBroadcaster(gws.OpcodeText, m)
		for _, c := range g.conns {
			b.Broadcast(c) // an error ends the connection, which the load generator notices
		}
		b.Close()
	}
}

type gwsEvents struct{ gws.BuiltinEventHandler }

func (*gwsEvents) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	c.WriteMessage(m.Opcode, m.Bytes())
}
