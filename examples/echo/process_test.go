//go:build unix

package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// TestMain lets the test's program be the echo.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_ECHO") != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A real SIGTERM to a real process: connections are closed with 1001, one line was printed, and the status is 0.
func TestSIGTERMEndsTheProcessInOrder(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, "-addr", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "BE_THE_ECHO=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stdout := bufio.NewReader(out)
	line, err := stdout.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	c, err := ws.Dial(patient(t), strings.TrimSpace(strings.TrimPrefix(line, "echo: ")), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Read(patient(t)); ws.CloseStatus(err) != ws.CloseGoingAway {
		t.Errorf("the client got %v", err)
	}
	if rest, err := io.ReadAll(stdout); len(rest) > 0 || err != nil {
		t.Errorf("further output %q, %v", rest, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// The client's exit status says how the connection ended: 0 for a close in order, 1 where it was lost or never made.
func TestDialsExitStatus(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	talk := func(end func(c *ws.Conn)) string {
		return served(t, func(c *ws.Conn) {
			c.Write(patient(t), ws.Binary, []byte{1, 2})
			if typ, p, err := c.Read(patient(t)); err != nil || typ != ws.Binary || string(p) != "\x01\x02" {
				t.Errorf("the echo is %v %q, %v", typ, p, err)
			}
			end(c)
		})
	}
	for name, test := range map[string]struct {
		args   []string
		status int
	}{
		"normal":       {[]string{"-dial", talk(func(c *ws.Conn) { c.Close(ws.CloseNormal, "done") })}, 0},
		"going away":   {[]string{"-dial", talk(func(c *ws.Conn) {})}, 0}, // the handler's end
		"no code":      {[]string{"-dial", talk(func(c *ws.Conn) { c.Close(ws.CloseNoStatus, "") })}, 0},
		"lost":         {[]string{"-dial", talk(func(c *ws.Conn) { c.CloseNow() })}, 1},
		"failed":       {[]string{"-dial", talk(func(c *ws.Conn) { c.Close(ws.CloseInternalError, "") })}, 1},
		"too big":      {[]string{"-max", "1", "-dial", served(t, func(c *ws.Conn) { c.Write(patient(t), ws.Binary, []byte{1, 2}); c.Read(patient(t)) })}, 1},
		"nobody there": {[]string{"-dial", "ws://127.0.0.1:1/"}, 1},
		"no such flag": {[]string{"-dail", "x"}, 1},
		"help":         {[]string{"-h"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(patient(t), exe, test.args...)
			cmd.Env = append(os.Environ(), "BE_THE_ECHO=1")
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != test.status {
				t.Errorf("%v, want status %d\n%s", err, test.status, out)
			}
			if said := strings.Count(string(out), "echo: "); said > 1 || name != "help" && said != test.status {
				t.Errorf("it said\n%s", out)
			}
		})
	}
}
