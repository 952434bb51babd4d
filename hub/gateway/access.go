package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/hub"
)

// An Action is what somebody wants to do with a topic.
type Action uint8

// Follow is to be sent the topic's events.
const Follow Action = 1

// String returns "follow".
func (a Action) String() string {
	if a == Follow {
		return "follow"
	}
	return fmt.Sprintf("action %d", uint8(a))
}

// An Access is what Options.Authorize is asked for.
type Access struct {
	Request *http.Request // not to be changed
	Topic   string
	Action  Action // only what is known may be allowed: there will be others
}

// A Grant says how a request may do what it wants to.
type Grant struct {
	// User says whose connection it is: the label for hub.Hub.Kick. May be "".
	User string
	// Filter, if not nil, leaves out the events for which it returns false; see
	// hub.FollowOptions. Such a connection is served by itself. A Filter that panics
	// ends this client, with the bye ByeFailed and a line in the log.
	Filter func(*hub.Event[[]byte]) bool
}

// Public is an Options.Authorize that lets everybody follow every topic.
func Public(a *Access) (Grant, error) {
	if a.Action != Follow {
		return Grant{}, &RefusedError{Status: http.StatusForbidden}
	}
	return Grant{}, nil
}

// A RefusedError says how a request is to be refused. Options.Authorize,
// Options.Topic and hub.Options.Configure may return one. With any other error of
// Topic or Configure the client gets 404, and not its text; with one of Authorize,
// which then could not tell, it is to come again.
//
// An EventSource gives up for good on every status but 200; 204 (no content) is
// the one that the standard has for that.
type RefusedError struct {
	Status     int           // 204, or 400 to 599; else it is 403
	Text       string        // for the client; "": that of the status
	RetryAfter time.Duration // a Retry-After, if positive
	Err        error         // for the program
}

func (e *RefusedError) Error() string {
	text := e.Text
	if text == "" {
		text = http.StatusText(e.status())
	}
	if e.Err != nil {
		return fmt.Sprintf("gateway: refused with %d: %s: %v", e.status(), text, e.Err)
	}
	return fmt.Sprintf("gateway: refused with %d: %s", e.status(), text)
}

// Unwrap returns Err.
func (e *RefusedError) Unwrap() error { return e.Err }

func (e *RefusedError) status() int {
	if e.Status == http.StatusNoContent || e.Status >= 400 && e.Status <= 599 {
		return e.Status
	}
	return http.StatusForbidden
}

// refused returns the RefusedError in err, or one with another status.
func refused(err error, status int) *RefusedError {
	if e, ok := errors.AsType[*RefusedError](err); ok && e != nil {
		return e
	}
	return &RefusedError{Status: status, Err: err}
}

// answer refuses the request.
func (e *RefusedError) answer(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if e.RetryAfter > 0 {
		h.Set("Retry-After", fmt.Sprint((milliseconds(e.RetryAfter)+999)/1000))
	}
	switch text := e.Text; {
	case e.status() == http.StatusNoContent:
		w.WriteHeader(http.StatusNoContent)
	case text == "":
		http.Error(w, http.StatusText(e.status()), e.status())
	default:
		http.Error(w, text, e.status())
	}
}

// milliseconds rounds up.
func milliseconds(d time.Duration) int64 {
	ms := int64(d / time.Millisecond)
	if d%time.Millisecond > 0 {
		ms++
	}
	return ms
}
