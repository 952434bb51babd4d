package load

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// control is the connection for commands to the server's harness.
type control struct {
	c  net.Conn
	in *bufio.Scanner
}

func newControl(addr string) (*control, error) {
	c, err := net.DialTimeout("tcp4", addr, patience)
	if err != nil {
		return nil, err
	}
	return &control{c: c, in: bufio.NewScanner(c)}, nil
}

// ask sends a command and returns its answer.
func (c *control) ask(cmd string) (string, error) {
	c.c.SetDeadline(time.Now().Add(60 * time.Second))
	if _, err := io.WriteString(c.c, cmd+"\n"); err != nil {
		return "", err
	}
	if !c.in.Scan() {
		return "", fmt.Errorf("no answer to %q: %w", cmd, c.in.Err())
	}
	return c.in.Text(), nil
}

func (c *control) number(cmd string) (float64, error) {
	s, err := c.ask(cmd)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(s, 64)
}

// publish has n messages published, the first with number seq. There is no answer but the messages.
func (c *control) publish(seq uint64, n, size int) error {
	_, err := fmt.Fprintf(c.c, "publish %d %d %d\n", seq, n, size)
	return err
}

func (c *control) close() { c.c.Close() }
