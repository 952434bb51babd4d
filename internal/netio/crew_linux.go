//go:build linux && (amd64 || arm64)

package netio

import (
	"runtime"
	"time"
)

// crew is the goroutines that read for the parked connections of bare sockets: one or two, and one more for each protocol
// that is held up in user code. Each takes a connection of which the epoll has told something, receives, runs the protocol,
// and takes the next one; who finds nothing left asks the epoll, or waits to be called. So a message wakes no goroutine of its
// own, and is handled on a stack that was in use just now, where a thousand of them would each be fetched from memory.
//
// Nobody is delayed by a handler that blocks: before a connection has its turn, somebody is called who goes on with the others
// and with the epoll. The scheduler gets to that one when the turn blocks, or at once if a core is idle; it calls the next in
// its turn, so what was reported together is handled on as many cores as there are.
//
// Guarded by parkingLot.mu.
type crew struct {
	ready       [eventsAtOnce]found // reported; those from first to last are nobody's yet
	first, last int
	polling     bool          // somebody is at the epoll; then nothing is ready
	coming      bool          // somebody was called and has not looked yet
	over        bool          // all shall go
	let         time.Duration // when those who were called have let others in, by Now
	idle        []*hand       // who wait to be called, no more than the cores could use
}

// hand is one of the crew. It lives in one goroutine.
type hand struct {
	p      *parkingLot
	called chan struct{} // of one
	stay   stay
}

// call sees to it that somebody looks soon. p.mu is held, and released.
func (p *parkingLot) call() {
	if p.coming {
		p.mu.Unlock()
		return
	}
	p.coming = true
	n := len(p.idle) - 1
	if n < 0 {
		p.mu.Unlock()
		h := &hand{p: p, called: make(chan struct{}, 1)}
		h.stay.bind()
		go h.work()
		return
	}
	h := p.idle[n]
	p.idle[n] = nil
	p.idle = p.idle[:n]
	p.mu.Unlock()
	h.called <- struct{}{}
}

// work ends when there are enough idle ones, and when the last connection has ended.
func (h *hand) work() {
	p := h.p
	p.mu.Lock()
	p.arrived()
	for !p.over { // p.mu is held
		switch {
		case p.first < p.last:
			f := p.ready[p.first]
			p.ready[p.first] = found{}
			p.first++
			p.call()
			woken := h.attend(f)
			p.mu.Lock()
			if woken {
				p.woken++
			}
		case !p.polling:
			p.polling = true
			p.mu.Unlock()
			err := p.poll()
			p.mu.Lock()
			p.polling = false
			if err != nil { // the file is closed
				p.over = true
				break
			}
			p.first, p.last = 0, 0
			for i := range p.evs[:p.n] {
				if f := p.find(&p.evs[i]); f.c != nil {
					p.ready[p.last] = f
					p.last++
				}
			}
		case len(p.idle) < cap(p.idle):
			p.idle = append(p.idle, h)
			p.mu.Unlock()
			<-h.called
			p.mu.Lock()
			p.arrived()
		default:
			p.mu.Unlock()
			return
		}
	}
	p.mu.Unlock()
}

// letInEvery is for how long those who wait for the processor are passed over: as long as the scheduler lets a goroutine
// compute.
const letInEvery = 10 * time.Millisecond

// arrived is what one who was called does first. If there is something to take, others who wait for the processor are let in
// before, those too whose turns were interrupted: on a single core the one who was called comes before them all, and would call
// the next. That is done once for what is reported together, unless its turns compute: those who wait may take long, and a
// crowd of turns that only block has to wait for them no more than once. p.mu is held.
func (p *parkingLot) arrived() {
	if p.first < p.last && Now()-p.let >= letInEvery {
		p.mu.Unlock()
		runtime.Gosched()
		p.mu.Lock()
		p.let = Now()
	}
	p.coming = false
}

// dismiss ends the crew. Those who are in a turn go after it.
func (p *parkingLot) dismiss() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.over = nil, true
	clear(p.ready[:])
	p.mu.Unlock()
	for _, h := range idle {
		h.called <- struct{}{}
	}
}

// attend gives a connection its turn, and reports whether it was parked. Over TLS a receive may have to wait for the rest of
// a record, so such a connection gets a goroutine for as long as it is awake.
func (h *hand) attend(f found) bool {
	c := f.c
	if c.wire != fast {
		woken := f.wakes(nil)
		if woken {
			go c.serve()
		}
		return woken
	}
	s := &h.stay
	if !f.wakes(s) {
		return false
	}
	s.c, s.parks = c, true
	orderly := false
	defer func() {
		if !orderly { // the protocol panicked, or ended the goroutine, which has nothing else on its hands
			c.abandon()
		}
	}()
	if c.attend(s) {
		go c.serve()
	}
	orderly = true
	s.reset()
	return true
}
