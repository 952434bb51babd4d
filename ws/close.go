package ws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/tidewire/tidewire/internal/netio"
)

// How a connection ends.
//
// It begins with err being set, once, by whichever comes first:
//
//   - startClose: this side closes. A close frame is sent; what comes in is thrown away until the peer's has come.
//   - fail: the peer broke the protocol or a limit. A close frame is sent; nothing further is parsed.
//   - gotClose: the peer closes. The answer is sent; nothing further is parsed.
//   - terminate, gone: there is nothing more to be said.
//
// Our close frame is the last that the network accepts. Whoever reads goes on reading, and where nobody does the core is
// told to. When both frames are there the server ends its direction and throws away what still comes until the peer's
// end, because closing with unread input would reset the connection and the peer might lose the close frame; the client
// waits for the server's end (RFC 6455, section 7.1.1). The network's Finish does the one, and reading on the other. The
// alarm cuts it short at closeBy. In every case the network calls gone at last.

// end sets the error that the connection ends with, unless there is one. Called with mu held.
func (c *Conn) end(err error) bool {
	e := c.atEnd()
	if e.why != nil {
		return false
	}
	e.why, e.closeBy = err, c.now()+c.cfg.closeTimeout
	c.flags.Or(flagClosing)
	return true
}

// farewell sends the close frame, and nothing after it. It is called once.
func (c *Conn) farewell(code CloseCode, reason string) {
	var room [maxControl + maxHeader]byte
	payload := appendClosePayload(make([]byte, 0, maxControl), code, reason)
	sent := c.net.SendLast(c.appendControl(room[:0], opClose, payload)) == nil
	c.mu.Lock()
	defer c.mu.Unlock()
	c.saidClose = sent
	c.arm(c.atEnd().closeBy)
}

// finish is called when nothing of the peer's is wanted any more. The alarm at closeBy comes before the network's own.
func (c *Conn) finish(err error) { c.net.Finish(err, 2*c.cfg.closeTimeout) }

func (c *Conn) startClose(err error, code CloseCode, reason string) {
	c.mu.Lock()
	began := c.end(err)
	c.mu.Unlock()
	if !began {
		return
	}
	c.farewell(code, reason)
	c.net.Serve() // does nothing where somebody reads
	if c.events != nil && !c.net.Listening() {
		go c.closeDuringEvent()
	}
}

// closeDuringEvent sees to a closing that was begun while an event was under way, in it perhaps. Until it returns nothing
// can be read, so if that is not soon the peer's answer is not waited for. It ends with the connection.
func (c *Conn) closeDuringEvent() {
	ctx, cancel := context.WithTimeout(context.Background(), c.cfg.closeTimeout)
	defer cancel()
	if err := c.net.Flush(ctx); err == nil && !c.net.Listening() {
		c.finish(c.ended())
	}
}

// fail ends the connection because of err and tells the peer. Also while closing: then nothing further is parsed.
func (c *Conn) fail(err error, code CloseCode, reason string) {
	c.mu.Lock()
	c.atEnd().err = err
	began := c.end(err)
	c.mu.Unlock()
	if began {
		c.farewell(code, cutReason(reason))
	}
	c.tellLimit(err)
	c.finish(err)
}

// refuse is called by the reader for what the parser can't accept.
func (c *Conn) refuse(err error) {
	reason := err.Error()
	if perr, ok := errors.AsType[*ProtocolError](err); ok {
		reason = perr.Reason
	} else if lerr, ok := errors.AsType[*LimitError](err); ok {
		reason = lerr.Limit
	}
	c.fail(err, CloseStatus(err), reason)
}

// gotClose is called by the reader for the peer's close frame.
func (c *Conn) gotClose(payload []byte) {
	code, reason, perr := parseClosePayload(payload)
	if perr != nil {
		c.fail(perr, perr.Code, perr.Reason)
		return
	}
	why := io.EOF
	if c.parser.inMessage {
		why = io.ErrUnexpectedEOF
	}
	c.mu.Lock()
	c.peerClosed = true
	began := c.end(&CloseError{Code: code, Reason: reason, Err: why})
	err := c.why()
	c.mu.Unlock()
	if began {
		c.farewell(code, "")
	}
	if c.server {
		c.finish(err)
	}
}

var errWriteCancelled = fmt.Errorf("a context ended in the middle of a write: %w", net.ErrClosed)

// because makes the connection's error of the network's.
func (c *Conn) because(err error) error {
	switch {
	case errors.Is(err, netio.ErrStalled):
		return timeLimit("time that a write makes no progress", "WriteTimeout", c.cfg.writeTimeout, CloseAbnormal)
	case errors.Is(err, netio.ErrCut):
		return &CloseError{Code: CloseAbnormal, Local: true, Err: errWriteCancelled}
	case errors.Is(err, net.ErrClosed):
		return &CloseError{Code: CloseAbnormal, Local: true, Err: net.ErrClosed}
	case errors.Is(err, io.EOF) && (c.parser.midFrame() || c.parser.inMessage): // nobody parses any more
		err = io.ErrUnexpectedEOF
	}
	return &CloseError{Code: CloseAbnormal, Err: err}
}

// lost takes note that the network's connection has ended, if it has, and reports that.
func (c *Conn) lost() bool {
	closed, ok := errors.AsType[*netio.ClosedError](c.net.Err())
	if !ok {
		return false
	}
	err := c.because(closed.Err)
	c.mu.Lock()
	first := c.end(err)
	if e := c.atEnd(); e.err == nil && !c.peerClosed {
		e.err = err
	}
	c.mu.Unlock()
	if first {
		c.tellLimit(err)
	}
	return true
}

