package hub

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// Hubs that share a broker are one: whoever publishes where, all see one order,
// and a position of one resumes on the other.
func TestHubsShareABroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(nil)
		defer m.Close()
		var hubs []*Hub
		var logs, keyed []*Topic[string]
		var subs []*Sub[string]
		for range 2 {
			h := New(&Options{Broker: m, Configure: kindsByPrefix(TopicConfig{MaxEvents: 50})})
			defer h.Close()
			hubs = append(hubs, h)
			logs = append(logs, TopicOf[string](h, "log", nil))
			keyed = append(keyed, TopicOf[string](h, "keyed", nil))
			s, err := logs[len(logs)-1].Subscribe(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			subs = append(subs, s)
		}
		var mid Position
		for i := range 20 {
			mid = publish(t, logs[i%2], fmt.Sprint(i))
			writeAll(t, keyed[i%2], fmt.Sprintf("k%d=%d", i%3, i))
			if e, err := keyed[i%2].Get(t.Context(), fmt.Sprint("k", i%3)); err != nil || e.Value != fmt.Sprint(i) {
				t.Fatalf("own write %d: %v, %v", i, e, err)
			}
		}
		synctest.Wait()
		want := show(drain(t, subs[0]))
		wantShow(t, "the other hub", drain(t, subs[1]), want)
		publish(t, logs[0], "x")
		synctest.Wait()
		s, err := logs[1].Subscribe(t.Context(), from(After(mid)))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		wantShow(t, "resumed", drain(t, s), "x live")
		s2, err := keyed[1].Subscribe(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s2.Close()
		wantShow(t, "table", drain(t, s2), "k0=18* k1=19* k2=17* live")
		for _, s := range append(subs, s, s2) {
			s.Close()
		}
		time.Sleep(time.Minute)
		if n := len(hubs[1].Topics()); n != 0 {
			t.Errorf("%d topics linger", n)
		}
		if used := hubs[1].total.used.Load(); used != 0 {
			t.Errorf("%d bytes are accounted for nothing", used)
		}
	})
}
