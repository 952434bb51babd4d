package netio

import (
	"net"
	"time"
)

// A connection's life goes one way. Its reader role is held by one goroutine, by the park, or by nobody.
type (
	life   uint8
	reader uint8
)

const (
	open      life = iota
	finishing      // takes no more output, sends what is queued; input is thrown away
	shut           // all was sent and the direction to the peer has ended; waits for the peer's end
	closing        // the socket is shut down; waits for the reader to leave it
	closed         // the descriptor is released, Closed is called
)

const (
	still  reader = iota // nobody reads
	busy                 // a goroutine has the role: it waits for bytes, or is in the protocol
	parked               // the socket lies in the epoll, no goroutine
	over                 // nobody will read again
)

// event is what happens to a connection, todo what is to be done about it once the lock is free.
type (
	event uint8
	todo  uint8
)

const (
	evServe   event = iota // the callback form begins, or goes on after a pause
	evEnter                // a Pump wants the role
	evPause                // the reader gives the role back
	evIdle                 // the reader has heard nothing for so long that it wants to park
	evWake                 // the epoll reported the socket
	evEnd                  // the peer has ended its direction
	evFinish               // Finish
	evFlushed              // all output has been sent, the writer role is free
	evClose                // CloseNow, or a fatal error
	evLeave                // the reader has left for good, because the connection is closing
)

const (
	doServe   todo = 1 << iota // a reader goroutine has to start: the role is taken already
	doFlush                    // what is queued has to be sent, and then evFlushed
	doEndOut                   // end the direction to the peer
	doWake                     // the goroutine in the wire has to look at the state
	doCut                      // end both directions, so that nobody stays in the wire
	doRelease                  // give the descriptor back and call Closed: once in a life
	refused                    // the event does not fit the state: nothing changed
)

// step is the only place where life and reader change. c.mu is held.
//
// Every way ends in exactly one doRelease: the transition to closed. It is reached only when no goroutine has the
// reader role, so never while the protocol runs.
func (c *Conn) step(ev event) todo {
	switch ev {
	case evServe:
		if c.reader != still || c.life >= closing {
			return refused
		}
		c.reader = busy
		return doServe

	case evEnter:
		if c.reader != still || c.life != open {
			return refused
		}
		c.reader = busy

	case evPause:
		if c.life != open { // what still comes has to be thrown away
			return refused
		}
		c.reader = still

	case evIdle:
		if c.reader != busy || c.is(flagAttention) || c.life >= closing {
			return refused
		}
		c.reader = parked

	case evWake:
		if c.reader != parked {
			return refused
		}
		c.reader = busy
		return doServe

	case evEnd:
		c.reader = over
		switch c.life {
		case open:
			c.life = finishing
			return doFlush
		case shut, closing:
			c.life = closed
			return doRelease
		}

	case evFinish:
		if c.life != open {
			return refused
		}
		c.life = finishing
		switch c.reader {
		case still:
			c.reader = busy
			return doFlush | doServe
		case busy:
			c.flags.Or(flagAttention)
			return doFlush | doWake
		}
		return doFlush

	case evFlushed:
		switch {
		case c.life != finishing:
			return refused
		case c.reader == over:
			c.life = closed
			return doRelease
		}
		c.life = shut
		return doEndOut

	case evClose:
		switch {
		case c.life >= closing:
			return refused
		case c.reader == busy:
			c.life = closing
			c.flags.Or(flagAttention)
			return doWake | doCut
		}
		c.life, c.reader = closed, over
		return doRelease

	case evLeave:
		c.reader = over
		if c.life == closing {
			c.life = closed
			return doRelease
		}
	}
	return 0
}

// apply does what step said, without the lock. It never waits.
func (c *Conn) apply(do todo) {
	switch {
	case do == 0:
	case do&doRelease != 0:
		c.release()
		go c.proto.Closed(c.slow.err.Err)
	default:
		if do&doServe != 0 {
			go c.serve()
		}
		if do&doFlush != 0 {
			c.flushSoon()
		}
		if do&doEndOut != 0 {
			if c.wire == fast {
				c.endOut()
			} else {
				go c.endOut() // an alert of TLS may have to wait
			}
		}
		if do&doCut != 0 {
			c.cut()
			go c.proto.Cut()
		}
	}
}

// end makes err the reason why the connection ends, if it is the first, and steps. c.mu is held.
func (c *Conn) end(ev event, err error) todo {
	do := c.step(ev)
	if do&refused != 0 {
		return 0
	}
	s := c.slowly()
	if s.err == nil {
		if err == nil {
			err = net.ErrClosed
		}
		s.err = &ClosedError{Err: err}
	}
	if do&doWake != 0 {
		c.poke()
	}
	if c.life >= finishing {
		c.refuseWaiters(s.err)
	}
	if c.life >= closing {
		c.dropQueue()
	}
	return do
}

// poke makes a reader that waits, or is about to, come out and look. The deadline that does it belongs to admit and
// poke alone. c.mu is held.
func (c *Conn) poke() {
	if c.inWire && c.deadline != dlPast {
		c.deadline = dlPast
		_ = c.nc.SetReadDeadline(longAgo) // it fails on a closed connection, whose reader comes out anyway
	}
}

var longAgo = time.Unix(1, 0)

// deadline says which read deadline is set.
type deadline uint8

const (
	dlNone deadline = iota
	dlIdle          // so that silence is noticed
	dlHeld          // passed: what tls.Conn holds is asked for
	dlPast          // passed: a reader shall come out
)
