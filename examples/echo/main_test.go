package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// launch runs the program as a server and returns its URL. stop ends it as a signal would, and waits.
func launch(t *testing.T, args ...string) (url string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), w, io.Discard)
		w.CloseWithError(errors.Join(err, io.EOF))
		done <- err
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("no line with the URL: %v", err)
	}
	url, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "echo: ")
	if !ok {
		t.Fatalf("line %q", line)
	}
	var ended bool
	stop = func() error {
		if ended {
			return nil
		}
		ended = true
		cancel()
		return <-done
	}
	t.Cleanup(func() { stop() })
	return url, stop
}

func TestServerEchoesInBothForms(t *testing.T) {
	for _, flags := range [][]string{nil, {"-tls"}} {
		url, _ := launch(t, flags...)
		large := 16 << 20
		if flags != nil {
			large = 1 << 20
		}
		for _, path := range []string{"", "read", "any/other"} {
			t.Run(strings.Join(flags, "")+"/"+path, func(t *testing.T) {
				ctx := patient(t)
				c, err := ws.Dial(ctx, url+path, &ws.DialOptions{TLS: &tls.Config{InsecureSkipVerify: true}, MessageLimit: 16 << 20})
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range []ws.Message{
					{Type: ws.Text, Data: []byte("hello, 世界")},
					{Type: ws.Binary, Data: []byte{0, 0xff}},
					{Type: ws.Text, Data: []byte{}},
					{Type: ws.Binary, Data: bytes.Repeat([]byte("x"), large)},
				} {
					sent := make(chan error, 1)
					go func() { sent <- c.Write(ctx, m.Type, m.Data) }()
					typ, data, err := c.Read(ctx)
					if err != nil || typ != m.Type || !bytes.Equal(data, m.Data) {
						t.Fatalf("%v of %d bytes came back as %v of %d bytes, %v", m.Type, len(m.Data), typ, len(data), err)
					}
					if err := <-sent; err != nil {
						t.Fatal(err)
					}
				}
				if err := c.Close(ws.CloseNormal, ""); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		}
	}
}

func TestMaxIsTheLimit(t *testing.T) {
	url, _ := launch(t, "-max", "100")
	for _, path := range []string{"", "read"} {
		ctx := patient(t)
		c, err := ws.Dial(ctx, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Write(ctx, ws.Binary, make([]byte, 100))
		if _, data, err := c.Read(ctx); err != nil || len(data) != 100 {
			t.Errorf("/%s: 100 bytes: %d, %v", path, len(data), err)
		}
		c.Write(ctx, ws.Binary, make([]byte, 101))
		if _, _, err := c.Read(ctx); ws.CloseStatus(err) != ws.CloseMessageTooBig {
			t.Errorf("/%s: 101 bytes: %v", path, err)
		}
	}
}

func TestSignalDrains(t *testing.T) {
	url, stop := launch(t)
	var ends []chan error
	for _, path := range []string{"", "read"} {
		c, err := ws.Dial(patient(t), url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		end := make(chan error, 1)
		ends = append(ends, end)
		go func() {
			_, _, err := c.Read(context.Background())
			end <- err
		}()
	}
	if err := stop(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	for _, end := range ends {
		if err := <-end; ws.CloseStatus(err) != ws.CloseGoingAway {
			t.Errorf("a client got %v", err)
		}
	}
}

// served runs f for one connection of a server, and gives its URL.
func served(t *testing.T, f func(c *ws.Conn)) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := ws.Accept(w, r, nil); err == nil {
			f(c)
		}
	}))
	t.Cleanup(srv.Close)
	return "ws" + strings.TrimPrefix(srv.URL, "http")
}

func TestDialEchoesUntilClosed(t *testing.T) {
	for code, ok := range map[ws.CloseCode]bool{ws.CloseNormal: true, ws.CloseGoingAway: true, ws.CloseNoStatus: true, 4000: false} {
		url := served(t, func(c *ws.Conn) {
			for _, want := range []string{"one", "", "three"} {
				c.Write(context.Background(), ws.Text, []byte(want))
				if typ, got, err := c.Read(context.Background()); err != nil || typ != ws.Text || string(got) != want {
					t.Errorf("got %v %q, %v", typ, got, err)
				}
			}
			if err := c.Close(code, ""); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		if err := run(patient(t), []string{"-dial", url}, io.Discard, io.Discard); (err == nil) != ok {
			t.Errorf("closed with %v: %v", code, err)
		}
	}
}

func TestDialFails(t *testing.T) {
	vanishing := served(t, func(c *ws.Conn) { c.CloseNow() })
	for _, args := range [][]string{{"-dial", vanishing}, {"-dial", "ftp://x/"}, {"-max", "0"}, {"surplus"}, {"-addr", "nowhere"}} {
		if err := run(patient(t), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q ended well", args)
		}
	}
	if err := run(patient(t), []string{"-h"}, io.Discard, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}

func TestDialEndsWithASignal(t *testing.T) {
	connected := make(chan struct{})
	closed := make(chan error, 1)
	url := served(t, func(c *ws.Conn) {
		c.Write(context.Background(), ws.Text, []byte("x"))
		c.Read(context.Background())
		close(connected)
		_, _, err := c.Read(context.Background())
		closed <- err
	})
	ctx, cancel := context.WithCancel(patient(t))
	go func() {
		<-connected
		cancel()
	}()
	if err := run(ctx, []string{"-dial", url}, io.Discard, io.Discard); err != nil {
		t.Error(err)
	}
	if err := <-closed; ws.CloseStatus(err) != ws.CloseGoingAway {
		t.Errorf("the server got %v", err)
	}
}

// What the flags are by default is what the page about them says.
func TestFlagsByDefault(t *testing.T) {
	var usage bytes.Buffer
	if err := run(patient(t), []string{"-h"}, io.Discard, &usage); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
	for _, want := range []string{`-addr address`, `default "127.0.0.1:9001"`, "-max bytes", "default 16777216", "-tls", "-dial URL"} {
		if !strings.Contains(usage.String(), want) {
			t.Errorf("the usage lacks %q:\n%s", want, &usage)
		}
	}
}

// The client trusts no certificate that signs itself, unless -tls says so.
func TestDialOverTLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := ws.Accept(w, r, nil); err == nil {
			c.Close(ws.CloseNormal, "")
		}
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // the client that breaks off is the case
	srv.StartTLS()
	defer srv.Close()
	url := "wss" + strings.TrimPrefix(srv.URL, "https")
	if err := run(patient(t), []string{"-tls", "-dial", url}, io.Discard, io.Discard); err != nil {
		t.Errorf("-tls: %v", err)
	}
	if err := run(patient(t), []string{"-dial", url}, io.Discard, io.Discard); err == nil {
		t.Error("a certificate of nobody's was trusted")
	}
}
