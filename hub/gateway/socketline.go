package gateway

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"time"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/ws"
)

const (
	// socketQueue is how many bytes of frames may wait for a peer, beside one that
	// is larger. They are the hub's, shared with all others.
	socketQueue = 256 << 10
	// socketLinger is how long the last word may take.
	socketLinger = 5 * time.Second
)

// socketLine is a WebSocket as a line. What is sent goes into a bounded queue of
// shared frames, and a goroutine, which lives as long as there is something to
// send, writes their payloads.
type socketLine struct {
	c *ws.Conn

	// Guarded by mu, which is never held while anything else is called.
	mu      sync.Mutex
	queue   [][]byte // pieces of whole frames
	queued  int      // bytes that wait or are being written
	sending bool
	last    *Bye // nothing gets behind it
	wants   []func()
}

func (l *socketLine) TrySend(frames [][]byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last != nil {
		return 0, net.ErrClosed
	}
	for i, f := range frames {
		if l.queued > 0 && l.queued+len(f) > socketQueue {
			l.start()
			return i, hub.ErrFull
		}
		l.queue = append(l.queue, f)
		l.queued += len(f)
	}
	l.start()
	return len(frames), nil
}

func (l *socketLine) NotifyWritable(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.sending {
		go f()
		return
	}
	l.wants = append(l.wants, f)
}

func (l *socketLine) bye(topic string, b *Bye) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last != nil {
		return
	}
	l.last = b
	f := appendText(nil, AppendBye(nil, topic, b))
	l.queue = append(l.queue, f)
	l.queued += len(f)
	l.start()
	time.AfterFunc(socketLinger, func() { _ = l.c.CloseNow() }) // does nothing to a connection that has ended
}

// start has the queue sent. Called with mu held.
func (l *socketLine) start() {
	if !l.sending && len(l.queue) > 0 {
		l.sending = true
		go l.flush()
	}
}

// flush ends when the queue is empty, or the connection has ended.
func (l *socketLine) flush() {
	for {
		l.mu.Lock()
		if len(l.queue) == 0 {
			l.sending, l.queue, l.queued = false, nil, 0
			wants, last := l.wants, l.last
			l.wants = nil
			l.mu.Unlock()
			if last != nil {
				_ = l.c.Close(last.code(), last.Reason)
			}
			for _, f := range wants {
				f()
			}
			return
		}
		piece := l.queue[0]
		l.queue[0], l.queue = nil, l.queue[1:]
		l.mu.Unlock()
		err := l.write(piece)
		l.mu.Lock()
		l.queued -= len(piece)
		if err != nil {
			l.queue, l.last = nil, &Bye{Reason: ByeFailed}
		}
		l.mu.Unlock()
	}
}

// write sends the frames of a piece as messages.
func (l *socketLine) write(piece []byte) error {
	for len(piece) > 0 {
		head, size := textFrame(piece)
		if err := l.c.Write(context.Background(), ws.Text, piece[head:head+size]); err != nil {
			return err
		}
		piece = piece[head+size:]
	}
	return nil
}

// appendText appends a text frame of a server's.
func appendText(dst, payload []byte) []byte {
	const finText = 0x80 | byte(ws.Text)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, finText, byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, finText, 126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, finText, 127), uint64(n))
	}
	return append(dst, payload...)
}

// textFrame returns the sizes of header and payload of what appendText has made.
func textFrame(b []byte) (head, size int) {
	switch b[1] {
	case 126:
		return 4, int(binary.BigEndian.Uint16(b[2:]))
	case 127:
		return 10, int(binary.BigEndian.Uint64(b[2:]))
	}
	return 2, int(b[1])
}
