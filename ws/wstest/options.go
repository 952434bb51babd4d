package wstest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Peer is what a server or client under test has been set up with. The more is told, the more can be judged.
type Peer struct {
	// MessageLimit is the size in bytes of the largest message that it takes, at least 128 KiB. 0: unknown or none; then
	// messages of up to 1 MiB are sent, and the cases about limits are skipped.
	MessageLimit int64
	// FrameLimit is the number of frames of a message that it takes, at least 128. 0: unknown or none.
	FrameLimit int
	// Patience is how long the suite waits for an answer, or for a connection to end. Nothing is judged by how quickly
	// it comes. 0: 10 s.
	Patience time.Duration
	// Flood is how many frames the cases send that try to overwhelm the peer; headers without end are 32 times as many
	// bytes. It must be more than the peer can hold in its buffers, or those cases find nothing. 0: a million.
	Flood int
	// Stalls adds the cases in which the suite stops in the middle, and the peer has to lose its own patience: its
	// deadlines decide how long they take. They must be below Patience. In a testing/synctest bubble they cost nothing.
	Stalls bool
	// Only, if not empty, selects cases, and Skip leaves some out: IDs, or patterns of path.Match such as "close/*". One
	// that matches no case is an error.
	Only, Skip []string
}

// ServerOptions tell about the server under test and how to reach it. nil and the zero value are good.
type ServerOptions struct {
	Peer
	// Dial makes network connections. nil: a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// TLS is for wss and https URLs. nil: the default configuration.
	TLS *tls.Config
	// Header is sent with every handshake that should succeed: a cookie, a token.
	Header http.Header
	// Subprotocols are those that the endpoint knows, in the order in which it prefers them.
	Subprotocols []string
	// ReplyHeader is what the endpoint puts into every 101 by way of middleware.
	ReplyHeader http.Header
	// AnyOrigin says that the endpoint takes handshakes from pages of other hosts, on purpose.
	AnyOrigin bool
}

// ClientOptions tell about the client under test. nil and the zero value are good.
type ClientOptions struct {
	Peer
	// Listener is where the suite waits for the client, and is closed when the run ends. nil: a port on loopback.
	Listener net.Listener
	// Subprotocols are those that the client offers.
	Subprotocols []string
	// Redirects says that the client follows redirects, as a client may and a browser does not.
	Redirects bool
	// Authorization says that the client sends an Authorization field with its first request.
	Authorization bool
	// Certificate is one that the client trusts for the host 127.0.0.1 but not for localhost. nil: no cases with TLS.
	Certificate *tls.Certificate
}

func (p *Peer) patience() time.Duration {
	if p.Patience <= 0 {
		return 10 * time.Second
	}
	return p.Patience
}

// check refuses what the suite can't work with.
func (p *Peer) check() error {
	if p.MessageLimit > 0 && p.MessageLimit < 128<<10 {
		return fmt.Errorf("wstest: a MessageLimit of %d is too small to run the suite: %d is the least", p.MessageLimit, 128<<10)
	}
	if p.FrameLimit > 0 && p.FrameLimit < 128 {
		return fmt.Errorf("wstest: a FrameLimit of %d is too small to run the suite: 128 is the least", p.FrameLimit)
	}
	return nil
}

func (p *Peer) flood() int {
	if p.Flood <= 0 {
		return 1_000_000
	}
	return p.Flood
}

// largest is a size of message that the peer takes.
func (p *Peer) largest() int {
	if p.MessageLimit > 0 {
		return int(min(p.MessageLimit, 16<<20))
	}
	return 1 << 20
}
