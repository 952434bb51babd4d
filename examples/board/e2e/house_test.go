package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
)

// house is the program, run as its users run it, behind a proxy that keeps the address while the process changes.
type house struct {
	t     *testing.T
	proxy *testnet.Proxy
	cmd   *exec.Cmd
	addr  string // of the process, past the proxy
	log   syncBuffer
}

func newHouse(t *testing.T) *house {
	t.Helper()
	needBrowser(t)
	h := &house{t: t}
	addr := h.start()
	p, err := testnet.NewProxy(t, addr)
	if err != nil {
		t.Fatal(err)
	}
	h.proxy = p
	t.Cleanup(func() {
		p.Close()
		h.kill()
		if t.Failed() {
			t.Logf("the program's log:\n%s", h.log.String())
		}
	})
	return h
}

var listening = regexp.MustCompile(`http://[0-9.:]+/`)

// start runs the program on a free port and returns its address once it has printed its line.
func (h *house) start() string {
	h.t.Helper()
	cmd := exec.Command(program, "-addr", "127.0.0.1:0")
	cmd.Stderr = &h.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.cmd = cmd
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		h.t.Fatalf("the program said nothing: %v\n%s", err, h.log.String())
	}
	u, err := url.Parse(listening.FindString(line))
	if err != nil || u.Host == "" {
		h.t.Fatalf("no URL in the program's line %q", line)
	}
	h.addr = u.Host
	return u.Host
}

// stop ends the program as an operator would and waits for it.
func (h *house) stop() {
	h.t.Helper()
	if err := h.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		h.t.Fatal(err)
	}
	done := make(chan error, 1)
	cmd := h.cmd
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			h.t.Errorf("after SIGTERM the program ended with %v, want status 0", err)
		}
	case <-time.After(20 * time.Second):
		h.t.Error("the program did not end after SIGTERM")
		h.kill()
		<-done
	}
	h.cmd = nil
}

func (h *house) kill() {
	if h.cmd != nil {
		h.cmd.Process.Kill()
		h.cmd.Wait()
		h.cmd = nil
	}
}

// restart ends the program and starts it again, on another port behind the same address.
func (h *house) restart() {
	h.t.Helper()
	h.stop()
	h.proxy.SetTarget(h.start())
}

func (h *house) url(query string) string { return "http://" + h.proxy.Addr() + "/" + query }

// status asks for a path with a plain HTTP client.
func (h *house) status(path string) int {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s%s", h.proxy.Addr(), path), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// syncBuffer is a buffer that the child's copier and the test may use at once.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
