package ws

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/backoff"
)

// Connections yields a connection, and a fresh one each time the loop's body comes back for it, that is, when the last
// one has ended. Between attempts it waits as the policy says, and longer where the server asks for that with a
// Retry-After; a connection that lived for policy.MinUptime begins the waits anew.
//
//	for c, err := range ws.Connections(ctx, url, nil, backoff.Policy{}) {
//		if err != nil {
//			return err
//		}
//		serve(c) // until the connection ends
//	}
//
// A connection belongs to the body for its turn: what is still open afterwards is closed with 1000, also by break.
// Failed attempts are not told, they are tried again. The error is the last thing that is yielded: ctx has ended, the
// policy allows no further attempt, or none could succeed: the URL or the header is wrong, or the server refused with
// a status that is not one of the passing ones (408, 425, 429, 5xx).
func Connections(ctx context.Context, url string, opts *DialOptions, policy backoff.Policy) iter.Seq2[*Conn, error] {
	return func(yield func(*Conn, error) bool) {
		loop := backoff.Loop{Policy: policy}
		var last error
		for {
			if err := loop.Wait(ctx, last); err != nil {
				yield(nil, err)
				return
			}
			c, err := Dial(ctx, url, opts)
			if err != nil {
				last = tryAgain(err)
				continue
			}
			loop.Up()
			more := func() bool {
				defer func() { _ = c.Close(CloseNormal, "") }() // an end there is, and last says which
				return yield(c, nil)
			}()
			if !more {
				return
			}
			last = c.ended()
		}
	}
}

// tryAgain marks the error of a Dial as permanent where another attempt would end the same way, and with the wait that
// the server asks for.
func tryAgain(err error) error {
	e, ok := errors.AsType[*HandshakeError](err)
	if !ok {
		return err
	}
	switch s := e.StatusCode; {
	case e.misuse:
		return backoff.Permanent(err)
	case s == 0, s >= 500, s == http.StatusRequestTimeout, s == http.StatusTooEarly, s == http.StatusTooManyRequests:
	default:
		return backoff.Permanent(err)
	}
	if d, ok := backoff.RetryAfter(e.Header.Get("Retry-After"), time.Now()); ok {
		return backoff.After(d, err)
	}
	return err
}
