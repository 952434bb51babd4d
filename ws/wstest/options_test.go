package wstest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/ws/wstest"
)

func TestCasesAreWellDescribed(t *testing.T) {
	ids, texts := map[string]bool{}, map[string]bool{}
	for _, c := range wstest.Cases() {
		if ids[c.ID] || texts[c.Text] {
			t.Errorf("%s is there twice, or its text is", c.ID)
		}
		ids[c.ID], texts[c.Text] = true, true
		if group, name, ok := strings.Cut(c.ID, "/"); !ok || group == "" || name == "" || c.ID != strings.ToLower(c.ID) {
			t.Errorf("the ID %q is not of the form group/name", c.ID)
		}
		if c.Text == "" || strings.Contains(c.Text, "\n") || !strings.HasPrefix(c.Ref, "RFC ") || c.Side&wstest.BothSides == 0 {
			t.Errorf("%+v lacks something", c)
		}
	}
	if len(ids) < 80 {
		t.Errorf("there are only %d cases", len(ids))
	}
	wstest.Cases()[0].ID = "changed"
	if wstest.Cases()[0].ID == "changed" {
		t.Error("the list is not the caller's own")
	}
}

func TestUselessOptionsAreRefused(t *testing.T) {
	dial := func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("unreachable by design")
	}
	for _, tc := range []struct {
		name, url string
		opts      wstest.ServerOptions
		want      string
	}{
		{"scheme", "ftp://127.0.0.1", wstest.ServerOptions{}, "scheme"},
		{"no host", "ws:///path", wstest.ServerOptions{}, "host"},
		{"not a URL", "ws://%zz", wstest.ServerOptions{}, "%zz"},
		{"nobody there", "127.0.0.1:1", wstest.ServerOptions{Dial: dial}, "unreachable by design"},
		{"message limit", "127.0.0.1:1", wstest.ServerOptions{Peer: wstest.Peer{MessageLimit: 1000}}, "MessageLimit"},
		{"frame limit", "127.0.0.1:1", wstest.ServerOptions{Peer: wstest.Peer{FrameLimit: 10}}, "FrameLimit"},
		{"unknown in Only", "127.0.0.1:1", wstest.ServerOptions{Peer: wstest.Peer{Only: []string{"frames/no-such"}}}, "frames/no-such"},
		{"unknown in Skip", "127.0.0.1:1", wstest.ServerOptions{Peer: wstest.Peer{Skip: []string{"close/*", "cloze/*"}}}, "cloze/*"},
		{"bad pattern", "127.0.0.1:1", wstest.ServerOptions{Peer: wstest.Peer{Skip: []string{"[close"}}}, "[close"},
	} {
		if _, err := wstest.RunServer(t.Context(), tc.url, &tc.opts); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want an error about %q", tc.name, err, tc.want)
		}
	}
	if _, err := wstest.RunClient(t.Context(), nil, &wstest.ClientOptions{Peer: wstest.Peer{Only: []string{"dial"}}}); err == nil {
		t.Error("RunClient took an unknown case")
	}
}

func TestOnlyAndSkipChoose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := testnet.Listen()
		s := startTwin(ln, "")
		defer s.stop()
		results, err := wstest.RunServer(t.Context(), "ws://twin.test/", &wstest.ServerOptions{
			Peer: wstest.Peer{Only: []string{"close/*", "text/valid"}, Skip: []string{"close/drain"}}, Dial: ln.DialContext,
		})
		if err != nil {
			t.Fatal(err)
		}
		var passed []string
		for _, r := range results {
			switch {
			case r.Outcome == wstest.Pass:
				passed = append(passed, r.Case.ID)
			case r.Outcome == wstest.Fail, r.Instead == "":
				t.Errorf("%v", r)
			}
		}
		if len(passed) < 10 || !slices.Contains(passed, "text/valid") || slices.Contains(passed, "close/drain") || slices.Contains(passed, "frames/echo") {
			t.Errorf("what ran: %q", passed)
		}
	})
}

func TestWithoutOptionsCasesAreSkippedWithAReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := testnet.Listen()
		s := startTwin(ln, "")
		defer s.stop()
		results, err := wstest.RunServer(t.Context(), "ws://twin.test/", &wstest.ServerOptions{
			Peer: wstest.Peer{Flood: 5000}, Dial: ln.DialContext, AnyOrigin: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			needs := r.Case.Needs != "" || strings.HasPrefix(r.Case.ID, "handshake/origin-")
			if (r.Outcome == wstest.Skip) != needs || r.Outcome == wstest.Skip && r.Instead == "" || r.Outcome == wstest.Fail {
				t.Errorf("%v, which needs %q", r, r.Case.Needs)
			}
		}
	})
}

func TestTheEndOfTheContextEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := testnet.Listen()
		defer ln.Close()
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		start := time.Now()
		time.AfterFunc(time.Second, func() { cancel(cause) })
		results, err := wstest.RunServer(ctx, "ws://silent.test/", &wstest.ServerOptions{Dial: ln.DialContext})
		if !errors.Is(err, cause) || len(results) != 0 {
			t.Errorf("%d results, %v", len(results), err)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("it took %v to end", d)
		}
	})
}

