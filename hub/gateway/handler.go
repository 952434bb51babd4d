package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/ws"
)

// Options of New. Authorize is required; all the others are good as they are.
// They are copied.
type Options struct {
	// Authorize says whether a request may do what it wants to, and how. It is
	// asked for each request, also of clients that come back; the request has
	// been found well-formed by then, and the topic not been looked at. Public
	// allows all. nil refuses every request with 500.
	//
	// A *RefusedError is its no, for good. Any other error says that it could not
	// tell, because a database is away, say: it goes to the Logger, and the client
	// is told to come again, with the bye ByeUnavailable in an event stream, and
	// with 503 over a WebSocket.
	//
	// Pages of other origins can send requests with the user's cookies. That is
	// refused for WebSockets by default (WebSocket.Origins) and is Authorize's to
	// judge for event streams.
	Authorize func(*Access) (Grant, error)

	// Topic returns the name of the topic that a request is about. nil: its path
	// value "topic", see http.ServeMux; an empty one is refused with 404, and under
	// a pattern without {topic} every request with 500.
	Topic func(*http.Request) (string, error)

	// Policy says what becomes of a client that falls behind what a topic
	// retains; nil: hub.Disconnect for all. hub.Coalesce is for keyed and
	// ephemeral topics only: for a log the request is refused with 500.
	Policy func(topic string) hub.Policy

	// EventStream and WebSocket are the transports' options. Connections that
	// are in a Group of theirs can be drained by that as well; Handler.Drain
	// needs none.
	EventStream sse.Options
	WebSocket   ws.AcceptOptions

	// DrainSpread is the time over which Drain ends the connections, each at a
	// random moment of its own. Zero: 5 s. Negative: no time.
	DrainSpread time.Duration
	// Rate is how many clients the server, or what takes its place, can take
	// back in a second: clients are told to stay away for a random time of a
	// window that is long enough for all. Zero, negative, and not a number: 1000.
	Rate float64

	// Logger gets a line where a request fails for a fault of the program's, and
	// one for each way in which the Handler is set up wrongly. nil: slog.Default().
	Logger *slog.Logger
}

// A Handler serves the topics of a hub to clients, over event streams and
// WebSockets. Make it by [New]. Its methods may be called from any goroutine.
type Handler struct {
	// Immutable after New.
	hub          *hub.Hub
	opts         Options
	eventStreams http.Handler
	webSockets   http.Handler

	told [mistakes]atomic.Bool // what the log has

	// Guarded by mu, which is never held while anything else is called.
	mu       sync.Mutex
	sessions map[*session]struct{}
	draining bool
	crowd    int           // connections there were when the drain began
	empty    chan struct{} // closed when the last has left while draining
	hurry    chan struct{} // closed when a Drain's context has ended
	hurried  bool
	farewell sync.WaitGroup // the goroutine of the drain
}

// New returns a handler for the topics of h, which it does not close.
func New(h *hub.Hub, o *Options) *Handler {
	g := &Handler{hub: h, sessions: make(map[*session]struct{}), empty: make(chan struct{}), hurry: make(chan struct{})}
	if o != nil {
		g.opts = *o
	}
	if g.opts.Topic == nil {
		g.opts.Topic = pathTopic
	}
	switch d := &g.opts.DrainSpread; {
	case *d == 0:
		*d = 5 * time.Second
	case *d < 0:
		*d = 0
	}
	if !(g.opts.Rate > 0) {
		g.opts.Rate = 1000
	}
	g.eventStreams = g.newEventStreams()
	g.webSockets = g.newWebSockets()
	return g
}

// logger is the program's default one if it gave none, as that is by now.
func (g *Handler) logger() *slog.Logger {
	if g.opts.Logger == nil {
		return slog.Default()
	}
	return g.opts.Logger
}

// ServeHTTP serves a topic over the transport that the request asks for: a
// WebSocket if it wants to upgrade to one, else an event stream if its Accept
// header names text/event-stream. Anything else is answered 406.
func (g *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Accept, Upgrade")
	switch {
	case names(r.Header.Values("Upgrade"), "websocket"):
		g.webSockets.ServeHTTP(w, r)
	case names(r.Header.Values("Accept"), "text/event-stream"):
		g.eventStreams.ServeHTTP(w, r)
	default:
		(&RefusedError{
			Status: http.StatusNotAcceptable,
			Text:   "this is a stream of events: send Accept: text/event-stream, or upgrade to a WebSocket",
		}).answer(w)
	}
}

