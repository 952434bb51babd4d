package ws_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// overAll runs f over every transport.
func overAll(t *testing.T, f func(t *testing.T, tr transport)) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) { f(t, tr) })
	}
}

// endingEvents brings the connection's end about in a message's event, which then waits for the context to end: the cause has
// to be what the connection ends with.
func endingEvents(t *testing.T, closed chan<- error, end func(c *ws.Conn)) ws.Events {
	return ws.Events{
		Message: func(c *ws.Conn, typ ws.MessageType, data []byte) {
			end(c)
			select {
			case <-c.Context().Done():
			case <-time.After(patience):
				t.Error("the context did not end in the event")
			}
		},
		Close: func(c *ws.Conn, err error) {
			if cause := context.Cause(c.Context()); cause != err {
				t.Errorf("cause %v, ended with %v", cause, err)
			}
			closed <- err
		},
	}
}

// In an event the context ends with CloseNow, also for who asks for it only then: the event may be waiting for that, and the
// connection has not ended before the event returns.
func TestContextEndsDuringTheEvent(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		for _, early := range []bool{false, true} {
			closed := make(chan error, 1)
			url, opts := tr.serve(t, ws.Handler(nil, func(c *ws.Conn, r *http.Request) ws.Events {
				if early {
					c.Context()
				}
				return endingEvents(t, closed, func(c *ws.Conn) { c.CloseNow() })
			}))
			c := dial(t, url, opts)
			if err := c.Write(patient(t), ws.Text, []byte("end")); err != nil {
				t.Fatal(err)
			}
			if err := <-closed; ws.CloseStatus(err) != ws.CloseAbnormal {
				t.Errorf("Close(%v)", err)
			}
		}
	})
}

// Nor has it to be this side's CloseNow: a peer that does not read, or is gone, ends the context in the event too, whatever
// has been begun with the connection before.
func TestContextEndsInTheEventWhenThePeerTakesNothing(t *testing.T) {
	short, long := time.Second, 2*patience
	for name, x := range map[string]struct {
		opts   ws.AcceptOptions
		leaves bool
	}{
		"dropped":                {ws.AcceptOptions{QueueFull: ws.DropWhenFull, WriteTimeout: short, CloseTimeout: long}, false},
		"closing":                {ws.AcceptOptions{WriteTimeout: short, CloseTimeout: long}, false},
		"closing, the peer goes": {ws.AcceptOptions{CloseTimeout: short}, true},
		"closing, nobody comes":  {ws.AcceptOptions{CloseTimeout: short}, false},
	} {
		t.Run(name, func(t *testing.T) {
			overAll(t, func(t *testing.T, tr transport) {
				x.opts.PingInterval, x.opts.QueueLimit = -1, 64<<10
				full, closed := make(chan struct{}), make(chan error, 1)
				url, opts := tr.serve(t, ws.Handler(&x.opts, func(c *ws.Conn, r *http.Request) ws.Events {
					return endingEvents(t, closed, func(c *ws.Conn) {
						frame, _ := ws.AppendFrame(nil, ws.Binary, make([]byte, 32<<10))
						for refused := 0; refused < 100; { // the network has taken all it can
							if _, err := c.TrySend([][]byte{frame}); err == nil {
								refused = 0
							} else {
								refused++
								time.Sleep(time.Millisecond)
							}
						}
						for c.Send(ws.Binary, make([]byte, 32<<10)) == nil { // and the queue is full
						}
						close(full)
					})
				}))
				c := dial(t, url, opts)
				if err := c.Write(patient(t), ws.Text, []byte("much")); err != nil {
					t.Fatal(err)
				}
				<-full
				if x.leaves {
					c.CloseNow()
				}
				err := <-closed
				if _, ok := errors.AsType[*ws.LimitError](err); !ok {
					t.Errorf("Close(%v)", err)
				}
				c.CloseNow()
			})
		})
	}
}
