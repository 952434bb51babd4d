package hub_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/hub/hubtest"
)

// proof is an encoder whose frames let a sink check what it gets.
type proof struct{}

func (proof) Format() string { return "proof" }
func (proof) AppendFrame(dst []byte, ev *hub.Event[[]byte]) ([]byte, error) {
	what := ev.Marker.String()
	switch {
	case ev.Deleted:
		what = "del"
	case ev.Marker == hub.NoMarker && ev.Pos.IsZero():
		what = "row"
	case ev.Marker == hub.NoMarker:
		what = "event"
	}
	_, off, _ := ev.Pos.Parts()
	return fmt.Appendf(dst, "%s|%d|%s|%s\n", what, off, ev.Key, ev.Data), nil
}

// A prover is a sink of one topic: it has room for so many pieces, and keeps what
// a client would have.
type prover struct {
	mu    sync.Mutex
	room  int
	wants []func()
	due   uint64 // offset; 0: any
	table map[string]string
	wrong string
}

func (s *prover) TrySend(frames [][]byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range frames {
		if s.room == 0 {
			return i, hub.ErrFull
		}
		s.room--
		for line := range strings.Lines(string(f)) {
			s.take(strings.TrimSpace(line))
		}
	}
	return len(frames), nil
}

func (s *prover) take(line string) {
	f := strings.Split(line, "|")
	var off uint64
	fmt.Sscan(f[1], &off)
	switch f[0] {
	case "reset":
		s.table, s.due = map[string]string{}, 0
		return
	case "row":
		s.table[f[2]] = f[3]
		return
	case "event":
		s.table[f[2]] = f[3]
	case "del":
		delete(s.table, f[2])
	}
	if n := s.due; f[0] == "live" && n != 0 && n != off+1 || f[0] != "live" && f[0] != "gap" && n != 0 && n != off {
		s.wrong = fmt.Sprintf("got %s, due is %d", line, n)
	}
	s.due = off + 1
}

func (s *prover) NotifyWritable(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wants = append(s.wants, f)
}

func (s *prover) open(n int) {
	s.mu.Lock()
	s.room = n
	wants := s.wants
	s.wants = nil
	s.mu.Unlock()
	for _, f := range wants {
		f()
	}
}

// Sinks in front of a broker that cuts its feeds, loses its newest writes and
// forgets everything: each stream goes on where it was or says that it does not,
// and in the end everybody has the same table and is at the head.
func TestPushSurvivesWhatABrokerDoes(t *testing.T) {
	for seed := range uint64(25) {
		far(t, func(t *testing.T, s *hubtest.Store, open func() (*hub.Hub, *hubtest.Remote)) {
			rnd := rand.New(rand.NewPCG(seed, 2))
			h, _ := open()
			w, _ := open()
			var sinks []*prover
			var conns []*hub.Conn
			for range 8 {
				p := &prover{room: 1 << 30, table: map[string]string{}}
				c, err := h.Connect(p, hub.ConnOptions{Encoder: proof{}})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if err := c.Follow(t.Context(), "keyed", &hub.FollowOptions{Policy: hub.SkipWithGap}); err != nil {
					t.Fatal(err)
				}
				sinks, conns = append(sinks, p), append(conns, c)
			}
			topic := w.Topic("keyed")
			mend := func() {}
			for range 150 {
				switch rnd.IntN(12) {
				case 0:
					mend()
					mend = s.Interrupt()
				case 1:
					mend()
					mend = func() {}
				case 2:
					s.LoseTail("keyed", 1+rnd.IntN(3))
				case 3:
					if rnd.IntN(4) == 0 {
						s.Restart()
					}
				case 4, 5:
					sinks[rnd.IntN(len(sinks))].open([]int{0, 1, 2, 1 << 30}[rnd.IntN(4)])
				case 6:
					arrive()
				case 7:
					topic.Delete(t.Context(), fmt.Sprint("k", rnd.IntN(5))) // perhaps there is none
				default:
					if _, err := topic.Put(t.Context(), fmt.Sprint("k", rnd.IntN(5)), fmt.Append(nil, rnd.IntN(1000))); err != nil {
						t.Fatal(err)
					}
				}
			}
			mend()
			for range 3 {
				for _, p := range sinks {
					p.open(1 << 30)
				}
				arrive()
			}
			want := map[string]string{}
			snap, err := topic.Snapshot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for e := range snap.All() {
				want[e.Key] = string(e.Data)
			}
			for i, p := range sinks {
				p.mu.Lock()
				if fmt.Sprint(p.table) != fmt.Sprint(want) || conns[i].Position("keyed") != snap.Pos || p.wrong != "" {
					t.Errorf("seed %d: sink %d has %v at %s, want %v at %s; %s", seed, i, p.table, conns[i].Position("keyed"), want, snap.Pos, p.wrong)
				}
				p.mu.Unlock()
			}
		})
		if t.Failed() {
			return
		}
	}
}
