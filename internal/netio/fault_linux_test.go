//go:build linux && (amd64 || arm64)

package netio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// fault strikes the k-th call of a kind, and the times-1 after it.
type fault struct {
	name  string
	call  sysCall
	times int
	errno syscall.Errno
	cut   int // how much of the slice the system gets to see, without an error
	fatal bool
}

func (f fault) at(k int, calls *atomic.Int32) faultFunc {
	return func(call sysCall, p []byte) ([]byte, syscall.Errno) {
		if call != f.call {
			return p, 0
		}
		if n := int(calls.Add(1)); n < k || n >= k+f.times {
			return p, 0
		}
		if f.errno != 0 {
			return nil, f.errno
		}
		return p[:min(len(p), f.cut)], 0
	}
}

// At every place where a raw call can fail, the connection either goes on as if nothing had been, or ends with the error.
func TestRawCallsThatFail(t *testing.T) {
	const always = 1 << 30
	faults := []fault{
		{name: "receive one byte", call: callRecv, times: 1, cut: 1},
		{name: "receive always one byte", call: callRecv, times: always, cut: 1},
		{name: "receive reset", call: callRecv, times: 1, errno: syscall.ECONNRESET, fatal: true},
		{name: "send would block", call: callSend, times: 1, errno: syscall.EAGAIN},
		{name: "send one byte", call: callSend, times: 1, cut: 1},
		{name: "send seven bytes", call: callSend, times: 1, cut: 7},
		{name: "send always seven bytes", call: callSend, times: always, cut: 7},
		{name: "send always one byte", call: callSend, times: always, cut: 1},
		{name: "send broken pipe", call: callSend, times: 1, errno: syscall.EPIPE, fatal: true},
		{name: "send reset", call: callSend, times: 1, errno: syscall.ECONNRESET, fatal: true},
		{name: "peek would block", call: callPeek, times: 1, errno: syscall.EAGAIN},
	}
	var want []byte
	for i := range 8 {
		want = append(want, frame(bytes.Repeat([]byte{byte(i)}, 10*i))...)
	}
	for _, tr := range transports() {
		if tr.wire == plain {
			continue
		}
		for _, f := range faults {
			if (f.call == callPeek) != (tr.wire == overTLS) {
				continue
			}
			for _, blocking := range []bool{false, true} {
				if blocking && f.errno == syscall.EAGAIN && f.call != callSend {
					continue // no system does that while there is something
				}
				t.Run(fmt.Sprintf("%s/%s/blocking=%v", tr.name, f.name, blocking), func(t *testing.T) {
					noLeaks(t)
					for k := 1; ; k++ {
						var calls atomic.Int32
						l := newLines()
						_, peer := echoServer(t, tr, l, blocking, func(g *Config) {
							g.faults = f.at(k, &calls)
							g.ParkAfter = time.Millisecond
						})
						wrote := make(chan struct{})
						go func() { // in three pieces, so that there are several calls
							defer close(wrote)
							peer.Write(want[:50])
							peer.Write(want[50:51])
							peer.Write(want[51:])
						}()
						got := make([]byte, len(want))
						n, err := io.ReadFull(peer, got)
						fired := int(calls.Load()) >= k
						switch {
						case fired && f.fatal:
							if err == nil && n == len(want) && f.call == callSend {
								t.Errorf("call %d: all came back", k)
							}
							if !bytes.Equal(got[:n], want[:n]) {
								t.Errorf("call %d: what came back is different", k)
							}
							if err := get(t, "the end", l.closed); !errors.Is(err, f.errno) {
								t.Errorf("call %d: Closed(%v)", k, err)
							}
						case err != nil || !bytes.Equal(got, want):
							t.Fatalf("call %d: %d of %d bytes came back, %v", k, n, len(want), err)
						}
						<-wrote
						peer.Close()
						l.c.CloseNow(nil)
						if !fired {
							break
						}
						if f.times == always {
							break
						}
					}
				})
			}
		}
	}
}

// What a send has left goes on at the right byte, be it in the head or in the body.
func TestShortSendsGoOnAtTheRightByte(t *testing.T) {
	for _, tr := range transports() {
		if tr.wire != fast {
			continue
		}
		t.Run(tr.name, func(t *testing.T) {
			noLeaks(t)
			for _, sizes := range [][2]int{
				{4, 20}, {0, 20}, {20, 0}, {10, 5000}, {4, joinLimit - 4}, {4, joinLimit - 3}, {joinLimit, 0}, {joinLimit + 1, 0}, {joinLimit + 1, 9},
			} {
				want := randomBytes(rand.New(rand.NewPCG(1, 2)), sizes[0]+sizes[1])
				for cut := range 25 {
					var calls atomic.Int32
					l := newLines()
					c, peer := tr.start(t, l, func(g *Config) {
						g.faults = fault{call: callSend, times: 1, cut: cut}.at(1, &calls)
					})
					l.c = c
					if err := c.Write(t.Context(), want[:sizes[0]], want[sizes[0]:]); err != nil {
						t.Fatal(err)
					}
					got := make([]byte, len(want))
					mustReadFull(t, peer, got)
					if !bytes.Equal(got, want) {
						t.Fatalf("head of %d, body of %d, cut after %d: came differently", sizes[0], sizes[1], cut)
					}
					c.CloseNow(nil)
					get(t, "the end", l.closed)
				}
			}
		})
	}
}
