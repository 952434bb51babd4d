package backoff

import (
	"errors"
	"fmt"
	"time"
)

// ErrExhausted is the Reason when as many attempts have failed in a row as Policy.MaxAttempts allows.
var ErrExhausted = errors.New("backoff: attempts exhausted")

// Error says why there will be no further attempt. errors.Is sees both Reason and Last.
type Error struct {
	Attempts int   // attempts that failed in a row
	Reason   error // ErrExhausted, or the context's cause
	Last     error // what the last attempt failed with; nil if that was not told
}

func (e *Error) Error() string {
	s := fmt.Sprintf("backoff: gave up after %d failed attempts: %v", e.Attempts, e.Reason)
	if e.Last != nil {
		s += fmt.Sprintf("; the last: %v", e.Last)
	}
	return s
}

// Unwrap gives Reason and, where there is one, Last.
func (e *Error) Unwrap() []error {
	if e.Last == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Last}
}

// Permanent marks err as one that no further attempt can mend: Retry and Loop return at once, without the mark. It
// may be wrapped. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanent{err}
}

type permanent struct{ err error }

func (e *permanent) Error() string { return e.err.Error() }
func (e *permanent) Unwrap() error { return e.err }

// MaxAfter is the longest wait that a server can ask for.
const MaxAfter = time.Hour

// After marks err with the wait that the server asked for, as in a Retry-After field or a "retry:" line. It may be
// wrapped. The next wait of Retry or Loop is then d and, on top of it, the policy's own Delay: the server can make
// clients wait longer but never hammer, and clients that were told the same do not come back together.
//
// Less than 0 is 0. From MaxAfter on, d is a random time between MaxAfter/2 and MaxAfter, so that the cut does not
// gather the clients that it hits.
//
// A nil err is fine and gives an error: the server asked for a wait when it said goodbye, and nothing went wrong.
func After(d time.Duration, err error) error { return &after{d, err} }

type after struct {
	d   time.Duration
	err error
}

func (e *after) Error() string {
	if e.err == nil {
		return fmt.Sprintf("backoff: come back after %v", e.d)
	}
	return e.err.Error()
}

func (e *after) Unwrap() error { return e.err }

// told is the wait that the marks of err ask for.
func told(err error, rnd random) time.Duration {
	m, ok := errors.AsType[*after](err)
	switch {
	case !ok || m.d < 0:
		return 0
	case m.d >= MaxAfter:
		return MaxAfter/2 + upTo(MaxAfter/2, rnd)
	}
	return m.d
}

// unmark takes off the marks that err wears outermost, so that they mean nothing to a Retry around this one. Under a
// wrapping of the caller's they stay.
func unmark(err error) error {
	for {
		switch m := err.(type) {
		case *permanent:
			err = m.err
		case *after:
			err = m.err
		default:
			return err
		}
	}
}
