package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// patience bounds every wait. It is generous: it decides how long a failing test takes, not whether a passing one does.
const patience = 2 * time.Minute

// program is a peer in another language: a child process that takes requests on its standard input.
type program struct {
	of *about
	// find returns the command's words, or an error that wraps errMissing.
	find func(ctx context.Context) ([]string, error)

	argv   []string // set by start
	shared *child   // serves all connections but the expendable ones
}

func nodeWS() *program {
	return &program{
		of: &about{
			name: "node-ws", title: "Node's ws", from: "npm", pinned: packageVersion("ws"),
			foreign: "https://elsewhere.example", insists: true,
		},
		find: func(context.Context) ([]string, error) {
			node, err := exec.LookPath("node")
			if err != nil {
				return nil, fmt.Errorf("%w: Node.js", errMissing)
			}
			if _, err := os.Stat(filepath.Join("node", "node_modules", "ws")); err != nil {
				return nil, fmt.Errorf("%w: run npm ci in internal/interop/node", errMissing)
			}
			return []string{node, filepath.Join("node", "peer.js")}, nil
		},
	}
}

func pythonWebsockets() *program {
	return &program{
		of: &about{name: "python-websockets", title: "Python's websockets", from: "Debian's python3-websockets", foreign: "https://elsewhere.example"},
		find: func(ctx context.Context) ([]string, error) {
			// Debian's own Python first: its packages are not there for another that comes before it in the path.
			for _, name := range []string{"/usr/bin/python3", "python3"} {
				python, err := exec.LookPath(name)
				if err == nil && exec.CommandContext(ctx, python, "-c", "import websockets.legacy.server").Run() == nil {
					return []string{python, filepath.Join("python", "peer.py")}, nil
				}
			}
			return nil, fmt.Errorf("%w: apt-get install python3-websockets", errMissing)
		},
	}
}

func (p *program) about() *about { return p.of }

func (p *program) start(ctx context.Context) (err error) {
	if p.argv, err = p.find(ctx); err != nil {
		return err
	}
	p.shared, err = startChild(ctx, p.argv)
	if err == nil {
		p.of.version = p.shared.hello
	}
	return err
}

func (p *program) stop() {
	if p.shared != nil {
		p.shared.stop()
	}
}

// connection is a remote in the shared process, or in one of its own.
func (p *program) connection(ctx context.Context, tm terms) (*remote, error) {
	if !tm.expendable {
		return newRemote(p.shared), nil
	}
	c, err := startChild(ctx, p.argv)
	if err != nil {
		return nil, err
	}
	r := newRemote(c)
	r.kill, r.clean = c.kill, c.stop
	return r, nil
}

func (p *program) listen(ctx context.Context, tm terms) (listener, error) {
	r, err := p.connection(ctx, tm)
	if err != nil {
		return nil, err
	}
	re, err := r.do(ctx, request{Op: "listen", Protocols: tm.protocols, Origins: tm.origins, Limit: tm.limit})
	if err != nil {
		r.forget()
		return nil, err
	}
	return &remoteListener{r, re.Port}, nil
}

func (p *program) dial(ctx context.Context, url string, tm terms) (them, error) {
	r, err := p.connection(ctx, tm)
	if err != nil {
		return nil, err
	}
	if err := r.dial(ctx, url, tm); err != nil {
		r.forget()
		return nil, err
	}
	return r, nil
}

// child is a running process of a program.
type child struct {
	hello  string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr bytes.Buffer  // owned by cmd until gone is closed
	gone   chan struct{} // closed by the reader when the process has ended

	mu      sync.Mutex
	next    int64
	waiting map[int64]chan<- reply // each of room for its one reply
}

// startChild returns when the process has said hello.
func startChild(ctx context.Context, argv []string) (*child, error) {
	c := &child{cmd: exec.Command(argv[0], argv[1:]...), gone: make(chan struct{}), waiting: map[int64]chan<- reply{}}
	c.cmd.Stderr = &c.stderr
	c.cmd.WaitDelay = 5 * time.Second
	stdin, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	c.stdin = stdin
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	hello := make(chan reply, 1)
	c.waiting[0] = hello // the first line has no id
	go c.read(stdout)    // ends with the process; stop waits for it
	select {
	case r := <-hello:
		c.hello = r.Hello
		return c, nil
	case <-c.gone:
		return nil, c.died()
	case <-ctx.Done():
		c.stop()
		return nil, fmt.Errorf("%s says nothing: %w", argv[0], ctx.Err())
	}
}

func (c *child) read(stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		var r reply
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			continue // a line that another program's library has printed
		}
		c.mu.Lock()
		ch := c.waiting[r.ID]
		delete(c.waiting, r.ID)
		c.mu.Unlock()
		if ch != nil {
			ch <- r
		}
	}
	_ = c.cmd.Wait()
	close(c.gone)
}

func (c *child) call(ctx context.Context, q request) (reply, error) {
	ch := make(chan reply, 1)
	c.mu.Lock()
	c.next++
	q.ID = c.next
	line, err := json.Marshal(q)
	if err == nil {
		c.waiting[q.ID] = ch
		_, err = c.stdin.Write(append(line, '\n'))
	}
	c.mu.Unlock()
	if err != nil {
		return reply{}, fmt.Errorf("%s: %w", q.Op, err)
	}
	select {
	case r := <-ch:
		return r, r.check(q.Op)
	case <-c.gone:
		return reply{}, fmt.Errorf("%s: %w", q.Op, c.died())
	case <-ctx.Done():
		return reply{}, fmt.Errorf("%s: %w", q.Op, ctx.Err())
	}
}

// died says what the process said last. Only after gone.
func (c *child) died() error {
	return fmt.Errorf("process %d has ended (%v): %s", c.cmd.Process.Pid, c.cmd.ProcessState, bytes.TrimSpace(c.stderr.Bytes()))
}

// kill ends the process as a crash would.
func (c *child) kill() error {
	if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-c.gone
	return nil
}

// stop asks the process to end, by the end of its input, and ends it when it does not.
func (c *child) stop() {
	_ = c.stdin.Close()
	select {
	case <-c.gone:
	case <-time.After(patience / 12):
		_ = c.kill()
	}
}
