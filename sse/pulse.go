package sse

import (
	"time"
)

// shortest is the least time that the alarm is set to, as far as the heartbeat
// allows: a stream that has sent something just after the alarm was set need not
// ring for the difference.
const shortest = time.Second

// arm sets the alarm to what comes first, the next heartbeat or the maximum age.
func (s *Stream) arm(age time.Duration) {
	var next time.Duration
	if beat := s.h.opts.Heartbeat; beat > 0 {
		next = max(beat-(age-time.Duration(s.last.Load())), min(beat, shortest))
	}
	if s.maxAge > 0 && (next == 0 || s.maxAge-age < next) {
		next = max(s.maxAge-age, 1)
	}
	if next > 0 {
		s.c.SetAlarm(next)
	}
}

// alarm runs when it rings. It never waits.
func (s *Stream) alarm() {
	if s.over.Load() {
		return
	}
	age := time.Since(s.born)
	if s.maxAge > 0 && age >= s.maxAge {
		s.leave(ErrMaxAge)
		return
	}
	if beat := s.h.opts.Heartbeat; beat > 0 && age-time.Duration(s.last.Load()) >= beat {
		if s.c.Queued() == 0 { // else the client has something to read
			s.heartbeat()
		}
		s.last.Store(int64(age))
	}
	s.arm(age)
}

func (s *Stream) heartbeat() {
	buf := getBuffer()
	defer putBuffer(buf)
	b := append(s.beginBatch(*buf), ":\n"...)
	s.mu.Lock()
	window := s.window
	s.mu.Unlock()
	if s.h.opts.grown(window) {
		b = s.h.opts.appendRetry(b, &window)
		s.mu.Lock()
		s.window = window
		s.mu.Unlock()
	}
	*buf = append(b, '\n')
	// Nothing is queued, so there is room, however small the queue is; the
	// connection's end is told by netio.
	_ = s.c.SendUrgent(s.endBatch(buf))
}
