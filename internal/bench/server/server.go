package server

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// Spec says which server to run.
type Spec struct {
	Kind       string `json:"kind"` // a key of Kinds
	TLS        bool   `json:"tls,omitempty"`
	InHandler  bool   `json:"in_handler,omitempty"`  // the connection's loop runs in the HTTP handler
	Frugal     bool   `json:"frugal,omitempty"`      // save memory for idle connections
	Cancel     bool   `json:"cancel,omitempty"`      // each read and write is given a context that can be cancelled
	SendBuffer int    `json:"send_buffer,omitempty"` // of the sockets, in bytes; 0 leaves it to the kernel
}

// A Server is a contestant.
type Server interface {
	// Handler serves a connection, whatever the path.
	Handler() http.Handler
	// Publish sends the messages to all connections that there are; those who only echo do nothing. They are text without
	// line breaks, and belong to the server. Calls come one after the other.
	Publish(msgs [][]byte)
}

// echoOnly is embedded by servers that have no broadcast.
type echoOnly struct{}

func (echoOnly) Publish([][]byte) {}

// Kinds makes the servers.
var Kinds = map[string]func(Spec) Server{
	"ws/tidewire":          newTidewireCallback,
	"ws/tidewire-blocking": newTidewireBlocking,
	"ws/gws":               newGWS,
	"ws/gobwas":            newGobwas,
	"ws/gorilla":           newGorilla,
	"ws/coder":             newCoder,

	"fanout/tidewire": newTidewireFanout,
	"fanout/channels": newChannels,
	"fanout/bare":     newBare,
	"fanout/gws":      newGWS,
	"fanout/gorilla":  newGorillaFanout,
	"fanout/melody":   newMelody,

	"sse/tidewire":      newTidewireStream,
	"sse/tidewire-bare": newTidewireBare,
	"sse/tidewire-log":  newTidewireLog,
	"sse/channels":      newSSEChannels,
	"sse/go-sse":        newGoSSE,
	"sse/r3labs":        newR3labs,
	"sse/launchdarkly":  newLaunchDarkly,
}

// New makes the server that the spec asks for.
func New(s Spec) (Server, error) {
	f, ok := Kinds[s.Kind]
	if !ok {
		return nil, fmt.Errorf("no server %q; there are %q", s.Kind, slices.Sorted(maps.Keys(Kinds)))
	}
	return f(s), nil
}

// context is what a connection's loop is given: the handler's inside the handler, otherwise one that never ends, unless
// the spec wants it to be one that could.
func (s *Spec) context(r *http.Request) (context.Context, context.CancelFunc) {
	ctx := context.Background()
	if s.InHandler {
		ctx = r.Context()
	}
	if s.Cancel {
		return context.WithCancel(ctx)
	}
	return ctx, func() {}
}
