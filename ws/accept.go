package ws

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Accept makes a WebSocket connection out of the request (RFC 6455, section 4.2).
//
// A request that is refused gets an ordinary HTTP response, and Accept returns a *HandshakeError that says why; the
// handler has nothing left to do but to return. When Accept has returned a connection, w and r.Body are of no use.
//
// The connection is closed with 1001 when the request's context ends, that is, when the handler returns, unless
// Detach was called.
func Accept(w http.ResponseWriter, r *http.Request, opts *AcceptOptions) (*Conn, error) {
	if opts == nil {
		opts = &defaultAccept
	}
	return accept(w, r, opts, false)
}

// defaultAccept is never changed. It is no variable of Accept's because the frames from there to Hijack lie in the stack of
// net/http's goroutine, and with it in that of a handler which serves the connection: they are kept small, so that the stack
// stays at 4 KiB.
var defaultAccept AcceptOptions

// accept is Accept, for both forms.
func accept(w http.ResponseWriter, r *http.Request, o *AcceptOptions, handled bool) (*Conn, error) {
	c, err := upgrade(w, r, o, handled)
	if err != nil {
		o.Observer.tellRefused(r, err)
		return nil, err
	}
	return c, nil
}

func upgrade(w http.ResponseWriter, r *http.Request, o *AcceptOptions, handled bool) (*Conn, error) {
	if w == nil || r == nil {
		return nil, &HandshakeError{Reason: "the ResponseWriter or the request is nil"}
	}
	if why := o.check(); why != "" {
		return nil, refuse(w, &HandshakeError{StatusCode: http.StatusInternalServerError, Reason: why})
	}
	if e := checkUpgrade(r, o); e != nil {
		return nil, refuse(w, e)
	}
	subprotocol := chooseSubprotocol(r, o.Subprotocols)
	response, err := appendResponse(nil, w.Header(), o.Header, acceptKey(r.Header.Get("Sec-WebSocket-Key")), subprotocol)
	if err != nil {
		return nil, refuse(w, &HandshakeError{StatusCode: http.StatusInternalServerError, Reason: "the response's header", Err: err})
	}

	if err := o.Group.expect(); err != nil {
		e := &HandshakeError{StatusCode: http.StatusServiceUnavailable, Reason: "the server is going away", Err: err, Header: http.Header{}}
		e.Header.Set("Retry-After", strconv.FormatInt(1+rand.Int64N(1+int64(o.Group.spread()/time.Second)), 10))
		return nil, refuse(w, e)
	}
	c, err := takeOver(w, r, response, subprotocol, o, handled)
	if err != nil {
		o.Group.missed()
		return nil, err
	}
	if err := o.Group.arrived(c); err != nil {
		return nil, &HandshakeError{Reason: "the server is going away", Err: err}
	}
	return c, nil
}

// takeOver hijacks the connection and sends the response.
func takeOver(w http.ResponseWriter, r *http.Request, response []byte, subprotocol string, o *AcceptOptions, handled bool) (*Conn, error) {
	nc, early, err := hijack(w)
	if err != nil {
		return nil, err
	}
	return begin(nc, early, r, response, subprotocol, o, handled)
}

// hijack takes the connection from net/http, with what has come already. Where it can't, it answers the request.
func hijack(w http.ResponseWriter) (nc net.Conn, early []byte, err error) {
	nc, brw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, hijackFailed(w, err)
	}
	if nc == nil {
		return nil, nil, &HandshakeError{Reason: "the ResponseWriter handed over no connection", Err: fmt.Errorf("ws: %T.Hijack returned nil", w)}
	}
	// From here on the connection is ours to close, and nothing of net/http may be kept: what its reader holds is the
	// beginning of the first frames.
	if brw != nil && brw.Reader != nil {
		early = buffered(brw.Reader)
	}
	return nc, early, nil
}

func hijackFailed(w http.ResponseWriter, err error) error {
	if errors.Is(err, http.ErrHijacked) { // by a second Accept, say; net/http would log an answer
		return &HandshakeError{Reason: "the connection was taken over before", Err: err}
	}
	return refuse(w, cantHijack(w, err))
}

