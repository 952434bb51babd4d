package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/hub/gateway"
)

// From each position, by each way to say it, a client gets what comes behind it.
func TestEveryPositionResumesExactly(t *testing.T) {
	everywhere(t, func(t *testing.T, tr transport) {
		s := newSite(t, kinds(hub.TopicConfig{}), nil)
		log, keyed := hub.TopicOf[string](s.hub, "log", nil), hub.TopicOf[string](s.hub, "keyed", nil)
		first := tr.open(s, "log", "from=live", "").one()
		positions := map[string][]hub.Position{"log": {first.Pos}}
		positions["keyed"] = []hub.Position{tr.open(s, "keyed", "", "").one().Pos}
		var words = map[string][]string{}
		for i := range 12 {
			v := strconv.Itoa(i)
			positions["log"] = append(positions["log"], publish(t, log, v))
			words["log"] = append(words["log"], v)
			w := "k" + strconv.Itoa(i%4) + "=" + v
			positions["keyed"] = append(positions["keyed"], write(t, keyed, w))
			words["keyed"] = append(words["keyed"], w)
		}
		for topic, list := range positions {
			for i, pos := range list {
				query, id := "", ""
				switch i % 3 {
				case 0:
					id = pos.String()
				case 1:
					query = "after=" + pos.String()
				case 2:
					query = "lastEventId=" + pos.String()
				}
				c := tr.open(s, topic, query, id)
				c.want(fmt.Sprintf("%s after %d", topic, i), strings.Join(append(words[topic][i:len(words[topic]):len(words[topic])], "live"), " "))
				c.close()
			}
		}
	})
}

// An event stream's id is the position, and there is none where there is none.
func TestWhichEventsCarryIDs(t *testing.T) {
	s := newSite(t, kinds(hub.TopicConfig{MaxEvents: 3}), nil)
	log, keyed, eph := hub.TopicOf[string](s.hub, "log", nil), hub.TopicOf[string](s.hub, "keyed", nil), hub.TopicOf[string](s.hub, "eph", nil)
	old := publish(t, log, "a")
	publish(t, log, "b", "c", "d", "e")
	oldKey := write(t, keyed, "k=1")
	write(t, keyed, "k=2", "l=3", "k=4", "l=5")
	write(t, eph, "x=1")
	for _, test := range []struct{ topic, query, id, withID string }{
		{"log", "", old.String(), "gap(trimmed,1) c d e live later"},
		{"keyed", "", "", "live x=later"},
		{"keyed", "", oldKey.String(), "live x=later"},
		{"keyed", "from=last.1", "", "x=later live x=later"},
		{"eph", "from=start", "", ""},
	} {
		c := s.openStream("/sse/", test.topic, test.query, test.id)
		list := c.until("live")
		switch test.topic {
		case "log":
			publish(t, log, "later")
		case "keyed":
			write(t, keyed, "x=later")
		case "eph":
			write(t, eph, "x=later")
		}
		list = append(list, c.one())
		c.close()
		var with []got
		for _, g := range list {
			if g.id != g.Pos.String() {
				t.Errorf("%s?%s: %s has the id %q and the position %q", test.topic, test.query, show(g), g.id, g.Pos)
			}
			if g.id != "" {
				with = append(with, g)
			}
			name := g.Name
			if g.Marker != hub.NoMarker {
				name = g.Marker.String()
			}
			if g.sse.Name != name {
				t.Errorf("%s?%s: %s is the event %q, want %q", test.topic, test.query, show(g), g.sse.Name, name)
			}
		}
		if got := show(with...); got != test.withID {
			t.Errorf("%s?%s %s: ids on %q, want %q", test.topic, test.query, test.id, got, test.withID)
		}
	}
}

