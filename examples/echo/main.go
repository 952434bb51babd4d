// Echo sends back what it receives over WebSocket. It is the program to copy from: a server in both forms, a client, and
// an end in order.
//
//	go run ./examples/echo                                  serve on 127.0.0.1:9001
//	go run ./examples/echo -dial ws://127.0.0.1:9002/       connect, and echo whatever comes until closed
//
// Every path is served in callback form, but for /read, which is the blocking form; the client can't tell which. Text and
// binary come back as what they were.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// drainTime bounds how long the server takes to end.
const drainTime = 5 * time.Second

func main() {
	// The first signal ends in order, a second one at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("echo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:9001", "`address` to listen on")
	limit := flags.Int64("max", 16<<20, "size in `bytes` of the largest message that is taken")
	secure := flags.Bool("tls", false, "serve wss, with a certificate made for this run that signs itself; with -dial: accept any certificate")
	url := flags.String("dial", "", "connect to this `URL` instead, and echo whatever comes until closed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *limit <= 0 {
		return fmt.Errorf("-max %d: it must be positive", *limit)
	}
	if *url != "" {
		return client(ctx, *url, *limit, *secure)
	}

	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	scheme := "ws"
	if *secure {
		cert, err := selfSigned()
		if err != nil {
			return errors.Join(err, ln.Close())
		}
		// Only HTTP/1.1: there is no Upgrade in HTTP/2.
		ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}})
		scheme = "wss"
	}
	fmt.Fprintf(stdout, "echo: %s://%s/\n", scheme, ln.Addr())
	return server(ctx, ln, *limit)
}

// server serves until ctx ends, then closes all connections in order.
func server(ctx context.Context, ln net.Listener, limit int64) error {
	group := &ws.Group{Spread: -1}
	opts := &ws.AcceptOptions{MessageLimit: limit, Group: group}

	mux := http.NewServeMux()
	mux.Handle("/", ws.Handler(opts, func(*ws.Conn, *http.Request) ws.Events {
		return ws.Events{Message: reply}
	}))
	mux.HandleFunc("/read", func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, opts)
		if err != nil {
			return // the client has its answer
		}
		_ = echo(r.Context(), c) // how it ended is the client's business
	})

	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}

	// http.Server knows nothing of WebSocket connections, so they are closed first.
	limited, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := group.Drain(limited); err != nil {
		fmt.Fprintln(os.Stderr, "echo: not everybody has answered the close frame:", err)
	}
	if err := srv.Shutdown(limited); err != nil {
		return srv.Close()
	}
	return nil
}

// reply is the callback form: called for each message. It waits while the client does not read, which holds up no other.
func reply(c *ws.Conn, typ ws.MessageType, data []byte) {
	_ = c.Write(context.Background(), typ, data) // an error has ended the connection
}

// echo is the blocking form, and all that the client does.
func echo(ctx context.Context, c *ws.Conn) error {
	var buf []byte
	for {
		typ, data, err := c.ReadAppend(ctx, buf[:0])
		if err != nil {
			return err
		}
		if err := c.Write(ctx, typ, data); err != nil {
			return err
		}
		buf = data
	}
}

// client echoes over one connection. A close in order is no error.
func client(ctx context.Context, url string, limit int64, anyCertificate bool) error {
	opts := &ws.DialOptions{MessageLimit: limit}
	if anyCertificate {
		opts.TLS = &tls.Config{InsecureSkipVerify: true}
	}
	c, err := ws.Dial(ctx, url, opts)
	if err != nil {
		return err
	}
	// Closing ends the echo; a context that ended in the middle of a write would cut the connection off.
	stop := context.AfterFunc(ctx, func() { _ = c.Close(ws.CloseGoingAway, "") }) // told again below
	err = echo(context.Background(), c)
	if !stop() {
		return c.Close(ws.CloseGoingAway, "") // waits for the other one
	}
	switch ws.CloseStatus(err) {
	case ws.CloseNormal, ws.CloseGoingAway, ws.CloseNoStatus:
		return nil
	}
	return err
}
