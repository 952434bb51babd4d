package ws

import (
	"errors"
	"net/http"
	"time"
)

// Observer is told what happens, for metrics and logs: of all connections that have it in their options. Each func may
// be nil, and one that is costs nothing.
//
// The funcs are called where it happens, by several goroutines at once, so they must return soon. Of the connection
// they may call Value, SetValue, RTT, Subprotocol, LocalAddr and RemoteAddr; the other methods may be waiting for the
// func to return. They must not panic: many are called on goroutines of this package, where that ends the program.
type Observer struct {
	// Opened: a connection was made.
	Opened func(c *Conn)
	// Closed: it has ended. err is what its methods return from now on; CloseStatus(err) is its code. Once for each
	// Opened.
	Closed func(c *Conn, err error)
	// Refused: there is no connection, and err says why. r is the request that a server has refused, and nil where Dial
	// has failed; then err is what Dial returns, but for the attempts of Connections, which nobody else tells.
	Refused func(r *http.Request, err *HandshakeError)
	// Received: the last byte of a message has come; size is that of its payload.
	Received func(c *Conn, typ MessageType, size int64)
	// Sent: the last byte of a message was handed to the network, or to the outgoing queue.
	Sent func(c *Conn, typ MessageType, size int64)
	// Pong: the peer has answered a ping, whether Ping sent it or the keepalive.
	Pong func(c *Conn, rtt time.Duration)
	// Limit: the connection has passed a limit, which ends it. (That of the handshake comes as Refused.)
	Limit func(c *Conn, err *LimitError)
	// Panic: an event of Handler has panicked, with what value and where. nil: it is logged, see Events.
	Panic func(c *Conn, value any, stack []byte)
}

func (c *Conn) tellOpened() {
	if o := c.cfg.observer; o != nil && o.Opened != nil {
		o.Opened(c)
	}
}

func (c *Conn) tellClosed() {
	if o := c.cfg.observer; o != nil && o.Closed != nil {
		o.Closed(c, c.ended())
	}
}

func (o *Observer) tellRefused(r *http.Request, err error) {
	if o == nil || o.Refused == nil {
		return
	}
	if e, ok := errors.AsType[*HandshakeError](err); ok {
		o.Refused(r, e)
	}
}

// tellReceived is called when the parser has come to the end of a message.
func (c *Conn) tellReceived() {
	if o := c.cfg.observer; o != nil && o.Received != nil {
		o.Received(c, MessageType(c.parser.typ), c.parser.size)
	}
}

func (c *Conn) tellSent(typ MessageType, size int64) {
	if o := c.cfg.observer; o != nil && o.Sent != nil {
		o.Sent(c, typ, size)
	}
}

func (c *Conn) tellPong() {
	if o := c.cfg.observer; o != nil && o.Pong != nil {
		o.Pong(c, c.RTT())
	}
}

func (c *Conn) tellLimit(err error) {
	if o := c.cfg.observer; o != nil && o.Limit != nil {
		if e, ok := errors.AsType[*LimitError](err); ok {
			o.Limit(c, e)
		}
	}
}
