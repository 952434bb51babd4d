package ws

import (
	"context"
	"net"
)

// CloseRead is for those who only write: it reads in the background, so that pings are answered, pongs are seen and
// the peer's close is noticed. The context it returns ends when the connection does; its cause is the error that the
// connection ended with. A message from the peer is against the agreement, and closes the connection with 1008.
//
// When ctx ends, so does the reading, and nothing else. Until then every other Read waits for its turn.
func (c *Conn) CloseRead(ctx context.Context) context.Context {
	var err error
	if ctx == nil {
		ctx, err = context.Background(), errNilContext
	}
	ctx, cancel := context.WithCancelCause(ctx)
	if err == nil {
		err = c.ended()
	}
	if err != nil {
		cancel(err)
		return ctx
	}
	go func() { // ends with the connection, or with ctx
		_, _, err := c.Reader(ctx)
		if err == nil {
			const reason = "no messages are expected"
			c.startClose(&CloseError{Code: ClosePolicyViolation, Reason: reason, Local: true, Err: net.ErrClosed}, ClosePolicyViolation, reason)
			_, _, err = c.Reader(context.Background()) // waits for the end
		}
		cancel(err)
	}()
	return ctx
}
