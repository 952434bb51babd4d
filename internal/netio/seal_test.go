package netio

import (
	"bytes"
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
)

// After SendLast nothing gets out, whoever waits is refused, what was accepted comes whole, and input goes on.
func TestSendLastIsTheLast(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		l := newLines()
		got := make(chan []byte, 1)
		l.onMessage = func(p []byte) Next {
			got <- bytes.Clone(p)
			return More
		}
		c, peer := tr.start(t, l, func(g *Config) { g.QueueLimit = 32 << 10 })
		l.c = c
		c.Serve()
		sent := fill(t, c)
		waiting := make(chan error, 1)
		go func() { waiting <- c.Write(t.Context(), nil, make([]byte, 32<<10)) }()
		eventually(t, "somebody waits", func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.slow != nil && len(c.slow.waiters) > 0
		})
		if err := c.SendLast([]byte("last")); err != nil {
			t.Fatal(err)
		}
		if err := get(t, "the one that waits", waiting); err != ErrSealed {
			t.Errorf("Write: %v", err)
		}
		_, tryErr := c.TrySend([][]byte{{1}})
		for what, err := range map[string]error{
			"Write": c.Write(t.Context(), nil, []byte("x")), "Send": c.Send([]byte("x"), nil), "SendUrgent": c.SendUrgent([]byte("x")),
			"SendLast": c.SendLast([]byte("x")), "TrySend": tryErr,
		} {
			if err != ErrSealed {
				t.Errorf("%s: %v", what, err)
			}
		}
		b := make([]byte, sent+4)
		mustReadFull(t, peer, b)
		if string(b[sent:]) != "last" {
			t.Errorf("the end is %q", b[sent:])
		}
		peer.Write(frame([]byte("answer")))
		if p := get(t, "the answer", got); string(p) != "answer" {
			t.Errorf("%q", p)
		}
		eventually(t, "all is accounted for", func() bool {
			accepted, left := c.Position()
			return accepted == left
		})
	})
}

// A send that fails because the peer is gone leaves its last words to be heard, for a while.
func TestHearOut(t *testing.T) {
	for _, ends := range []string{"the peer's end", "the time"} {
		t.Run(ends, func(t *testing.T) {
			noLeaks(t)
			peer, near := testnet.Pipe()
			l := newLines()
			got := make(chan []byte, 1)
			l.onMessage = func(p []byte) Next {
				got <- bytes.Clone(p)
				return More
			}
			cfg := Config{HearOut: time.Hour}
			if ends == "the time" {
				cfg.HearOut = time.Millisecond
			}
			c := New(testnet.Fault(near, testnet.Plan{FailWrite: 1, Err: syscall.EPIPE}), l, &cfg, nil)
			l.c = c
			defer c.CloseNow(nil)
			for range 2 {
				if err := c.Write(t.Context(), nil, []byte("x")); !errors.Is(err, syscall.EPIPE) {
					t.Errorf("Write: %v", err)
				}
			}
			if ends == "the time" {
				if err := get(t, "the end", l.closed); !errors.Is(err, syscall.EPIPE) {
					t.Errorf("Closed(%v)", err)
				}
				return
			}
			peer.Write(frame([]byte("goodbye")))
			peer.CloseWrite()
			c.Serve()
			if p := get(t, "the last words", got); string(p) != "goodbye" {
				t.Errorf("%q", p)
			}
			if err := get(t, "the end", l.closed); err != io.EOF {
				t.Errorf("Closed(%v)", err)
			}
		})
	}
}

// Who ends its goroutine after its last word has it sent.
func TestLastWordOfAProtocolThatEndsItsGoroutine(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		l := newLines()
		l.onMessage = func([]byte) Next {
			l.c.SendLast([]byte("last"))
			l.inData.Add(-1)
			defer l.inData.Add(1)
			goexit()
			return More
		}
		c, peer := tr.start(t, l, nil)
		l.c = c
		c.Serve()
		peer.Write(frame([]byte("x")))
		if p, err := io.ReadAll(peer); err != nil || string(p) != "last" {
			t.Errorf("%q, %v", p, err)
		}
		peer.Close()
		if err := get(t, "the end", l.closed); err != ErrAbandoned {
			t.Errorf("Closed(%v)", err)
		}
	})
}
