package netio_test

import (
	"context"
	"fmt"
	"io"

	"github.com/tidewire/tidewire/internal/netio"
	"github.com/tidewire/tidewire/internal/testnet"
)

// shout answers each batch of bytes with the same in its own words.
type shout struct {
	c     *netio.Conn
	ended chan error
}

func (s *shout) Room() []byte { return nil }

func (s *shout) Data(b []byte) (int, netio.Next) {
	s.c.Write(context.Background(), []byte("you said: "), b)
	return len(b), netio.More
}

func (s *shout) Alarm()           {}
func (s *shout) Cut()             {}
func (s *shout) Closed(err error) { s.ended <- err }

func ExampleConn_Serve() {
	client, server := testnet.Pipe()
	s := &shout{ended: make(chan error, 1)}
	s.c = netio.New(server, s, nil, nil)
	s.c.Serve()

	io.WriteString(client, "hello")
	client.CloseWrite()
	answer, _ := io.ReadAll(client)
	fmt.Println(string(answer))
	fmt.Println(<-s.ended)
	// Output:
	// you said: hello
	// EOF
}

// word keeps what has come until somebody reads it.
type word struct{ last string }

func (w *word) Room() []byte { return nil }
func (w *word) Data(b []byte) (int, netio.Next) {
	w.last = string(b)
	return len(b), netio.Pause
}
func (w *word) Alarm()       {}
func (w *word) Cut()         {}
func (w *word) Closed(error) {}

func ExampleConn_Pump() {
	client, server := testnet.Pipe()
	w := new(word)
	c := netio.New(server, w, nil, nil)
	defer c.CloseNow(nil)

	io.WriteString(client, "hello")
	if err := c.Pump(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(w.last)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	fmt.Println(c.Pump(ctx)) // the connection goes on

	client.Close()
	fmt.Println(c.Pump(context.Background()))
	// Output:
	// hello
	// context canceled
	// netio: connection closed: EOF
}
