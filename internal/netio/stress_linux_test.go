//go:build linux && (amd64 || arm64)

package netio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestStressParkAndReuse lets many connections live short lives that park between almost any two bytes, so that
// descriptors and places in the park are reused all the time, and ends them in every way. Every payload carries its
// connection's number and its own: a lost wake-up shows as an echo that never comes, a mixed-up descriptor as a number
// that is not ours. NETIO_STRESS=1000000 makes it that many messages.
func TestStressParkAndReuse(t *testing.T) {
	messages := 20_000
	if v := os.Getenv("NETIO_STRESS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		messages = n
	}
	for _, tr := range transports() {
		if tr.wire == plain {
			continue
		}
		t.Run(tr.name, func(t *testing.T) {
			noLeaks(t)
			budget := messages
			if tr.wire == overTLS {
				budget /= 10
			}
			seed := rand.Uint64()
			s := &stress{tr: tr, cfg: tr.cfg, budget: int64(budget)}
			s.cfg.ParkAfter = 200 * time.Microsecond // a stay's first silence is a sixteenth
			s.cfg.QueueLimit = 32 << 10
			// One that is never ended keeps the lot, and its count, alive.
			keeper := newLines()
			k, peer := tr.start(t, keeper, func(g *Config) { *g = s.cfg })
			keeper.c = k
			k.Serve()
			eventually(t, "parked without ever having heard a word", func() bool { return k.state() == parked })
			var all sync.WaitGroup
			for i := range 24 {
				all.Go(func() { s.client(t, rand.New(rand.NewPCG(seed, uint64(i)))) })
			}
			all.Wait()
			f := frame([]byte("keeper"))
			peer.Write(f)
			mustReadFull(t, peer, make([]byte, len(f)))
			lot.mu.Lock()
			woken := 0
			if lot.parkingLot != nil {
				lot.parkingLot.mu.Lock()
				woken = lot.woken
				lot.parkingLot.mu.Unlock()
			}
			lot.mu.Unlock()
			t.Logf("seed %d: %d connections, %d messages, %d wake-ups from the park, ends %d", seed, s.conns.Load(), budget, woken, s.counts())
			if woken < budget/20 {
				t.Errorf("only %d wake-ups from the park", woken)
			}
		})
	}
}

type stress struct {
	tr     transport
	cfg    Config
	budget int64 // messages still to come
	left   atomic.Int64
	conns  atomic.Int64
	ends   [5]atomic.Int64
}

// The ways a connection ends.
const (
	peerCloses = iota
	peerHalfCloses
	peerResets
	weCloseInside
	weFinish
)

// take allots up to n messages.
func (s *stress) take(n int64) int64 {
	used := s.left.Add(n)
	return n - min(n, max(0, used-s.budget))
}

// client runs one connection after another until the budget is used up.
func (s *stress) client(t *testing.T, rnd *rand.Rand) {
	for {
		n := s.take(1 + rnd.Int64N(60))
		if n == 0 || t.Failed() {
			return
		}
		id := s.conns.Add(1)
		end := rnd.IntN(len(s.ends))
		s.ends[end].Add(1)
		if err := s.connection(t, rnd, id, int(n), end); err != nil {
			t.Errorf("connection %d, %d messages, end %d: %v", id, n, end, err)
		}
	}
}

func (s *stress) connection(t *testing.T, rnd *rand.Rand, id int64, n, end int) error {
	server, peer := s.tr.pair(t)
	defer peer.Close()
	l := newLines()
	var echoed int
	l.onMessage = func(p []byte) Next {
		if got := int64(binary.BigEndian.Uint64(p)); got != id {
			t.Errorf("a message of connection %d came to %d", got, id)
		}
		if seq := int(binary.BigEndian.Uint32(p[8:])); seq != echoed {
			t.Errorf("connection %d: message %d after %d", id, seq, echoed)
		}
		l.echo(p)
		if echoed++; echoed == n {
			switch end {
			case weCloseInside:
				l.c.CloseNow(errReason)
			case weFinish:
				l.c.Finish(errReason, time.Minute)
			}
		}
		if len(p)%7 == 0 {
			return Quiet
		}
		return More
	}
	l.c = New(server, l, &s.cfg, nil)
	l.c.Serve()

	var sent []byte
	for seq := range n {
		p := binary.BigEndian.AppendUint64(nil, uint64(id))
		p = binary.BigEndian.AppendUint32(p, uint32(seq))
		sent = append(sent, frame(append(p, make([]byte, rnd.IntN(1<<rnd.IntN(12)))...))...)
	}
	_ = peer.SetReadDeadline(time.Now().Add(30 * time.Second)) // only a lost wake-up comes to this
	read := make(chan error, 1)
	go func() { read <- s.readBack(peer, sent, end) }()
	if err := s.write(peer, rnd.Uint64(), sent); err != nil {
		return err
	}
	if end == peerHalfCloses {
		_ = peer.(interface{ CloseWrite() error }).CloseWrite()
	}
	if err := <-read; err != nil {
		return err
	}
	if c, ok := peer.(*net.TCPConn); ok && end == peerResets {
		_ = c.SetLinger(0)
	}
	if end != weCloseInside {
		peer.Close()
	}
	select {
	case err := <-l.closed:
		we := end == weCloseInside || end == weFinish
		if we != (err == errReason) {
			return fmt.Errorf("Closed(%w)", err)
		}
	case <-time.After(30 * time.Second):
		return errors.New("Closed never came")
	}
	return nil
}

// write cuts at random, down to single bytes, and now and then leaves time for a park.
func (s *stress) write(peer net.Conn, seed uint64, b []byte) error {
	rnd := rand.New(rand.NewPCG(seed, 1))
	for len(b) > 0 {
		n := min(len(b), 1+rnd.IntN(1<<rnd.IntN(12)))
		if _, err := peer.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
		if rnd.IntN(3) == 0 {
			time.Sleep(time.Duration(rnd.IntN(100)) * time.Microsecond)
		}
	}
	return nil
}

func (s *stress) readBack(peer net.Conn, want []byte, end int) error {
	got := make([]byte, len(want))
	if end == weCloseInside {
		// The last echo may be cut off by a reset, or not have been sent at all.
		n, _ := io.ReadFull(peer, got)
		if !bytes.Equal(got[:n], want[:n]) {
			return errors.New("came back different")
		}
		return nil
	}
	if n, err := io.ReadFull(peer, got); err != nil {
		return fmt.Errorf("%d of %d bytes came back: %w", n, len(got), err)
	}
	if !bytes.Equal(got, want) {
		return errors.New("came back different")
	}
	if end == weFinish || end == peerHalfCloses {
		if n, err := peer.Read(got); err != io.EOF {
			return fmt.Errorf("at the end: %d bytes, %w", n, err)
		}
	}
	return nil
}

func (s *stress) counts() (n [5]int64) {
	for i := range s.ends {
		n[i] = s.ends[i].Load()
	}
	return n
}
