package load

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// handshakes keeps Conns handshakes under way: each connects, asks, checks the answer and resets the connection.
func handshakes(j Job) (map[string]float64, error) {
	ctl, err := newControl(j.Control)
	if err != nil {
		return nil, err
	}
	defer ctl.close()
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	defer p.close()
	h := &handshaker{addr: j.Addr, p: p, fds: make([]int, j.Conns), got: make([][]byte, j.Conns), buf: make([]byte, 4096)}
	defer h.close()
	for i := range h.fds {
		h.fds[i] = -1
		if err := h.begin(i); err != nil {
			return nil, err
		}
	}
	if _, err := h.until(time.Now().Add(ms(j.WarmupMS))); err != nil {
		return nil, err
	}
	before, err := look(j.PID, ctl)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	n, err := h.until(start.Add(ms(j.DurationMS)))
	if err != nil {
		return nil, err
	}
	took := time.Since(start)
	after, err := look(j.PID, ctl)
	if err != nil {
		return nil, err
	}
	m := after.since(before, float64(n))
	m["per_s"] = float64(n) / took.Seconds()
	return m, nil
}

type handshaker struct {
	addr string
	p    *poller
	fds  []int
	got  [][]byte // of the answers
	buf  []byte
	n    int // connections that were begun
}

func (h *handshaker) begin(i int) error {
	fd, err := connect(h.addr, h.n, 0)
	if err != nil {
		return err
	}
	h.n++
	h.fds[i], h.got[i] = fd, h.got[i][:0]
	if err := sendAll(fd, handshakeRequest); err != nil {
		return err
	}
	return h.p.add(fd, i)
}

// until shakes hands for a while, but at least once, and returns how often.
func (h *handshaker) until(end time.Time) (n int, err error) {
	var w watchdog
	w.fed()
	for n == 0 || time.Now().Before(end) {
		events, err := h.p.wait()
		if err != nil {
			return n, err
		}
		if len(events) > 0 {
			w.fed()
		} else if w.bites() {
			return n, errors.New("the server is silent")
		}
		for _, ev := range events {
			done, err := h.ready(int(ev.Fd))
			if err != nil {
				return n, err
			}
			if done {
				n++
			}
		}
	}
	return n, nil
}

func (h *handshaker) ready(i int) (bool, error) {
	k, e := recv(h.fds[i], h.buf)
	if e == unix.EAGAIN || e == unix.EINTR {
		return false, nil
	}
	if e != 0 || k == 0 {
		return false, fmt.Errorf("handshake ends after %.80q: %v", h.got[i], e)
	}
	h.got[i] = append(h.got[i], h.buf[:k]...)
	if !bytes.HasSuffix(h.got[i], []byte("\r\n\r\n")) {
		if len(h.got[i]) > len(h.buf) {
			return false, fmt.Errorf("handshake answered by %.200q", h.got[i])
		}
		return false, nil
	}
	if err := checkHandshake(h.got[i]); err != nil {
		return false, err
	}
	abort(h.fds[i])
	h.fds[i] = -1
	return true, h.begin(i)
}

func (h *handshaker) close() {
	for _, fd := range h.fds {
		if fd >= 0 {
			abort(fd)
		}
	}
}
