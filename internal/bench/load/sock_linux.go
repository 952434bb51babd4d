package load

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sources is how many loopback addresses connections come from in turn.
const sources = 8

// connect makes a blocking connection from the i-th source address. Sends and receives on it fail after some seconds.
func connect(addr string, i, rcvbuf int) (fd int, err error) {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return -1, err
	}
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	tv := unix.NsecToTimeval(int64(patience))
	set := func(level, opt, v int) {
		if err == nil {
			err = unix.SetsockoptInt(fd, level, opt, v)
		}
	}
	set(unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	set(unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	if rcvbuf > 0 {
		set(unix.SOL_SOCKET, unix.SO_RCVBUF, rcvbuf)
	}
	if err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv)
	}
	if err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv)
	}
	if err != nil {
		return fd, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(1 + i%sources)}}); err != nil {
		return fd, fmt.Errorf("bind: %w", err)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}); err != nil {
		return fd, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}

// abort closes a connection with a reset, which leaves nothing behind in either system.
func abort(fd int) {
	unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(fd)
}

// recv and send bypass the scheduler's bookkeeping for calls that may block: the sockets do not, when it matters.
func recv(fd int, b []byte) (int, unix.Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
	return int(n), e
}

func send(fd int, b []byte) (int, unix.Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
	return int(n), e
}

// sendAll sends on a socket whose buffer must have room for it.
func sendAll(fd int, b []byte) error {
	n, e := send(fd, b)
	for e == unix.EINTR {
		n, e = send(fd, b)
	}
	if e != 0 {
		return fmt.Errorf("send: %w", e)
	}
	if n < len(b) {
		return fmt.Errorf("send: only %d of %d bytes", n, len(b))
	}
	return nil
}

// poller is an epoll whose events carry indices.
type poller struct {
	fd     int
	events [512]unix.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return &poller{fd: fd}, err
}

// add makes the socket non-blocking and watches it, level-triggered.
func (p *poller) add(fd, index int) error {
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(index)})
}

// wait returns what is readable, after 50 ms at the latest.
func (p *poller) wait() ([]unix.EpollEvent, error) {
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 50, 0, 0)
	switch e {
	case 0:
		return p.events[:n], nil
	case unix.EINTR:
		return nil, nil
	}
	return nil, fmt.Errorf("epoll: %w", e)
}

func (p *poller) close() { unix.Close(p.fd) }

// head reads from a blocking socket up to the end of an HTTP response's header and returns it, and what came behind it.
func head(fd int) (header, rest []byte, err error) {
	var buf [4096]byte
	n := 0
	var w watchdog
	for w.fed(); ; {
		k, e := recv(fd, buf[n:])
		switch {
		case e == unix.EINTR && !w.bites():
			continue
		case e != 0:
			return nil, nil, fmt.Errorf("response: %w after %.80q", e, buf[:n])
		case k == 0:
			return nil, nil, fmt.Errorf("response ends after %.200q", buf[:n])
		}
		n += k
		if i := bytes.Index(buf[:n], []byte("\r\n\r\n")); i >= 0 {
			return buf[:i+4], bytes.Clone(buf[i+4 : n]), nil
		}
		if n == len(buf) {
			return nil, nil, fmt.Errorf("response's header is too long: %.200q", buf[:])
		}
	}
}

// watchdog tells when nothing has happened for too long.
type watchdog struct{ last time.Time }

func (w *watchdog) fed() { w.last = time.Now() }

func (w *watchdog) bites() bool { return time.Since(w.last) > patience }
