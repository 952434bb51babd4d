package load

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tidewire/tidewire/internal/bench/proc"
)

// warm is how many connections come and go before the empty server is looked at.
const warm = 64

// idle opens connections, has one message travel on each, leaves them alone, and looks at the server's memory.
func idle(j Job) (map[string]float64, error) {
	ctl, err := newControl(j.Control)
	if err != nil {
		return nil, err
	}
	defer ctl.close()
	w := j
	w.Conns = warm
	leave, _, err := visit(w, ctl)
	if err != nil {
		return nil, err
	}
	leave()
	time.Sleep(ms(j.SettleMS) / 4) // nothing can be waited for: what a server does about them is its own affair
	empty, err := weigh(j.PID, ctl)
	if err != nil {
		return nil, err
	}
	leave, alive, err := visit(j, ctl)
	if err != nil {
		return nil, err
	}
	defer leave()
	time.Sleep(ms(j.SettleMS))
	natural, err := proc.RSS(j.PID)
	if err != nil {
		return nil, err
	}
	full, err := weigh(j.PID, ctl)
	if err != nil {
		return nil, err
	}
	if err := alive(); err != nil {
		return nil, err
	}
	n := float64(j.Conns)
	return map[string]float64{
		"rss_b":         float64(full.rss-empty.rss) / n,
		"natural_rss_b": float64(natural-empty.rss) / n,
		"heap_b":        (full.heap - empty.heap) / n,
		"stack_b":       (full.stack - empty.stack) / n,
		"goroutines":    (full.goroutines - empty.goroutines) / n,
	}, nil
}

// weight is what a server has.
type weight struct {
	rss                     int64
	heap, stack, goroutines float64 // as the runtime tells
}

// weigh has the server give back what it does not need and looks at what is left.
func weigh(pid int, ctl *control) (w weight, err error) {
	if s, err := ctl.ask("gc"); err != nil || s != "ok" {
		return w, errors.Join(errors.New("gc: "+s), err)
	}
	if w.rss, err = proc.RSS(pid); err != nil {
		return w, err
	}
	if w.heap, err = ctl.number("heap"); err != nil {
		return w, err
	}
	if w.stack, err = ctl.number("stack"); err != nil {
		return w, err
	}
	w.goroutines, err = ctl.number("goroutines")
	return w, err
}

// visit opens the connections and has one message come on each. Alive tells afterwards whether all are still there: the
// memory of those that the server has given up in the meantime is not what is asked for.
func visit(j Job, ctl *control) (leave func(), alive func() error, err error) {
	switch {
	case j.Proto == "sse":
		c, err := newCrowd(j, ctl)
		if err != nil {
			return nil, nil, err
		}
		return c.close, func() error {
			for i := range c.conns {
				if err := present(c.conns[i].fd, true); err != nil {
					return err
				}
			}
			return nil
		}, nil
	case j.Cert != nil:
		return visitTLS(j)
	}
	fds := make([]int, 0, j.Conns)
	leave = func() {
		for _, fd := range fds {
			abort(fd)
		}
	}
	for i := range j.Conns {
		fd, err := dialWS(j.Addr, i, 0)
		if err == nil {
			fds = append(fds, fd)
			err = echoOnce(i, j.Size, func(b []byte) error { return sendAll(fd, b) }, func(b []byte) error { return recvFull(fd, b) })
		}
		if err != nil {
			leave()
			return nil, nil, fmt.Errorf("connection %d: %w", i, err)
		}
	}
	return leave, func() error {
		for _, fd := range fds {
			if err := present(fd, false); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// present looks whether the server has closed a connection, or is about to: what comes on an idle one is a close frame, an
// alert, or a ping, which tells that it was idle for too long; on an event stream it may be a comment.
func present(fd int, comments bool) error {
	var b [256]byte
	n, _, err := unix.Recvfrom(fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	switch {
	case err == unix.EAGAIN:
		return nil
	case err != nil:
		return fmt.Errorf("an idle connection has ended: %w", err)
	case n > 0 && comments:
		return nil
	}
	return fmt.Errorf("the server has ended an idle connection, or wants to: %.40q", b[:n])
}

func recvFull(fd int, b []byte) error {
	var w watchdog
	for w.fed(); len(b) > 0; {
		n, e := recv(fd, b)
		if e == unix.EINTR && !w.bites() {
			continue
		}
		if e != 0 || n == 0 {
			return fmt.Errorf("receive: %d bytes, %v", n, e)
		}
		b = b[n:]
	}
	return nil
}

func echoOnce(i, size int, send, recv func([]byte) error) error {
	out, want := echoFrames(i, 1, size)
	if err := send(out); err != nil {
		return err
	}
	got := make([]byte, len(want))
	if err := recv(got); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%w: %.80q", errPayload, got)
	}
	return nil
}

// visitTLS is visit over TLS 1.3.
func visitTLS(j Job) (leave func(), alive func() error, err error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(j.Cert) {
		return nil, nil, errors.New("the server's certificate can't be read")
	}
	conns := make([]*tls.Conn, 0, j.Conns)
	leave = func() {
		for _, c := range conns {
			c.Close()
		}
	}
	for i := range j.Conns {
		d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+i%sources))}, Timeout: patience}
		c, err := tls.DialWithDialer(d, "tcp4", j.Addr, &tls.Config{RootCAs: roots, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS13})
		if err == nil {
			conns = append(conns, c)
			c.SetDeadline(time.Now().Add(patience))
			err = visitStream(i, j.Size, c)
		}
		if err != nil {
			leave()
			return nil, nil, fmt.Errorf("connection %d: %w", i, err)
		}
		c.SetDeadline(time.Time{})
	}
	return leave, func() error {
		for _, c := range conns {
			if err := presentTLS(c); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

func presentTLS(c *tls.Conn) error {
	rc, err := c.NetConn().(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	var gone error
	err = rc.Control(func(fd uintptr) { gone = present(int(fd), false) })
	return errors.Join(err, gone)
}

func visitStream(i, size int, c net.Conn) error {
	if _, err := c.Write(handshakeRequest); err != nil {
		return err
	}
	var h []byte
	for b := make([]byte, 1); !bytes.HasSuffix(h, []byte("\r\n\r\n")); {
		if _, err := io.ReadFull(c, b); err != nil {
			return err
		}
		if h = append(h, b[0]); len(h) > 4096 {
			return fmt.Errorf("handshake answered by %.200q", h)
		}
	}
	if err := checkHandshake(h); err != nil {
		return err
	}
	send := func(b []byte) error { _, err := c.Write(b); return err }
	recv := func(b []byte) error { _, err := io.ReadFull(c, b); return err }
	return echoOnce(i, size, send, recv)
}
