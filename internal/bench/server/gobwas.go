package server

import (
	"net"
	"net/http"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// gobwasServer is gobwas/ws as its documentation begins: UpgradeHTTP, the helpers of wsutil, and a goroutine for each
// connection. That is also what it needs least memory with, short of a poller of one's own.
type gobwasServer struct {
	echoOnly
	spec Spec
}

func newGobwas(s Spec) Server { return gobwasServer{spec: s} }

func (s gobwasServer) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return
		}
		if s.spec.InHandler {
			gobwasLoop(c)
			return
		}
		go gobwasLoop(c) // ends with the connection
	})
}

func gobwasLoop(c net.Conn) {
	defer c.Close()
	for {
		msg, op, err := wsutil.ReadClientData(c)
		if err != nil {
			return
		}
		if wsutil.WriteServerMessage(c, op, msg) != nil {
			return
		}
	}
}
