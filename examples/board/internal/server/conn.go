package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/presence"
	"github.com/tidewire/tidewire/ws"
)

// errLost is wrapped by what reading or writing a connection that is no more
// returns.
var errLost = errors.New("connection lost")

// A conn is one WebSocket connection. Its handler's goroutine reads; from the
// welcome on a second one writes, and a third follows who is there.
type conn struct {
	// Immutable after newConn.
	srv    *Server
	board  *board
	ws     *ws.Conn
	ctx    context.Context // ends when the connection is to end
	cancel context.CancelFunc
	out    outbox

	// Written by the reader before anybody else knows the connection.
	hello hello

	// Written in board.join.
	known  bool    // the client may send operations
	client *client // what it points to is guarded by the board's mu

	// Owned by the reader until it starts the writer, then by the writer.
	sub    *hub.Sub[record]
	first  []byte               // the welcome
	rest   []*hub.Event[record] // the first batch of what goes on with it
	rows   *rows                // while the welcome goes on
	echoed uint64               // own operations up to this number need no echo any more

	once sync.Once
	why  refusal // written in once; read after ctx has ended
}

func newConn(s *Server, b *board, w *ws.Conn) *conn {
	c := &conn{srv: s, board: b, ws: w}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	c.out.max = s.opts.Queue
	return c
}

// end makes the connection end with that code; the first reason stays. It never
// waits.
func (c *conn) end(code ws.CloseCode, reason string) {
	c.once.Do(func() {
		c.why = refusal{code, reason}
		c.cancel()
	})
}

// tell queues a message behind the echo of the client's own operation of number
// after. A connection that has no room for it is too slow.
func (c *conn) tell(m any, after uint64) { c.post(encode(m), after) }

// post is tell for a message that is encoded already.
func (c *conn) post(data []byte, after uint64) {
	if !c.out.put(letter{data: data, after: after}) {
		c.end(closeSlow, "answers were not read")
	}
}

// serve is the life of a connection. When it returns, nothing of it is left.
func (c *conn) serve() {
	var others sync.WaitGroup
	err := c.greet()
	if err == nil {
		err = c.stay(&others)
	}
	c.explain(err)
	// The close frame waits for a message that is being written, but not for
	// long; then the writer's write fails.
	c.ws.Close(c.why.code, c.why.reason)
	others.Wait()
}

// greet reads the hello.
func (c *conn) greet() error {
	ctx, cancel := context.WithTimeout(c.ctx, c.srv.opts.HelloTimeout)
	defer cancel()
	m, err := c.read(ctx)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return refuse(closeBad, "no hello within %v", c.srv.opts.HelloTimeout)
		}
		return err
	}
	h, ok := m.(hello)
	if !ok {
		return refuse(closeBad, "the first message is not a hello")
	}
	c.hello = h
	return nil
}

// stay is the connection's time on the board.
func (c *conn) stay(others *sync.WaitGroup) error {
	b := c.board
	acked, err := b.join(c.ctx, c)
	if err != nil {
		return err
	}
	defer b.part(c)
	if err := c.welcome(acked); err != nil {
		return err
	}
	here, err := c.srv.presence.Enter(c.ctx, notesPrefix+b.name, c.hello.user.ID, c.hello.user)
	if err != nil {
		return err
	}
	defer here.Disconnect()
	c.srv.meet(c) // whoever has the welcome gets a bye
	defer c.srv.forget(c)
	others.Go(c.write)
	others.Go(c.watch)
	return c.listen(here)
}

// listen deals with the client's messages until the connection ends.
func (c *conn) listen(here *presence.Handle[User]) error {
	rate := newBucket(c.srv.opts.OpsPerSecond)
	patience := c.srv.opts.HeartBeat * 5 / 2
	for {
		ctx, cancel := context.WithTimeout(c.ctx, patience)
		m, err := c.read(ctx)
		cancel()
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				return refuse(closeSilent, "no sign of life within %v", patience)
			}
			return err
		}
		// Who sends faster is read more slowly, and in the end TCP tells them.
		if err := rate.take(c.ctx); err != nil {
			return err
		}
		switch m := m.(type) {
		case operation:
			if err := c.board.deal(c.ctx, c, &m); err != nil {
				return err
			}
		case ping:
			c.tell(beatMessage{"pong", m.n}, 0)
		case pong:
		case leave:
			if err := here.Leave(c.ctx); err != nil {
				return err
			}
			return refuse(ws.CloseNormal, "left")
		default:
			return refuse(closeBad, "a second hello")
		}
	}
}

// read returns the client's next message.
func (c *conn) read(ctx context.Context) (any, error) {
	typ, data, err := c.ws.Read(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", errLost, err)
	}
	if typ != ws.Text {
		return nil, refuse(closeBad, "a message that is not text")
	}
	m, bad := decode(data)
	if bad != nil {
		return nil, bad
	}
	return m, nil
}

// explain turns an error into the code that the peer is told. It may be called
// by the reader and the writer: the first reason stays.
func (c *conn) explain(err error) {
	if r, ok := errors.AsType[*refusal](err); ok {
		c.end(r.code, r.reason)
		return
	}
	_, slow := errors.AsType[*hub.SlowError](err)
	_, full := errors.AsType[*hub.LimitError](err)
	switch {
	case slow:
		c.end(closeSlow, "operations were not read")
	case c.srv.ctx.Err() != nil, errors.Is(err, hub.ErrClosed), errors.Is(err, presence.ErrClosed):
		c.end(ws.CloseServiceRestart, "server is closing")
	case errors.Is(err, errLost), errors.Is(err, context.Canceled):
		c.end(ws.CloseNormal, "") // it has ended, or somebody has said why it is to end
	case full:
		c.srv.opts.Logger.Warn("no room for a visitor", "board", c.board.name, "err", err)
		c.end(ws.CloseTryAgainLater, "no room")
	default:
		c.srv.opts.Logger.Error("a connection failed", "board", c.board.name, "err", err)
		c.end(ws.CloseInternalError, "internal error")
	}
}

// bye says goodbye; the channel is closed when that has been written, or can't
// be any more.
func (c *conn) bye(retry time.Duration) <-chan struct{} {
	sent := make(chan struct{})
	m := byeMessage{"bye", "restart", retry.Milliseconds()}
	if !c.out.put(letter{data: encode(m), sent: sent}) {
		close(sent) // no room; the close code will have to do
	}
	return sent
}
