package testnet

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// halfCloser is what a *net.TCPConn and a *Conn have in common.
type halfCloser interface {
	net.Conn
	CloseRead() error
	CloseWrite() error
}

// What Conn promises to have in common with TCP holds for TCP too: one list, run over both.
func TestPipeBehavesAsTCPDoes(t *testing.T) {
	type step = func(t *testing.T, a, b halfCloser)
	behaviours := []struct {
		name string
		run  step
	}{
		{"bytes sent before Close arrive, then a bare io.EOF", func(t *testing.T, a, b halfCloser) {
			mustWrite(t, a, "last")
			a.Close()
			mustRead(t, b, "last")
			if err := readOne(b); err != io.EOF {
				t.Errorf("%#v", err)
			}
		}},
		{"own calls after Close give net.ErrClosed", func(t *testing.T, a, _ halfCloser) {
			a.Close()
			_, err := a.Write([]byte("x"))
			for what, err := range map[string]error{
				"Read": readOne(a), "Write": err, "Close": a.Close(), "CloseWrite": a.CloseWrite(),
				"CloseRead": a.CloseRead(), "SetReadDeadline": a.SetReadDeadline(time.Time{}),
			} {
				mustFail(t, what, err, net.ErrClosed)
			}
		}},
		{"Close with bytes unread resets", func(t *testing.T, a, b halfCloser) {
			mustWrite(t, a, "12")
			mustRead(t, b, "1")
			b.Close()
			mustFail(t, "Read", readOne(a), syscall.ECONNRESET)
		}},
		{"a half-close leaves the other half", func(t *testing.T, a, b halfCloser) {
			a.CloseWrite()
			_, err := a.Write([]byte("x"))
			mustFail(t, "Write", err, syscall.EPIPE)
			if err := readOne(b); err != io.EOF {
				t.Errorf("%#v", err)
			}
			mustWrite(t, b, "answer")
			mustRead(t, a, "answer")
			if err := a.CloseWrite(); err != nil {
				t.Errorf("a second CloseWrite: %v", err)
			}
		}},
		{"CloseRead is not seen by the peer", func(t *testing.T, a, b halfCloser) {
			b.CloseRead()
			mustWrite(t, a, "x")
			mustWrite(t, b, "y")
			mustRead(t, a, "y")
		}},
		{"a passed deadline wins over bytes that are there", func(t *testing.T, a, b halfCloser) {
			mustWrite(t, b, "x")
			mustRead(t, a, "x")
			mustWrite(t, b, "y")
			a.SetDeadline(time.Unix(1, 0))
			err := readOne(a)
			mustFail(t, "Read", err, os.ErrDeadlineExceeded)
			if ne, ok := errors.AsType[net.Error](err); !ok || !ne.Timeout() {
				t.Errorf("%v is no timeout", err)
			}
			_, err = a.Write([]byte("z"))
			mustFail(t, "Write", err, os.ErrDeadlineExceeded)
			a.SetDeadline(time.Time{})
			mustRead(t, a, "y")
		}},
		{"a deadline set later ends a blocked Read", func(t *testing.T, a, _ halfCloser) {
			got := make(chan error)
			go func() { got <- readOne(a) }()
			runtime.Gosched() // blocked or not, it must end
			a.SetReadDeadline(time.Unix(1, 0))
			mustFail(t, "Read", <-got, os.ErrDeadlineExceeded)
		}},
		{"a full connection fails the Write at its deadline and says how far it came", func(t *testing.T, a, b halfCloser) {
			a.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
			sent, err := a.Write(make([]byte, 64<<20))
			mustFail(t, "Write", err, os.ErrDeadlineExceeded)
			a.CloseWrite()
			if got, err := io.Copy(io.Discard, b); got != int64(sent) || err != nil {
				t.Errorf("Write said %d, %d came, %v", sent, got, err)
			}
		}},
		{"Close ends a blocked Write", func(t *testing.T, a, _ halfCloser) {
			got := make(chan error)
			go func() {
				_, err := a.Write(make([]byte, 64<<20))
				got <- err
			}()
			runtime.Gosched()
			a.Close()
			mustFail(t, "Write", <-got, net.ErrClosed)
		}},
		{"an empty Read gives nothing at once", func(t *testing.T, a, _ halfCloser) {
			if n, err := a.Read(nil); n != 0 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}},
		{"addresses are those of the peer", func(t *testing.T, a, b halfCloser) {
			if a.LocalAddr().String() != b.RemoteAddr().String() || a.RemoteAddr().String() != b.LocalAddr().String() {
				t.Errorf("%v-%v, %v-%v", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
			}
		}},
	}
	transports := map[string]func(t *testing.T) (a, b halfCloser){
		"pipe": func(*testing.T) (a, b halfCloser) {
			client, server := Pipe()
			return client, server
		},
		"tcp": tcpPair,
	}
	for name, pair := range transports {
		t.Run(name, func(t *testing.T) {
			for _, tt := range behaviours {
				t.Run(tt.name, func(t *testing.T) {
					a, b := pair(t)
					defer a.Close()
					defer b.Close()
					tt.run(t, a, b)
				})
			}
		})
	}
}

func tcpPair(t *testing.T) (a, b halfCloser) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return client.(halfCloser), server.(halfCloser)
}
