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
	err := run(os.Args[1:], os.Stdout, os.Stderr)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "board:", err)
	if _, wrong := errors.AsType[*usageError](err); wrong {
		fmt.Fprintln(os.Stderr, "Run it with -h to see its flags.")
		os.Exit(2)
	}
	os.Exit(1)
}

// A usageError is a mistake in the command line, status 2; what else keeps the
// board from running is status 1.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usage(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

func run(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("board", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // it would print what main prints
	addr := flags.String("addr", "127.0.0.1:8080", "`address` to listen on; port 0 takes a free one")
	level := slog.LevelWarn
	flags.TextVar(&level, "log", level, "least `level` of what is logged to stderr: debug, info, warn, error")
	origin := flags.String("dev-origin", "", "`origin` of a development server whose page may use this one, such as http://localhost:3000")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(stdout, "The board is a page of sticky notes on which people work together.\n\nUsage of board:")
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return nil
	case err != nil:
		return &usageError{err}
	case flags.NArg() > 0:
		return usage("unexpected argument %q", flags.Arg(0))
	}
	if _, _, err := net.SplitHostPort(*addr); err != nil {
		return usage("-addr %q is not an address, such as 127.0.0.1:8080 or :8080", *addr)
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))

	opts := server.Options{Files: web.Files(), Logger: log}
	if *origin != "" {
		if u, err := url.Parse(*origin); err != nil || *origin != u.Scheme+"://"+u.Host || u.Host == "" {
			return usage("-dev-origin %q is not an origin, such as http://localhost:3000", *origin)
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
