package ws

import (
	"fmt"
	"net/http"
	"time"
)

// AcceptOptions are the server's choices. nil and the zero value are good and safe. They are read when Accept is
// called and never changed.
type AcceptOptions struct {
	// Origins are the web origins, besides the host that was asked, whose pages may connect, as scheme, host and, where
	// it is not the scheme's own, port:
	//
	//	https://app.example.com       this one, in any case of letters
	//	https://example.com:8443      with a port
	//	https://*.example.com         all below example.com, at any depth, and not example.com itself
	//	chrome-extension://abcdef     an extension, or an app with a scheme of its own
	//	null                          sandboxed pages, and files
	//
	// An entry that could never match (without a scheme, with a path or a slash at the end, a star elsewhere or alone)
	// makes Accept answer every request with 500, and say in its error how to write the entry. A request without an
	// Origin field does not come from a browser and is allowed.
	Origins []string
	// InsecureAnyOrigin lets the pages of every site connect with their visitors' cookies.
	InsecureAnyOrigin bool
	// ProxyHostHeader is the request header field in which a trusted proxy tells the host that the browser asked for,
	// such as "X-Forwarded-Host". It holds nothing but that host, and the proxy must overwrite it. Empty: the request's
	// own Host counts.
	ProxyHostHeader string

	// Subprotocols are the application protocols spoken here, the best first. The first that the client offers too is
	// chosen; when there is none, Conn.Subprotocol is "".
	Subprotocols []string
	// Header is added to the 101 response, as is what middleware has put into w.Header(), but for the fields that are the
	// handshake's own.
	Header http.Header
	// Group, if not nil, is joined by the connection. While it drains, requests are answered 503.
	Group *Group
	// Observer, if not nil, is told what happens.
	Observer *Observer

	// HandshakeLimit bounds the request's header in bytes. 0: 16 KiB. Negative: only http.Server's own limit.
	HandshakeLimit int
	// HandshakeTimeout bounds the sending of the response. (That the request arrives in time is up to
	// http.Server.ReadHeaderTimeout.) 0: 10 s. Negative: none.
	HandshakeTimeout time.Duration

	// MessageLimit bounds an incoming message in bytes. A frame that declares more is refused with 1009 before its
	// payload comes. 0: 1 MiB. Negative: none.
	MessageLimit int64
	// FrameLimit bounds the frames of an incoming message. 0: 10,000, with which a client that cuts its messages into
	// frames of 4 KiB gets no further than 39 MiB, whatever MessageLimit says. Negative: none.
	FrameLimit int

	// PingInterval is how long the peer may be silent before it is asked for a sign of life. 0: 30 s. Negative: never.
	PingInterval time.Duration
	// PongTimeout is how long the peer may then stay silent, counting only the time that somebody reads. 0: 15 s.
	// Negative: for ever.
	PongTimeout time.Duration
	// FrameTimeout is how long the peer may stay silent in the middle of a frame, counting only the time that somebody
	// reads. 0: 30 s. Negative: for ever.
	FrameTimeout time.Duration
	// WriteTimeout is how long sending may make no progress because the peer does not read. 0: 2 min. Negative: for ever.
	WriteTimeout time.Duration
	// QueueLimit is how many bytes wait in memory for a peer that reads slowly. When there are more, Write waits, and Send
	// does what QueueFull says. 0 or negative: 256 KiB.
	QueueLimit int
	// QueueFull says what Send does when the queue is full. The zero value closes the connection with 1013.
	QueueFull QueuePolicy
	// CloseTimeout bounds the closing of the connection, all in all. 0 or negative: 5 s.
	CloseTimeout time.Duration
}

// check says what in the options could never do what it is there for, or "".
func (o *AcceptOptions) check() string {
	for _, entry := range o.Origins {
		if _, why := parseOriginEntry(entry); why != "" {
			return fmt.Sprintf("AcceptOptions.Origins: %s: %s", quote(entry), why)
		}
	}
	for _, p := range o.Subprotocols {
		if !isToken(p) {
			return fmt.Sprintf("AcceptOptions.Subprotocols: %s is not a token, so no client can offer it", quote(p))
		}
	}
	switch name := o.ProxyHostHeader; {
	case name == "":
	case !isToken(name):
		return fmt.Sprintf("AcceptOptions.ProxyHostHeader: %s is not the name of a field", quote(name))
	case equalFold(name, "Host"), equalFold(name, "Forwarded"): // the one is taken out of the header, the other holds more
		return fmt.Sprintf(`AcceptOptions.ProxyHostHeader: %q does not hold the host alone; leave the option empty, or have the proxy set a field like "X-Forwarded-Host"`, name)
	}
	return ""
}
