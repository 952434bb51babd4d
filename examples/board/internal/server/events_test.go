package server

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// A follower reads an event stream.
type follower struct {
	*env
	resp *http.Response
	next func() (sse.Event, error, bool)
	id   string // of the last event
}

// follow opens a board's event stream; query and header may be empty.
func (e *env) follow(query, header string) *follower {
	e.t.Helper()
	resp := e.request("/events/main"+query, "Last-Event-ID", header)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		body, _ := io.ReadAll(resp.Body)
		e.t.Fatalf("%s: %s %s", resp.Request.URL, resp.Status, body)
	}
	next, stop := iter.Pull2(sse.Read(resp.Body, nil))
	e.t.Cleanup(func() { resp.Body.Close(); stop() })
	return &follower{env: e, resp: resp, next: next}
}

func (e *env) request(path string, header ...string) *http.Response {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.t.Context(), "GET", e.url+path, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i+1] != "" {
			req.Header.Add(header[i], header[i+1])
		}
	}
	resp, err := e.http.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func (f *follower) event() sse.Event {
	f.t.Helper()
	ev, err, ok := f.next()
	if !ok || err != nil {
		f.t.Fatalf("the stream ended: %v", err)
	}
	if ev.ID == "" {
		f.t.Errorf("event %s %s without an id", ev.Name, ev.Data)
	}
	f.id = ev.ID
	return ev
}

// notice returns the next notice.
func (f *follower) notice() Notice {
	f.t.Helper()
	for {
		ev := f.event()
		if ev.Name == "live" {
			continue
		}
		if ev.Name != "notice" {
			f.t.Fatalf("got %s %s", ev.Name, ev.Data)
		}
		var n Notice
		if err := json.Unmarshal(ev.Data, &n); err != nil {
			f.t.Fatal(err)
		}
		return n
	}
}

func (f *follower) want(kind, who, text string) {
	f.t.Helper()
	n, person := f.notice(), kind == "joined" || kind == "left"
	if n.Kind != kind || n.By.ID != who || n.At == 0 || (n.Note == "") != person || (n.Text == nil) != person || !person && *n.Text != text {
		f.t.Errorf("notice %+v, want %s by %s: %q", n, kind, who, text)
	}
}

func TestNotices(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		f := e.follow("", "")
		f.event() // live: from here on nothing is missed
		a := e.join("a")
		f.want("joined", "u_a", "")
		a.create(1, "n_1", strings.Repeat("é", 100))
		f.want("created", "u_a", strings.Repeat("é", 80))
		a.say(`{"t":"op","seq":2,"k":"set","id":"n_1","f":{"x":9,"y":9}}`) // worth no notice
		a.say(`{"t":"op","seq":3,"k":"set","id":"n_1","f":{"text":"<b>Ship</b>"},"textRev":0}`)
		f.want("edited", "u_a", "<b>Ship</b>")
		a.say(`{"t":"op","seq":4,"k":"front","id":"n_1"}`)
		a.say(`{"t":"op","seq":5,"k":"delete","id":"n_1"}`)
		f.want("deleted", "u_a", "<b>Ship</b>")
		a.say(`{"t":"op","seq":6,"k":"delete","id":"n_1"}`) // no effect, no notice
		a.say(`{"t":"op","seq":7,"k":"restore","id":"n_1"}`)
		f.want("restored", "u_a", "<b>Ship</b>")
		a.say(`{"t":"leave"}`)
		f.want("left", "u_a", "")
	})
}

func TestABurstOfEditsIsOneNotice(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a := e.join("a")
		synctest.Wait() // for the notice of it
		f := e.follow("", "")
		f.event()
		a.create(1, "n_1", "")
		f.want("created", "u_a", "")
		rev := 0
		for seq := uint64(2); seq < 32; seq++ { // 29 s
			a.sayf(`{"t":"op","seq":%d,"k":"set","id":"n_1","f":{"text":"%d"},"textRev":%d}`, seq, seq, rev)
			a.expect("op")
			rev++
			time.Sleep(time.Second)
		}
		a.sayf(`{"t":"op","seq":32,"k":"set","id":"n_1","f":{"text":"later"},"textRev":%d}`, rev)
		f.want("edited", "u_a", "2")
		f.want("edited", "u_a", "later")
	})
}

