//go:build race && linux && (amd64 || arm64)

package netio

import "syscall"

// The race detector knows that what happens before a net.Conn's Write happens before the Read that gets the bytes,
// because package syscall tells it so. Raw system calls are hidden from it, and a program under test would be told of
// races that are none. So in its builds each is accompanied by one that does nothing but tell: a write to no descriptor,
// and a read of no bytes.

func raceSend()              { _, _ = syscall.Write(-1, nil) }
func raceReceive(fd uintptr) { _, _ = syscall.Read(int(fd), nil) }
