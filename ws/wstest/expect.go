package wstest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// What a case can want of the peer. Each of these waits with the exam's patience and fails the exam with what came
// instead.

// receive returns the next message, whole. Pongs are passed over. want says what for.
func (l *link) receive(want string) (op byte, payload []byte, ok bool) {
	for first := true; !l.dead(); {
		f, what := l.next()
		switch {
		case what != "":
			l.x.fail(want, "%s", what)
		case f.op == opPong:
			continue
		case f.op != opText && f.op != opBinary && f.op != opContinuation:
			l.x.fail(want, "%v", f)
		case first == (f.op == opContinuation):
			l.x.fail(want, "%v out of place", f)
		case len(payload)+len(f.payload) > maxFrame:
			l.x.fail(want, "a message of more than %d bytes", maxFrame)
		default:
			if first {
				op, first = f.op, false
			}
			payload = append(payload, f.payload...)
			if !f.more {
				return op, payload, true
			}
		}
	}
	return 0, nil, false
}

// wantEcho waits for a message to come back.
func (l *link) wantEcho(op byte, payload []byte) {
	if l.dead() {
		return
	}
	want := fmt.Sprintf("the message back: %s %s", opNames[op], quote(payload))
	gotOp, got, ok := l.receive(want)
	switch {
	case !ok:
	case gotOp != op:
		l.x.fail(want, "a message of type %s", opNames[gotOp])
	case !bytes.Equal(got, payload):
		i := 0
		for i < min(len(got), len(payload)) && got[i] == payload[i] {
			i++
		}
		l.x.fail(want, "%d bytes, which differ from byte %d on: %s", len(got), i, quote(got[i:]))
	}
}

// echo sends a message and waits for it: what was sent before has then been dealt with.
func (l *link) echo(op byte, payload []byte) {
	l.send(frame{op: op, payload: payload})
	l.wantEcho(op, payload)
}

// alive checks that the connection is still as it should be.
func (l *link) alive() { l.echo(opText, []byte("still here")) }

// wantPong waits for the answer to a ping; nothing may come before.
func (l *link) wantPong(payload string) {
	if l.dead() {
		return
	}
	want := "a pong with " + quote([]byte(payload))
	f, what := l.next()
	switch {
	case what != "":
		l.x.fail(want, "%s", what)
	case f.op != opPong || string(f.payload) != payload:
		l.x.fail(want, "%v", f)
	}
}

// somePong waits for a pong, whatever is in it; nothing may come before.
func (l *link) somePong() []byte {
	if l.dead() {
		return nil
	}
	f, what := l.next()
	if what != "" || f.op != opPong {
		l.x.fail("a pong", "%s", instead(f, what))
	}
	return f.payload
}

// wantClose waits for a close frame, with one of the codes if any are given. Pongs are passed over. It returns the
// code, 0 if there is none.
func (l *link) wantClose(codes ...uint16) (code uint16) {
	if l.dead() {
		return 0
	}
	want := "a close frame"
	if len(codes) > 0 {
		want = "a close frame with code " + either(codes)
	}
	f, what := l.next()
	for what == "" && f.op == opPong {
		f, what = l.next()
	}
	if what != "" {
		l.x.fail(want, "%s", what)
		return 0
	}
	code = closeCode(f)
	if f.op != opClose || len(codes) > 0 && !slices.Contains(codes, code) {
		l.x.fail(want, "%v", f)
	}
	return code
}

// wantEnd waits until the peer ends TCP, without a reset, and without a frame of the given opcodes before; others are
// passed over.
func (l *link) wantEnd(never ...byte) {
	if l.dead() {
		return
	}
	const want = "the connection to end"
	for {
		f, what := l.next()
		switch {
		case what == endClean:
			return
		case what != "":
			l.x.fail(want, "%s", what)
			return
		case slices.Contains(never, f.op):
			l.x.fail(want+", and nothing before", "%v", f)
			return
		}
	}
}

// wantOpen looks whether the peer, who is to wait, has ended the connection already. It looks for a moment only: on a
// slow machine it may miss an end, but it takes no waiting peer for one that has ended.
func (l *link) wantOpen() {
	if l.dead() {
		return
	}
	_ = l.nc.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := l.br.Peek(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		l.x.fail("the client to wait for the server to end the connection", "%s", l.describe(err))
	}
}

// either is "400 or 403".
func either[N int | uint16](numbers []N) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(numbers), " ", " or "), "[]")
}
