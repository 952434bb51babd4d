package ws

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/tidewire/tidewire/backoff"
)

// Attempt is what DialOptions.Prepare is told of an attempt to connect, and may change of it.
type Attempt struct {
	// N counts the attempts, from 1; Connections counts on over the connections that were made.
	N int
	// Last is why the attempt before has failed, or its connection has ended; nil for the first. CloseStatus gives its
	// code.
	Last error
	// URL and Header are copies of what Dial or Connections was given, and belong to Prepare.
	URL    *url.URL
	Header http.Header
}

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
// A connection belongs to the body for its turn: what is still open afterwards is closed with 1000, also by break, which
// takes CloseTimeout at most. However a connection has ended, also with 1000, the next one is made; a body that has had
// its last word breaks. A connection that did not live for MinUptime counts in policy.MaxAttempts as a failure does.
//
// What is to be different each time, such as the position to go on from or a ticket, is set by DialOptions.Prepare.
//
// Failed attempts are not told, but to Prepare and Observer.Refused; they are tried again. The error is the last thing
// that is yielded: ctx has ended, the policy allows no further attempt, Prepare has returned a backoff.Permanent, or no
// attempt could succeed: the URL or the header is wrong, or the server refused with a status that is not one of the
// passing ones (408, 425, 429, 5xx). Where there is a Prepare, a 401 is tried once more, with what it sets then.
func Connections(ctx context.Context, url string, opts *DialOptions, policy backoff.Policy) iter.Seq2[*Conn, error] {
	return func(yield func(*Conn, error) bool) {
		if ctx == nil {
			yield(nil, errNilContext)
			return
		}
		loop := backoff.Loop{Policy: policy}
		renews := opts != nil && opts.Prepare != nil
		stale := false    // the attempt before was refused with 401
		var last error    // as it is told to Prepare
		var verdict error // the same, as the loop takes it
		for n := 1; ; n++ {
			if err := loop.Wait(ctx, verdict); err != nil {
				yield(nil, err)
				return
			}
			c, err := dialAttempt(ctx, url, opts, n, last)
			if err != nil {
				rejected := rejectedCredentials(err)
				last, verdict = err, tryAgain(err, renews && rejected && !stale)
				stale = rejected
				continue
			}
			stale = false
			loop.Up()
			more := func() bool {
				defer func() { _ = c.Close(CloseNormal, "") }() // an end there is, and last says which
				return yield(c, nil)
			}()
			if !more {
				return
			}
			last = c.ended()
			verdict = last
		}
	}
}

func rejectedCredentials(err error) bool {
	e, ok := errors.AsType[*HandshakeError](err)
	return ok && e.StatusCode == http.StatusUnauthorized && !e.fromProxy
}

// tryAgain marks the error of a Dial as permanent where another attempt would end the same way, unless renewed says that
// it won't be the same, and with the wait that the server asks for.
func tryAgain(err error, renewed bool) error {
	e, ok := errors.AsType[*HandshakeError](err)
	if !ok {
		return err
	}
	switch s := e.StatusCode; {
	case e.misuse:
		return backoff.Permanent(err)
	case renewed:
	case s == 0, s >= 500, s == http.StatusRequestTimeout, s == http.StatusTooEarly, s == http.StatusTooManyRequests:
	default:
		return backoff.Permanent(err)
	}
	if d, ok := backoff.RetryAfter(e.Header.Get("Retry-After"), time.Now()); ok {
		return backoff.After(d, err)
	}
	return err
}
