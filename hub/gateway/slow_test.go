package gateway_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/hub/gateway"
	"github.com/tidewire/tidewire/ws"
)

// large is an event that no network's buffers hold many of.
func large(i int) string { return strconv.Itoa(i) + " " + strings.Repeat("x", 64<<10) }

func numberOf(t testing.TB, g got) int {
	t.Helper()
	n, err := strconv.Atoi(strings.Trim(strings.Fields(string(g.Data))[0], `"`))
	if err != nil {
		t.Fatalf("what event is this: %.60q", g.Data)
	}
	return n
}

// A client that reads nothing for so long that the log moves on is told of what
// it has missed: at once, or when it comes back.
func TestSlowClientIsTold(t *testing.T) {
	const events = 100
	everywhere(t, func(t *testing.T, tr transport) {
		s := newNarrowSite(t, 1000, 64<<10, kinds(hub.TopicConfig{MaxEvents: 8, MaxBytes: -1}), &gateway.Options{Policy: func(topic string) hub.Policy {
			if topic == "skip" {
				return hub.SkipWithGap
			}
			return hub.Disconnect
		}})
		for _, topic := range []string{"skip", "end"} {
			log := hub.TopicOf[string](s.hub, topic, nil)
			c := tr.open(s, topic, "", "")
			id := c.one().Pos.String()
			for i := range events {
				publish(t, log, large(i))
			}
			next, missed := 0, int64(0)
			for next < events {
				g, err := c.next()
				switch {
				case err != nil && topic == "skip":
					t.Fatalf("%s: %v", topic, err)
				case err != nil:
					if c.conn != nil && ws.CloseStatus(err) != ws.CloseTryAgainLater {
						t.Fatalf("%s: %v", topic, err)
					}
					c = tr.open(s, topic, "", id) // with what it has
					continue
				case g.Bye != nil:
					if g.Bye.Reason != gateway.ByeSlow || g.Bye.Missed <= 0 || g.Bye.Pos.String() != id {
						t.Errorf("%s: bye %+v, and the position is %s", topic, g.Bye, id)
					}
					continue
				}
				if !g.Pos.IsZero() {
					id = g.Pos.String()
				}
				switch {
				case g.Gap != nil:
					next += int(g.Gap.Missed)
					missed += g.Gap.Missed
				case g.Marker == hub.MarkLive:
				default:
					if n := numberOf(t, g); n != next {
						t.Fatalf("%s: got %d, want %d (%d missed so far)", topic, n, next, missed)
					}
					next++
				}
			}
			if missed == 0 || next != events {
				t.Errorf("%s: %d missed, up to %d", topic, missed, next)
			}
			c.close()
		}
	})
}

// A client that is slower than the publisher and within what is retained gets
// everything.
func TestSlowClientWithinTheLogLosesNothing(t *testing.T) {
	const events = 24
	everywhere(t, func(t *testing.T, tr transport) {
		s := newNarrowSite(t, 1000, 64<<10, kinds(hub.TopicConfig{MaxBytes: -1}), nil)
		log := hub.TopicOf[string](s.hub, "log", nil)
		c := tr.open(s, "log", "", "")
		c.one()
		for i := range events {
			publish(t, log, large(i))
		}
		for i := range events {
			if n := numberOf(t, c.one()); n != i {
				t.Fatalf("got %d, want %d", n, i)
			}
		}
	})
}

// One stalled client of a thousand changes nothing for the others, and goes on
// when it reads again.
func TestOneStalledOfAThousand(t *testing.T) {
	crowd, events := 1000, 64
	if raceEnabled {
		crowd = 200
	}
	s := newNarrowSite(t, 2, 32<<10, kinds(hub.TopicConfig{MaxBytes: -1}), nil)
	log := hub.TopicOf[string](s.hub, "log", nil)
	clients := make([]*client, crowd)
	for i := range clients {
		clients[i] = transports[i%2].open(s, "log", "", "")
		clients[i].want("at first", "live")
	}
	stalled := clients[:2] // one of each transport
	big := strings.Repeat("x", 8<<10)
	var all sync.WaitGroup
	for i, c := range clients[2:] {
		all.Go(func() {
			for n := range events {
				g, err := c.next()
				if err != nil || !strings.HasPrefix(strings.Trim(string(g.Data), `"`), fmt.Sprint(n)) {
					t.Errorf("client %d: %.20q, %v; want %d", i, g.Data, err, n)
					return
				}
			}
		})
	}
	for n := range events {
		v := fmt.Sprint(n)
		if n%2 == 0 { // more than lies between the server and a client that does not read
			v += " " + big
		}
		publish(t, log, v)
	}
	all.Wait() // with the stalled ones as they are
	if s.hub.Stats().Full == 0 {
		t.Error("nobody was stalled")
	}
	for i, c := range stalled {
		for n := range events {
			if g := c.one(); !strings.HasPrefix(strings.Trim(string(g.Data), `"`), fmt.Sprint(n)) {
				t.Fatalf("stalled client %d: %.20q, want %d", i, g.Data, n)
			}
		}
	}
}

