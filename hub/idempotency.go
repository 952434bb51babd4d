package hub

import "time"

// An idemWindow remembers which idempotency keys were used and for what, for a
// time and up to a number.
type idemWindow struct {
	done  map[string]Position
	queue []idemRecord // oldest first, from start on
	start int
}

type idemRecord struct {
	id   string
	time time.Time
}

func (w *idemWindow) len() int { return len(w.done) }

func (w *idemWindow) lookup(id string) (Position, bool) {
	p, ok := w.done[id]
	return p, ok
}

func (w *idemWindow) remember(id string, p Position, now time.Time, most int) {
	if w.done == nil {
		w.done = make(map[string]Position)
	}
	for len(w.done) >= most {
		w.forget()
	}
	w.done[id] = p
	w.queue = append(w.queue, idemRecord{id, now})
}

// trim forgets the keys that are older than the window.
func (w *idemWindow) trim(now time.Time, window time.Duration) {
	for w.start < len(w.queue) && now.Sub(w.queue[w.start].time) > window {
		w.forget()
	}
}

// forget drops the oldest key. The queue moves up when half of it is behind
// start, so that its array stays within twice its use.
func (w *idemWindow) forget() {
	delete(w.done, w.queue[w.start].id)
	w.queue[w.start] = idemRecord{}
	w.start++
	if 2*w.start >= len(w.queue) {
		n := copy(w.queue, w.queue[w.start:])
		clear(w.queue[n:])
		w.queue, w.start = w.queue[:n], 0
	}
	if len(w.done) == 0 {
		*w = idemWindow{}
	}
}
