package sseinterop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// patience bounds every wait. It decides how long a failing test takes, not whether a passing one does.
const patience = 2 * time.Minute

// event is an event as a client gave it out.
type event struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Data string `json:"data"`
}

// end is the name of the last event of each stream.
const end = "end"

// names are those that events have here. An EventSource must be told of each but the first.
var names = []string{"message", "tick", "tock", "gap", end}

// eventNumber returns the name and the data of the n-th event. They go through all that a field may hold.
func eventNumber(n int) (name, data string) {
	switch n % 8 {
	case 0:
		return "", fmt.Sprintf("plain %d", n)
	case 1:
		return "", fmt.Sprintf("lines\n%d\n\n :last", n)
	case 2:
		return "tick", fmt.Sprintf("  two spaces before %d", n)
	case 3:
		return "", ""
	case 4:
		return "tock", fmt.Sprintf("été %d 世界 🌊", n)
	case 5:
		return "tick", fmt.Sprintf(":%d: data: x", n)
	case 6:
		return "", fmt.Sprintf("{\"n\":%d}\n", n)
	}
	return "tock", "\n"
}

// peer is an implementation that we did not write.
type peer interface {
	about() *about
	// start makes the peer ready. An error that wraps errMissing says what to install.
	start(ctx context.Context) error
	stop()
}

// client is a peer that follows a stream of ours. It gives out all events up to the one with the name end.
type client interface {
	peer
	follow(ctx context.Context, url string) ([]event, error)
}

// server is a peer that serves a stream for us to follow.
type server interface {
	peer
	// open begins a stream.
	open(ctx context.Context) (stream, error)
}

// stream is one that a server of others serves.
type stream interface {
	url() string // with its path
	// publish adds an event and returns it as a client should see it.
	publish(ctx context.Context, name, data string) (event, error)
	close()
}

// about is what the suite must know of a peer.
type about struct {
	name   string // in the names of tests
	title  string // in the table
	from   string // where it comes from, in the table
	pinned string // its version, when a file here pins it
	// cursor is how a client brings its cursor back after a cut: "header" or "query".
	cursor string
	// lacks are the cases that it can't play, with the reason.
	lacks map[string]string
	// note says what the suite does for it, in the table.
	note string
}

// errMissing is wrapped by the error of a peer that is not installed.
var errMissing = errors.New("not installed")

// described is a peer that needs nothing.
type described struct{ of *about }

func (d described) about() *about               { return d.of }
func (d described) start(context.Context) error { return nil }
func (d described) stop()                       {}

// whole checks that a client of others gave out the end, and takes it off.
func whole(got []event) ([]event, error) {
	if n := len(got); n > 0 && got[n-1].Name == end {
		return got[:n-1], nil
	}
	return got, fmt.Errorf("%d events and no end", len(got))
}

// trimmed is s without what is no part of an error message.
func trimmed(b []byte) string { return strings.TrimSpace(string(b)) }
