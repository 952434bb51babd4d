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
