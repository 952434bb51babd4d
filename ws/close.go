package ws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// How a connection ends.
//
// It begins with err being set, once, by whichever comes first:
//
//   - startClose: this side closes. A close frame is queued; what comes in is thrown away until the peer's has come.
//   - fail: the peer broke the protocol or a limit. A close frame is queued; nothing further is parsed.
//   - gotClose: the peer closes. The answer is queued; nothing further is parsed.
//   - broken, CloseNow: there is nothing more to be said.
//
// Then whoever reads, or Close where nobody does, sees it through in finish: wait for the close frame to be written;
// then the server half-closes and throws away what still comes until the peer's end, because closing with unread input
// would reset the connection and the peer might lose the close frame; the client waits for the server's end (RFC 6455,
// section 7.1.1). It ends with terminate: by finish, or by the timer when closeBy comes first.

// queueClose is called with mu held.
func (c *Conn) queueClose(code CloseCode, reason string) {
	if c.control.close {
		return
	}
	c.control.close, c.control.closeCode, c.control.closeReason = true, code, reason
	c.closeBy = c.now() + c.cfg.closeTimeout
	c.armLocked(c.closeBy)
}

// end sets the error that the connection ends with, unless there is one. Called with mu held.
func (c *Conn) end(err error) bool {
	if c.err != nil {
		return false
	}
	c.err = err
	c.closing.Store(true)
	close(c.ending)
	return true
}

func (c *Conn) startClose(err error, code CloseCode, reason string) {
	c.mu.Lock()
	began := c.end(err)
	if began {
		c.queueClose(code, reason)
	}
	c.mu.Unlock()
	c.kick()
	if began && c.cfg.handled {
		c.spawn(c.seeThrough) // while events block, too
	}
}

// fail ends the connection because of err and tells the peer. Also while closing: then nothing further is parsed.
func (c *Conn) fail(err error, code CloseCode, reason string) {
	c.mu.Lock()
	c.failed, c.endErr = true, err
	if c.end(err) {
		c.queueClose(code, cutReason(reason))
	}
	c.mu.Unlock()
	c.tellLimit(err)
	c.kick()
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
	c.peerDone = true
	if c.end(&CloseError{Code: code, Reason: reason, Err: why}) {
		c.queueClose(code, "")
	}
	c.mu.Unlock()
	c.kick()
}

// broken ends the connection because the stream did.
func (c *Conn) broken(err error) {
	c.terminate(&CloseError{Code: CloseAbnormal, Err: err}, true)
}

// hearOut is for how long a failed write looks for a close frame of the peer's.
const hearOut = time.Second

// writeFailed ends the connection because a write failed. A peer that has sent a close frame and is gone makes writes
// fail before anybody has read its frame; what it had to say is the better error, so that is looked for first.
func (c *Conn) writeFailed(ctx context.Context, err error) {
	defer c.broken(err) // does nothing where a close frame was found and seen to
	if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) || c.closing.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, hearOut)
	defer cancel()
	select {
	case c.readLock <- struct{}{}:
		defer c.readLock.unlock()
		for err := error(nil); err == nil && !c.closing.Load(); {
			_, err = c.step(ctx) // messages are thrown away: nobody could be answered
		}
	case <-ctx.Done():
	case <-c.ending: // whoever reads has found out
	}
}

// writeCancelled is called when a context ended in the middle of a write.
func (c *Conn) writeCancelled() {
	c.terminate(&CloseError{Code: CloseAbnormal, Local: true, Err: errWriteCancelled}, true)
}

var errWriteCancelled = fmt.Errorf("a context ended in the middle of a write: %w", net.ErrClosed)

// sentClose lets those go on who wait for the close frame to be written.
func (c *Conn) sentClose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sentCloseLocked()
}

func (c *Conn) sentCloseLocked() {
	if !c.sentDone {
		c.sentDone = true
		close(c.closeSent)
	}
}

// terminate closes the stream and lets everybody go who waits. Only the first call counts.
func (c *Conn) terminate(err error, abrupt bool) {
	c.mu.Lock()
	if c.dead() {
		c.mu.Unlock()
		return
	}
	c.end(err)
	if c.endErr == nil {
		c.endErr = err
	}
	close(c.done)
	c.sentCloseLocked()
	if c.timer != nil {
		c.timer.Stop()
	}
	undetach, group := c.undetach, c.group
	c.undetach, c.group = nil, nil
	c.mu.Unlock()

	if abrupt {
		abort(c.rw)
	} else {
		_ = c.rw.Close() // both sides have said all they had to
	}
	c.reading.close()
	c.writing.close()
	if undetach != nil {
		undetach()
	}
	c.tellClosed()
	if group != nil {
		group.remove(c)
	}
}

// finish sees the closing through. The caller holds readLock, and err is set. It returns when the connection has
// ended, at closeBy at the latest, or when ctx has; then a goroutine goes on with it.
func (c *Conn) finish(ctx context.Context) {
	for {
		c.mu.Lock()
		dead, parse := c.dead(), !c.failed && !c.peerDone
		c.mu.Unlock()
		switch {
		case dead:
			return
		case ctx.Err() != nil:
			if !c.seen {
				c.seen = true
				c.spawn(c.seeThrough)
			}
			return
		case parse:
			// Pieces of messages are thrown away; errors lead to failed, or dead, or are the context's.
			_, _ = c.step(ctx)
		default:
			select {
			case <-c.closeSent:
				c.linger(ctx)
			case <-ctx.Done():
			}
		}
	}
}

// linger is the last part of finish: the close frame has been written, and nothing further is parsed.
func (c *Conn) linger(ctx context.Context) {
	if !c.halfClosed && (c.server || c.hasFailed()) {
		c.halfClosed = true
		half, ok := c.rw.(halfCloser)
		if !ok || half.CloseWrite() != nil {
			c.terminate(nil, false)
			return
		}
	}
	_ = withBuffer(smallBuffer, func(b []byte) error {
		for {
			_, err := c.receive(ctx, b[:cap(b)])
			switch {
			case err == nil, errors.Is(err, errInterrupted):
			case ctx.Err() != nil && c.alive():
				return nil
			default:
				c.terminate(nil, false)
				return nil
			}
		}
	})
}

func (c *Conn) hasFailed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
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
	sent := code
	if !code.onWire() && code != CloseNoStatus {
		sent = CloseInternalError
	}
	if reason = cutReason(reason); sent == CloseNoStatus {
		reason = ""
	}
	c.startClose(&CloseError{Code: sent, Reason: reason, Local: true, Err: net.ErrClosed}, sent, reason)
	if !c.cfg.handled {
		c.see()
	}
	if sent != code {
		return fmt.Errorf("ws: close code %d must not be sent", code)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peerDone && c.control.closeTaken || c.cfg.handled && !c.dead() {
		return nil
	}
	return c.endErr
}

// see waits until the connection, which is closing, has ended.
func (c *Conn) see() {
	c.seeThrough()
	c.wg.Wait()
}

// seeThrough reads where nobody else does, until the connection, which is closing, has ended.
func (c *Conn) seeThrough() {
	select {
	case c.readLock <- struct{}{}:
		c.finish(context.Background())
		c.readLock.unlock()
	case <-c.done:
	}
}

// CloseNow closes the network connection without a closing handshake. The peer gets a 1006, and may not get what was
// written last. After Close, or after a Read that returned an error, it does nothing. It returns nil.
func (c *Conn) CloseNow() error {
	c.terminate(&CloseError{Code: CloseAbnormal, Local: true, Err: net.ErrClosed}, true)
	c.wg.Wait()
	return nil
}
