package ws

import (
	"log"
	"net/http"
	"time"
)

// Events is what a program wants to be told of one connection of Handler. Each func may be nil; without Message, what
// comes is thrown away.
//
// The events of one connection come one at a time and in order: Open first, then Message and Pong as the peer's frames
// came, and Close exactly once and last, also when Open, Message or Pong has panicked. The next one comes when the one
// before has returned. Each connection has its own order, so an event may block for as long as it likes without harm
// to other connections; meanwhile its own peer waits: nothing is read from it, its pings are not answered, and its
// silence does not count against it. The goroutines on which events run are shared with other connections: what an event
// does to its own, by runtime.LockOSThread or pprof.SetGoroutineLabels, it has to undo.
//
// An event must not wait for what comes after it: another message, a Pong or the Close of its own connection, the end of a
// closing, a drain of its Group. One that blocks has a goroutine meanwhile, with its stack and the buffer of what came, some
// 13 KB. How many do so at once is for the program to bound: one that would have to wait for a semaphore blocks as well, so by
// a refusal, or a queue with a limit and workers.
//
// An event that panics closes its connection with 1011. The panic is told to Observer.Panic or, where there is none,
// logged as net/http logs that of a handler: by the http.Server's ErrorLog, and not at all for http.ErrAbortHandler.
type Events struct {
	// Open is called when the handler has returned: here is the place for what takes long, such as sending what the
	// client has missed.
	Open func(c *Conn)
	// Message is called for each message. data is valid, and may be changed, until Message returns: what is kept must be
	// copied.
	Message func(c *Conn, typ MessageType, data []byte)
	// Pong is called when the peer has answered a ping, whether Ping sent it or the keepalive. rtt is what the answer
	// took.
	Pong func(c *Conn, rtt time.Duration)
	// Close is called when the connection has ended. err is the *CloseError, *ProtocolError or *LimitError that every
	// method of c returns from then on; CloseStatus(err) is its code.
	Close func(c *Conn, err error)
}

// Handler serves WebSocket connections in callback form: each request becomes a connection, as with Accept, open says
// what it wants to be told of it, and the HTTP handler returns. From then on the library owns the connection: it reads,
// calls the events, and closes what has to be closed. open is called before anything is read and may write; what it
// does with the request must be over when it returns, and what the events need of it is best copied: an event that
// refers to the request keeps it, some 1.5 KB and what its header takes, as long as the connection. When open panics,
// the connection is closed with 1011, and net/http deals with the panic. opts may be nil, and is copied.
//
// The request's context ends when open has returned. What events start, and what outlasts them, takes Conn.Context: it ends
// with the connection.
//
// All methods of Conn may be called from anywhere, also from events, but for four things:
//
//   - Close never waits: it has the close frame sent and returns nil, and the closing goes on by itself. While an event is
//     under way nothing can be read, so if that does not return at once the peer's answer is not waited for.
//   - Ping never waits for the answer, which comes as Events.Pong.
//   - The methods that read (Read, ReadAppend, Reader, Messages, CloseRead, and what stands on them) return
//     ErrReadByHandler.
//   - Detach does nothing: the end of the HTTP handler is no end for the connection.
//
// A Write to a peer that does not read waits once the queue is full, in an event as anywhere, with its context and until
// nothing has left for WriteTimeout. Send never waits.
func Handler(opts *AcceptOptions, open func(c *Conn, r *http.Request) Events) http.Handler {
	h := &handler{open: open}
	if opts != nil {
		h.opts = *opts
	}
	return h
}

type handler struct {
	opts AcceptOptions
	open func(*Conn, *http.Request) Events
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := accept(w, r, &h.opts, true)
	if err != nil {
		return // the client has its answer
	}
	opened := false
	defer func() {
		if !opened { // it has panicked
			c.closeInternal()
			return
		}
		c.open()
	}()
	if h.open != nil {
		*c.events = h.open(c, r)
	}
	opened = true
}

// logger is where the panic of an event is told by default, the same as net/http has it.
func (c *Conn) logger() *log.Logger {
	if c.cfg.log != nil {
		return c.cfg.log
	}
	return log.Default()
}

func errorLog(r *http.Request) *log.Logger {
	if srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
		return srv.ErrorLog
	}
	return nil
}