func TestAnEventStreamResumes(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a := e.join("a")
		synctest.Wait() // for the notice of it
		f := e.follow("", "")
		f.event()
		for i := range uint64(10) {
			a.create(i+1, fmt.Sprintf("n_%d", i), fmt.Sprint(i))
		}
		for i := range 4 {
			f.want("created", "u_a", fmt.Sprint(i))
		}
		third := f.id
		f.want("created", "u_a", "4")
		f.resp.Body.Close()
		for name, g := range map[string]*follower{
			"header":                   e.follow("", f.id),
			"query":                    e.follow("?lastEventId="+f.id, ""),
			"header wins over query":   e.follow("?lastEventId="+third, f.id),
			"query of another library": e.follow("?last_event_id="+f.id, ""),
		} {
			for i := 5; i < 10; i++ {
				if n := g.notice(); n.Text == nil || *n.Text != fmt.Sprint(i) {
					t.Errorf("%s: got %+v, want %d", name, n, i)
				}
			}
		}
	})
}

// A stream that was cut before its first notice misses none.
func TestAStreamResumesFromItsStart(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		f := e.follow("", "")
		if ev := f.event(); ev.Name != "live" {
			t.Fatalf("first event %s", ev.Name)
		}
		f.resp.Body.Close()
		e.join("a")
		e.follow("", f.id).want("joined", "u_a", "")
	})
}

func TestACursorThatCannotBeFollowedIsAGap(t *testing.T) {
	bubble(t, Options{}, func(first *env) {
		f := first.follow("", "")
		first.join("a")
		f.want("joined", "u_a", "")
		first.stop()

		e := newBubbleEnv(first.t, Options{})
		a := e.join("a")
		for i := range uint64(5) {
			a.create(i+1, fmt.Sprintf("n_%d", i), "old")
		}
		synctest.Wait() // a notice follows its operation's echo
		g := e.follow("", f.id)
		ev := g.event()
		if ev.Name != "gap" || string(ev.Data) != `{"reason":"epoch"}` || ev.ID == f.id {
			t.Fatalf("got %s %s, id %s", ev.Name, ev.Data, ev.ID)
		}
		a.create(6, "n_6", "new") // and no flood of old notices
		g.want("created", "u_a", "new")
		e.follow("", ev.ID).want("created", "u_a", "new")
	})
}

func TestACursorThatIsTooOldIsAGapAndTheRest(t *testing.T) {
	bubble(t, Options{OpsPerSecond: 10_000}, func(e *env) {
		f := e.follow("", "")
		f.event()
		f.resp.Body.Close()
		a := e.join("a")
		const total = 1100 // and a thousand are kept
		for seq := uint64(1); seq <= total; seq++ {
			a.create(seq, fmt.Sprintf("n_%d", seq), fmt.Sprint(seq))
		}
		synctest.Wait()
		g := e.follow("", f.id)
		if ev := g.event(); ev.Name != "gap" || string(ev.Data) != `{"reason":"trimmed"}` || ev.ID == f.id {
			t.Fatalf("got %s %s", ev.Name, ev.Data)
		}
		for seq := total - 999; seq <= total; seq++ {
			if n := g.notice(); *n.Text != fmt.Sprint(seq) {
				t.Fatalf("got %s, want %d", *n.Text, seq)
			}
		}
	})
}

func TestABadCursorIsRefused(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		good := e.follow("", "")
		for name, resp := range map[string]*http.Response{
			"header":      e.request("/events/main", "Last-Event-ID", "1042"),
			"long header": e.request("/events/main", "Last-Event-ID", strings.Repeat("x", 5000)),
			"query":       e.request("/events/main?lastEventId=../../x"),
			"from":        e.request("/events/main?from=yesterday"),
		} {
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != 400 || len(body) < 20 || len(body) > 300 {
				t.Errorf("%s: %s, %s", name, resp.Status, body)
			}
		}
		e.join("a")
		good.want("joined", "u_a", "")
	})
}

func TestASilentStreamHasHeartbeats(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		resp := e.request("/events/main")
		begin, buf := time.Now(), make([]byte, 4096)
		for beats := 0; beats < 3; {
			n, err := resp.Body.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			if string(buf[:n]) == ":\n\n" {
				beats++
			}
		}
		if d := time.Since(begin); d != 45*time.Second {
			t.Errorf("three heartbeats after %v", d)
		}
	})
}

func TestStreamsAreCountedAndEnd(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		f := e.follow("", "")
		f.event()
		if n := e.srv.Streams(); n != 1 {
			t.Errorf("%d streams", n)
		}
		f.resp.Body.Close()
		synctest.Wait()
		if n := e.srv.Streams(); n != 0 {
			t.Errorf("%d streams", n)
		}
	})
}
