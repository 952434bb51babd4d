package sse

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/tidewire/tidewire/internal/netio"
)

// How a Stream ends.
//
// It is over for its users when err is set: by Close, by leave (the group
// drains, or the maximum age is reached), by abort (the client, the network or
// the program has failed), or by a call that finds the connection dead. What is
// left is the connection. After Close it finishes in order: what is queued, the
// last events, the last chunk; when these are sent, the stream is settled, while
// the socket may still wait for its peer's end. After abort it is cut, and
// settled when netio has let go of it. Then, once no other event is under way,
// comes the event Close, and the group forgets the stream.

// errStalled is for a client that stopped reading.
var errStalled = fmt.Errorf("sse: the peer took no bytes in time (Options.WriteTimeout): %w", os.ErrDeadlineExceeded)

// errPanicked is for a stream one of whose events panicked or ended its
// goroutine.
var errPanicked = fmt.Errorf("sse: an event of the stream panicked: %w", ErrClosed)

// defaultLinger is how long the end of a stream may take if there is no
// WriteTimeout.
const defaultLinger = 10 * time.Second

// end makes reason the one for which the stream has ended, if it is the first,
// and reports whether it was.
func (s *Stream) end(reason error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.endLocked(reason)
}

func (s *Stream) endLocked(reason error) bool {
	if s.err != nil {
		return false
	}
	s.err = reason
	s.over.Store(true)
	if s.cancel != nil {
		s.cancel(reason)
	}
	return true
}

// abort ends the stream at once.
func (s *Stream) abort(reason error) {
	s.end(reason)
	s.c.CloseNow(s.Err())
}

// leave ends the stream for a reason of the server's; a last word is still
// possible. Before open has returned, begin sees to it.
func (s *Stream) leave(reason error) {
	s.mu.Lock()
	first := s.endLocked(reason) && s.opened
	f := s.leaving(first)
	s.mu.Unlock()
	if first {
		s.farewell(f, reason)
	}
}

// leaving returns the event Leave, if it is to be called, which counts as under
// way from now on. mu is held.
func (s *Stream) leaving(call bool) func(*Stream, error) {
	if !call || s.ev.Leave == nil {
		return nil
	}
	s.running++
	return s.ev.Leave
}

func (s *Stream) farewell(f func(*Stream, error), reason error) {
	if f == nil {
		_ = s.Close() // nothing to be sent, so no error
		return
	}
	go func() { // ends when the program's event has
		defer s.done()
		defer func() { _ = s.Close() }()
		s.call(func() { f(s, reason) })
	}()
}

// Close ends the stream, and never waits: what is queued is still sent, and then
// the last events, if there are any, for at most Options.WriteTimeout (10 s if
// there is none). That works also after the group began to drain or the maximum
// age was reached. A drained stream then gets a reconnection time of its own,
// unless the last events set one.
//
// The error is why the last events will not be sent. Later calls do nothing and
// return the same error.
func (s *Stream) Close(last ...*Event) error {
	s.closeOnce.Do(func() { s.closeErr = s.close(last) })
	return s.closeErr
}

func (s *Stream) close(last []*Event) error {
	if s.h == nil { // no Handler has made it
		return nil
	}
	s.end(ErrClosed)
	reason := s.Err()
	word, tail := getBuffer(), getBuffer()
	defer putBuffer(word)
	defer putBuffer(tail)
	var err error
	*word, err = appendEvents(s.beginBatch(*word), last)
	*tail = s.beginBatch(*tail)
	if reason == ErrDraining && !hasRetry(last) {
		var window time.Duration
		*tail = append(s.h.opts.appendRetry(*tail, &window), '\n')
	}
	end := s.endBatch(tail)
	if s.chunked {
		end = append(end, lastChunk...)
	}
	linger := s.h.opts.WriteTimeout
	if linger == 0 {
		linger = defaultLinger
	}
	finish := s.c.FinishWith(s.endBatch(word), end, reason, linger)
	if s.c.Idle() && !s.hasClose() {
		s.settle() // no goroutine for each of a crowd that is sent away
	} else {
		s.c.NotifyWritable(s.settle)
	}
	if err != nil || finish == nil || len(last) == 0 {
		return err
	}
	if full, ok := errors.AsType[*netio.FullError](finish); ok {
		return &QueueError{Queued: full.Queued, Size: full.Size, Limit: full.Limit, Ended: true}
	}
	return reasonOf(finish)
}

// begin calls open, and then the event Open. The stream was made with one event
// under way, which is open.
func (s *Stream) begin(r *http.Request) {
	defer s.done()
	opened := false
	defer func() {
		if !opened { // it has panicked, and net/http deals with that
			s.abort(errPanicked)
		}
	}()
	var ev StreamEvents
	if s.h.open != nil {
		ev = s.h.open(s, r)
	}
	opened = true
	s.mu.Lock()
	s.ev, s.opened = ev, true
	if ev.Open != nil {
		s.running++
	}
	reason := s.err
	left := reason == ErrDraining || reason == ErrMaxAge
	f := s.leaving(left)
	s.mu.Unlock()
	if left {
		s.farewell(f, reason)
	}
	if ev.Open != nil {
		go func() { // ends when the program's event has
			defer s.done()
			s.call(func() { ev.Open(s) })
		}()
	}
}

// done is called when an event has ended, and settle when nothing is left to be
// sent; the last of them makes the stream history.
func (s *Stream) done() {
	s.mu.Lock()
	s.running--
	tell := s.settled && s.running == 0
	s.mu.Unlock()
	if tell {
		go s.tellClose() // ends when the program's event has
	}
}

func (s *Stream) settle() {
	s.mu.Lock()
	tell := !s.settled && s.running == 0
	s.settled = true
	s.mu.Unlock()
	if tell {
		s.tellClose()
	}
}

// closed is netio's last word.
func (s *Stream) closed(err error) {
	s.end(reasonOf(err))
	if s.house != nil {
		close(s.house.vacated)
	}
	s.settle()
}

func (s *Stream) hasClose() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ev.Close != nil
}

func (s *Stream) tellClose() {
	defer s.h.opts.Group.remove(s)
	if f := s.ev.Close; f != nil {
		s.call(func() { f(s, s.Err()) })
	}
}

// call calls an event of the program and takes care of one that does not return.
func (s *Stream) call(f func()) {
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover() // nil: runtime.Goexit
		s.abort(errPanicked)
		if v == nil || v == http.ErrAbortHandler {
			return
		}
		s.logger().Printf("sse: panic serving %v: %v\n%s", s.RemoteAddr(), v, debug.Stack())
	}()
	f()
	returned = true
}
