package testnet

import (
	"net"
	"sync"
	"time"
)

// deadline is one of a connection's two deadlines. It belongs to a sync.Cond whose waiters look at passed;
// every method is called with the condition's lock held.
type deadline struct {
	timer  *time.Timer
	gen    uint64 // of the latest set, so that a timer which fires late can't hit the next deadline
	passed bool
}

func (d *deadline) set(cond *sync.Cond, t time.Time) {
	d.stop()
	d.passed = false
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		d.passed = true
		cond.Broadcast()
		return
	}
	gen := d.gen
	d.timer = time.AfterFunc(wait, func() {
		cond.L.Lock()
		defer cond.L.Unlock()
		if d.gen == gen {
			d.passed = true
			cond.Broadcast()
		}
	})
}

// stop leaves passed as it is and releases the timer.
func (d *deadline) stop() {
	d.gen++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

// opError gives err the form in which a net.TCPConn returns it. io.EOF and nil never come here.
func opError(c net.Conn, op string, err error) error {
	return &net.OpError{Op: op, Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
