//go:build !race

package ws

import (
	"context"
	"net"
	"testing"
	"time"
)

// Without the race detector, which makes sync.Pool forgetful.

// loop is a stream that gives the same bytes at each Read and swallows what is written.
type loop struct {
	net.Conn
	frame []byte
}

func (l loop) Read(p []byte) (int, error)       { return copy(p, l.frame), nil }
func (l loop) Write(p []byte) (int, error)      { return len(p), nil }
func (l loop) SetDeadline(time.Time) error      { return nil }
func (l loop) SetReadDeadline(time.Time) error  { return nil }
func (l loop) SetWriteDeadline(time.Time) error { return nil }
func (l loop) Close() error                     { return nil }

func TestEchoAllocatesNothing(t *testing.T) {
	bothSides(t, func(t *testing.T, server bool) {
		_, p := wire(t, server, nil)
		c := newConn(loop{frame: p.frame(opText, true, "sixty-four bytes are what a message of a game or a chat takes up")}, server, "", nil, (&AcceptOptions{}).config())
		defer c.CloseNow()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		buf := make([]byte, 0, 128)
		n := testing.AllocsPerRun(1000, func() {
			typ, data, err := c.ReadAppend(ctx, buf[:0])
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Write(ctx, typ, data); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%v allocations an echo", n)
		}
	})
}

func TestIdleConnectionKeepsNoBuffers(t *testing.T) {
	c, p := wire(t, true, nil)
	p.send(p.frame(opText, true, "hello"), p.frame(opPing, true, "x"), p.frame(opText, true, "again"))
	expectRead(t, c, Text, "hello")
	expectRead(t, c, Text, "again")
	if c.msg.dst != nil || c.parser.cut != nil {
		t.Errorf("%+v %+v", c.msg, c.parser)
	}
}
