package load

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tidewire/tidewire/internal/bench/proc"
)

// echoConn sends its frames, awaits the same as text, and sends them again.
type echoConn struct {
	fd        int
	out, want []byte
	got       int // bytes of want that have come
}

// dialWS connects and shakes hands; the server must not have sent more than its answer.
func dialWS(addr string, i, rcvbuf int) (int, error) {
	fd, err := connect(addr, i, rcvbuf)
	if err != nil {
		return -1, err
	}
	if err = sendAll(fd, handshakeRequest); err == nil {
		var h, rest []byte
		if h, rest, err = head(fd); err == nil {
			if err = checkHandshake(h); err == nil && len(rest) > 0 {
				err = fmt.Errorf("%d bytes behind the handshake", len(rest))
			}
		}
	}
	if err != nil {
		abort(fd)
		return -1, err
	}
	return fd, nil
}

// ready takes what has come. It returns whether all of want is complete.
func (c *echoConn) ready(buf []byte) (bool, error) {
	n, e := recv(c.fd, buf)
	switch {
	case e == unix.EAGAIN || e == unix.EINTR:
		return false, nil
	case e != 0:
		return false, fmt.Errorf("receive: %w", e)
	case n == 0:
		return false, errors.New("the server has closed a connection")
	}
	if n > len(c.want)-c.got || !bytes.Equal(buf[:n], c.want[c.got:c.got+n]) {
		return false, fmt.Errorf("%w: %.80q", errPayload, buf[:n])
	}
	if c.got += n; c.got < len(c.want) {
		return false, nil
	}
	c.got = 0
	return true, nil
}

// echo keeps Depth messages on the way on each connection: they are sent at once, and again when all have come back.
func echo(j Job) (map[string]float64, error) {
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
	conns := make([]echoConn, j.Conns)
	for i := range conns {
		c := &conns[i]
		c.out, c.want = echoFrames(i, j.Depth, j.Size)
		if c.fd, err = dialWS(j.Addr, i, 0); err != nil {
			return nil, fmt.Errorf("connection %d: %w", i, err)
		}
		defer abort(c.fd)
		if err := p.add(c.fd, i); err != nil {
			return nil, err
		}
	}
	for i := range conns {
		if err := sendAll(conns[i].fd, conns[i].out); err != nil {
			return nil, err
		}
	}
	e := &echoRun{p: p, conns: conns, depth: j.Depth, buf: make([]byte, 64<<10)}
	if _, err := e.until(time.Now().Add(ms(j.WarmupMS))); err != nil {
		return nil, err
	}
	before, err := look(j.PID, ctl)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	n, err := e.until(start.Add(ms(j.DurationMS)))
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

type echoRun struct {
	p     *poller
	conns []echoConn
	depth int
	buf   []byte
}

// until echoes for a while, but at least one message, and returns how many came back.
func (e *echoRun) until(end time.Time) (n int, err error) {
	var w watchdog
	w.fed()
	for n == 0 || time.Now().Before(end) {
		events, err := e.p.wait()
		if err != nil {
			return n, err
		}
		if len(events) > 0 {
			w.fed()
		} else if w.bites() {
			return n, errors.New("the server is silent")
		}
		for i := range events {
			c := &e.conns[events[i].Fd]
			done, err := c.ready(e.buf)
			if err != nil {
				return n, err
			}
			if done {
				n += e.depth
				if err := sendAll(c.fd, c.out); err != nil {
					return n, err
				}
			}
		}
	}
	return n, nil
}

// usage is what the two processes have used so far.
type usage struct {
	server, client time.Duration
	allocs         float64
}

func look(pid int, ctl *control) (u usage, err error) {
	if u.allocs, err = ctl.number("allocs"); err != nil {
		return u, err
	}
	if u.client, err = proc.CPU(os.Getpid()); err != nil {
		return u, err
	}
	u.server, err = proc.CPU(pid)
	return u, err
}

// since gives the metrics of CPU and allocations for each of n operations.
func (u usage) since(before usage, n float64) map[string]float64 {
	return map[string]float64{
		"cpu_us":      float64((u.server - before.server).Nanoseconds()) / 1e3 / n,
		"load_cpu_us": float64((u.client - before.client).Nanoseconds()) / 1e3 / n,
		"allocs":      (u.allocs - before.allocs) / n,
	}
}
