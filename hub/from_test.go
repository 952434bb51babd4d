package hub

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

func TestParseFrom(t *testing.T) {
	p, q, r := positions[1], positions[2], positions[3]
	for _, tt := range []struct {
		query, header string
		want          From
	}{
		{"", "", From{}},
		{"from=start", "", Start()},
		{"from=live", "", Live()},
		{"from=last.0", "", Last(0)},
		{"from=last.50", "", Last(50)},
		{"after=" + p.text, "", After(p.p)},
		{"", p.text, After(p.p)},
		{"from=start&after=" + p.text, "", After(p.p)},
		{"from=start&lastEventId=" + p.text, "", After(p.p)},
		{"last_event_id=" + p.text, "", After(p.p)},
		{"lastEventId=" + p.text + "&last_event_id=" + q.text, "", After(p.p)},
		{"after=" + p.text + "&lastEventId=" + q.text, "", After(p.p)},
		{"after=" + p.text + "&lastEventId=" + q.text + "&from=live", r.text, After(r.p)},
		{"lastEventId=&from=start", "", Start()},
		{"topics=a&wait=25s", "", From{}},
	} {
		query, _ := url.ParseQuery(tt.query)
		got, err := ParseFrom(query, tt.header)
		if err != nil || got != tt.want {
			t.Errorf("%q, %q: got %v, %v, want %v", tt.query, tt.header, got, err, tt.want)
		}
	}
}

func TestParseFromRefuses(t *testing.T) {
	ok := positions[1].text
	for _, tt := range []struct{ query, header string }{
		{"from=", ""},
		{"from=Start", ""},
		{"from=last", ""},
		{"from=last.", ""},
		{"from=last.-1", ""},
		{"from=last.01", ""},
		{"from=last.1.5", ""},
		{"from=last.1000000001", ""},
		{"from=last.99999999999999999999", ""},
		{"from=0", ""},
		{"from=" + ok, ""},
		{"from=live&from=start", ""},
		{"after=", ""},
		{"after=0", ""},
		{"after=" + ok + "&after=" + ok, ""},
		{"lastEventId=x", ""},
		{"lastEventId=" + ok + "&lastEventId=" + ok, ""},
		{"", "x"},
		{"", ok + " "},
		{"", strings.Repeat("9", 1<<20)},
		{"from=nonsense&after=" + ok, ok}, // overruled, and nonsense
	} {
		query, _ := url.ParseQuery(tt.query)
		got, err := ParseFrom(query, tt.header)
		if _, ok := err.(*StartError); !ok || len(err.Error()) > 256 {
			t.Errorf("%q, %.80q: got %v, %v, want a refusal", tt.query, tt.header, got, err)
		}
		if got != (From{}) {
			t.Errorf("%q: %v along with the error", tt.query, got)
		}
	}
}

// What was to be a position says what is wrong with it.
func TestParseFromNamesThePositionError(t *testing.T) {
	for query, want := range map[string]string{"after=": "empty", "after=42": "not epoch.offset.tag", "lastEventId=42": "not epoch.offset.tag"} {
		values, _ := url.ParseQuery(query)
		_, err := ParseFrom(values, "")
		if p, ok := errors.AsType[*PositionError](err); !ok || p.Problem != want || !strings.Contains(err.Error(), strconv.Quote(query)) {
			t.Errorf("%q: %v", query, err)
		}
	}
}

func TestSubscribeRefusesBadStarts(t *testing.T) {
	h := newHub(t, TopicConfig{})
	for _, from := range []From{Last(-1), After(Position{})} {
		_, err := h.Topic("log").Subscribe(t.Context(), &SubOptions[[]byte]{From: from})
		if _, ok := err.(*StartError); !ok {
			t.Errorf("%v: %v, want a *StartError", from, err)
		}
	}
	if n := len(h.Topics()); n != 0 {
		t.Errorf("%d topics were left behind", n)
	}
}

// What is no position is told as a gap, or a reset, of another log.
func TestLostIsToldInTheStream(t *testing.T) {
	h := newHub(t, TopicConfig{})
	log, keyed, eph := TopicOf[string](h, "log", nil), TopicOf[string](h, "keyed", nil), TopicOf[string](h, "eph", nil)
	publish(t, log, "a", "b")
	writeAll(t, keyed, "k=1")
	writeAll(t, eph, "k=1")
	for topic, want := range map[*Topic[string]]string{
		log:   "gap(epoch,-1) a b live",
		keyed: "reset(epoch,-1) k=1* live",
		eph:   "gap(epoch,-1)* k=1* live*",
	} {
		s := subscribe(t, topic, from(Lost()))
		events := drain(t, s)
		wantShow(t, topic.Name(), events, want)
		if g := events[0].Gap; g != nil && !g.From.IsZero() {
			t.Errorf("%s: from %s", topic.Name(), g.From)
		}
		if head, _ := topic.Head(t.Context()); s.Position() != head {
			t.Errorf("%s: at %s, head %s", topic.Name(), s.Position(), head)
		}
	}
}

func FuzzParseFrom(f *testing.F) {
	f.Add("from=last.50", "")
	f.Add("after="+positions[1].text, positions[2].text)
	f.Fuzz(func(t *testing.T, rawQuery, header string) {
		query, err := url.ParseQuery(rawQuery)
		if err != nil {
			return
		}
		from, err := ParseFrom(query, header)
		if err != nil || from == (From{}) {
			return
		}
		// What was understood is understood again from its own spelling.
		key, text, found := strings.Cut(from.String(), "=")
		if !found {
			key, text = "from", from.String()
		}
		if again, err := ParseFrom(url.Values{key: {text}}, ""); err != nil || again != from {
			t.Errorf("%q, %q: %v reads again as %v, %v", rawQuery, header, from, again, err)
		}
	})
}
