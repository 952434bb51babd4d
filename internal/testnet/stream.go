package testnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// endState is how far one end has let go of one direction.
type endState uint8

const (
	endOpen   endState = iota
	endShut            // CloseRead or CloseWrite
	endClosed          // Close or Reset
)

// stream is one direction of a pipe: a bounded ring of bytes between one writing and one reading end.
type stream struct {
	mu   sync.Mutex // never held across a wait but for cond.Wait, which releases it
	cond sync.Cond  // on mu; every change of what follows is broadcast

	// Guarded by mu.
	ring    []byte // grows up to limit
	start   int    // index of the first unread byte in ring
	n       int    // unread bytes
	limit   int
	writing bool // a Write has its turn: Writes never interleave
	writer  endState
	reader  endState
	reset   bool // the reader gets ECONNRESET instead of io.EOF
	readBy  deadline
	writeBy deadline
}

func newStream(limit int) *stream {
	s := &stream{limit: limit}
	s.cond.L = &s.mu
	return s
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.reader == endClosed:
			return 0, net.ErrClosed
		case s.readBy.passed: // before the bytes that may be there, as in package net
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case s.reader == endShut:
			return 0, io.EOF
		case s.n > 0:
			n := s.pull(p)
			s.cond.Broadcast()
			return n, nil
		case s.reset:
			return 0, os.NewSyscallError("read", syscall.ECONNRESET)
		case s.writer != endOpen:
			return 0, io.EOF
		}
		s.cond.Wait()
	}
}

func (s *stream) write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.writing {
		if err := s.writeError(); err != nil {
			return 0, err
		}
		s.cond.Wait()
	}
	s.writing = true
	defer func() {
		s.writing = false
		s.cond.Broadcast()
	}()
	for n := 0; ; {
		if n > 0 && n == len(p) {
			return n, nil
		}
		if err := s.writeError(); err != nil {
			return n, err
		}
		if s.reader == endShut || len(p) == 0 {
			return len(p), nil
		}
		if m := s.push(p[n:]); m > 0 {
			n += m
			s.cond.Broadcast()
			continue
		}
		s.cond.Wait()
	}
}

func (s *stream) writeError() error {
	switch {
	case s.writer == endClosed:
		return net.ErrClosed
	case s.writeBy.passed:
		return os.ErrDeadlineExceeded
	case s.writer == endShut, s.reader == endClosed:
		return os.NewSyscallError("write", syscall.EPIPE)
	}
	return nil
}

// push appends as much of p as there is room for.
func (s *stream) push(p []byte) int {
	p = p[:min(len(p), s.limit-s.n)]
	if len(p) == 0 {
		return 0
	}
	if need := s.n + len(p); need > len(s.ring) {
		ring := make([]byte, min(s.limit, max(need, 2*len(s.ring), 512)))
		s.peek(ring)
		s.ring, s.start = ring, 0
	}
	end := (s.start + s.n) % len(s.ring)
	m := copy(s.ring[end:], p)
	copy(s.ring, p[m:])
	s.n += len(p)
	return len(p)
}

// peek copies unread bytes without taking them.
func (s *stream) peek(p []byte) int {
	p = p[:min(len(p), s.n)]
	if len(p) == 0 {
		return 0
	}
	m := copy(p, s.ring[s.start:])
	copy(p[m:], s.ring)
	return len(p)
}

func (s *stream) pull(p []byte) int {
	n := s.peek(p)
	s.n -= n
	if s.n == 0 {
		s.ring, s.start = nil, 0 // an idle pipe holds no buffer: crowds of them are cheap
	} else {
		s.start = (s.start + n) % len(s.ring)
	}
	return n
}

// endReader moves the reading end to state; unread says whether bytes were thrown away that it never took.
func (s *stream) endReader(state endState) (was endState, unread bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, unread = s.reader, s.n > 0
	s.reader = max(s.reader, state)
	s.ring, s.start, s.n = nil, 0, 0
	if state == endClosed {
		s.readBy.stop()
	}
	s.cond.Broadcast()
	return was, unread
}

// endWriter moves the writing end to state. With reset the reader gets ECONNRESET after what it can still read.
func (s *stream) endWriter(state endState, reset, discard bool) (was endState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was = s.writer
	s.writer = max(s.writer, state)
	s.reset = s.reset || reset
	if discard {
		s.ring, s.start, s.n = nil, 0, 0
	}
	if state == endClosed {
		s.writeBy.stop()
	}
	s.cond.Broadcast()
	return was
}
