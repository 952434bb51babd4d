package ws

import (
	"context"
	"log"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
)

// callbacks is what a connection of Handler has beside its Conn: it makes messages of the pieces that the parser
// yields, and calls the events. How bytes get to the parser is the business of read alone.
//
// readLock is held while bytes are received and parsed, and never while user code runs; so a closing can be seen
// through, and a failed write can look for a close frame, while an event blocks. That is why a message is copied out of
// the connection's buffer before it is told.
type callbacks struct {
	// Immutable once run has begun.
	c   *Conn
	ev  Events
	log *log.Logger // nil: the standard one

	// Owned by run.
	opened bool // Open was called
	over   bool // Close was called
	inside bool // an event is being called
	typ    MessageType
	buf    []byte             // the message under way
	small  *[smallBuffer]byte // what buf began in
	large  *[largeBuffer]byte // what it grew into
}

type happening uint8

const (
	gotMessage happening = iota
	gotPong
	gotEnd
)

// run reads and calls the events, until the connection has ended. An event may end the goroutine by runtime.Goexit;
// then another one goes on.
func (l *callbacks) run() {
	defer func() {
		if !l.over {
			go l.run()
		}
	}()
	if !l.opened {
		l.opened = true
		l.tell(func() {
			if l.ev.Open != nil {
				l.ev.Open(l.c)
			}
		})
	}
	for !l.over {
		switch l.read() {
		case gotMessage:
			l.message()
			l.release()
		case gotPong:
			l.tell(func() {
				if l.ev.Pong != nil {
					l.ev.Pong(l.c, l.c.RTT())
				}
			})
		case gotEnd:
			l.over = true
			l.release()
			l.tell(func() {
				if l.ev.Close != nil {
					l.ev.Close(l.c, l.c.ended())
				}
			})
		}
	}
}

// read receives and parses up to the next thing that is to be told. The end is told when the connection has ended.
func (l *callbacks) read() happening {
	c, ctx := l.c, context.Background()
	if c.acquire(ctx, c.readLock, "read") != nil {
		return gotEnd
	}
	defer c.endRead()
	for {
		if want := c.parser.want(); want >= directRead && len(c.in.bytes()) == 0 {
			l.room(int(min(want, maxAhead)))
		}
		ev, err := c.next(ctx, l.buf[len(l.buf):cap(l.buf)])
		switch {
		case err != nil:
			return gotEnd
		case ev.kind == eventPong:
			return gotPong
		case l.piece(ev):
			c.msg.open = false
			return gotMessage
		}
	}
}

// piece takes a piece of a message, and reports whether it was the last.
func (l *callbacks) piece(ev event) bool {
	l.typ = ev.typ
	if n := len(ev.data); n > 0 && n <= cap(l.buf)-len(l.buf) && &ev.data[0] == &l.buf[:len(l.buf)+1][len(l.buf)] {
		l.buf = l.buf[:len(l.buf)+n] // it was received there
	} else {
		if ev.last && l.buf == nil {
			l.room(n)
		} else {
			l.room(max(n, smallBuffer+1)) // there is more to come
		}
		l.buf = append(l.buf, ev.data...)
	}
	return ev.last
}

// room makes room for n more bytes: in a pooled buffer if they fit there. An idle connection has none.
func (l *callbacks) room(n int) {
	switch {
	case n <= cap(l.buf)-len(l.buf) && l.buf != nil:
	case l.buf == nil && n <= smallBuffer:
		l.small = smallBuffers.Get().(*[smallBuffer]byte)
		l.buf = l.small[:0]
	case l.large == nil && len(l.buf)+n <= largeBuffer:
		l.large = largeBuffers.Get().(*[largeBuffer]byte)
		l.buf = append(l.large[:0], l.buf...)
	default:
		l.buf = slices.Grow(l.buf, n)
	}
}

func (l *callbacks) release() {
	if l.small != nil {
		smallBuffers.Put(l.small)
	}
	if l.large != nil {
		largeBuffers.Put(l.large)
	}
	l.small, l.large, l.buf = nil, nil, nil
}

func (l *callbacks) message() {
	if l.ev.Message == nil {
		return
	}
	defer l.guard()
	l.inside = true
	l.ev.Message(l.c, l.typ, l.buf)
	l.inside = false
}

func (l *callbacks) tell(f func()) {
	defer l.guard()
	l.inside = true
	f()
	l.inside = false
}

// guard is deferred around each event, and takes care of one that did not return.
func (l *callbacks) guard() {
	if !l.inside {
		return
	}
	l.inside = false
	v := recover() // nil: runtime.Goexit
	l.c.closeInternal()
	if v == nil {
		return
	}
	stack := debug.Stack()
	if o := l.c.cfg.observer; o != nil && o.Panic != nil {
		o.Panic(l.c, v, stack)
	} else if v != http.ErrAbortHandler {
		l.logger().Printf("ws: panic serving %v: %v\n%s", l.c.RemoteAddr(), v, stack)
	}
}

// closeInternal closes the connection because code of this side's user went wrong. It does not wait.
func (c *Conn) closeInternal() {
	c.startClose(&CloseError{Code: CloseInternalError, Local: true, Err: net.ErrClosed}, CloseInternalError, "")
}
