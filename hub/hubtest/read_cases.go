package hubtest

import (
	"fmt"
	"strings"

	"github.com/tidewire/tidewire/hub"
)

var readCases = []Case{
	{Name: "read/the log has what was acknowledged", Run: readAll},
	{Name: "read/from each position comes what follows", Run: readAfter},
	{Name: "read/records follow from one another", Run: readChain},
	{Name: "read/what is acknowledged is seen at once", Run: readOwn},
	{Name: "read/the newest are kept, as many as agreed", Run: readRetention},
	{Name: "read/a position that was left behind is told", Run: readTrimmed},
	{Name: "read/a position of another branch is told", Run: readFork},
	{Name: "read/a position of another log is told", Run: readEpoch},
	{Name: "read/a topic without events has a position", Run: readVirgin},
}

var snapshotCases = []Case{
	{Name: "snapshot/it is the latest of each key", Run: snapshotRows},
	{Name: "snapshot/it is at exactly its position", Run: snapshotPosition},
}

func readAll(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Keyed))
	var want []hub.Record
	add := func(w hub.Write) {
		pos := c.write(w)
		want = append(want, hub.Record{Pos: pos, Name: w.Name, Key: w.Key, Data: w.Data, Deleted: w.Op == hub.OpDelete})
	}
	add(hub.Write{Op: hub.OpPut, Key: "a", Data: []byte("1"), Name: "said"})
	add(hub.Write{Op: hub.OpPut, Key: "b", Data: []byte{0, 0xff, '\n'}})
	add(hub.Write{Op: hub.OpPut, Key: "ключ", Data: []byte{}})
	add(hub.Write{Op: hub.OpDelete, Key: "b", Name: "gone"})
	got := c.log()
	if len(got) != len(want) {
		t.Fatalf("the log has %s, want %s", show(got), show(want))
	}
	for i, r := range got {
		if w := want[i]; r.Pos != w.Pos || r.Name != w.Name || r.Key != w.Key || string(r.Data) != string(w.Data) || (r.Data == nil) != r.Deleted || r.Deleted != w.Deleted || r.Time.IsZero() || r.Expired {
			t.Errorf("record %d is %+v, want %+v", i, r, w)
		}
	}
}

func readAfter(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Log))
	var positions []hub.Position
	for i := range 7 {
		positions = append(positions, c.publish(fmt.Sprint(i)))
	}
	for i, p := range positions {
		for _, limit := range []int{1, 3, 100} {
			seg := c.read(p, limit)
			var want strings.Builder
			for j := i + 1; j < min(i+1+limit, len(positions)); j++ {
				want.WriteString(fmt.Sprintf("%d:=%d ", j+1, j))
			}
			if seg.Reason != 0 || show(seg.Records) != want.String() {
				t.Errorf("up to %d after %d: reason %v, %s, want %s", limit, i, seg.Reason, show(seg.Records), want.String())
			}
		}
	}
}

func readChain(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Log))
	tag := uint32(0)
	for i := range 5 {
		c.publish(fmt.Sprint(i))
	}
	for i, r := range c.log() {
		_, _, own := r.Pos.Parts()
		if r.Prev != tag {
			t.Errorf("record %d names %d as its predecessor, which is %d", i, r.Prev, tag)
		}
		tag = own
	}
}

func readOwn(t T, s *Setup) {
	a, b := s.client(t, topic("t", hub.Log)), s.client(t, topic("t", hub.Log))
	for i := range 20 {
		pos := a.publish(fmt.Sprint(i))
		for _, c := range []*client{a, b} {
			if seg := c.read(hub.Position{}, 1); seg.Head != pos {
				t.Fatalf("after the acknowledgement of %s the head is %s", pos, seg.Head)
			}
		}
	}
}

func readRetention(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Log, func(c *hub.TopicConfig) { c.MaxEvents = 4 }))
	for i := range 10 {
		c.publish(fmt.Sprint(i))
	}
	if got := show(c.log()); got != "7:=6 8:=7 9:=8 10:=9 " {
		t.Errorf("the log has %s, want its last 4", got)
	}
}

func readTrimmed(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Log, func(c *hub.TopicConfig) { c.MaxEvents = 4 }))
	first := c.publish("0")
	for i := range 9 {
		c.publish(fmt.Sprint(i + 1))
	}
	if seg := c.read(first, 100); seg.Reason != hub.Trimmed || len(seg.Records) > 0 {
		t.Errorf("reason %v and %s, want trimmed and nothing", seg.Reason, show(seg.Records))
	}
}