// begin sends the response on a connection that was taken over.
//
//go:noinline
func begin(nc net.Conn, early []byte, r *http.Request, response []byte, subprotocol string, o *AcceptOptions, handled bool) (*Conn, error) {
	if err := sendResponse(nc, response, orOff(o.HandshakeTimeout, defaultHandshakeTimeout)); err != nil {
		_ = nc.Close() // err says more
		return nil, &HandshakeError{Reason: "the response could not be sent", Err: err}
	}
	cfg := o.config()
	if cfg.handled = handled; handled {
		cfg.log = errorLog(r)
	}
	c := newConn(nc, true, subprotocol, early, cfg)
	if !handled {
		c.closeWith(r.Context())
	}
	return c, nil
}

// cantHijack finds out whose ResponseWriter it is that does not let go of the connection.
func cantHijack(w http.ResponseWriter, err error) *HandshakeError {
	e := &HandshakeError{StatusCode: http.StatusInternalServerError, Reason: "the connection can't be taken over", Err: err}
	if !errors.Is(err, http.ErrNotSupported) {
		return e
	}
	for {
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		inner := u.Unwrap()
		if inner == nil {
			break
		}
		w = inner
	}
	e.Reason += ": the ResponseWriter is wrapped by middleware that has neither Hijack nor Unwrap; " +
		"give it Unwrap() http.ResponseWriter, or route this handler around it"
	e.Err = fmt.Errorf("ws: %T can't be hijacked: %w", w, err)
	return e
}

// refuse answers the request and returns e as an error. The reason is told to the client too, also where it is the
// server's mistake: whoever tries it out sees that first. It has nothing of the request in it that is not quoted.
func refuse(w http.ResponseWriter, e *HandshakeError) error {
	maps.Copy(w.Header(), e.Header)
	http.Error(w, "websocket: "+e.Reason, e.StatusCode)
	return e
}

// buffered copies what r holds.
func buffered(r *bufio.Reader) []byte {
	b, _ := r.Peek(r.Buffered()) // it holds that many
	return slices.Clone(b)
}

// sendResponse also lifts the deadlines that http.Server's timeouts have left on the connection.
func sendResponse(nc net.Conn, response []byte, timeout time.Duration) error {
	if err := nc.SetDeadline(time.Time{}); err != nil {
		return err
	}
	if timeout > 0 {
		if err := nc.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
			return err
		}
	}
	if _, err := nc.Write(response); err != nil {
		return err
	}
	return nc.SetWriteDeadline(time.Time{})
}

// appendResponse appends the 101 with the fields of all headers, or says which of them can't be sent.
func appendResponse(dst []byte, fromMiddleware, fromOptions http.Header, accept, subprotocol string) ([]byte, error) {
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	dst = append(dst, accept...)
	dst = append(dst, "\r\n"...)
	if subprotocol != "" {
		dst = append(dst, "Sec-WebSocket-Protocol: "+subprotocol+"\r\n"...)
	}
	for _, header := range []http.Header{fromMiddleware, fromOptions} {
		for name, values := range header {
			if ownResponseField(name) {
				continue
			}
			for _, v := range values {
				if !isToken(name) || !isFieldValue(v) {
					return nil, fmt.Errorf("ws: field %q can't be sent: %q", name, v)
				}
				dst = append(dst, name+": "+v+"\r\n"...)
			}
		}
	}
	return append(dst, "\r\n"...), nil
}

// ownResponseField reports whether a field is the handshake's own, or has no place in a 101.
func ownResponseField(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Upgrade", "Connection", "Sec-Websocket-Accept", "Sec-Websocket-Protocol", "Sec-Websocket-Extensions",
		"Sec-Websocket-Version", "Content-Length", "Transfer-Encoding", "Trailer":
		return true
	}
	return strings.HasPrefix(name, http.TrailerPrefix)
}

// closeWith closes the connection when ctx ends, until Detach.
func (c *Conn) closeWith(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		_ = c.Close(CloseGoingAway, "") // nobody is left to tell
	})
	c.mu.Lock()
	dead := c.dead()
	if !dead {
		c.atEnd().undetach = stop
	}
	c.mu.Unlock()
	if dead {
		stop()
	}
}

// Detach lets the connection live on when the handler returns. Whoever has it then must close it. It must be called
// before the handler returns; on a connection from Dial, or of Handler, it does nothing.
func (c *Conn) Detach() {
	c.mu.Lock()
	var stop func() bool
	if e := c.ending; e != nil {
		stop, e.undetach = e.undetach, nil
		if e.why == nil && e.err == nil && e.done == nil && e.ctx == nil && e.closeBy == 0 && e.dropped == 0 {
			c.ending = nil // it may go on for long
		}
	}
	c.mu.Unlock()
	if stop != nil {
		stop()
	}
}
