package sseinterop

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// curl is curl -N, started anew by the test after each cut, with the id of the last event that came. What it prints is
// read here, line by line: our encoder ends lines in LF and writes a space behind each colon.
type curl struct{ described }

func (curl) about() *about {
	return &about{
		name: "curl", title: "`curl -N`", from: "the system's curl", cursor: "header", lacks: map[string]string{},
		note: "the test starts it again after each cut, with `--header Last-Event-ID`",
	}
}

func (curl) start(context.Context) error {
	if _, err := exec.LookPath("curl"); err != nil {
		return fmt.Errorf("%w: install curl", errMissing)
	}
	return nil
}

func (curl) follow(ctx context.Context, url string) ([]event, error) {
	var got []event
	last := ""
	for ctx.Err() == nil {
		args := []string{"--silent", "--no-buffer", "--fail", "--noproxy", "*"}
		if last != "" {
			args = append(args, "--header", "Last-Event-ID: "+last)
		}
		cctx, cancel := context.WithCancel(ctx)
		cmd := exec.CommandContext(cctx, "curl", append(args, url)...)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			cancel()
			return got, err
		}
		ended := false
		last = readPlain(out, last, func(e event) bool {
			got = append(got, e)
			ended = e.Name == end
			return !ended
		})
		cancel()
		_ = cmd.Wait() // it says that it was cut off, or killed
		if ended {
			return got, nil
		}
	}
	return got, ctx.Err()
}

// readPlain gives out the events of a stream of ours and returns the last id that a whole block has set.
func readPlain(r io.Reader, id string, give func(event) bool) string {
	var data []string
	var name string
	next := id
	br := bufio.NewReader(r)
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return id // what is cut off does not count
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case field == "id":
			next = value
		case field == "event":
			name = value
		case field == "data":
			data = append(data, value)
		case line == "\n":
			id = next
			if data != nil && !give(event{id, named(name), strings.Join(data, "\n")}) {
				return id
			}
			data, name = nil, ""
		}
	}
}
