package interop

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidewire/tidewire/ws"
)

// peer is an implementation of WebSocket that we did not write.
type peer interface {
	about() *about
	// start makes the peer ready. An error that wraps errMissing says what to install.
	start(ctx context.Context) error
	stop()
	// listen opens a server for one connection, on a port of its own.
	listen(ctx context.Context, tm terms) (listener, error)
	// dial connects to url. A *refusal tells the status of a response other than 101.
	dial(ctx context.Context, url string, tm terms) (them, error)
}

// about is what the suite must know of a peer.
type about struct {
	name     string // in the names of tests
	title    string // in the table
	from     string // where it comes from, in the table
	pinned   string // its version, when a file here pins it
	version  string // as the peer itself tells when it runs
	noServer bool
	// foreign is the origin that it uses where it must not be at home.
	foreign string
	// insists says that as a client it gives up when it has offered subprotocols and none was chosen, as the WHATWG
	// standard has it and RFC 6455 does not.
	insists bool
	// lacks are the cases that it can't play, with the reason.
	lacks map[string]string
}

// terms are what both sides agree on before a connection is made. limit, protocols and origins are for the side that
// has them: limit is the peer's, protocols are those the peer prefers or offers.
type terms struct {
	protocols []string
	origin    string   // of the client
	origins   []string // foreign ones, that the server allows
	limit     int64
	// expendable asks for a process of the connection's own, which drop kills.
	expendable bool
}

type listener interface {
	url() string
	accept(ctx context.Context) (them, error)
	close()
}

// them is the peer's end of a connection.
type them interface {
	protocol() string
	send(ctx context.Context, m message) error
	receive(ctx context.Context) (digest, error)
	// ping waits for a pong with the same payload.
	ping(ctx context.Context) error
	// flood begins to send messages of 64 KiB, and goes on until the connection ends.
	flood(ctx context.Context) error
	// close begins the closing handshake; ws.CloseNoStatus sends no code.
	close(ctx context.Context, code ws.CloseCode, reason string) error
	// drop ends the network connection without a close frame; if m is not nil, behind the first fragment of m, once that
	// has arrived.
	drop(ctx context.Context, m *message) error
	// end waits for the end and tells what the peer saw.
	end(ctx context.Context) (ending, error)
	// forget lets go of all that is left.
	forget()
}

// ending is how a connection ended, in the peer's eyes: the code and reason of the close frame it received.
type ending struct {
	Code   ws.CloseCode
	Reason string
}

// errMissing is wrapped by the error of a peer that is not installed.
var errMissing = errors.New("not installed")

// refusal is a handshake that the server answered with another status than 101.
type refusal struct{ status int }

func (r *refusal) Error() string { return fmt.Sprintf("refused with status %d", r.status) }
