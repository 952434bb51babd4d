package server

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/tidewire/tidewire/backoff"
	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/presence"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/ws"
)

// A Server serves boards. See [New].
type Server struct {
	// Immutable after New.
	opts     Options
	hub      *hub.Hub
	presence *presence.Presence[User]
	sockets  ws.Group
	streams  *sse.Group
	site     *site
	handler  http.Handler
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	tasks    sync.WaitGroup // the sweeper and the boards' people
	closing  sync.Once

	// Guarded by mu, the outermost lock: Server.mu, board.mu,
	// outbox.mu, each before the next. None is held across I/O.
	mu       sync.Mutex
	boards   map[string]*board
	unmade   float64 // boards that may be made, at unmadeAt
	unmadeAt time.Time
	visitors int                // WebSocket connections, from before their handshake
	conns    map[*conn]struct{} // those with a writer
	handlers sync.WaitGroup     // connections and streams; Add under mu, while not closed
	leaving  bool
	closed   bool
}

// New makes a server. It fails if the front end in opts can't be read.
//
// Give its Handler to an http.Server. At the end call Drain, then the
// http.Server's Shutdown, then Close.
func New(opts Options) (*Server, error) {
	s := &Server{
		opts:   opts.withDefaults(),
		boards: make(map[string]*board),
		conns:  make(map[*conn]struct{}),
	}
	s.unmade, s.unmadeAt = float64(s.opts.NewBoards), time.Now()
	var err error
	if s.site, err = newSite(s.opts.Files); err != nil {
		return nil, err
	}
	if s.site.empty() {
		s.opts.Logger.Warn("the front end is not built in: run npm ci && npm run build in examples/board/web and start again")
	}
	s.sockets.Code = ws.CloseServiceRestart
	s.sockets.Spread = -1 // each client's own moment to return is in its bye
	s.streams = sse.NewGroup(&sse.GroupOptions{MaxStreams: s.opts.MaxStreams})
	s.hub = hub.New(&hub.Options{Configure: s.opts.configure, MaxBytes: s.opts.hubBytes()})
	s.presence = presence.New(s.hub, &presence.Options[User]{Grace: s.opts.Grace})
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.handler = s.routes()
	s.tasks.Go(s.sweep)
	return s, nil
}

// Handler returns the handler for everything the server serves.
func (s *Server) Handler() http.Handler { return s.handler }

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ws/{board}", s.serveSocket)
	mux.HandleFunc("GET /events/{board}", s.serveEvents)
	mux.HandleFunc("GET /healthz", s.serveHealth)
	mux.Handle("/", s.site)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		mux.ServeHTTP(w, r)
	})
}

func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	if s.isLeaving() {
		w.WriteHeader(http.StatusServiceUnavailable)
		w.Write([]byte("leaving\n"))
		return
	}
	w.Write([]byte("ok\n"))
}

// serveSocket is one WebSocket connection, from its handshake to its end.
func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	name, ok := s.admit(w, r)
	if !ok {
		return
	}
	if !s.begin() {
		s.unavailable(w)
		return
	}
	defer s.handlers.Done()
	if !s.letIn() {
		s.unavailable(w)
		return
	}
	defer s.letOut()
	b, err := s.acquire(r.Context(), name)
	if err != nil {
		s.unavailable(w)
		return
	}
	defer s.release(b)
	conn, err := ws.Accept(w, r, &ws.AcceptOptions{
		Origins:      s.opts.Origins,
		Subprotocols: []string{Protocol},
		Group:        &s.sockets,
		MessageLimit: maxMessage,
		PingInterval: -1, // the protocol has its own heartbeat, which browsers can see
		WriteTimeout: 30 * time.Second,
		CloseTimeout: time.Second,
	})
	if err != nil {
		return // has been answered
	}
	if conn.Subprotocol() != Protocol {
		conn.Close(closeVersion, "the subprotocol is "+Protocol)
		return
	}
	c := newConn(s, b, conn)
	defer c.cancel()
	c.serve()
}

// meet and forget keep the list of those to whom Drain says goodbye. Who comes
// too late to be on it is told here.
func (s *Server) meet(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
	if s.leaving {
		c.bye(returnDelay + backoff.Moment(returnWindow))
	}
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// begin registers a handler; false if the server is leaving.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving || s.closed {
		return false
	}
	s.handlers.Add(1)
	return true
}

// letIn counts a connection; false if there are too many.
func (s *Server) letIn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.visitors >= s.opts.MaxConnections {
		return false
	}
	s.visitors++
	return true
}

func (s *Server) letOut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.visitors--
}

func (s *Server) isLeaving() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leaving || s.closed
}

// Notes returns a board's notes in canonical order: as they are stacked, ties
// by id.
func (s *Server) Notes(ctx context.Context, board string) ([]Note, error) {
	snap, err := hub.TopicOf[record](s.hub, notesPrefix+board, recordCodec{}).Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	notes := []Note{}
	for ev, err := range snap.All() {
		if err != nil {
			return nil, err
		}
		if !ev.Value.Gone {
			notes = append(notes, ev.Value.Note)
		}
	}
	sortNotes(notes)
	return notes, nil
}

// Connections returns the number of open WebSocket connections.
func (s *Server) Connections() int { return s.sockets.Len() }

// Streams returns the number of open event streams.
func (s *Server) Streams() int { return s.streams.Len() }