// Whatever a peer does, the run ends, with every case failed or passed and nothing left behind.
func TestTheRunSurvivesAnyServer(t *testing.T) {
	for name, serve := range map[string]func(nc net.Conn){
		"silent":         func(nc net.Conn) { io.Copy(io.Discard, nc) },
		"gone":           func(nc net.Conn) {},
		"garbage":        func(nc net.Conn) { nc.Write([]byte("\x00\xff\x00\xff\r\n\r\n")) },
		"endless":        func(nc net.Conn) { endless(nc, "HTTP/1.1 101 Yes\r\n", "X: y\r\n") },
		"endless line":   func(nc net.Conn) { endless(nc, "HTTP/1.1 101 Yes", "y") },
		"interim only":   func(nc net.Conn) { endless(nc, "", "HTTP/1.1 103 Early Hints\r\n\r\n") },
		"endless body":   func(nc net.Conn) { endless(nc, "HTTP/1.1 400 No\r\n\r\n", "no") },
		"endless pings":  func(nc net.Conn) { endless(nc, "HTTP/1.1 101 Yes\r\n\r\n", "\x89\x00") },
		"endless pongs":  func(nc net.Conn) { endless(nc, "HTTP/1.1 101 Yes\r\n\r\n", "\x8a\x00") },
		"endless texts":  func(nc net.Conn) { endless(nc, "HTTP/1.1 101 Yes\r\n\r\n", "\x81\x00") },
		"half a message": func(nc net.Conn) { endless(nc, "HTTP/1.1 101 Yes\r\n\r\n", "\x01\x01x\x00\x01y") },
		"huge frame": func(nc net.Conn) {
			io.WriteString(nc, "HTTP/1.1 101 Yes\r\n\r\n\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff")
			io.Copy(io.Discard, nc)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := testnet.Listen()
				s := &twinServer{ln: ln, quit: make(chan struct{})}
				s.wg.Go(func() {
					for {
						nc, err := ln.Accept()
						if err != nil {
							return
						}
						s.wg.Go(func() { defer nc.Close(); serve(nc) })
					}
				})
				defer s.stop()
				peer := twinPeer
				peer.Flood = 300
				peer.Only = []string{"handshake/*", "frames/[efgp]*", "text/early", "close/*"}
				results, err := wstest.RunServer(t.Context(), "ws://odd.test/", &wstest.ServerOptions{Peer: peer, Dial: ln.DialContext})
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range results {
					if strings.HasPrefix(r.Case.ID, "frames/e") && r.Outcome == wstest.Pass {
						t.Errorf("%v", r)
					}
					if len(r.String()) > 10_000 {
						t.Errorf("a report of %d bytes", len(r.String()))
					}
				}
			})
		})
	}
}

// endless sends start, and then the same for ever.
func endless(nc net.Conn, start, again string) {
	go io.Copy(io.Discard, nc) // ends with nc
	nc.Write([]byte(start))
	b := bytes.Repeat([]byte(again), 1000)
	for {
		if _, err := nc.Write(b); err != nil {
			return
		}
	}
}

func TestTheRunSurvivesAnyClient(t *testing.T) {
	ln := func() *testnet.Listener { return testnet.Listen() }
	for name, client := range map[string]func(ctx context.Context, dial func() net.Conn) error{
		"returns nil":      func(context.Context, func() net.Conn) error { return nil },
		"returns an error": func(context.Context, func() net.Conn) error { return errors.New("no") },
		"waits":            func(ctx context.Context, _ func() net.Conn) error { <-ctx.Done(); return ctx.Err() },
		"connects and leaves": func(_ context.Context, dial func() net.Conn) error {
			return dial().Close()
		},
		"garbage": func(_ context.Context, dial func() net.Conn) error {
			nc := dial()
			defer nc.Close()
			nc.Write([]byte("\x00\xff\r\n\r\n"))
			_, err := io.Copy(io.Discard, nc)
			return err
		},
		"another path": func(_ context.Context, dial func() net.Conn) error {
			nc := dial()
			defer nc.Close()
			nc.Write([]byte("GET /wstest/0 HTTP/1.1\r\n\r\n"))
			_, err := io.Copy(io.Discard, nc)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := ln()
				results, err := wstest.RunClient(t.Context(), func(ctx context.Context, _ string) error {
					return client(ctx, func() net.Conn {
						nc, err := l.Dial(ctx)
						if err != nil {
							t.Error(err)
						}
						return nc
					})
				}, &wstest.ClientOptions{Peer: wstest.Peer{Flood: 1000}, Listener: l})
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range results {
					if r.Outcome == wstest.Pass {
						t.Errorf("%v", r)
					}
				}
			})
		})
	}
}

func TestReportsAreReadable(t *testing.T) {
	results := runTwinServer(t, "close-echo-wrong")
	i := slices.IndexFunc(results, func(r wstest.Result) bool { return r.Outcome == wstest.Fail })
	if i < 0 {
		t.Fatal("nothing failed")
	}
	got := results[i].String()
	for _, part := range []string{
		"FAIL close/echo-code (RFC 6455, 5.5.1)\n", "a close frame is answered with one of the same code",
		"probe:   1001 \"\"", "close 1001", "wanted:  a close frame with code 1001", "instead: close 1000",
	} {
		if !strings.Contains(got, part) {
			t.Errorf("the report lacks %q:\n%s", part, got)
		}
	}
	if got := results[0].String(); got != "PASS handshake/reply" {
		t.Errorf("a passed case: %q", got)
	}
	skipped := wstest.Result{Case: wstest.Case{ID: "a/b"}, Outcome: wstest.Skip, Instead: "no need"}
	if got := skipped.String(); got != "SKIP a/b: no need" {
		t.Errorf("a skipped case: %q", got)
	}
}
