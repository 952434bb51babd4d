package inproc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/tidewire/tidewire/sse"
	gosse "github.com/tmaxmax/go-sse"
)

// request is a connection that brings one request, never ends, and throws away what is written to it.
type request struct {
	in     *strings.Reader
	writes int // read by the handler only, on whose goroutine they are
	closed chan struct{}
}

func (r *request) Read(b []byte) (int, error) {
	if n, err := r.in.Read(b); err == nil {
		return n, nil
	}
	<-r.closed
	return 0, io.EOF
}

func (r *request) Write(b []byte) (int, error) {
	r.writes++
	return len(b), nil
}

func (r *request) Close() error                     { return nil }
func (r *request) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (r *request) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (r *request) SetDeadline(time.Time) error      { return nil }
func (r *request) SetReadDeadline(time.Time) error  { return nil }
func (r *request) SetWriteDeadline(time.Time) error { return nil }

// once is a listener with one connection.
type once struct {
	c    net.Conn
	done chan struct{}
}

func (l *once) Accept() (net.Conn, error) {
	if c := l.c; c != nil {
		l.c = nil
		return c, nil
	}
	<-l.done
	return nil, net.ErrClosed
}

func (l *once) Close() error   { return nil }
func (l *once) Addr() net.Addr { return &net.TCPAddr{} }

// sending writes one event to a response of net/http, over and over: what a library costs with the chunks, the buffers
// and the flush below it.
func sending(j Job) (map[string]float64, error) {
	c := &request{
		in:     strings.NewReader("GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"),
		closed: make(chan struct{}),
	}
	l := &once{c: c, done: make(chan struct{})}
	var m map[string]float64
	err := errors.New("the handler did not run")
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(l.done)
		m, err = sendTo(w, r, j, c)
	})}
	srv.Serve(l) // ends when the handler has
	close(c.closed)
	return m, err
}

func sendTo(w http.ResponseWriter, r *http.Request, j Job, c *request) (map[string]float64, error) {
	data := eventData(j.Size)
	var f func() error
	switch j.Who {
	case "tidewire":
		s, err := sse.NewWriter(w, r, nil)
		if err != nil {
			return nil, err
		}
		defer s.Close()
		e := &sse.Event{Name: eventName, ID: eventID, Data: []byte(data)}
		ctx := context.Background()
		f = func() error { return s.Send(ctx, e) }
	case "go-sse":
		s, err := gosse.Upgrade(w, r)
		if err != nil {
			return nil, err
		}
		e := goSSEMessage(data)
		f = func() error {
			if err := s.Send(e); err != nil {
				return err
			}
			return s.Flush()
		}
	default:
		return nil, fmt.Errorf("no response of %q", j.Who)
	}
	if err := f(); err != nil {
		return nil, err
	}
	writes := c.writes
	if err := f(); err != nil {
		return nil, err
	}
	writes = c.writes - writes
	x, err := j.repeat(f)
	if err != nil {
		return nil, err
	}
	return map[string]float64{"ns": x.ns, "allocs": x.allocs, "writes": float64(writes)}, nil
}