// Whoever is cut in the middle of a snapshot comes back with what they had
// before, and gets it again.
func TestCutInMidSnapshotGetsItAgain(t *testing.T) {
	everywhere(t, func(t *testing.T, tr transport) {
		s := newSite(t, kinds(hub.TopicConfig{MaxEvents: 2}), nil)
		keyed := hub.TopicOf[string](s.hub, "keyed", nil)
		old := write(t, keyed, "a=1")
		write(t, keyed, "b=1", "c=1", "d=1", "e=1")
		for _, had := range []string{"", old.String()} {
			id := had
			for range 3 {
				c := tr.open(s, "keyed", "", id)
				if id != "" {
					if g := c.one(); g.Reset == nil || g.Reset.From != old {
						t.Fatalf("not a reset: %s", show(g))
					}
				}
				for range 3 {
					if g := c.one(); !g.Pos.IsZero() {
						id = g.Pos.String() // as a client would
					}
				}
				c.close()
				if id != had {
					t.Fatalf("cut in the middle of a snapshot, the client has the position %q, and had %q", id, had)
				}
			}
			c := tr.open(s, "keyed", "", id)
			list := c.until("live")
			if id != "" {
				list = list[1:]
			}
			sortRows(list)
			if got := show(list...); got != "a=1 b=1 c=1 d=1 e=1 live" {
				t.Errorf("with the position %q: %q", id, got)
			}
			write(t, keyed, "a=2")
			if g := c.one(); show(g) != "a=2" {
				t.Errorf("after the snapshot: %s", show(g))
			}
			write(t, keyed, "a=1", "d=1", "e=1")
			c.close()
		}
	})
}

