package presence

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidewire/tidewire/hub"
)

// entry is an event as the hub would hand it out.
func entry(clock uint64, state string) *hub.Event[record[string]] {
	r := record[string]{clock, state}
	data, err := recordCodec[string]{}.Append(nil, r)
	if err != nil {
		panic(err)
	}
	return &hub.Event[record[string]]{Value: r, Data: data}
}

// A replica is what somebody knows who was told changes. It refuses what does
// not fit.
type replica map[string]string

func (r replica) apply(changes []Change[string]) error {
	seen := make(map[string]bool)
	for _, c := range changes {
		_, there := r[c.Member]
		switch {
		case seen[c.Member]:
			return fmt.Errorf("%s is twice in %s", c.Member, tell(changes))
		case c.Kind == Enter && there, c.Kind != Enter && !there:
			return fmt.Errorf("%s does not fit what is known: %v", tell([]Change[string]{c}), r)
		case c.Kind == Leave && c.Cause > NodeDown, c.Kind != Leave && c.Cause != Unknown:
			return fmt.Errorf("%s has cause %d", tell([]Change[string]{c}), c.Cause)
		}
		seen[c.Member] = true
		if c.Kind == Leave {
			delete(r, c.Member)
		} else {
			r[c.Member] = c.State
		}
	}
	return nil
}

// Whoever asks, however late, learns the exact difference.
func TestStateTellsEachCursorTheNetDifference(t *testing.T) {
	type reader struct {
		c     *cursor
		knows replica
	}
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		s := newState[string]()
		now := make(replica)
		var readers []*reader
		clock := uint64(0)
		for step := range 600 {
			switch op := rnd.IntN(20); {
			case op == 0:
				r := &reader{s.follow(), make(replica)}
				if err := r.knows.apply(s.all()); err != nil {
					t.Fatalf("seed %d step %d: all: %v", seed, step, err)
				}
				readers = append(readers, r)
			case op == 1 && len(readers) > 0:
				i := rnd.IntN(len(readers))
				s.unfollow(readers[i].c)
				readers = append(readers[:i], readers[i+1:]...)
			case op < 6 && len(readers) > 0:
				r := readers[rnd.IntN(len(readers))]
				if err := r.knows.apply(s.since(r.c)); err != nil {
					t.Fatalf("seed %d step %d: %v", seed, step, err)
				}
				if diff := cmp.Diff(now, r.knows); diff != "" {
					t.Fatalf("seed %d step %d (-want +got):\n%s", seed, step, diff)
				}
			default:
				for range 1 + rnd.IntN(3) {
					m := fmt.Sprint("m", rnd.IntN(12))
					if _, there := now[m]; there && rnd.IntN(2) == 0 {
						s.remove(m+"/n.1", Left)
						delete(now, m)
						continue
					}
					clock++
					state := fmt.Sprint(rnd.IntN(2))
					s.put(m, m+"/n.1", entry(clock, state))
					now[m] = state
				}
				s.commit()
			}
			bound := 0
			for _, r := range readers {
				bound += len(r.knows)
			}
			if got := s.ghosts.Len(); got > 2*(bound+1)+sweepEvery || len(readers) == 0 && got > 0 {
				t.Fatalf("seed %d step %d: %d ghosts, %d told of", seed, step, got, bound)
			}
			if !maps.EqualFunc(now, s.people, func(a string, p *person[string]) bool { return a == p.last.Value.State }) {
				t.Fatalf("seed %d step %d: state differs from %v", seed, step, now)
			}
		}
	}
}

// However many come and go, what is kept for one who never asks is what that one
// has been told of.
func TestStalledCursorKeepsNoMoreThanItWasTold(t *testing.T) {
	s := newState[string]()
	for i := range 100 {
		m := fmt.Sprint("old", i)
		s.put(m, m+"/n.1", entry(uint64(i+1), ""))
	}
	s.commit()
	stalled, quick := s.follow(), s.follow()
	most := 0
	for i := range 100_000 {
		m := fmt.Sprint("m", i)
		s.put(m, m+"/n.1", entry(uint64(i+1), ""))
		s.commit()
		s.since(quick)
		s.remove(m+"/n.1", Left)
		if i < 100 {
			s.remove(fmt.Sprintf("old%d/n.1", i), Left)
		}
		s.commit()
		s.since(quick)
		most = max(most, s.ghosts.Len())
	}
	if limit := 2*(100+1) + sweepEvery; most > limit {
		t.Errorf("up to %d ghosts, want at most %d", most, limit)
	}
	if got := s.since(stalled); len(got) != 100 {
		t.Errorf("told of %d changes, want the 100 who left", len(got))
	}
	if s.ghosts.Len() != 0 {
		t.Errorf("%d ghosts are left when everybody is up to date", s.ghosts.Len())
	}
}

func TestLatestConnectionDecidesInAnyOrder(t *testing.T) {
	a, b, c := entry(1, "a"), entry(2, "b"), entry(2, "c") // b and c at once: the key decides
	keys := map[*hub.Event[record[string]]]string{a: "m/n.1", b: "m/n.2", c: "m/n.3"}
	for _, order := range [][]*hub.Event[record[string]]{{a, b, c}, {c, b, a}, {b, c, a}, {c, a, b}} {
		s := newState[string]()
		for _, ev := range order {
			s.put("m", keys[ev], ev)
		}
		s.commit()
		expect(t, "all", tell(s.all()), "+m=c")
		s.remove("m/n.3", Left)
		s.commit()
		expect(t, "without the latest", tell(s.all()), "+m=b")
	}
}
