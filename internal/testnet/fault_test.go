package testnet

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestFaultFailsTheKthCallAndLater(t *testing.T) {
	a, b := Pipe()
	f := Fault(a, Plan{FailRead: 2, FailWrite: 3, Partial: 1})
	mustWrite(t, b, "12")
	mustRead(t, io.LimitReader(f, 1), "1")
	if f.Fired() {
		t.Error("fired at the first Read")
	}
	for range 2 {
		mustFail(t, "Read", readOne(f), ErrInjected)
	}
	if !f.Fired() {
		t.Error("not fired")
	}
	mustWrite(t, f, "ab")
	mustWrite(t, f, "cd")
	n, err := f.Write([]byte("efg"))
	mustFail(t, "third Write", err, ErrInjected)
	if n != 1 {
		t.Errorf("third Write = %d, want the Partial byte", n)
	}
	mustRead(t, b, "abcde")
	if f.Reads() != 3 || f.Writes() != 3 {
		t.Errorf("Reads %d, Writes %d", f.Reads(), f.Writes())
	}
}

func TestFaultOnceLetsLaterCallsPass(t *testing.T) {
	a, b := Pipe()
	cause := errors.New("cause")
	f := Fault(a, Plan{FailRead: 1, FailWrite: 1, Once: true, Err: cause})
	mustFail(t, "Read", readOne(f), cause)
	_, err := f.Write([]byte("x"))
	mustFail(t, "Write", err, cause)
	mustWrite(t, f, "y")
	mustRead(t, b, "y")
	mustWrite(t, b, "z")
	mustRead(t, f, "z")

	f = Fault(a, Plan{FailRead: 1, Err: io.EOF})
	if err := readOne(f); err != io.EOF {
		t.Errorf("Read: %v, want a bare io.EOF", err)
	}
}

func TestFaultSizes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		inner := Fault(a, Plan{})
		f := Fault(inner, Plan{ReadSize: 1, WriteSize: 2})
		mustWrite(t, b, "abc")
		if n, err := f.Read(make([]byte, 10)); n != 1 || err != nil {
			t.Errorf("Read = %d, %v", n, err)
		}
		mustWrite(t, f, "12345")
		mustRead(t, b, "12345")
		if inner.Writes() != 3 {
			t.Errorf("one Write came as %d", inner.Writes())
		}
		b.Close()
		if n, err := f.Write([]byte("12345")); n != 0 || err == nil {
			t.Errorf("Write to a closed peer = %d, %v", n, err)
		}
	})
}

func TestFaultStallEndsWithDeadlineOrClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		mustWrite(t, b, "bytes are there")
		f := Fault(a, Plan{StallRead: 1, StallWrite: 1})
		start := time.Now()
		f.SetReadDeadline(start.Add(time.Second))
		mustFail(t, "Read", readOne(f), os.ErrDeadlineExceeded)
		f.SetWriteDeadline(start.Add(2 * time.Second))
		_, err := f.Write([]byte("x"))
		mustFail(t, "Write", err, os.ErrDeadlineExceeded)
		if got := time.Since(start); got != 2*time.Second {
			t.Errorf("took %v", got)
		}
		f.SetDeadline(time.Time{})
		ended := make(chan error, 2)
		go func() { ended <- readOne(f) }()
		go func() {
			_, err := f.Write([]byte("x"))
			ended <- err
		}()
		synctest.Wait()
		if len(ended) != 0 {
			t.Fatal("a stall ended by itself")
		}
		f.Close()
		mustFail(t, "stall", <-ended, net.ErrClosed)
		mustFail(t, "stall", <-ended, net.ErrClosed)
		mustFail(t, "second Close", f.Close(), net.ErrClosed)
		mustFail(t, "SetDeadline", f.SetDeadline(time.Now()), net.ErrClosed)
	})
}

func TestFaultHalfCloses(t *testing.T) {
	a, b := Pipe()
	f := Fault(a, Plan{})
	if err := errors.Join(f.CloseWrite(), f.CloseRead()); err != nil {
		t.Error(err)
	}
	if err := readOne(b); err != io.EOF {
		t.Error(err)
	}
	c, _ := net.Pipe()
	f = Fault(c, Plan{})
	mustFail(t, "CloseWrite", f.CloseWrite(), errors.ErrUnsupported)
	mustFail(t, "CloseRead", f.CloseRead(), errors.ErrUnsupported)
}

func TestFaultListenerNumbersConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := Listen()
		ln := FaultListener(mem, func(n int) Plan {
			if n == 2 {
				return Plan{FailRead: 1}
			}
			return Plan{}
		})
		for n := 1; n <= 3; n++ {
			client, err := mem.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			server, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			mustWrite(t, client, "x")
			if err := readOne(server); errors.Is(err, ErrInjected) != (n == 2) {
				t.Errorf("connection %d: %v", n, err)
			}
		}
		ln.Close()
		_, err := ln.Accept()
		mustFail(t, "Accept", err, net.ErrClosed)
	})
}