// terminate cuts the connection off. Only the first error counts.
func (c *Conn) terminate(err error) {
	c.mu.Lock()
	c.end(err)
	e := c.atEnd()
	if e.err == nil {
		e.err = err
	}
	c.mu.Unlock()
	c.net.CloseNow(err)
	c.cutOff()
}

// cutOff is called when the network has ended while an event may be under way, which keeps gone from coming and may be waiting
// for the connection's context.
func (c *Conn) cutOff() {
	if !c.is(flagClosing) {
		c.lost()
	}
	c.mu.Lock()
	e := c.atEnd()
	e.cut = true
	why, cancel := e.why, e.cancel
	c.mu.Unlock()
	if cancel != nil {
		cancel(why)
	}
}

// gone is the end: nobody reads, and the stream is closed. It lets everybody go who waits.
func (c *Conn) gone() {
	c.lost()
	c.mu.Lock()
	c.over, c.due = true, 0
	undetach, group := c.atEnd().undetach, c.group
	c.ending.undetach, c.group = nil, nil
	for c.writes.tellFirst() { // a Writer that nobody closes would keep them waiting
	}
	err := c.why()
	c.mu.Unlock()

	if undetach != nil {
		undetach()
	}
	c.tellClosed()
	if group != nil {
		group.remove(c)
	}
	c.mu.Lock()
	e, running := c.atEnd(), c.running
	cancel := e.cancel
	if e.done != nil {
		close(e.done)
	}
	c.told = true
	c.mu.Unlock()
	if cancel != nil {
		cancel(err)
	}
	if running {
		c.tellClose()
	}
}

// hearOut is for how long a failed write looks for a close frame of the peer's.
const hearOut = time.Second

// refused makes the error of a call of what the network said to what it was to send.
func (c *Conn) refused(err error) error {
	if c.lost() || c.is(flagClosing) {
		return c.ended()
	}
	return &CloseError{Code: CloseAbnormal, Err: err} // it is being heard out
}

// writeFailed is refused for those who may wait. A peer that has sent a close frame and is gone makes writes fail before
// anybody has read its frame; what it had to say is the better error, so the network lets us look for it.
func (c *Conn) writeFailed(ctx context.Context, err error) error {
	if _, closed := errors.AsType[*netio.ClosedError](err); !closed && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		c.lost() // if it was in mid-frame
		return contextError(ctx, "write")
	}
	if c.lost() || c.is(flagClosing) {
		return c.ended()
	}
	if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		return contextError(ctx, "write")
	}
	if c.events == nil || c.net.Listening() {
		c.drain(ctx)
		select {
		case <-c.whenDone():
			return c.ended()
		case <-ctx.Done():
		}
	} // else an event is under way, and may be waiting for us
	c.terminate(&CloseError{Code: CloseAbnormal, Err: err})
	return c.ended()
}

// drain has the core read, in the place of the user once there is no Read under way: messages are thrown away, because
// nobody could be answered.
func (c *Conn) drain(ctx context.Context) {
	if c.events != nil {
		return // it reads
	}
	c.mu.Lock()
	if !c.reads.enter(true) {
		if c.queueUp(ctx, &c.reads, true, "write") != nil {
			return
		}
		c.mu.Lock()
	}
	c.flags.Or(flagDrained)
	c.reads.leave()
	c.mu.Unlock()
	c.net.Serve()
}

// Close closes the connection with a code and a reason: it sends a close frame, waits for the peer's, throwing away
// messages that come before it, and closes the network connection. All that takes at most CloseTimeout.
//
// It returns nil when both close frames were exchanged, also by an earlier Close or on the peer's initiative, and
// otherwise the error that kept it from that; in every case the connection has ended. The reason is cut to 123 bytes.
// CloseNoStatus sends a close frame without a code. Another code that must not be sent, such as 1006, is replaced by
// 1011, and reported.
//
// On a connection of Handler, Close does not wait: it begins the closing, which goes on by itself, and returns nil.
func (c *Conn) Close(code CloseCode, reason string) error {
	if c.net == nil {
		return errNoConn
	}
	sent := code
	if !code.onWire() && code != CloseNoStatus {
		sent = CloseInternalError
	}
	if reason = cutReason(reason); sent == CloseNoStatus {
		reason = ""
	}
	c.startClose(&CloseError{Code: sent, Reason: reason, Local: true, Err: net.ErrClosed}, sent, reason)
	if c.events == nil {
		c.net.Serve() // also where another call has begun, and its context has ended
		<-c.whenDone()
	}
	if sent != code {
		return fmt.Errorf("ws: close code %d must not be sent", code)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peerClosed && c.saidClose || c.events != nil && !c.dead() {
		return nil
	}
	return c.atEnd().err
}

// CloseNow closes the network connection without a closing handshake. The peer gets a 1006, and may not get what was
// written last. After Close, or after a Read that returned an error, it does nothing. It returns nil. On a connection of
// Handler it does not wait for an event that is under way.
func (c *Conn) CloseNow() error {
	if c.net == nil {
		return nil
	}
	c.terminate(&CloseError{Code: CloseAbnormal, Local: true, Err: net.ErrClosed})
	if c.events == nil {
		<-c.whenDone()
	}
	return nil
}
