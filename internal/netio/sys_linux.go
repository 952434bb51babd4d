//go:build linux && (amd64 || arm64)

package netio

import (
	"encoding/binary"
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

	// tcpInq is TCP_INQ of linux/tcp.h, as an option and as a control message: how much is left after a receive.
	tcpInq = 36

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
)

// recvState is the scratch memory of a receive.
type recvState struct {
	msg syscall.Msghdr
	iov syscall.Iovec
	ctl [32]byte // one control message with an int32
}

// tellInq asks for what is left with every receive. Other sockets than TCP can't say it.
func tellInq(fd uintptr) bool {
	return syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpInq, 1) == nil
}

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

// sysRecvInq is sysRecv of a socket that tells what is left, with b's scratch memory: more is false only if nothing is left
// in it, not even the peer's end.
func sysRecvInq(f faultFunc, fd uintptr, b *buffer, p []byte) (n int, more bool, e syscall.Errno) {
	if f != nil {
		if p, e = f(callRecv, p); e != 0 {
			return 0, true, e
		}
	}
	s := &b.recv
	for {
		s.iov.Base = &p[0]
		s.iov.SetLen(len(p))
		s.msg.Iov, s.msg.Iovlen = &s.iov, 1
		s.msg.Control, s.msg.Controllen = &s.ctl[0], uint64(len(s.ctl))
		got, _, e := syscall.RawSyscall(syscall.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&s.msg)), flagsRecv)
		s.iov.Base = nil
		switch e {
		case 0:
			raceReceive(fd)
			return int(got), s.left() != 0, 0
		case syscall.EINTR:
		default:
			return 0, true, e
		}
	}
}

// left reads the control message of the last receive; -1 if there was none.
func (s *recvState) left() int32 {
	const head = 16 // a struct cmsghdr: length, level, type
	if s.msg.Controllen < head+4 || binary.NativeEndian.Uint32(s.ctl[8:]) != syscall.IPPROTO_TCP || binary.NativeEndian.Uint32(s.ctl[12:]) != tcpInq {
		return -1
	}
	return int32(binary.NativeEndian.Uint32(s.ctl[head:]))
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

// sysShutdown ends one or both directions at once, without releasing the descriptor.
func sysShutdown(fd uintptr, how int) { _ = syscall.Shutdown(int(fd), how) } // it fails only if there is no peer any more
