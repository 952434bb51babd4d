package interop

import (
	"errors"
	"net"

	"github.com/tidewire/tidewire/ws"
)

const farewell = "auf Wiedersehen 🦉"

func testCloseByUs(e *encounter) {
	u, th := e.meet(settings{})
	e.bothWays(u, th, textOf("before", 1))
	e.must("our close", u.Close(4001, farewell))
	e.theirEnding(th, ending{4001, farewell})
	e.closedByUs(u, 4001)
}

// closedByUs wants the end of our own close.
func (e *encounter) closedByUs(u *us, code ws.CloseCode) {
	e.t.Helper()
	err := e.ourEnd(u)
	ce, ok := errors.AsType[*ws.CloseError](err)
	if !ok || !ce.Local || ce.Code != code || !errors.Is(err, net.ErrClosed) {
		e.t.Fatalf("our connection ended with %T %v, want a local *ws.CloseError with code %d", err, err, code)
	}
}

func testCloseByPeer(e *encounter) {
	u, th := e.meet(settings{})
	e.bothWays(u, th, textOf("before", 1))
	e.must("their close", th.close(e.ctx, 4002, farewell))
	e.closedByThem(u, 4002, farewell)
	// What they see is our answer: the code again. It needs no reason.
	got, err := th.end(e.ctx)
	e.must("their end", err)
	if got.Code != 4002 {
		e.t.Errorf("their end is %+v, want their own code back", got)
	}
}

func testCloseWithoutCodeByUs(e *encounter) {
	u, th := e.meet(settings{})
	e.must("our close", u.Close(ws.CloseNoStatus, ""))
	e.theirEnding(th, ending{ws.CloseNoStatus, ""})
	e.closedByUs(u, ws.CloseNoStatus)
}

func testCloseWithoutCodeByPeer(e *encounter) {
	u, th := e.meet(settings{})
	e.must("their close", th.close(e.ctx, ws.CloseNoStatus, ""))
	e.closedByThem(u, ws.CloseNoStatus, "")
	e.theirEnding(th, ending{ws.CloseNoStatus, ""})
}

func testCloseUnderLoadByUs(e *encounter) {
	u, th := e.meet(settings{})
	e.must("they begin to send", th.flood(e.ctx))
	for range 3 {
		_, err := u.inbox.receive(e.ctx)
		e.must("we receive", err)
	}
	e.must("our close", u.Close(4001, farewell))
	e.theirEnding(th, ending{4001, farewell})
	e.closedByUs(u, 4001)
}

func testCloseUnderLoadByPeer(e *encounter) {
	u, th := e.meet(settings{})
	sent := make(chan error, 1)
	go func() {
		data := make([]byte, 64<<10)
		for {
			if err := u.Write(e.ctx, ws.Binary, data); err != nil {
				sent <- err
				return
			}
		}
	}()
	for range 3 {
		_, err := th.receive(e.ctx)
		e.must("they receive", err)
	}
	e.must("their close", th.close(e.ctx, 4002, farewell))
	e.closedByThem(u, 4002, farewell)
	if err := <-sent; ws.CloseStatus(err) != 4002 {
		e.t.Errorf("our write ended with %T %v, want the close's error", err, err)
	}
	got, err := th.end(e.ctx)
	e.must("their end", err)
	if got.Code != 4002 {
		e.t.Errorf("their end is %+v, want their own code back", got)
	}
}

func testTooBigForUs(e *encounter) {
	u, th := e.meet(settings{ourLimit: mib})
	e.toUs(u, th, binaryOf("x", mib))
	_ = th.send(e.ctx, binaryOf("x", 16*mib)) // may fail: we close at its first bytes
	got, err := th.end(e.ctx)
	e.must("their end", err)
	if got.Code != ws.CloseMessageTooBig {
		e.t.Errorf("their end is %+v, want code 1009", got)
	}
	err = e.ourEnd(u)
	le, ok := errors.AsType[*ws.LimitError](err)
	if !ok || le.Option != "MessageLimit" || le.Max != mib || le.Code != ws.CloseMessageTooBig {
		e.t.Errorf("our connection ended with %T %v, want the *ws.LimitError of MessageLimit", err, err)
	}
}

func testTooBigForPeer(e *encounter) {
	u, th := e.meet(settings{theirLimit: mib})
	e.toThem(u, th, binaryOf("x", mib))
	_ = u.send(e.ctx, binaryOf("x", mib+1)) // may fail: they close at its first bytes
	err := e.ourEnd(u)
	ce, ok := errors.AsType[*ws.CloseError](err)
	if !ok || ce.Local || ce.Code != ws.CloseMessageTooBig {
		e.t.Errorf("our connection ended with %T %v, want their 1009", err, err)
	}
}

func testDropByUs(e *encounter) {
	u, th := e.meet(settings{})
	e.bothWays(u, th, textOf("before", 1))
	e.must("our drop", u.CloseNow())
	e.theirEnding(th, ending{ws.CloseAbnormal, ""})
	e.closedByUs(u, ws.CloseAbnormal)
}

// dropped wants the typed 1006 of a peer that has vanished.
func (e *encounter) dropped(u *us) {
	e.t.Helper()
	e.closedByThem(u, ws.CloseAbnormal, "")
	first := e.ourEnd(u)
	if err := u.Write(e.ctx, ws.Text, []byte("x")); !errors.Is(err, first) {
		e.t.Errorf("a write afterwards: %v, want %v", err, first)
	}
	if !u.blocking {
		return
	}
	if _, _, err := u.Read(e.ctx); !errors.Is(err, first) {
		e.t.Errorf("a read afterwards: %v, want %v", err, first)
	}
}

func testDropByPeer(e *encounter) {
	u, th := e.meet(settings{})
	e.bothWays(u, th, textOf("before", 1))
	e.must("their drop", th.drop(e.ctx, nil))
	e.dropped(u)
}

func testDropInMessage(e *encounter) {
	u, th := e.meet(settings{})
	m := textOf("the beginning of something ", 1000)
	e.must("their drop", th.drop(e.ctx, &m))
	e.dropped(u)
}

func testPeerKilled(e *encounter) {
	u, th := e.meet(settings{expendable: true})
	e.bothWays(u, th, textOf("before", 1))
	e.must("their process's end", th.drop(e.ctx, nil))
	e.dropped(u)
}