// names reports whether a list in header fields has an element that is the token,
// whatever parameters it has.
func names(values []string, token string) bool {
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			name, _, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(name), token) {
				return true
			}
		}
	}
	return false
}

// EventStream returns the handler that serves topics as event streams only. It takes
// every Accept header that allows them.
func (g *Handler) EventStream() http.Handler { return g.eventStreams }

// WebSocket returns the handler that serves topics over WebSockets only.
func (g *Handler) WebSocket() http.Handler { return g.webSockets }

// A plan is what a request was found to want, and may.
type plan struct {
	topic  string
	from   hub.From
	grant  Grant
	policy hub.Policy
	bye    *Bye // to be told at once, in place of the topic
}

type planKey struct{}

// with hands the plan on to where the connection is made.
func (p *plan) with(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), planKey{}, p))
}

func planOf(r *http.Request) *plan {
	p, _ := r.Context().Value(planKey{}).(*plan)
	return p
}

// plan looks at the request. An error says how to refuse it. What will pass is
// in plan.bye, for those who are better told so in the stream.
func (g *Handler) plan(r *http.Request) (*plan, *RefusedError) {
	if g.hub == nil {
		return nil, g.mistaken(noHub, "New was given a nil *hub.Hub")
	}
	if g.opts.Authorize == nil {
		return nil, g.mistaken(noAuthorize, "Options.Authorize is not set (gateway.Public allows all)")
	}
	topic, err := g.opts.Topic(r)
	switch {
	case err == errNoTopic && !hasTopic(r.Pattern):
		return nil, g.mistaken(noTopic, "the request has no path value \"topic\": register the Handler as /topics/{topic}, or set Options.Topic")
	case err != nil:
		return nil, refused(err, http.StatusNotFound)
	}
	from, err := FromRequest(r)
	if err != nil {
		return nil, &RefusedError{Status: http.StatusBadRequest, Text: strings.TrimPrefix(err.Error(), "hub: "), Err: err}
	}
	p := &plan{topic: strings.Clone(topic), from: from} // it would keep all of the request's path
	if p.grant, err = g.opts.Authorize(&Access{Request: r, Topic: p.topic, Action: Follow}); err != nil {
		if no, ok := errors.AsType[*RefusedError](err); ok && no != nil {
			return nil, no
		}
		if r.Context().Err() == nil {
			g.logger().Error("gateway: Authorize failed, and the client is to come again; to refuse it for good, return a *gateway.RefusedError", "topic", p.topic, "error", err)
		}
		p.grant, p.bye = Grant{}, &Bye{Reason: ByeUnavailable, Retry: g.retry()}
		return p, nil
	}
	if g.isDraining() {
		p.bye = &Bye{Reason: ByeDrain, Retry: g.retry()}
		return p, nil
	}
	_, err = g.hub.Topic(p.topic).Head(r.Context())
	kind, _ := errors.AsType[*hub.KindError](err)
	switch limit, _ := errors.AsType[*hub.LimitError](err); {
	case err == nil:
	case kind != nil:
		return nil, g.mistaken(badKind, strings.TrimPrefix(kind.Error(), "hub: "))
	case errors.Is(err, hub.ErrClosed), errors.Is(err, hub.ErrUnavailable), limit != nil && limit.Option == "Options.MaxTopics", r.Context().Err() != nil:
		p.bye = g.byeOf(hub.Position{}, err)
	default:
		return nil, refused(err, http.StatusNotFound)
	}
	return p, g.choose(p)
}

// choose sets the policy.
func (g *Handler) choose(p *plan) *RefusedError {
	if g.opts.Policy == nil || p.bye != nil {
		return nil
	}
	p.policy = g.opts.Policy(p.topic)
	if p.policy > hub.Coalesce {
		return g.mistaken(badPolicy, fmt.Sprintf("Options.Policy returns the unknown policy %d for topic %q", p.policy, p.topic))
	}
	if kind, err := g.hub.Topic(p.topic).Kind(); p.policy == hub.Coalesce && err == nil && kind == hub.Log {
		return g.mistaken(badPolicy, fmt.Sprintf("Options.Policy returns hub.Coalesce for topic %q, which is a log: keyed and ephemeral topics have it", p.topic))
	}
	return nil
}

// refusal is how a request is refused that can't be told of the bye in a stream.
func (b *Bye) refusal() *RefusedError {
	return &RefusedError{Status: http.StatusServiceUnavailable, RetryAfter: max(b.Retry, time.Second)}
}
