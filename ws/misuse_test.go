package ws_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// exercise calls every method there is, and gives the errors of those that have one.
func exercise(ctx context.Context, c *ws.Conn) map[string]error {
	errs := map[string]error{}
	_, _, errs["Read"] = c.Read(ctx)
	_, _, errs["ReadAppend"] = c.ReadAppend(ctx, nil)
	_, _, errs["Reader"] = c.Reader(ctx)
	for _, err := range c.Messages(ctx) {
		errs["Messages"] = err
	}
	errs["Write"] = c.Write(ctx, ws.Text, []byte("x"))
	_, errs["Writer"] = c.Writer(ctx, ws.Text)
	errs["WritePrepared"] = c.WritePrepared(ctx, nil)
	errs["Ping"] = c.Ping(ctx)
	errs["CloseRead"] = context.Cause(ended(c.CloseRead(ctx)))
	_, errs["ReadJSON"] = ws.ReadJSON[int](ctx, c)
	errs["WriteJSON"] = ws.WriteJSON(ctx, c, 1)
	return errs
}

func ended(ctx context.Context) context.Context {
	<-ctx.Done()
	return ctx
}

// A Conn that nobody made says so, and panics nowhere.
func TestConnThatNobodyMade(t *testing.T) {
	var c ws.Conn
	errs := exercise(context.Background(), &c)
	errs["Send"] = c.Send(ws.Text, nil)
	errs["SendPrepared"] = c.SendPrepared(nil)
	_, errs["TrySend"] = c.TrySend(nil)
	errs["Close"] = c.Close(ws.CloseNormal, "")
	errs["Context"] = context.Cause(c.Context())
	_, errs["NetConn"] = ws.NetConn(&c).Read(make([]byte, 1))
	for what, err := range errs {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	told := make(chan struct{})
	c.NotifyWritable(func() { close(told) })
	<-told
	c.NotifyWritable(nil)
	c.SetValue(1)
	c.Detach()
	if c.CloseNow() != nil || c.RTT() != 0 || c.Subprotocol() != "" || c.LocalAddr() != nil || c.RemoteAddr() != nil || c.Value() != 1 || c.Dropped() != 0 {
		t.Error("the zero Conn is something")
	}
	var g ws.Group
	g.Add(&c)
	if g.Len() != 0 {
		t.Error("a group has it")
	}
}

// A context that is nil is an error, and the connection lives on.
func TestNilContextIsAnError(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		url, opts := tr.serve(t, accept(t, nil, echo))
		c := dial(t, url, opts)
		var none context.Context
		for what, err := range exercise(none, c) {
			if err == nil {
				t.Errorf("%s: no error", what)
			}
		}
		if err := c.Write(patient(t), ws.Text, []byte("alive")); err != nil {
			t.Fatal(err)
		}
		if _, p, err := c.Read(patient(t)); err != nil || string(p) != "alive" {
			t.Errorf("Read: %q, %v", p, err)
		}
	})
}

// The context of a connection ends with it, with its error as the cause.
func TestContextEndsWithTheConnection(t *testing.T) {
	runForms(t, func(t *testing.T, fm form, tr transport) {
		url, opts := tr.serve(t, fm.echo(t, nil))
		c := dial(t, url, opts)
		ctx := c.Context()
		if ctx.Err() != nil || c.Context() != ctx {
			t.Error("another, or an ended one")
		}
		c.Close(4000, "enough")
		<-ctx.Done()
		_, _, err := c.Read(patient(t))
		if cause := context.Cause(ctx); cause != err || ws.CloseStatus(cause) != 4000 {
			t.Errorf("the cause is %v", cause)
		}
		late := dial(t, url, opts)
		late.CloseNow()
		if ctx := late.Context(); ws.CloseStatus(context.Cause(ctx)) != ws.CloseAbnormal {
			t.Errorf("the cause is %v", context.Cause(ctx))
		}
	})
}
