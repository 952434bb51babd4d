// The board is the reference application of tidewire: sticky notes on which
// people work together. See README.md.
//
//	go run ./examples/board
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tidewire/tidewire/examples/board/internal/server"
	"github.com/tidewire/tidewire/examples/board/web"
)

// drainTime bounds how long the program takes to end.
const drainTime = 5 * time.Second

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintln(os.Stderr, "board:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("board", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:8080", "address to listen on")
	level := slog.LevelWarn
	flags.TextVar(&level, "log", level, "least level of what is logged to stderr: debug, info, warn, error")
	origin := flags.String("dev-origin", "", "origin of a development server whose page may use this one, such as http://localhost:3000")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))

	opts := server.Options{Files: web.Files(), Logger: log}
	if *origin != "" {
		if u, err := url.Parse(*origin); err != nil || *origin != u.Scheme+"://"+u.Host || u.Host == "" {
			return fmt.Errorf("-dev-origin %q is not an origin, such as http://localhost:3000", *origin)
		}
		opts.Origins = []string{*origin}
	}
	board, err := server.New(opts)
	if err != nil {
		return err
	}
	defer board.Close()

	// The first signal drains, a second one ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	ln, err := net.Listen("tcp", *addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use by another program; choose another address with -addr", *addr)
	}
	if err != nil {
		return err
	}
	srv := &http.Server{
		Handler:           board.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	fmt.Fprintf(stdout, "board: http://%s/\n", ln.Addr())

	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	stop()
	limit, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := board.Drain(limit); err != nil {
		log.Warn("not everybody left in time", "err", err)
	}
	if err := srv.Shutdown(limit); err != nil {
		srv.Close()
	}
	return board.Close()
}
