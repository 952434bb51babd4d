package gateway

import (
	"net"
	"sync"

	"github.com/tidewire/tidewire/ws"
)

// A socket is what a socketLine needs of a ws.Conn.
type socket interface {
	TrySend(frames [][]byte) (whole int, err error)
	NotifyWritable(f func())
	Send(typ ws.MessageType, p []byte) error
	Close(code ws.CloseCode, reason string) error
}

// socketLine is a WebSocket as a line.
type socketLine struct {
	socket

	// mu is held while the connection tries to send, which never waits, so that
	// nothing gets behind the last word.
	mu   sync.Mutex
	over bool
}

func (l *socketLine) TrySend(frames [][]byte) (whole int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return 0, net.ErrClosed
	}
	return l.socket.TrySend(frames)
}

func (l *socketLine) bye(topic string, b *Bye) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return
	}
	l.over = true
	_ = l.Send(ws.Text, AppendBye(nil, topic, b)) // where there is no room for it, the code says it alone
	_ = l.Close(b.code(), b.Reason)               // does not wait, on a connection of ws.Handler
}
