package interop

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/tidewire/tidewire/ws"
)

// request is what a peer in another language is told to do.
type request struct {
	ID        int64        `json:"id,omitempty"`
	Conn      string       `json:"conn,omitempty"`
	Op        string       `json:"op"`
	URL       string       `json:"url,omitempty"`
	Protocols []string     `json:"protocols,omitempty"`
	Origin    string       `json:"origin,omitempty"`
	Origins   []string     `json:"origins,omitempty"`
	Limit     int64        `json:"limit,omitempty"`
	Message   *message     `json:"message,omitempty"`
	Code      ws.CloseCode `json:"code,omitempty"`
	Reason    string       `json:"reason,omitempty"`
}

// reply is its answer to one request.
type reply struct {
	ID       int64        `json:"id"`
	Hello    string       `json:"hello"` // of the first line only
	Error    string       `json:"error"`
	Port     int          `json:"port"`
	Protocol string       `json:"protocol"`
	Status   int          `json:"status"` // of a refused handshake
	Message  *digest      `json:"message"`
	Code     ws.CloseCode `json:"code"`
	Reason   string       `json:"reason"`
}

// caller brings a request to the peer and waits for the reply; what the peer reports as an error is one.
type caller interface {
	call(ctx context.Context, r request) (reply, error)
}

// check makes an error of what a reply tells as one.
func (r reply) check(op string) error {
	switch {
	case r.Status != 0:
		return &refusal{r.Status}
	case r.Error != "":
		return fmt.Errorf("%s: %s", op, r.Error)
	}
	return nil
}

// remote is one connection of a peer that is told what to do by requests.
type remote struct {
	caller
	conn  string
	proto string
	kill  func() error // ends the process, where the connection has one of its own; nil otherwise
	clean func()       // what forget does beyond the request; may be nil
}

var connections atomic.Int64

func newRemote(c caller) *remote { return &remote{caller: c, conn: fmt.Sprint(connections.Add(1))} }

func (r *remote) do(ctx context.Context, q request) (reply, error) {
	q.Conn = r.conn
	return r.call(ctx, q)
}

func (r *remote) dial(ctx context.Context, url string, tm terms) error {
	re, err := r.do(ctx, request{Op: "dial", URL: url, Protocols: tm.protocols, Origin: tm.origin, Limit: tm.limit})
	r.proto = re.Protocol
	return err
}

func (r *remote) protocol() string { return r.proto }

func (r *remote) send(ctx context.Context, m message) error {
	_, err := r.do(ctx, request{Op: "send", Message: &m})
	return err
}

func (r *remote) receive(ctx context.Context) (digest, error) {
	re, err := r.do(ctx, request{Op: "receive"})
	if err != nil {
		return digest{}, err
	}
	if re.Message == nil {
		return digest{}, errors.New("receive: a reply without a message")
	}
	return *re.Message, nil
}

func (r *remote) ping(ctx context.Context) error {
	_, err := r.do(ctx, request{Op: "ping"})
	return err
}

func (r *remote) flood(ctx context.Context) error {
	_, err := r.do(ctx, request{Op: "flood"})
	return err
}

func (r *remote) close(ctx context.Context, code ws.CloseCode, reason string) error {
	_, err := r.do(ctx, request{Op: "close", Code: code, Reason: reason})
	return err
}

func (r *remote) drop(ctx context.Context, m *message) error {
	if r.kill != nil {
		return r.kill()
	}
	_, err := r.do(ctx, request{Op: "drop", Message: m})
	return err
}

func (r *remote) end(ctx context.Context) (ending, error) {
	re, err := r.do(ctx, request{Op: "end"})
	return ending{re.Code, re.Reason}, err
}

func (r *remote) forget() {
	if r.kill == nil {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, _ = r.do(ctx, request{Op: "forget"})
	}
	if r.clean != nil {
		r.clean()
	}
}

// remoteListener is a server of such a peer. The connection it accepts has its name.
type remoteListener struct {
	*remote
	port int
}

func (l *remoteListener) url() string { return fmt.Sprintf("ws://127.0.0.1:%d/ws", l.port) }

func (l *remoteListener) close() { l.forget() }

func (l *remoteListener) accept(ctx context.Context) (them, error) {
	re, err := l.do(ctx, request{Op: "accept"})
	l.proto = re.Protocol
	return l.remote, err
}
