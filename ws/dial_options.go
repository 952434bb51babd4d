package ws

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"time"
)

// DialOptions are the client's choices. nil and the zero value are good and safe. They are read when Dial is called
// and never changed.
type DialOptions struct {
	// Header is sent with the request: Origin, Authorization, Cookie, User-Agent. A Host field replaces the URL's host.
	Header http.Header
	// Prepare, if not nil, is called before each attempt, by Dial once and by Connections each time, and may change the
	// URL and the header: to say up to where the program has read, to fetch a fresh ticket or token. Its time is part of
	// the handshake's, and ctx ends with that. An error is one of the attempt: Connections tries again after a wait,
	// unless it is marked by backoff.Permanent. A redirect does not come here.
	Prepare func(ctx context.Context, a *Attempt) error
	// Subprotocols are the application protocols offered, the best first.
	Subprotocols []string
	// Jar, if not nil, gives and takes cookies, as it does for a http.Client.
	Jar http.CookieJar
	// TLS is the configuration for wss URLs. nil: the default one.
	TLS *tls.Config
	// NetDial makes the network connection, to the host or its proxy, without TLS. nil: a net.Dialer. What it returns
	// must keep to the contract of net.Conn: methods may be called concurrently, Close unblocks Read and Write, and a
	// Read that ran into its deadline can be repeated.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Proxy names the proxy for a request, whose URL has the scheme http for ws and https for wss; nil for none. The
	// proxy is asked to CONNECT, for ws too. Its scheme is http or https. nil: http.ProxyFromEnvironment.
	Proxy func(*http.Request) (*url.URL, error)
	// Redirects is how many redirects are followed; they may lead from ws to wss but not back. Authorization and Cookie
	// do not go with a redirect to another host; other fields, and subprotocols, do. 0: 10. Negative: none; the redirect
	// is a *HandshakeError.
	Redirects int
	// Observer, if not nil, is told what happens.
	Observer *Observer

	// HandshakeLimit bounds the response's header in bytes. 0: 64 KiB. Negative: none.
	HandshakeLimit int
	// HandshakeTimeout bounds all of Dial, with Prepare, proxy and redirects. 0: 10 s. Negative: only ctx does.
	HandshakeTimeout time.Duration

	// The rest is as in AcceptOptions.
	MessageLimit int64
	FrameLimit   int
	PingInterval time.Duration
	PongTimeout  time.Duration
	FrameTimeout time.Duration
	WriteTimeout time.Duration
	QueueLimit   int
	QueueFull    QueuePolicy
	CloseTimeout time.Duration
}
