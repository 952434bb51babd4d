package sseinterop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// findNode returns Node.js, with the packages that node/package.json names if they are needed.
func findNode(packages bool) error {
	if _, err := exec.LookPath("node"); err != nil {
		return fmt.Errorf("%w: Node.js", errMissing)
	}
	if !packages {
		return nil
	}
	for _, name := range []string{"eventsource", "event-source-polyfill", "reconnecting-eventsource"} {
		if _, err := os.Stat(filepath.Join("node", "node_modules", name)); err != nil {
			return fmt.Errorf("%w: run npm ci in internal/interop/sse/node", errMissing)
		}
	}
	return nil
}

// nodeClient is the package eventsource, in a process for each stream.
type nodeClient struct{ described }

func (*nodeClient) about() *about {
	return &about{
		name: "eventsource", title: "eventsource for Node", from: "npm", pinned: packageVersion("eventsource"), cursor: "header",
		lacks: map[string]string{
			caseRefused: "it gives up for good on any status but 200, as the HTML standard has it",
		},
	}
}

func (*nodeClient) start(context.Context) error { return findNode(true) }

func (*nodeClient) follow(ctx context.Context, url string) ([]event, error) {
	cmd := exec.CommandContext(ctx, "node", filepath.Join("node", "follow.mjs"), url, strings.Join(names, ","))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("node: %w: %s", err, trimmed(stderr.Bytes()))
	}
	var got []event
	return got, json.Unmarshal(out, &got)
}

// nodeServer is a server of Node's own http package that writes what is legal and awkward.
type nodeServer struct{ described }

func (nodeServer) about() *about {
	return &about{
		name: "node-server", title: "awkward streams from Node's http", from: "node/server.mjs", lacks: map[string]string{},
		note: "its lines end in LF, CR, CRLF or all of them in turn; it sends byte order marks, fields without a colon, comments without an end in " +
			"sight, bad ids and reconnection times, pieces of a few bytes, and ends by itself every fifth connection before a blank line",
	}
}

func (nodeServer) start(context.Context) error { return findNode(false) }

// nodeStream is a process of its own. It ends when its input does.
type nodeStream struct {
	cmd   *exec.Cmd
	stdin io.Closer
	base  string
}

func (nodeServer) open(ctx context.Context) (stream, error) {
	s := &nodeStream{cmd: exec.Command("node", filepath.Join("node", "server.mjs"))}
	s.cmd.Stderr = os.Stderr
	s.cmd.WaitDelay = 5 * time.Second
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	s.stdin = stdin
	stdout, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = stdin.Close() })()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		s.close()
		return nil, fmt.Errorf("node says nothing: %w", err)
	}
	s.base = "http://127.0.0.1:" + strings.TrimSpace(line)
	return s, nil
}

func (s *nodeStream) url() string { return s.base + "/events" }

func (s *nodeStream) publish(ctx context.Context, name, data string) (event, error) {
	body, err := json.Marshal(event{Name: name, Data: data})
	if err != nil {
		return event{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base, bytes.NewReader(body))
	if err != nil {
		return event{}, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return event{}, err
	}
	defer resp.Body.Close()
	id, err := io.ReadAll(resp.Body)
	return event{string(id), named(name), data}, err
}

func (s *nodeStream) close() {
	_ = s.stdin.Close()
	_ = s.cmd.Wait()
	http.DefaultClient.CloseIdleConnections()
}
