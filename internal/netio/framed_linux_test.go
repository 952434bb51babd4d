//go:build linux && (amd64 || arm64)

package netio

import (
	"bytes"
	"sync/atomic"
	"syscall"
	"testing"
)

// The rest of a head that the socket did not take is the connection's own: whoever uses the pooled memory next may write
// what it likes there.
func TestTrySendFramedKeepsTheRestOfAHead(t *testing.T) {
	body := bytes.Repeat([]byte("b"), 1000)
	want := append(append(chunked.Head(nil, len(body)), body...), chunked.Tail...)
	for cut := range 5 { // of a head of five bytes
		noLeaks(t)
		var sends atomic.Int32
		goOn := make(chan struct{})
		l := newLines()
		c, peer := transports()[0].start(t, l, func(g *Config) {
			g.faults = func(call sysCall, p []byte) ([]byte, syscall.Errno) {
				switch {
				case call != callSend:
				case sends.Add(1) == 1:
					return p[:cut], 0
				default:
					<-goOn
				}
				return p, 0
			}
		})
		l.c = c
		if n, err := c.TrySendFramed(chunked, [][]byte{body}); n != 1 || err != nil {
			t.Fatalf("TrySendFramed: %d, %v", n, err)
		}
		var got [10]*framing
		for i := range got {
			got[i] = framings.Get().(*framing)
			heads := got[i].heads[:cap(got[i].heads)]
			for k := range heads {
				heads[k] = 'X'
			}
		}
		for _, f := range got {
			framings.Put(f)
		}
		close(goOn)
		p := make([]byte, len(want))
		mustReadFull(t, peer, p)
		if !bytes.Equal(p, want) {
			t.Errorf("cut after %d: %.20q came, want %.20q", cut, p, want)
		}
		c.CloseNow(nil)
		get(t, "the end", l.closed)
	}
}
