package hub_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/tidewire/tidewire/hub"
)

// jsonLines is an encoder: each event is a line, so that where it ends can be told.
type jsonLines struct{}

func (jsonLines) Format() string { return "json lines" }

func (jsonLines) AppendFrame(dst []byte, ev *hub.Event[[]byte]) ([]byte, error) {
	if ev.Marker != hub.NoMarker {
		return fmt.Appendf(dst, "{\"marker\":%q}\n", ev.Marker), nil
	}
	b, err := json.Marshal(string(ev.Data))
	return fmt.Appendf(dst, "{\"pos\":%d,\"data\":%s}\n", len(ev.Pos.String()), b), err
}

// A lineConn makes a sink of a connection whose Write may block.
type lineConn struct {
	w io.Writer

	mu      sync.Mutex
	queue   [][]byte // what w has not got yet
	size    int      // bytes in it
	writing bool     // flush runs
	err     error    // why w has ended
	waiting []func() // of NotifyWritable
}

// maxQueue bounds what waits for a peer that does not read. A frame that is larger
// than all of it is taken alone.
const maxQueue = 64 << 10

func (c *lineConn) TrySend(frames [][]byte) (whole int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range frames {
		if c.err != nil {
			return whole, c.err
		}
		if c.size > 0 && c.size+len(f) > maxQueue {
			return whole, hub.ErrFull
		}
		c.queue = append(c.queue, f) // not copied: it never changes
		c.size += len(f)
		whole++
		if !c.writing {
			c.writing = true
			go c.flush() // ends when the queue is empty
		}
	}
	return whole, nil
}

func (c *lineConn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) > 0 && c.err == nil {
		f := c.queue[0]
		c.queue = c.queue[1:]
		c.mu.Unlock()
		_, err := c.w.Write(f)
		c.mu.Lock()
		c.size -= len(f)
		c.err = err
	}
	c.writing = false
	for _, f := range c.waiting {
		f() // does not block
	}
	c.waiting = nil
}

func (c *lineConn) NotifyWritable(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writing {
		c.waiting = append(c.waiting, f)
	} else {
		go f() // never inline
	}
}

// A sink over any connection, and an encoder for what goes over it.
func ExampleHub_Connect() {
	ctx := context.Background()
	h := hub.New(nil)
	defer h.Close()
	server, client := net.Pipe()
	defer server.Close()

	c, err := h.Connect(&lineConn{w: server}, hub.ConnOptions{
		Encoder: jsonLines{},
		Ended:   func(topic string, pos hub.Position, err error) { server.Close() },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	if err := c.Follow(ctx, "news", &hub.FollowOptions{Policy: hub.SkipWithGap}); err != nil {
		fmt.Println(err)
		return
	}
	h.Topic("news").Publish(ctx, []byte("it works"))

	lines := bufio.NewScanner(client)
	for range 2 {
		lines.Scan()
		fmt.Println(lines.Text())
	}
	// Output:
	// {"marker":"live"}
	// {"pos":20,"data":"it works"}
}
