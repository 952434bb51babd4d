package ws_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// An error says who ended the connection; where nobody did, that it was lost.
func TestErrorsSayWhoEndedTheConnection(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
		code ws.CloseCode
	}{
		{&ws.CloseError{Code: ws.CloseNormal, Err: io.EOF}, "ws: closed by the peer: 1000 (normal closure)", 1000},
		{&ws.CloseError{Code: ws.CloseGoingAway, Reason: "bye", Local: true, Err: net.ErrClosed}, `ws: closed by this side: 1001 (going away): "bye"`, 1001},
		{&ws.CloseError{Code: ws.CloseNoStatus, Err: io.EOF}, "ws: closed by the peer: 1005 (no status received)", 1005},
		{&ws.CloseError{Code: ws.CloseAbnormal, Err: io.ErrUnexpectedEOF}, "ws: connection lost without a close frame (1006): unexpected EOF", 1006},
		{&ws.CloseError{Code: ws.CloseAbnormal}, "ws: connection lost without a close frame (1006)", 1006},
		{&ws.CloseError{Code: ws.CloseAbnormal, Local: true, Err: net.ErrClosed}, "ws: closed by this side without a close frame (1006): use of closed network connection", 1006},
		{&ws.LimitError{Limit: "message size in bytes", Max: 5, Option: "MessageLimit", Code: ws.CloseMessageTooBig}, "ws: limit reached: message size in bytes (MessageLimit = 5)", 1009},
		{&ws.LimitError{Limit: "silence", Max: int64(15 * time.Second), Option: "PongTimeout", Code: ws.CloseAbnormal, Err: os.ErrDeadlineExceeded}, "ws: limit reached: silence (PongTimeout = 15s)", 1006},
		{&ws.ProtocolError{Code: ws.CloseProtocolError, Reason: "x"}, "ws: 1002 (protocol error): x", 1002},
		{&ws.CloseError{Code: 4001, Err: io.EOF}, "ws: closed by the peer: 4001", 4001},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
		if got := ws.CloseStatus(errors.Join(test.err)); got != test.code {
			t.Errorf("%v: code %d", test.err, got)
		}
	}
}
