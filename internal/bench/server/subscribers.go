package server

import "sync"

// subscriberRoom is how many messages wait in a subscriber's channel.
const subscriberRoom = 64

// subscribers is the hub that one writes first: a channel for each connection, and who is full misses out. Those who
// have left stay, because here nobody leaves.
type subscribers[T any] struct {
	mu sync.Mutex
	ch []chan T // guarded by mu; each is received from by its connection's goroutine, and never closed
}

func (s *subscribers[T]) add() <-chan T {
	c := make(chan T, subscriberRoom)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ch = append(s.ch, c)
	return c
}

func (s *subscribers[T]) publish(m T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.ch {
		select {
		case c <- m:
		default: // a healthy connection that misses it is noticed by the load generator
		}
	}
}
