//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// TestMain lets the test's program be the board.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_BOARD") != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A process is a running board.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout *bufio.Reader
	stderr bytes.Buffer // to be read after wait
	url    string
}

func launch(t *testing.T, args ...string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	p := &process{t: t, cmd: exec.CommandContext(ctx, exe, args...)}
	p.cmd.Env = append(os.Environ(), "BE_THE_BOARD=1")
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdout = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); p.cmd.Wait() })
	return p
}

// ready waits for the line with the URL.
func (p *process) ready() *process {
	p.t.Helper()
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		p.cmd.Wait()
		p.t.Fatalf("no line: %v\n%s", err, &p.stderr)
	}
	m := regexp.MustCompile(`^board: (http://127\.0\.0\.1:\d+/)\n$`).FindStringSubmatch(line)
	if m == nil {
		p.t.Fatalf("line %q", line)
	}
	p.url = m[1]
	return p
}

// wait returns what else came on stdout, and how the process ended.
func (p *process) wait() (rest string, err error) {
	p.t.Helper()
	b, _ := io.ReadAll(p.stdout)
	return string(b), p.cmd.Wait()
}

func (p *process) get(path string) *http.Response {
	p.t.Helper()
	resp, err := http.Get(p.url + path)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func (p *process) healthy() bool {
	resp, err := http.Get(p.url + "healthz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == 200
}

// join says hello and returns the connection behind its welcome.
func (p *process) join() *ws.Conn {
	p.t.Helper()
	conn, err := ws.Dial(p.t.Context(), "ws"+strings.TrimPrefix(p.url, "http")+"ws/main", &ws.DialOptions{Subprotocols: []string{"board.v1"}})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.CloseNow() })
	hello := `{"t":"hello","v":1,"client":"c_00000000000000000000000000000001","user":{"id":"u_1","name":"Ada","hue":1},"first":1}`
	if err := conn.Write(p.t.Context(), ws.Text, []byte(hello)); err != nil {
		p.t.Fatal(err)
	}
	if _, msg, err := conn.Read(p.t.Context()); err != nil || !strings.HasPrefix(string(msg), `{"t":"welcome"`) {
		p.t.Fatalf("welcome: %s, %v", msg, err)
	}
	return conn
}

func TestTheBoardStartsServesAndLeaves(t *testing.T) {
	p := launch(t, "-addr", "127.0.0.1:0").ready()
	if resp := p.get("healthz"); resp.StatusCode != 200 {
		t.Errorf("healthz: %s", resp.Status)
	}
	resp := p.get("")
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 || !bytes.Contains(body, []byte("/_next/static/")) {
		t.Errorf("start page: %s, %d bytes", resp.Status, len(body))
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="/([^"]+)"`).FindAllSubmatch(body, -1) {
		if resp := p.get(string(m[1])); resp.StatusCode != 200 {
			t.Errorf("%s: %s", m[1], resp.Status)
		}
	}
	stream := p.get("events/main")
	conn := p.join()

	p.cmd.Process.Signal(syscall.SIGTERM)
	bye := false
	for {
		_, msg, err := conn.Read(t.Context())
		if err != nil {
			if code := ws.CloseStatus(err); code != ws.CloseServiceRestart {
				t.Errorf("closed with %v", err)
			}
			break
		}
		bye = bye || strings.HasPrefix(string(msg), `{"t":"bye","code":"restart","retry":`)
	}
	if !bye {
		t.Error("no bye")
	}
	if tail, err := io.ReadAll(stream.Body); err != nil || !bytes.Contains(tail, []byte("retry:")) {
		t.Errorf("the event stream ended with %v: %s", err, tail)
	}
	rest, err := p.wait()
	if err != nil || rest != "" || p.stderr.Len() > 0 {
		t.Errorf("ended with %v\nstdout %s\nstderr %s", err, rest, &p.stderr)
	}
}

// The drain waits a moment for a peer that does not answer its close; who
// presses Ctrl-C again does not.
func TestASecondSignalEndsAtOnce(t *testing.T) {
	for range 10 { // the drain may be over before the second signal arrives
		p := launch(t, "-addr", "127.0.0.1:0").ready()
		p.join() // does not read on
		p.cmd.Process.Signal(os.Interrupt)
		for p.healthy() {
		}
		p.cmd.Process.Signal(os.Interrupt)
		_, err := p.wait()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGINT {
			return
		}
		t.Logf("the drain was over: %v", err)
	}
	t.Error("the second signal never ended the process")
}

func TestWhatCannotStartSaysWhy(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for name, tt := range map[string]struct {
		args   []string
		says   string
		status int
	}{
		"address in use":   {[]string{"-addr", ln.Addr().String()}, ln.Addr().String() + " is in use by another program; choose another address with -addr", 1},
		"another's host":   {[]string{"-addr", "192.0.2.1:0"}, "192.0.2.1:0", 1},
		"no address":       {[]string{"-addr", "nowhere"}, `-addr "nowhere" is not an address`, 2},
		"unknown flag":     {[]string{"-nope"}, "flag provided but not defined: -nope", 2},
		"no value":         {[]string{"-addr"}, "flag needs an argument: -addr", 2},
		"no level":         {[]string{"-log", "loud"}, `invalid value "loud" for flag -log`, 2},
		"no origin":        {[]string{"-dev-origin", "localhost:3000"}, "-dev-origin", 2},
		"further argument": {[]string{"start"}, `unexpected argument "start"`, 2},
	} {
		t.Run(name, func(t *testing.T) {
			p := launch(t, tt.args...)
			rest, err := p.wait()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != tt.status || rest != "" {
				t.Errorf("%v, want status %d; stdout %q", err, tt.status, rest)
			}
			// Once, in one line, and where to read more if that helps.
			lines := strings.Split(strings.TrimSuffix(p.stderr.String(), "\n"), "\n")
			if len(lines) != tt.status || !strings.HasPrefix(lines[0], "board: ") || strings.Count(lines[0], tt.says) != 1 {
				t.Errorf("stderr %q", &p.stderr)
			}
		})
	}
}

func TestHelpIsNoError(t *testing.T) {
	p := launch(t, "-h")
	out, err := p.wait()
	if err != nil || p.stderr.Len() > 0 || strings.Count(out, "-addr address") != 1 || !strings.Contains(out, "-dev-origin origin") {
		t.Errorf("%v, stdout %q, stderr %q", err, out, &p.stderr)
	}
}

// A browser never sends such an Origin: the mistake would show as refused pages
// alone.
func TestADevelopmentServerIsNamedByItsOrigin(t *testing.T) {
	for _, origin := range []string{"http://localhost:3000/", "localhost:3000", "http://", "http://localhost:3000?x", "%"} {
		err := run([]string{"-addr", "127.0.0.1:-1", "-dev-origin", origin}, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "-dev-origin") {
			t.Errorf("%q: %v", origin, err)
		}
	}
	err := run([]string{"-addr", "127.0.0.1:-1", "-dev-origin", "http://localhost:3000"}, io.Discard, io.Discard)
	if err == nil || strings.Contains(err.Error(), "-dev-origin") {
		t.Errorf("a good one: %v", err)
	}
}
