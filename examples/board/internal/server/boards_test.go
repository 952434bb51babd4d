package server

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func (e *env) boardNames() (names []string) {
	e.srv.mu.Lock()
	defer e.srv.mu.Unlock()
	for name := range e.srv.boards {
		names = append(names, name)
	}
	return names
}

func (e *env) visit(board string) *peer {
	e.t.Helper()
	p := e.peerOf(board, board, User{"u_v", "V", 1})
	p.connect(1)
	return p
}

func (p *peer) goAway() {
	p.t.Helper()
	p.say(`{"t":"leave"}`)
	p.wantClosed(1000)
	synctest.Wait()
}

func TestABoardWhereNothingHappenedIsForgotten(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		p := e.visit("one")
		p.goAway()
		if names := e.boardNames(); len(names) != 0 {
			t.Errorf("left are %v", names)
		}
		q := e.visit("one") // broken off: its user stays for the grace, and the board for the user
		q.conn.CloseNow()
		synctest.Wait()
		if names := e.boardNames(); len(names) != 1 {
			t.Errorf("in the grace: %v", names)
		}
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if names := e.boardNames(); len(names) != 0 {
			t.Errorf("left are %v", names)
		}
	})
}

func TestABoardIsKeptAsLongAsAClientMayComeBack(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		p := e.visit("one")
		p.create(1, "n_1", "")
		p.say(`{"t":"op","seq":2,"k":"delete","id":"n_1"}`)
		p.expect("op")
		p.goAway()
		time.Sleep(23 * time.Hour)
		if m := p.connect(3); *m.Acked != 2 {
			t.Errorf("after 23 hours: %s", m.raw)
		}
		p.say(`{"t":"op","seq":3,"k":"restore","id":"n_1"}`)
		p.expect("op")
		p.say(`{"t":"op","seq":4,"k":"delete","id":"n_1"}`)
		p.expect("op")
		p.goAway()
		time.Sleep(26 * time.Hour)
		synctest.Wait()
		if names := e.boardNames(); len(names) != 0 {
			t.Errorf("after 26 hours: %v", names)
		}
		p.pos = ""
		if m := p.connect(5); m.Acked != nil || len(m.Notes) != 0 {
			t.Errorf("after 26 hours: %s", m.raw)
		}
	})
}

func TestABoardWithNotesIsKept(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		p := e.visit("one")
		p.create(1, "n_1", "kept")
		p.goAway()
		time.Sleep(50 * time.Hour)
		q := e.peerOf("q", "one", User{"u_q", "Q", 1})
		if m := q.connect(1); len(m.Notes) != 1 {
			t.Errorf("welcome %s", m.raw)
		}
		// The client is not known any more, but its note is still its note.
		p.pos = ""
		if m := p.connect(2); m.Acked != nil {
			t.Errorf("welcome %s", m.raw)
		}
	})
}

func TestTheNumberOfBoardsIsLimited(t *testing.T) {
	bubble(t, Options{MaxBoards: 3}, func(e *env) {
		withNote := e.visit("note")
		withNote.create(1, "n_1", "")
		withNote.goAway()
		for i := range 2 { // empty, but a client may come back: kept while there is room
			p := e.visit(fmt.Sprintf("empty-%d", i))
			p.create(1, "n_1", "")
			p.say(`{"t":"op","seq":2,"k":"delete","id":"n_1"}`)
			p.expect("op")
			p.goAway()
			time.Sleep(time.Second)
		}
		e.visit("new-1")
		if names := e.boardNames(); len(names) != 3 {
			t.Errorf("%v", names)
		}
		if e.srv.boards["empty-0"] != nil || e.srv.boards["empty-1"] == nil {
			t.Error("not the one that was left first made room")
		}
		e.visit("new-2")
		if _, err := e.open("new-3", nil); refusedWith(err) != 503 {
			t.Errorf("a fourth board: %v", err)
		}
		q := e.peerOf("q", "note", User{"u_q", "Q", 1})
		if m := q.connect(1); len(m.Notes) != 1 {
			t.Errorf("the board with a note: %s", m.raw)
		}
	})
}

// What was said on a board that is forgotten stays in the hub for a day. Who
// visits names without end is stopped before the hub is full, which would hurt
// all others.
func TestNamesWithoutEndAreStopped(t *testing.T) {
	bubble(t, Options{NewBoards: 5, Grace: -1}, func(e *env) {
		e.visit("stays").create(1, "n_1", "")
		refused := 0
		for i := range 20 {
			p := e.peerOf("v", fmt.Sprintf("b-%d", i), User{"u_v", "V", 1})
			conn, err := e.open(p.board, nil)
			if err != nil {
				if refusedWith(err) != 503 {
					t.Errorf("refused with %v", err)
				}
				refused++
				continue
			}
			p.conn = conn
			p.say(p.helloText(1))
			p.expect("welcome")
			synctest.Wait() // those who look have seen them come
			p.goAway()
		}
		if refused != 16 {
			t.Errorf("%d of 20 visits to new boards were refused", refused)
		}
		if names := e.boardNames(); len(names) != 1 {
			t.Errorf("boards %v", names)
		}
		e.visit("stays")
		e.visit("main") // the start page's own, always
		time.Sleep(2 * time.Minute)
		var topics []string
		for _, info := range e.srv.hub.Topics() {
			topics = append(topics, info.Name)
		}
		// Notices of four that were visited and of these two; nobody's presence.
		if len(topics) > 4+2*3 {
			t.Errorf("%d topics: %v", len(topics), topics)
		}
		time.Sleep(12*time.Minute + time.Second)
		e.visit("one-more")
	})
}

// The state of a board is a matter of its topic: one that was forgotten and is
// made anew knows the same.
func TestABoardIsReadFromItsTopic(t *testing.T) {
	bubble(t, Options{MaxDeleted: 3}, func(e *env) {
		a := e.join("a")
		for i := range uint64(4) {
			a.create(i+1, fmt.Sprintf("n_%d", i), "")
		}
		a.say(`{"t":"op","seq":5,"k":"delete","id":"n_3"}`)
		a.expect("op")
		time.Sleep(time.Second)
		a.say(`{"t":"op","seq":6,"k":"delete","id":"n_0"}`)
		a.expect("op")
		synctest.Wait() // the board counts behind the echo
		old := e.srv.boards["main"]
		fresh := newBoard(e.srv, "main")
		if err := fresh.load(e.t.Context()); err != nil {
			t.Fatal(err)
		}
		if fresh.live != old.live || fresh.top != old.top || fmt.Sprint(fresh.graves) != fmt.Sprint(old.graves) {
			t.Errorf("read %d %d %v, was %d %d %v", fresh.live, fresh.top, fresh.graves, old.live, old.top, old.graves)
		}
	})
}

func TestClientsAreForgottenInTheOrderTheyFellSilent(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	table := clientTable{max: 2, age: time.Hour}
	add := func(id string, at time.Duration) *client {
		c, _ := table.find(id)
		table.touch(c, now.Add(at))
		return c
	}
	a := add("a", 0)
	add("b", 1)
	add("a", 2)
	add("c", 3)
	if _, known := table.find("b"); known || table.len() != 2 {
		t.Errorf("b is known, or %d are", table.len())
	}
	if got, known := table.find("a"); !known || got != a {
		t.Error("a is not known")
	}
	table.expire(now.Add(time.Hour + 3))
	if _, known := table.find("a"); known {
		t.Error("a is known after its time")
	}
	if _, known := table.find("c"); !known {
		t.Error("c is not known within its time")
	}
}
