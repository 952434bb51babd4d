package testnet

import (
	"errors"
	"io"
	"net"
	"time"
)

// DefaultSize is the number of bytes a direction of a pipe holds before its writer blocks.
const DefaultSize = 64 << 10

// Conn is one end of an in-memory connection. It keeps to what a net.TCPConn does:
//
//   - Read and Write may be called by any number of goroutines; Writes never interleave.
//   - Read gives io.EOF, bare, once the peer has closed and its bytes are read. Other errors are a *net.OpError
//     around net.ErrClosed, os.ErrDeadlineExceeded, syscall.EPIPE or syscall.ECONNRESET.
//   - A deadline that has passed fails a Read even when bytes are there, until it is moved.
//   - Close with bytes unread resets: the peer reads what it was sent and then gets ECONNRESET, not io.EOF.
//     (TCP may lose the sent bytes too.) To end cleanly, CloseWrite, read to io.EOF, Close.
//   - A Write to a peer that has closed fails with EPIPE. TCP lets some Writes succeed first.
//
// It has no file descriptor and no goroutine, and nobody holds a lock while waiting: inside a testing/synctest
// bubble a blocked Read or Write is durably blocked.
type Conn struct {
	in, out       *stream
	local, remote net.Addr
}

var _ net.Conn = (*Conn)(nil)

// Pipe returns the two ends of an in-memory connection that holds DefaultSize bytes each way.
func Pipe() (client, server *Conn) { return PipeSize(DefaultSize) }

// PipeSize is Pipe with room for size bytes each way; below 1 it is DefaultSize.
func PipeSize(size int) (client, server *Conn) {
	return pipe(size, tcpAddr(firstClientPort), tcpAddr(listenPort))
}

func pipe(size int, clientAddr, serverAddr net.Addr) (client, server *Conn) {
	if size < 1 {
		size = DefaultSize
	}
	up, down := newStream(size), newStream(size)
	return &Conn{in: down, out: up, local: clientAddr, remote: serverAddr},
		&Conn{in: up, out: down, local: serverAddr, remote: clientAddr}
}

// Addresses look like TCP's, so that code which splits host and port works.
const (
	listenPort      = 80
	firstClientPort = 49152
)

func tcpAddr(port int) *net.TCPAddr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port} }

func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = opError(c, "read", err)
	}
	return n, err
}

// Write blocks while the pipe is full. With an error, n bytes are on their way.
func (c *Conn) Write(p []byte) (n int, err error) {
	n, err = c.out.write(p)
	if err != nil {
		err = opError(c, "write", err)
	}
	return n, err
}

// Close ends both directions. Blocked calls on this end return net.ErrClosed, and so does a second Close.
func (c *Conn) Close() error {
	was, unread := c.in.endReader(endClosed)
	if was == endClosed {
		return opError(c, "close", net.ErrClosed)
	}
	c.out.endWriter(endClosed, unread, false)
	return nil
}

// Reset closes abruptly, as SetLinger(0) and Close do: the peer loses what it has not read and gets ECONNRESET.
func (c *Conn) Reset() error {
	if was, _ := c.in.endReader(endClosed); was == endClosed {
		return opError(c, "close", net.ErrClosed)
	}
	c.out.endWriter(endClosed, true, true)
	return nil
}

// CloseWrite ends the direction to the peer, which reads io.EOF after what was written.
func (c *Conn) CloseWrite() error {
	if was := c.out.endWriter(endShut, false, false); was == endClosed {
		return opError(c, "close", net.ErrClosed)
	}
	return nil
}

// CloseRead ends the other direction: Read gives io.EOF, and what the peer has sent or will send is thrown away
// without its knowing.
func (c *Conn) CloseRead() error {
	if was, _ := c.in.endReader(endShut); was == endClosed {
		return opError(c, "close", net.ErrClosed)
	}
	return nil
}

// LocalAddr is a loopback *net.TCPAddr: port 80 for the server's end, a high port for the client's.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the LocalAddr of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines; the zero time removes them.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline also hits Reads that are already blocked.
func (c *Conn) SetReadDeadline(t time.Time) error {
	s := c.in
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reader == endClosed {
		return opError(c, "set", net.ErrClosed)
	}
	s.readBy.set(&s.cond, t)
	return nil
}

// SetWriteDeadline also hits Writes that are already blocked.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	s := c.out
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writer == endClosed {
		return opError(c, "set", net.ErrClosed)
	}
	s.writeBy.set(&s.cond, t)
	return nil
}
