// Tokens is a stream of tokens, as language models give them: a POST with a prompt is answered with an event stream of
// words as they come, and who has read enough hangs up, which stops the work at once.
//
//	go run ./examples/tokens                              serve on 127.0.0.1:8082, with a page at /
//	go run ./examples/tokens -ask "a story of the sea"    ask a server that runs, and print what comes
//	curl -N -d '{"prompt":"tides"}' -H 'Content-Type: application/json' http://127.0.0.1:8082/v1/tokens
//
// There is no model in it: the words are drawn by chance from a small table of which word may follow which, seeded by the
// prompt, so the same prompt gives the same text. What is real is the transport:
//
//   - the answer to the POST is the event stream itself: events "token" with {"text"}, and one "done" with the reason and
//     the number of tokens, so that an answer that was cut off is not taken for a whole one;
//   - the request's context ends when the reader hangs up, in mid-stream too, and with it the generator;
//   - a reader that is slow makes its own generator wait, and is dropped when it takes nothing for ten seconds;
//   - tokens have no ids: an answer is not resumed, for the server keeps none.
//
// The client reads with sse.Read; the page, which can't POST with EventSource, with fetch. A body that is not
// application/json is refused, and so is every request of another site's page, so none can make a visitor's browser ask.
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
		fmt.Fprintln(os.Stderr, "tokens:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("tokens", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:8082", "`address` to listen on, or to ask")
	pace := flags.Duration("pace", 60*time.Millisecond, "`time` that the generator takes for a token")
	prompt := flags.String("ask", "", "ask the server at -addr this `prompt` and print its answer")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case *pace < 0:
		return fmt.Errorf("-pace %v: it must not be negative", *pace)
	case *prompt != "":
		return ask(ctx, "http://"+*addr+path, *prompt, stdout)
	}
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "tokens: http://%s/\n", ln.Addr())
	return serve(ctx, ln, &service{think: every(*pace), group: sse.NewGroup(&sse.GroupOptions{MaxStreams: maxStreams})})
}

// serve serves until ctx ends, then ends the answers in order.
func serve(ctx context.Context, ln net.Listener, s *service) error {
	srv := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 20 * time.Second}
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
	if err := s.group.Drain(limited); err != nil {
		return errors.Join(err, srv.Close())
	}
	if err := srv.Shutdown(limited); err != nil {
		return srv.Close()
	}
	return nil
}
