package netio

import (
	"errors"
	"net"
	"testing"
	"time"
)

// Whoever waits in Data is told that the connection has ended, in whatever way, because Closed has to wait for Data.
func TestCutIsToldToWhoWaitsInData(t *testing.T) {
	for name, end := range map[string]struct {
		change func(*Config)
		do     func(c *Conn)
		is     error
	}{
		"CloseNow": {nil, func(c *Conn) { c.CloseNow(errReason) }, errReason},
		"Finish":   {nil, func(c *Conn) { c.Finish(errReason, time.Millisecond) }, errReason},
		"stalled": {func(g *Config) { g.WriteTimeout = 50 * time.Millisecond }, func(c *Conn) {
			for !errors.Is(c.Send(nil, make([]byte, 32<<10)), net.ErrClosed) {
				time.Sleep(time.Millisecond)
			}
		}, ErrStalled},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, tr transport) {
				l := newLines()
				entered, cut := make(chan struct{}), make(chan struct{})
				l.onCut = func() { close(cut) } // once
				l.onMessage = func([]byte) Next {
					close(entered)
					get(t, "Cut", cut)
					return More
				}
				c, peer := echoServer(t, tr, l, false, func(g *Config) {
					g.Policy = Refuse
					if end.change != nil {
						end.change(g)
					}
				})
				peer.Write(frame([]byte("word")))
				get(t, "the message", entered)
				end.do(c)
				if err := get(t, "the end", l.closed); !errors.Is(err, end.is) {
					t.Errorf("Closed(%v)", err)
				}
			})
		})
	}
}