// However many connections there are, an event is encoded once for each
// transport.
func TestEncodedOncePerEventAndTransport(t *testing.T) {
	s := newSite(t, kinds(hub.TopicConfig{}), nil)
	log := hub.TopicOf[string](s.hub, "log", nil)
	var clients []*client
	for i := range 60 {
		c := transports[i%4].open(s, "log", "", "")
		c.one()
		clients = append(clients, c)
	}
	before := s.hub.Stats().Encoded
	const events = 20
	for i := range events {
		publish(t, log, fmt.Sprint(i))
		for _, c := range clients {
			c.want("event", fmt.Sprint(i))
		}
	}
	if n := s.hub.Stats().Encoded - before; n != 2*events {
		t.Errorf("%d events were encoded %d times for %d connections of two transports", events, n, len(clients))
	}
}

// What the hub joins to one piece may be taken in parts.
func TestBurstsToASlowClient(t *testing.T) {
	const events = 6000
	everywhere(t, func(t *testing.T, tr transport) {
		s := newNarrowSite(t, 1000, 48<<10, kinds(hub.TopicConfig{MaxEvents: events, MaxBytes: -1}), nil)
		log := hub.TopicOf[string](s.hub, "log", nil)
		c := tr.open(s, "log", "", "")
		c.one()
		pad := strings.Repeat("x", 200)
		for i := range events {
			publish(t, log, fmt.Sprint(i, " ", pad))
		}
		for i := range events {
			if n := numberOf(t, c.one()); n != i {
				t.Fatalf("got %d, want %d", n, i)
			}
		}
		if s.hub.Stats().Full == 0 && c.resp != nil && c.resp.ProtoMajor < 2 { // a client of HTTP/2 takes megabytes by itself
			t.Error("the client was never too slow")
		}
		publish(t, log, "done")
		c.want("after it", "done")
	})
}

// Of a table that changes faster than a client reads, the client with the policy
// Coalesce gets the latest, in order, and not all that was between.
func TestSlowClientOfATableGetsTheLatest(t *testing.T) {
	const changes = 4000
	everywhere(t, func(t *testing.T, tr transport) {
		s := newNarrowSite(t, 1000, 48<<10, kinds(hub.TopicConfig{MaxEvents: 512, MaxBytes: -1}), &gateway.Options{Policy: func(string) hub.Policy { return hub.Coalesce }})
		keyed := hub.TopicOf[string](s.hub, "keyed", nil)
		c := tr.open(s, "keyed", "", "")
		c.one()
		pad := strings.Repeat("x", 4000)
		for i := range changes {
			write(t, keyed, fmt.Sprintf("k%d=%d %s", i%5, i+1, pad))
		}
		end := write(t, keyed, "end=1")
		table, events := map[string]int{}, 0
		for {
			g := c.one()
			if g.Key == "end" {
				break
			}
			if events++; g.Reset != nil || g.Marker == hub.MarkLive {
				continue
			}
			n := numberOf(t, g)
			if n <= table[g.Key] {
				t.Fatalf("%s went from %d to %d", g.Key, table[g.Key], n)
			}
			table[g.Key] = n
		}
		for i := range 5 {
			if n := table[fmt.Sprint("k", i)]; n != changes-4+i {
				t.Errorf("k%d is %d, want %d", i, n, changes-4+i)
			}
		}
		t.Logf("%d events for %d changes", events, changes)
		c.close()
		again := tr.open(s, "keyed", "after="+end.String(), "")
		again.want("from the end", "live")
	})
}
