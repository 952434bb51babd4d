//go:build linux && (amd64 || arm64)

package netio

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// TestStressPumpAndReuse is TestStressParkAndReuse in blocking form: Pumps whose contexts end at any time, on connections
// that end in every way, so that what a wait gives back is another's at once. A buffer that had two owners shows as an echo
// that is not ours, a lost wake-up as one that never comes.
func TestStressPumpAndReuse(t *testing.T) {
	for _, tr := range transports() {
		if tr.wire == plain {
			continue
		}
		t.Run(tr.name, func(t *testing.T) {
			noLeaks(t)
			s := &stress{tr: tr, cfg: tr.cfg, budget: 4000}
			if tr.wire == overTLS {
				s.budget /= 4
			}
			s.cfg.QueueLimit = 32 << 10
			seed := rand.Uint64()
			var all sync.WaitGroup
			for i := range 24 {
				all.Go(func() {
					rnd := rand.New(rand.NewPCG(seed, uint64(i)))
					for !t.Failed() {
						n := s.take(1 + rnd.Int64N(60))
						if n == 0 {
							return
						}
						id, end := s.conns.Add(1), rnd.IntN(len(s.ends))
						s.ends[end].Add(1)
						if err := s.pumped(t, rnd, id, int(n), end); err != nil {
							t.Errorf("connection %d, %d messages, end %d: %v", id, n, end, err)
						}
					}
				})
			}
			all.Wait()
			t.Logf("seed %d: %d connections, ends %d", seed, s.conns.Load(), s.counts())
		})
	}
}

func (s *stress) pumped(t *testing.T, rnd *rand.Rand, id int64, n, end int) error {
	server, peer := s.tr.pair(t)
	defer peer.Close()
	l := newLines()
	l.blocking, l.useRoom = true, id%2 == 0
	l.c = New(server, l, &s.cfg, nil)
	over := make(chan error, 1)
	seed := rnd.Uint64()
	go func() { over <- s.echoes(l, rand.New(rand.NewPCG(seed, 2)), id, n, end) }()

	var sent []byte
	for seq := range n {
		p := binary.BigEndian.AppendUint64(nil, uint64(id))
		p = binary.BigEndian.AppendUint32(p, uint32(seq))
		sent = append(sent, frame(append(p, make([]byte, rnd.IntN(1<<rnd.IntN(15)))...))...)
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
	for range 2 {
		select {
		case err := <-over:
			if err != nil {
				return err
			}
		case err := <-l.closed:
			if we := end == weCloseInside || end == weFinish; we != (err == errReason) {
				return fmt.Errorf("Closed(%w)", err)
			}
		case <-time.After(30 * time.Second):
			return errors.New("the last Pump or Closed never came")
		}
	}
	return nil
}

// echoes reads with contexts of every kind until the connection has ended.
func (s *stress) echoes(l *lines, rnd *rand.Rand, id int64, n, end int) error {
	for echoed := 0; ; {
		ctx, cancel := context.WithCancel(context.Background())
		switch rnd.IntN(6) {
		case 0:
			cancel()
		case 1:
			go cancel()
		case 2:
			time.AfterFunc(time.Duration(rnd.IntN(200))*time.Microsecond, cancel)
		case 3:
			ctx = context.Background()
		}
		p, err := l.read(ctx)
		ended := ctx.Err()
		cancel()
		if err != nil && ended != nil && errors.Is(err, ended) {
			continue
		}
		if err != nil {
			return nil // which one is told to Closed
		}
		if got, seq := int64(binary.BigEndian.Uint64(p)), int(binary.BigEndian.Uint32(p[8:])); got != id || seq != echoed {
			return fmt.Errorf("message %d of connection %d came for %d", seq, got, echoed)
		}
		l.echo(p)
		if echoed++; echoed < n {
			continue
		}
		switch {
		case end == weCloseInside && id%3 == 0:
			go l.c.CloseNow(errReason) // while the next Pump waits
		case end == weCloseInside:
			l.c.CloseNow(errReason)
		case end == weFinish && id%3 == 0:
			go l.c.Finish(errReason, time.Minute)
		case end == weFinish:
			l.c.Finish(errReason, time.Minute)
		}
	}
}
