package netio

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
)

func randomBytes(rnd *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rnd.Uint32())
	}
	return p
}

func TestEchoOfEverySize(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		bothForms(t, func(t *testing.T, blocking bool) {
			for _, useRoom := range []bool{false, true} {
				l := newLines()
				l.useRoom = useRoom
				_, peer := echoServer(t, tr, l, blocking, func(c *Config) { c.InputLimit = 1 << 20 })
				rnd := rand.New(rand.NewPCG(1, 2))
				for _, size := range []int{0, 1, 64, 508, 509, 8188, 8189, 70_000, 300_000} {
					want := frame(randomBytes(rnd, size))
					go peer.Write(want)
					got := make([]byte, len(want))
					mustReadFull(t, peer, got)
					if !bytes.Equal(got, want) {
						t.Fatalf("size %d came back different", size)
					}
				}
				peer.Close()
				if err := get(t, "the end", l.closed); err != io.EOF {
					t.Errorf("Closed(%v), want io.EOF", err)
				}
			}
		})
	})
}

// The end of input may come with the bytes, and then raises no event of its own.
func TestLastBytesAndEndTogether(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		for _, late := range []bool{false, true} {
			for i := range 20 {
				l := newLines()
				// Without the park: it would find a forgotten end, though late.
				c, peer := tr.start(t, l, func(g *Config) { g.ParkAfter = -1 })
				l.c = c
				if !late {
					c.Serve()
				}
				want := frame([]byte{1, 2, 3, byte(i)})
				if _, err := peer.Write(want); err != nil {
					t.Fatal(err)
				}
				peer.(interface{ CloseWrite() error }).CloseWrite()
				if late { // the first receive finds both
					c.Serve()
				}
				got, err := io.ReadAll(peer)
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("read %v, %v; want %v", got, err, want)
				}
				if err := get(t, "the end", l.closed); err != io.EOF {
					t.Errorf("Closed(%v), want io.EOF", err)
				}
				peer.Close()
			}
		}
	})
}

func TestBlockingFormSeesLastBytesAndEnd(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		for i := range 20 {
			l := newLines()
			_, peer := echoServer(t, tr, l, true, nil)
			want := frame([]byte{1, 2, 3, byte(i)})
			peer.Write(want)
			peer.(interface{ CloseWrite() error }).CloseWrite()
			got, err := io.ReadAll(peer)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("read %v, %v; want %v", got, err, want)
			}
			if err := get(t, "the end", l.closed); err != io.EOF {
				t.Errorf("Closed(%v), want io.EOF", err)
			}
			peer.Close()
		}
	})
}

func TestPipelinedWithRandomCuts(t *testing.T) {
	run(t, func(t *testing.T, tr transport) {
		bothForms(t, func(t *testing.T, blocking bool) {
			_, peer := echoServer(t, tr, newLines(), blocking, func(c *Config) { c.InputLimit = 1 << 20 })
			rnd := rand.New(rand.NewPCG(3, 4))
			var want []byte
			for range 500 {
				want = append(want, frame(randomBytes(rnd, rnd.IntN(300)))...)
			}
			want = append(want, frame(randomBytes(rnd, 50_000))...)
			go func() {
				for rest := want; len(rest) > 0; {
					n := min(len(rest), 1+rnd.IntN(1<<rnd.IntN(14)))
					if _, err := peer.Write(rest[:n]); err != nil {
						t.Error(err)
						return
					}
					rest = rest[n:]
				}
			}()
			got := make([]byte, len(want))
			mustReadFull(t, peer, got)
			if !bytes.Equal(got, want) {
				t.Fatal("came back different")
			}
		})
	})
}

func TestClosedConnSaysSoForEver(t *testing.T) {
	reason := errors.New("reason")
	run(t, func(t *testing.T, tr transport) {
		l := newLines()
		c, _ := tr.start(t, l, nil)
		l.c = c
		c.CloseNow(reason)
		c.CloseNow(errors.New("another"))
		if err := get(t, "the end", l.closed); err != reason {
			t.Errorf("Closed(%v)", err)
		}
		for name, err := range map[string]error{
			"Write":      c.Write(t.Context(), nil, []byte("x")),
			"Send":       c.Send(nil, []byte("x")),
			"SendUrgent": c.SendUrgent([]byte("x")),
			"Pump":       c.Pump(t.Context()),
			"Flush":      c.Flush(t.Context()),
			"Err":        c.Err(),
		} {
			if !errors.Is(err, net.ErrClosed) || !errors.Is(err, reason) || err != c.Err() {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n, err := c.TrySend([][]byte{{1}}); n != 0 || err != c.Err() {
			t.Errorf("TrySend = %d, %v", n, err)
		}
		c.Serve()
		c.SetAlarm(1)
		c.Finish(nil, 0)
		told := make(chan struct{})
		c.NotifyWritable(func() { close(told) })
		get(t, "NotifyWritable", told)
	})
}
