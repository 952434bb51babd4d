//go:build linux && (amd64 || arm64)

package netio

import (
	"os"
	"syscall"
	"unsafe"
)

// This is the one file with unsafe. Its calls never block (MSG_DONTWAIT on a socket that net has made non-blocking
// anyway) and never raise SIGPIPE, so they need not tell the scheduler: RawSyscall saves a tenth to two fifths of the
// CPU of a small message. Every caller has the descriptor referenced, by being inside a callback of its RawConn.

// canFast says that this system has the fast path.
const canFast = true

const (
	flagsSend = syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL
	flagsRecv = syscall.MSG_DONTWAIT

	// maxParts is how many slices one sendmsg takes.
	maxParts = 64
)

// faultFunc is the seam for tests between the fast path and the system. It sees the slice that a call is about to
// receive into or to send, and returns what is left of it, or an error instead of the call. In production it is nil,
// which costs a branch that is always predicted.
type faultFunc func(call sysCall, p []byte) ([]byte, syscall.Errno)

type sysCall uint8

const (
	callRecv sysCall = iota
	callPeek
	callSend
	callArm // of the epoll, without a slice
)

// sysRecv receives into p. full: all of p was filled, so that there may be more.
func sysRecv(f faultFunc, fd uintptr, p []byte) (n int, full bool, e syscall.Errno) {
	if f != nil {
		if p, e = f(callRecv, p); e != 0 {
			return 0, false, e
		}
	}
	for {
		got, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), flagsRecv, 0, 0)
		switch e {
		case 0:
			raceReceive(fd)
			return int(got), int(got) == len(p), 0
		case syscall.EINTR:
		default:
			return 0, false, e
		}
	}
}

// sysReadable says whether a receive would return at once, with bytes, the end or an error. It looks into p.
func sysReadable(f faultFunc, fd uintptr, p []byte) bool {
	var e syscall.Errno
	if f != nil {
		if p, e = f(callPeek, p); e != 0 {
			return e != syscall.EAGAIN
		}
	}
	for {
		_, _, e = syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), flagsRecv|syscall.MSG_PEEK, 0, 0)
		if e != syscall.EINTR {
			return e != syscall.EAGAIN
		}
	}
}

// sysSend sends what the socket has room for.
func sysSend(f faultFunc, fd uintptr, p []byte) (n int, e syscall.Errno) {
	if f != nil {
		if p, e = f(callSend, p); e != 0 {
			return 0, e
		}
	}
	if len(p) == 0 {
		return 0, 0
	}
	raceSend()
	for {
		var got uintptr
		got, _, e = syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), flagsSend, 0, 0)
		switch e {
		case 0:
			return int(got), 0
		case syscall.EINTR:
		default:
			return 0, e
		}
	}
}

// sendState is the scratch memory of a send of several slices.
type sendState struct {
	msg   syscall.Msghdr
	parts [maxParts]syscall.Iovec
}

// sysSendParts sends what the socket has room for of up to maxParts slices.
func sysSendParts(f faultFunc, fd uintptr, s *sendState, parts [][]byte) (n int, e syscall.Errno) {
	if f != nil { // the seam sees one slice
		return sysSend(f, fd, parts[0])
	}
	used := 0
	for _, p := range parts {
		if len(p) > 0 {
			s.parts[used].Base = &p[0]
			s.parts[used].SetLen(len(p))
			used++
		}
	}
	if used == 0 {
		return 0, 0
	}
	s.msg.Iov, s.msg.Iovlen = &s.parts[0], uint64(used)
	raceSend()
	for {
		var got uintptr
		got, _, e = syscall.RawSyscall(syscall.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&s.msg)), flagsSend)
		if e == 0 {
			n = int(got)
		}
		if e != syscall.EINTR {
			break
		}
	}
	clear(s.parts[:used]) // they would keep the slices alive
	return n, e
}

// sysEpollWait takes what the epoll has to report, without waiting.
func sysEpollWait(fd uintptr, evs []syscall.EpollEvent) int {
	for {
		n, _, e := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(&evs[0])), uintptr(len(evs)), 0, 0, 0)
		switch e {
		case 0:
			return int(n)
		case syscall.EINTR:
		default:
			return 0
		}
	}
}

// sysBell makes an eventfd that is readable for ever, and watched for edges, which are what sysRing makes.
func sysBell(epfd int) (uintptr, error) {
	bell, _, e := syscall.RawSyscall(syscall.SYS_EVENTFD2, 1, syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if e != 0 {
		return 0, os.NewSyscallError("eventfd2", e)
	}
	ev := syscall.EpollEvent{Events: syscall.EPOLLIN | edge}
	if err := syscall.EpollCtl(epfd, syscall.EPOLL_CTL_ADD, int(bell), &ev); err != nil {
		_ = syscall.Close(int(bell))
		return 0, os.NewSyscallError("epoll_ctl", err)
	}
	return bell, nil
}

// sysRing counts one up, of 2⁶⁴.
func sysRing(bell uintptr) {
	one := uint64(1)
	_, _, _ = syscall.RawSyscall(syscall.SYS_WRITE, bell, uintptr(unsafe.Pointer(&one)), 8)
}

// sysEpollCtl has the epoll watch a socket.
func sysEpollCtl(f faultFunc, epfd uintptr, op int, fd uintptr, ev *syscall.EpollEvent) error {
	if f != nil {
		if _, e := f(callArm, nil); e != 0 {
			return e
		}
	}
	return syscall.EpollCtl(int(epfd), op, int(fd), ev)
}

// sysShutdown ends one or both directions at once, without releasing the descriptor.
func sysShutdown(fd uintptr, how int) { _ = syscall.Shutdown(int(fd), how) } // it fails only if there is no peer any more
