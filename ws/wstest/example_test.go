package wstest_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

// exampleT stands in for the *testing.T that a test has.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func (t *exampleT) Helper()                  {}
func (t *exampleT) Context() context.Context { return context.Background() }
func (t *exampleT) Cleanup(f func())         { t.cleanups = append(t.cleanups, f) }
func (t *exampleT) Fatalf(format string, args ...any) {
	log.Panicf(format, args...)
}

func (t *exampleT) end() {
	for i := range t.cleanups {
		t.cleanups[len(t.cleanups)-1-i]()
	}
}

// In a test, t is the test's own, and nothing needs to be closed.
func ExamplePair() {
	t := &exampleT{}
	defer t.end()
	ctx := t.Context()

	server, client := wstest.Pair(t, nil, nil)
	if err := server.Write(ctx, ws.Text, []byte("welcome")); err != nil {
		t.Fatalf("%v", err)
	}
	_, p, err := client.Read(ctx)
	fmt.Printf("%s %v\n", p, err)
	// Output: welcome <nil>
}

func ExampleDial() {
	t := &exampleT{}
	defer t.end()

	room := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, nil)
		if err != nil {
			return // it has been answered
		}
		if err := c.Write(r.Context(), ws.Text, []byte("this is "+r.URL.Path)); err != nil {
			log.Print(err)
		}
	})
	conn, err := wstest.Dial(t, room, "/rooms/7", nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	_, p, err := conn.Read(t.Context())
	fmt.Printf("%s %v\n", p, err)
	_, _, err = conn.Read(t.Context())
	fmt.Println(ws.CloseStatus(err) == ws.CloseGoingAway) // the handler has returned
	// Output:
	// this is /rooms/7 <nil>
	// true
}

// In a test, Server(t, srv.URL, opts) makes each case a subtest.
func ExampleRunServer() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, nil)
		if err != nil {
			return // it has been answered
		}
		for m, err := range c.Messages(r.Context()) {
			if err != nil || c.Write(r.Context(), m.Type, m.Data) != nil {
				return
			}
		}
	}))
	defer srv.Close()

	results, err := wstest.RunServer(context.Background(), srv.URL, &wstest.ServerOptions{
		Peer: wstest.Peer{MessageLimit: 1 << 20, FrameLimit: 10_000, Only: []string{"frames/limit-*", "text/*"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range results {
		if r.Outcome != wstest.Skip {
			fmt.Println(r)
		}
	}
	// Output:
	// PASS frames/limit-exact
	// PASS frames/limit-declared
	// PASS frames/limit-sum
	// PASS frames/limit-frames
	// PASS text/valid
	// PASS text/cut
	// PASS text/binary
	// PASS text/stray-bytes
	// PASS text/overlong
	// PASS text/surrogates
	// PASS text/too-large
	// PASS text/unfinished
	// PASS text/early
}

func ExampleRunClient() {
	echo := func(ctx context.Context, url string) error {
		c, err := ws.Dial(ctx, url, nil)
		if err != nil {
			return err
		}
		defer c.CloseNow()
		for m, err := range c.Messages(ctx) {
			if err != nil {
				return err
			}
			if err := c.Write(ctx, m.Type, m.Data); err != nil {
				return err
			}
		}
		return nil
	}
	results, err := wstest.RunClient(context.Background(), echo, &wstest.ClientOptions{Peer: wstest.Peer{Only: []string{"dial/a*", "frames/mask*"}}})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range results {
		if r.Outcome != wstest.Skip {
			fmt.Println(r)
		}
	}
	// Output:
	// PASS dial/accept
	// PASS frames/masked
	// PASS frames/mask-keys
}
