package server

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tidewire/tidewire/backoff"
)

// How clients come back after a bye: spread so that not more than returnRate a
// second arrive, over at least returnWindow, and not before the new process has
// had returnDelay to start.
const (
	returnRate   = 500
	returnWindow = 1800 * time.Millisecond
	returnDelay  = 200 * time.Millisecond
)

// goodbyeTime bounds the wait for the byes to be written.
const goodbyeTime = time.Second

// Drain lets everybody go: /healthz answers 503 and nobody new is let in,
// connections are told bye, each with its own moment to return, and closed with
// 1012, event streams end. It returns when they have, or when ctx ends: what is
// left then is cut off.
func (s *Server) Drain(ctx context.Context) error {
	s.mu.Lock()
	s.leaving = true
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()

	window := max(returnWindow, backoff.Spread(len(conns), returnRate))
	patience, cancel := context.WithTimeout(ctx, goodbyeTime)
	defer cancel()
	sent := make([]<-chan struct{}, len(conns))
	for i, c := range conns {
		sent[i] = c.bye(returnDelay + backoff.Moment(window))
	}
	for i, c := range conns {
		select {
		case <-sent[i]:
		case <-c.ctx.Done():
		case <-patience.Done():
		}
	}

	var wg sync.WaitGroup
	var sockets, streams error
	wg.Go(func() { sockets = s.sockets.Drain(ctx) })
	wg.Go(func() { streams = s.streams.Drain(ctx) })
	wg.Wait()
	return errors.Join(sockets, streams)
}

// Close ends what is left, connections with 1012, and returns when nothing of
// the server runs any more. It may be called more than once.
func (s *Server) Close() error {
	s.closing.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.cancel()
		s.streams.BeginDrain()
		s.handlers.Wait()
		s.presence.Close()
		s.tasks.Wait()
		s.hub.Close()
	})
	return nil
}
