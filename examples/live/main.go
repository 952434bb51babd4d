// Live is a page that is live: a board of departures that the server renders, and that then follows what changes, over an
// event stream.
//
//	go run ./examples/live                    serve on 127.0.0.1:8081
//	go run ./examples/live -addr :8090 -every 500ms
//
// The page is whole before any script runs: the server writes the table as it is now, and with it the cursor of the last
// change that is in it. The script then opens the stream from that cursor (?lastEventId=), so that no change falls between
// the page and the stream; when the connection is cut, the browser comes back with the id of the last change it had, by
// itself, and gets those that it missed. When it was away for longer than the log remembers, an event named "gap" says
// so, and the page loads anew.
//
// Data reaches the page as text: html/template writes the table, textContent the changes, and a Content-Security-Policy
// admits no script but the page's own. Pages of other sites can't read the stream, and a stream opened by one is refused.
// SIGINT or SIGTERM ends in order: every page is told its own moment to come back.
package main

import (
	"context"
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

	"github.com/tidewire/tidewire/sse"
)

// drainTime bounds how long the server takes to end.
const drainTime = 5 * time.Second

func main() {
	// The first signal ends in order, a second one at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "live:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("live", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:8081", "`address` to listen on")
	every := flags.Duration("every", 2*time.Second, "`time` between two changes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *every <= 0 {
		return fmt.Errorf("-every %v: it must be positive", *every)
	}
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "live: http://%s/\n", ln.Addr())

	b := newBoard()
	changing, stop := context.WithCancel(ctx)
	defer stop()
	changed := make(chan struct{})
	go func() { // ends with ctx, or when serving does
		defer close(changed)
		tick := time.NewTicker(*every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = b.change(changing) // a log in memory fails only with its context
			case <-changing.Done():
				return
			}
		}
	}()
	err = serve(ctx, ln, b)
	stop()
	<-changed
	return err
}

// serve serves until ctx ends, then ends the streams in order.
func serve(ctx context.Context, ln net.Listener, b *board) error {
	group := sse.NewGroup(nil)
	srv := &http.Server{Handler: b.handler(group), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	limited, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	// http.Server waits for open streams and never ends one, so they are drained first.
	if err := group.Drain(limited); err != nil {
		return errors.Join(err, srv.Close())
	}
	if err := srv.Shutdown(limited); err != nil {
		return srv.Close()
	}
	return nil
}
