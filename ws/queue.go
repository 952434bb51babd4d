package ws

import "fmt"

// QueuePolicy says what Send does with a message for which the outgoing queue has no room, because the peer reads slowly.
type QueuePolicy int

const (
	// CloseWhenFull closes the connection with 1013 (try again later): the peer misses nothing without knowing it.
	CloseWhenFull QueuePolicy = iota
	// DropWhenFull drops the message, says so, and counts it in Conn.Dropped. The connection lives on.
	DropWhenFull
)

func (p QueuePolicy) String() string {
	switch p {
	case CloseWhenFull:
		return "close when full"
	case DropWhenFull:
		return "drop when full"
	}
	return fmt.Sprintf("queue policy %d", int(p))
}

// fullError is the type of ErrFull.
type fullError struct{}

func (fullError) Error() string { return "ws: the peer takes no more for now" }

// Full tells those who don't import this package what the error means.
func (fullError) Full() bool { return true }

// queueFull is what a call returns that was refused for want of room.
func (c *Conn) queueFull(code CloseCode) *LimitError {
	return &LimitError{Limit: "outgoing queue in bytes", Max: int64(c.cfg.queueLimit), Option: "QueueLimit", Code: code, Err: ErrFull}
}

// drop counts a message that was not sent.
func (c *Conn) drop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.atEnd().dropped++
	return c.queueFull(0)
}

// overflow applies the policy.
func (c *Conn) overflow() error {
	if c.cfg.queueFull == DropWhenFull {
		return c.drop()
	}
	err := c.queueFull(CloseTryAgainLater)
	c.fail(err, CloseTryAgainLater, "reads too slowly")
	return c.ended()
}

// Dropped is how many messages Send and SendPrepared have not sent for want of room, on a connection that lived on.
func (c *Conn) Dropped() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending == nil {
		return 0
	}
	return c.ending.dropped
}