func readFork(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Log))
	var positions []hub.Position
	for i := range 5 {
		positions = append(positions, c.publish(fmt.Sprint(i)))
	}
	epoch, top, tag := positions[4].Parts()
	forged := []hub.Position{hub.MakePosition(epoch, top+1, tag), hub.MakePosition(epoch, 1<<40, tag)}
	for _, p := range positions {
		_, off, tag := p.Parts()
		forged = append(forged, hub.MakePosition(epoch, off, tag^1))
	}
	for _, p := range forged {
		if seg := c.read(p, 100); seg.Reason != hub.Fork || len(seg.Records) > 0 {
			t.Errorf("%s, head %s: reason %v and %s, want fork and nothing", p, seg.Head, seg.Reason, show(seg.Records))
		}
	}
}

func readEpoch(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Log))
	for i := range 3 {
		c.publish(fmt.Sprint(i))
	}
	pos := c.publish("3")
	epoch, off, tag := pos.Parts()
	for _, p := range []hub.Position{hub.MakePosition(epoch+1, off, tag), hub.MakePosition(epoch+1, 1, 1)} {
		if seg := c.read(p, 100); seg.Reason != hub.Epoch || len(seg.Records) > 0 {
			t.Errorf("reason %v and %s, want epoch and nothing", seg.Reason, show(seg.Records))
		}
	}
}

func readVirgin(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Log))
	seg := c.read(hub.Position{}, 10)
	if seg.Reason != 0 || len(seg.Records) > 0 || seg.Head.IsZero() || offset(seg.Head) != 0 {
		t.Fatalf("got %+v", seg)
	}
	if again := c.read(seg.Head, 10); again.Reason != 0 || again.Head != seg.Head {
		t.Errorf("its position is not its own: %+v", again)
	}
	c.publish("first")
	if again := c.read(seg.Head, 10); again.Reason != 0 || show(again.Records) != "1:=first " {
		t.Errorf("after it: reason %v, %s", again.Reason, show(again.Records))
	}
}

func snapshotRows(t T, s *Setup) {
	c := s.client(t, topic("t", hub.Keyed, func(c *hub.TopicConfig) { c.MaxEvents = 3 }))
	if rows, pos := c.rows(); len(rows) > 0 || pos.IsZero() {
		t.Errorf("of a topic without events: %v at %q", rows, pos)
	}
	c.put("a", "1")
	c.put("b", "1")
	c.put("c", "1")
	c.put("a", "2")
	c.write(hub.Write{Op: hub.OpDelete, Key: "b"})
	c.put("d", "1")
	c.write(hub.Write{Op: hub.OpDelete, Key: "d"})
	c.put("d", "2")
	seen := map[string]int{}
	_, err := c.Snapshot(c.ctx(), c.at, func(r hub.Record) error {
		seen[fmt.Sprintf("%s=%s deleted:%v", r.Key, r.Data, r.Deleted)]++
		return nil
	})
	if want := map[string]int{"a=2 deleted:false": 1, "c=1 deleted:false": 1, "d=2 deleted:false": 1}; err != nil || fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("got %v, %v, want %v", seen, err, want)
	}
	stop := fmt.Errorf("enough")
	if _, err := c.Snapshot(c.ctx(), c.at, func(hub.Record) error { return stop }); err != stop {
		t.Errorf("row's error came back as %v", err)
	}
}

func snapshotPosition(t T, s *Setup) {
	c, writer := s.client(t, topic("t", hub.Keyed)), s.client(t, topic("t", hub.Keyed))
	for i := range 10 {
		last := c.put(fmt.Sprint("k", i%3), fmt.Sprint(i))
		if _, pos := c.rows(); pos != last {
			t.Errorf("the snapshot after %s is at %s", last, pos)
		}
	}
	// While somebody writes, it is what the log makes up to its position.
	done := make(chan struct{})
	var positions []hub.Position
	go func() {
		defer close(done)
		for i := range 60 {
			pos, err := writer.Append(writer.ctx(), writer.at, &hub.Write{Op: hub.OpPut, Key: fmt.Sprint("k", i%4), Data: fmt.Append(nil, 100+i)})
			if err != nil {
				t.Errorf("Append: %v", err)
				return
			}
			positions = append(positions, pos)
		}
	}()
	type shot struct {
		rows map[string]string
		pos  hub.Position
	}
	var shots []shot
	for len(shots) < 20 {
		rows, pos := c.rows()
		shots = append(shots, shot{rows, pos})
	}
	<-done
	log := c.log()
	for _, s := range shots {
		want := map[string]string{}
		for _, r := range log {
			if offset(r.Pos) <= offset(s.pos) {
				want[r.Key] = string(r.Data)
			}
		}
		if fmt.Sprint(s.rows) != fmt.Sprint(want) {
			t.Errorf("at %s it is %v, want %v", s.pos, s.rows, want)
		}
	}
}