// A client that changes transport in mid-stream, as often as it likes and while
// others publish, loses nothing and gets nothing twice.
func TestChangeOfTransportLosesAndRepeatsNothing(t *testing.T) {
	s := newSite(t, kinds(hub.TopicConfig{MaxEvents: 4096}), nil)
	log := hub.TopicOf[string](s.hub, "log", nil)
	const events = 1500
	done := make(chan struct{})
	id := overWS.open(s, "log", "", "").one().Pos.String()
	go func() {
		defer close(done)
		for i := range events {
			if _, err := log.Publish(context.Background(), strconv.Itoa(i)); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	defer func() { <-done }()
	next, turns := 0, 0
	for next < events {
		for _, tr := range []transport{overWS, overSSE, overWS, transports[2]} {
			c := tr.open(s, "log", "after="+id, "")
			turns++
			for n := rand.IntN(60); n >= 0 && next < events; n-- {
				g := c.one()
				if !g.Pos.IsZero() {
					id = g.Pos.String()
				}
				if g.Marker == hub.MarkLive {
					continue
				}
				if show(g) != strconv.Itoa(next) {
					t.Fatalf("over a new %s: got %s, want %d", tr.name, show(g), next)
				}
				next++
			}
			c.close()
		}
	}
	t.Logf("%d events over %d connections", events, turns)
}

// The same, with a keyed topic and a tail so short that there are resets: the
// table that the client has is in the end that of the topic.
func TestChangeOfTransportKeepsTheTable(t *testing.T) {
	s := newSite(t, kinds(hub.TopicConfig{MaxEvents: 64}), nil)
	keyed := hub.TopicOf[string](s.hub, "keyed", nil)
	n := 0
	change := func(times int) {
		for range times {
			n++
			key := fmt.Sprint("k", rand.IntN(40))
			_, err := keyed.Delete(t.Context(), key)
			if n%5 > 0 || errors.Is(err, hub.ErrNoKey) {
				_, err = keyed.Put(t.Context(), key, strconv.Itoa(n))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	table := map[string]string{}
	var fresh map[string]string // while a snapshot comes
	id := ""
	take := func(g got) {
		into := table
		if fresh != nil {
			into = fresh
		}
		switch {
		case g.Reset != nil:
			fresh = map[string]string{}
		case g.Marker == hub.MarkLive:
			if fresh != nil {
				table, fresh = fresh, nil
			}
		case g.Deleted:
			delete(into, g.Key)
		default:
			into[g.Key] = string(g.Data)
		}
		if !g.Pos.IsZero() {
			id = g.Pos.String()
		}
	}
	for i := range 80 {
		change(rand.IntN(50)) // the client has been away for longer than the tail, at times
		c := transports[i%len(transports)].open(s, "keyed", "", id)
		if fresh = nil; id == "" {
			fresh = map[string]string{} // as after a reset
		}
		for range rand.IntN(60) {
			change(1)
			g, err := c.next()
			if err != nil || g.Bye != nil {
				break // nobody waits for it, so it may be too slow
			}
			take(g)
		}
		c.close()
	}
	c := overSSE.open(s, "keyed", "", id)
	fresh = nil
	for g := c.one(); ; g = c.one() {
		if take(g); g.Marker == hub.MarkLive {
			break
		}
	}
	snap, err := keyed.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for ev, err := range snap.All() {
		if err != nil {
			t.Fatal(err)
		}
		want[ev.Key] = string(ev.Data)
	}
	if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("the topic and the client (-topic +client)\n%s", diff)
	}
	if n := s.hub.Stats().Resets; n == 0 {
		t.Error("there was no reset")
	}
}

// Every sort of data arrives over every transport.
func TestDataOfEverySort(t *testing.T) {
	everywhere(t, func(t *testing.T, tr transport) {
		s := newSite(t, nil, nil)
		raw := s.hub.Topic("raw")
		c := tr.open(s, "raw", "", "")
		c.one()
		big := strings.Repeat("é\n\x00\"", 60_000)
		for _, data := range []string{
			"", "plain", "two\nlines\r\nand\rmore", "\x00\x01", "\xff\xfe", `{"a":1}`, "[1,\n2]", `"\ud800"`, "null", "12345678901234567890", " ",
			"data: x\n\nid: 5\n\n", big, big[1:], `"` + strings.Repeat("x", 300_000) + `"`,
		} {
			if _, err := raw.Publish(t.Context(), []byte(data), hub.Name("n:1"), hub.Key(`k"\`)); err != nil {
				t.Fatal(err)
			}
			g := c.one()
			want := data
			if data == "[1,\n2]" {
				want = "[1,2]"
			}
			if string(g.Data) != want || g.Name != "n:1" || g.Key != `k"\` || g.Topic != "raw" {
				t.Errorf("%.60q: got %.60q, name %q, key %q", data, g.Data, g.Name, g.Key)
			}
		}
	})
}

func TestBadRequestsAreRefused(t *testing.T) {
	s := newSite(t, kinds(hub.TopicConfig{}), nil)
	for _, query := range []string{
		"after=", "after=x", "after=1.2.3", "from=", "from=end", "from=last.-1", "from=last.x", "from=start&from=live", "after=%zz", "from=start;after=x",
		"after=0000000000g.7.00001b&after=0000000000g.7.00001b", "from=nothing&after=0000000000g.7.00001b",
	} {
		for _, path := range []string{"/sse/log", "/ws/log", "/any/log"} {
			r := s.request(t.Context(), path, query, "")
			r.Header.Set("Accept", "text/event-stream")
			resp, err := s.http.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			text := bodyOf(t, resp)
			if resp.StatusCode != http.StatusBadRequest || len(text) < 10 || strings.HasPrefix(text, "Bad Request") || !strings.HasPrefix(text, "invalid") && !strings.HasPrefix(text, `start "`+query[:5]) {
				t.Errorf("%s?%s: %s: %q", path, query, resp.Status, text)
			}
		}
	}
}

// An id that is no position is not worth a refusal, from which an EventSource
// would never come back.
func TestFromRequest(t *testing.T) {
	pos := posA.String()
	for _, test := range []struct{ query, id, want string }{
		{"", "", ""},
		{"x=1", "", ""},
		{"from=last.3", "", "last.3"},
		{"from=last.3&lastEventId=" + pos, "", "after=" + pos},
		{"after=" + pos, posB.String(), "after=" + posB.String()},
		{"after=" + pos + "&last_event_id=" + posB.String(), "", "after=" + pos},
		{"lastEventId=" + pos + "&last_event_id=" + posB.String(), "", "after=" + pos},
		{"", "1042", "lost"},
		{"", strings.Repeat("x", 5000), "lost"},
		{"lastEventId=1042", "", "lost"},
	} {
		r, _ := http.NewRequest("GET", "/?"+test.query, nil)
		if test.id != "" {
			r.Header.Set("Last-Event-ID", test.id)
		}
		from, err := gateway.FromRequest(r)
		if err != nil || from.String() != test.want {
			t.Errorf("%q, %q: %q, %v; want %q", test.query, test.id, from, err, test.want)
		}
	}
	twice := &http.Request{Header: http.Header{"Last-Event-Id": {pos, pos}}}
	if from, err := gateway.FromRequest(twice); err != nil || from != hub.Lost() {
		t.Errorf("two headers: %q, %v", from, err)
	}
	if from, err := gateway.FromRequest(&http.Request{}); err != nil || from.String() != "" {
		t.Errorf("an empty request: %q, %v", from, err)
	}
}
