package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"syscall"
	"time"

	"github.com/tidewire/tidewire/internal/bench/load"
	"github.com/tidewire/tidewire/internal/bench/proc"
)

// Ready is the line that a server prints when it listens.
type Ready struct {
	Addr    string `json:"addr"`
	Control string `json:"control"`
	Cert    []byte `json:"cert,omitempty"` // PEM
}

// Run serves until in ends.
func Run(s Spec, in io.Reader, out io.Writer) error {
	if _, err := proc.RaiseFiles(); err != nil {
		return err
	}
	srv, err := New(s)
	if err != nil {
		return err
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if s.SendBuffer == 0 {
			return nil
		}
		e := c.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, s.SendBuffer)
		})
		return errors.Join(e, err)
	}}
	ln, err := lc.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctl, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ready := Ready{Addr: ln.Addr().String(), Control: ctl.Addr().String()}
	hs := &http.Server{Handler: srv.Handler(), ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute}
	serve := func() error { return hs.Serve(ln) }
	if s.TLS {
		cert, pem, err := newCertificate()
		if err != nil {
			return err
		}
		ready.Cert = pem
		hs.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}}
		serve = func() error { return hs.ServeTLS(ln, "", "") }
	}
	ended := make(chan error, 1) // both goroutines end with the process
	go func() { ended <- serve() }()
	go func() { ended <- control(ctl, srv) }()
	if err := json.NewEncoder(out).Encode(ready); err != nil {
		return err
	}
	go func() {
		_, err := io.Copy(io.Discard, in)
		ended <- err
	}()
	return <-ended
}

// control obeys one connection after the other.
func control(ln net.Listener, srv Server) error {
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		for in := bufio.NewScanner(c); in.Scan(); {
			if answer := obey(in.Text(), srv); answer != "" {
				if _, err := io.WriteString(c, answer+"\n"); err != nil {
					break
				}
			}
		}
		c.Close()
	}
}

// obey carries out a command. Publish has no answer: what it does arrives by itself.
func obey(cmd string, srv Server) string {
	var seq uint64
	var n, size int
	switch {
	case cmd == "gc":
		runtime.GC()
		runtime.GC()
		debug.FreeOSMemory()
		return "ok"
	case cmd == "allocs":
		return fmt.Sprint(metric("/gc/heap/allocs:objects"))
	case cmd == "heap":
		return fmt.Sprint(metric("/memory/classes/heap/objects:bytes"))
	case cmd == "stack":
		return fmt.Sprint(metric("/memory/classes/heap/stacks:bytes"))
	case cmd == "goroutines":
		return fmt.Sprint(runtime.NumGoroutine())
	case strings.HasPrefix(cmd, "publish "):
		if _, err := fmt.Sscanf(cmd, "publish %d %d %d", &seq, &n, &size); err == nil {
			msgs := make([][]byte, n)
			for i := range msgs {
				msgs[i] = load.AppendPayload(nil, size, proc.Monotonic(), seq+uint64(i))
			}
			srv.Publish(msgs)
			return ""
		}
	}
	return "unknown command"
}

// metric reads one of the runtime's metrics.
func metric(name string) uint64 {
	s := []metrics.Sample{{Name: name}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
