//go:build race

package netio

import "sync/atomic"

// The race detector knows that what happens before a net.Conn's Write happens before the Read that gets the bytes. Raw
// system calls are hidden from it, so in its builds these give it the same edges.
var wireOrder atomic.Uint32

func raceSend()    { wireOrder.Add(1) }
func raceReceive() { wireOrder.Add(1) }
