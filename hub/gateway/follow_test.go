package gateway_test

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidewire/tidewire/hub"
)

// What a client gets, over whatever, is what a reader in the process gets.
func TestEveryStart(t *testing.T) {
	everywhere(t, func(t *testing.T, tr transport) {
		s := newSite(t, kinds(hub.TopicConfig{MaxEvents: 4}), nil)
		log, keyed, eph := hub.TopicOf[string](s.hub, "log", nil), hub.TopicOf[string](s.hub, "keyed", nil), hub.TopicOf[string](s.hub, "eph", nil)
		other := hub.New(nil)
		defer other.Close()
		a := publish(t, log, "a")
		e := publish(t, log, "b", "c", "d", "e")
		f := publish(t, log, "f")
		k1 := write(t, keyed, "k=1")
		k4 := write(t, keyed, "l=2", "k=3", "m=4")
		write(t, keyed, "n=5", "-l", "n=6")
		write(t, eph, "x=1", "y=2", "x=3")
		strange := publish(t, hub.TopicOf[string](other, "log", nil), "z").String()
		ahead := hub.MakePosition(epochOf(f), 1000, 7).String()

		for _, test := range []struct {
			topic, query, id, want string
		}{
			{"log", "", "", "live"},
			{"log", "from=live", "", "live"},
			{"log", "from=start", "", "c d e f live"},
			{"log", "from=last.2", "", "e f live"},
			{"log", "from=last.0", "", "live"},
			{"log", "from=last.99", "", "c d e f live"},
			{"log", "after=" + e.String(), "", "f live"},
			{"log", "", e.String(), "f live"},
			{"log", "lastEventId=" + e.String(), "", "f live"},
			{"log", "last_event_id=" + e.String(), "", "f live"},
			{"log", "", f.String(), "live"},
			{"log", "", a.String(), "gap(trimmed,1) c d e f live"},
			{"log", "", strange, "gap(epoch,-1) c d e f live"},
			{"log", "", ahead, "gap(fork,-1) c d e f live"},
			{"log", "", "no position", "gap(epoch,-1) c d e f live"},
			{"log", "lastEventId=42", "", "gap(epoch,-1) c d e f live"},
			{"keyed", "", "", "k=3 m=4 n=6 live"},
			{"keyed", "from=start", "", "k=3 m=4 n=6 live"},
			{"keyed", "from=live", "", "live"},
			{"keyed", "from=last.2", "", "-l n=6 live"},
			{"keyed", "", k4.String(), "n=5 -l n=6 live"},
			{"keyed", "", k1.String(), "reset(trimmed,6) k=3 m=4 n=6 live"},
			{"keyed", "", strange, "reset(epoch,-1) k=3 m=4 n=6 live"},
			{"keyed", "last_event_id=x", "", "reset(epoch,-1) k=3 m=4 n=6 live"},
			{"eph", "", "", "live"},
			{"eph", "from=start", "", "x=3 y=2 live"},
			{"eph", "", strange, "gap(epoch,-1) x=3 y=2 live"},
			{"eph", "", "x", "gap(epoch,-1) x=3 y=2 live"},
			{"empty", "", "", "live"},
			{"empty", "from=start", "", "live"},
			{"keyed.empty", "", "", "live"},
			// Precedence: the header, after, the polyfills' queries, from.
			{"log", "from=start&after=" + f.String(), e.String(), "f live"},
			{"log", "from=start&lastEventId=" + f.String() + "&after=" + e.String(), "", "f live"},
			{"log", "from=start&lastEventId=" + e.String() + "&last_event_id=" + f.String(), "", "f live"},
			{"log", "from=start&lastEventId=&last_event_id=" + e.String(), "", "f live"},
			{"log", "from=start&lastEventId=", "", "c d e f live"},
		} {
			what := test.topic + "?" + test.query + " " + test.id
			c := tr.open(s, test.topic, test.query, test.id)
			list := c.until("live")
			c.close()
			sortRows(list)
			if got := show(list...); got != test.want {
				t.Errorf("%s: got %q, want %q", what, got, test.want)
			}
			from, err := fromOf(test.query, test.id)
			if err != nil {
				continue // what the hub alone does not know
			}
			sub, err := s.hub.Topic(test.topic).Subscribe(t.Context(), &hub.SubOptions[[]byte]{From: from})
			if err != nil {
				t.Fatal(err)
			}
			local, err := sub.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			sub.Close()
			var rows []got
			for _, ev := range local {
				rows = append(rows, envelopeOf(ev))
			}
			sortRows(rows)
			if diff := cmp.Diff(rows, list, sameEvent); diff != "" {
				t.Errorf("%s: a reader in the process and the client (-local +client)\n%s", what, diff)
			}
		}
	})
}

func fromOf(query, id string) (hub.From, error) {
	q, err := url.ParseQuery(query)
	if err != nil {
		return hub.From{}, err
	}
	return hub.ParseFrom(q, id)
}

func epochOf(p hub.Position) uint64 {
	epoch, _, _ := p.Parts()
	return epoch
}
