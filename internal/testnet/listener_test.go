package testnet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A whole server with keep-alive, timeouts, a hijack and Shutdown runs in a bubble.
func TestListenerServesHTTPInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := Listen()
		mux := http.NewServeMux()
		mux.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Hour) // fake
			fmt.Fprint(w, r.RemoteAddr)
		})
		mux.HandleFunc("GET /hijack", func(w http.ResponseWriter, _ *http.Request) {
			c, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if _, ok := c.(*Conn); !ok {
				t.Errorf("hijacked a %T", c)
			}
			rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
			rw.Flush()
			line, _ := rw.ReadString('\n')
			io.WriteString(c, line)
		})
		srv := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute, IdleTimeout: time.Minute}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(ln) }()
		tr := &http.Transport{DialContext: ln.DialContext}
		client := &http.Client{Transport: tr}

		start := time.Now()
		resp, err := client.Get("http://any.host/slow")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if host, _, err := net.SplitHostPort(string(body)); host != "127.0.0.1" || err != nil {
			t.Errorf("RemoteAddr %q", body)
		}
		if got := time.Since(start); got != time.Hour {
			t.Errorf("took %v", got)
		}

		raw, err := ln.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(raw, "GET /hijack HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello\n")
		br := bufio.NewReader(raw)
		if resp, err := http.ReadResponse(br, nil); err != nil || resp.StatusCode != 101 {
			t.Fatalf("%v, %v", resp, err)
		}
		if line, err := br.ReadString('\n'); line != "hello\n" || err != nil {
			t.Errorf("echo %q, %v", line, err)
		}
		raw.Close()

		if err := srv.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		if ln.Dialed() != 2 {
			t.Errorf("Dialed = %d", ln.Dialed())
		}
		tr.CloseIdleConnections()
	})
}

func TestListenerDialFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := Listen()
		cause := errors.New("the cause")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		_, err := ln.Dial(ctx)
		mustFail(t, "Dial with an ended context", err, cause)

		for range backlog {
			if _, err := ln.Dial(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		_, err = ln.Dial(ctx)
		mustFail(t, "Dial past the backlog", err, context.DeadlineExceeded)

		refused := make(chan error)
		go func() {
			_, err := ln.Dial(t.Context())
			refused <- err
		}()
		synctest.Wait()
		if err := ln.Close(); err != nil {
			t.Fatal(err)
		}
		// It may have slipped into the queue that Close empties; then it is reset, not refused.
		if err := <-refused; err != nil {
			mustFail(t, "blocked Dial", err, syscall.ECONNREFUSED)
		}
		_, err = ln.Dial(t.Context())
		mustFail(t, "Dial after Close", err, syscall.ECONNREFUSED)
		_, err = ln.Accept()
		mustFail(t, "Accept after Close", err, net.ErrClosed)
		mustFail(t, "second Close", ln.Close(), net.ErrClosed)
	})
}

func TestListenerCloseResetsWhatNobodyAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := ListenSize(1)
		waiting, err := ln.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		accepting := make(chan error)
		taken := make(chan net.Conn, 1)
		go func() {
			c, err := ln.Accept()
			taken <- c
			for err == nil {
				_, err = ln.Accept()
			}
			accepting <- err
		}()
		server := <-taken
		synctest.Wait()
		ln.Close()
		mustFail(t, "blocked Accept", <-accepting, net.ErrClosed)
		mustWrite(t, waiting, "x") // accepted connections live on
		mustRead(t, server, "x")

		ln = Listen()
		left, err := ln.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		mustFail(t, "Read", readOne(left), syscall.ECONNRESET)
	})
}

// However Dial and Close meet, nobody is left with a connection that no one will ever accept.
func TestListenerCloseMeetsDial(t *testing.T) {
	for range 300 {
		synctest.Test(t, func(t *testing.T) {
			ln := Listen()
			var dials sync.WaitGroup
			for range 4 {
				dials.Go(func() {
					c, err := ln.Dial(t.Context())
					if err == nil {
						err = readOne(c)
					}
					if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ECONNRESET) {
						t.Error(err)
					}
				})
			}
			go ln.Close()
			dials.Wait()
		})
	}
}
