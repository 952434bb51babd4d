package hub

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// turn is how many sinks a worker serves before it looks at its other tasks.
const turn = 256

// A shard serves a part of the connections. What its worker owns, it alone
// touches; others leave tasks. The worker is a goroutine while there are any.
type shard struct {
	hub  *Hub
	turn int // sinks served before other tasks

	// Guarded by mu, which comes last in the order of locks.
	mu      sync.Mutex
	queue   []task
	running bool

	// Owned by the worker.
	spare  []task
	items  []item
	frames [][]byte
	pieces [][]byte
	ends   []int
}

// A task is a lane with new events, a follower that wants to read, or a
// connection that is writable again. It is in the queue once.
type task interface {
	// mark reports whether the task was not in the queue, and says that it is;
	// unmark comes before work.
	mark() bool
	unmark()
	// work does some of it and reports whether there is more.
	work(s *shard) (again bool)
}

// queued is the part that all tasks share.
type queued struct{ in atomic.Bool }

func (q *queued) mark() bool { return !q.in.Load() && q.in.CompareAndSwap(false, true) }
func (q *queued) unmark()    { q.in.Store(false) }

func newShards(h *Hub) []*shard {
	shards := make([]*shard, runtime.GOMAXPROCS(0))
	for i := range shards {
		shards[i] = &shard{hub: h, turn: turn}
	}
	return shards
}

// push puts a task into the queue.
func (s *shard) push(t task) {
	if !t.mark() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, t)
	if !s.running {
		s.running = s.hub.runner.run(s.run)
	}
}

func (s *shard) run() {
	for {
		s.mu.Lock()
		tasks := s.queue
		if len(tasks) == 0 {
			s.running = false
			if cap(tasks) > 1024 {
				s.queue = nil
			}
			s.mu.Unlock()
			return
		}
		s.queue, s.spare = s.spare, nil
		s.mu.Unlock()
		for i, t := range tasks {
			tasks[i] = nil
			t.unmark()
			again := t.work(s)
			s.hub.at("task ends")
			if again {
				s.push(t)
			}
		}
		if cap(tasks) <= 1024 {
			s.spare = tasks[:0]
		}
		clear(s.items)
		clear(s.frames)
		clear(s.pieces)
	}
}
