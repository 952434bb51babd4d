package server

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// wantHere reads until the peer knows exactly these people.
func (p *peer) wantHere(ids ...string) {
	p.t.Helper()
	for !reflect.DeepEqual(p.here(), ids) {
		m, err := p.get()
		if err != nil {
			p.t.Fatalf("%s: %v; knows %v, not %v", p.user.ID, err, p.here(), ids)
		}
		p.aside(m)
	}
}

func TestPeopleComeAndGo(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a := e.join("a")
		a.wantHere("u_a")
		if first := a.peerLog[0]; first.Reset != true || first.Leave == nil {
			t.Errorf("first: %s", first.raw)
		}
		b := e.join("b")
		b.wantHere("u_a", "u_b")
		a.wantHere("u_a", "u_b")
		if u := a.peers["u_b"]; u != (User{"u_b", "b", 20}) {
			t.Errorf("b is %+v", u)
		}
		begin := time.Now()
		b.say(`{"t":"leave"}`)
		a.wantHere("u_a")
		if d := time.Since(begin); d != 0 {
			t.Errorf("who leaves on purpose is gone after %v", d)
		}
		b.wantClosed(1000)
	})
}

// Whoever was told that they are there is in the first message of all who come
// after, and in it only once.
func TestTheFirstMessageHasAllWhoAreThere(t *testing.T) {
	const people = 60
	bubble(t, Options{Queue: 2 * people}, func(e *env) {
		var want []string
		for i := range people {
			p := e.join(fmt.Sprintf("p%02d", i))
			want = append(want, p.user.ID)
			for len(p.peerLog) == 0 {
				m, err := p.get()
				if err != nil {
					t.Fatal(err)
				}
				p.aside(m)
			}
			var got []string
			for _, u := range p.peerLog[0].Join {
				got = append(got, u.ID)
			}
			if p.peerLog[0].Reset != true || !reflect.DeepEqual(got, want) {
				t.Fatalf("number %d is told of %v", i, got)
			}
		}
	})
}

func TestABrokenConnectionKeepsItsUserForTheGrace(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a, b := e.join("a"), e.join("b")
		a.wantHere("u_a", "u_b")
		begin := time.Now()
		b.conn.CloseNow()
		a.wantHere("u_a")
		if d := time.Since(begin); d != 3*time.Second {
			t.Errorf("gone after %v, want 3 s", d)
		}
	})
}

func TestAReloadDoesNotFlap(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a, b := e.join("a"), e.join("b")
		a.wantHere("u_a", "u_b")
		told := len(a.peerLog)
		for i := range 3 {
			b.conn.CloseNow()
			time.Sleep(2 * time.Second)
			b.client = fmt.Sprintf("c_%032d", i)
			b.connect(1)
		}
		time.Sleep(10 * time.Second)
		b.create(1, "n_1", "")
		a.expect("op")
		if len(a.peerLog) != told {
			t.Errorf("a was told %s", a.peerLog[told].raw)
		}
	})
}

func TestTwoTabsOfAUserAreOnePerson(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a := e.join("a")
		tab1, tab2 := e.peerOf("t1", "main", User{"u_b", "Bo", 1}), e.peerOf("t2", "main", User{"u_b", "Bo", 1})
		tab1.connect(1)
		synctest.Wait()
		tab2.connect(1)
		a.wantHere("u_a", "u_b")
		told := len(a.peerLog)
		tab2.wantHere("u_a", "u_b")
		if first := tab2.peerLog[0]; len(first.Join) != 2 {
			t.Errorf("the second tab is told %s", first.raw)
		}
		tab1.say(`{"t":"leave"}`)
		tab1.wantClosed(1000)
		time.Sleep(10 * time.Second)
		tab2.create(1, "n_1", "")
		a.expect("op")
		if len(a.peerLog) != told {
			t.Errorf("a was told %s", a.peerLog[told].raw)
		}
		tab2.say(`{"t":"leave"}`)
		a.wantHere("u_a")
	})
}

func TestAChangedNameIsToldAsAJoin(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a, b := e.join("a"), e.join("b")
		a.wantHere("u_a", "u_b")
		b.user.Name = "Bo"
		b.connect(1)
		for a.peers["u_b"].Name != "Bo" {
			m, err := a.get()
			if err != nil {
				t.Fatal(err)
			}
			if a.aside(m); len(m.Leave) > 0 {
				t.Errorf("told as a leave: %s", m.raw)
			}
		}
	})
}

func TestPeopleOfAnotherBoardAreNotToldOf(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a := e.join("a")
		other := e.peerOf("o", "other", User{"u_o", "O", 1})
		other.connect(1)
		other.create(1, "n_1", "")
		a.create(1, "n_1", "")
		e.join("b") // who came after o, so that o would have been told by now
		for !slices.Contains(a.here(), "u_b") {
			m, err := a.get()
			if err != nil {
				t.Fatal(err)
			}
			a.aside(m)
		}
		if got, want := a.here(), []string{"u_a", "u_b"}; !slices.Equal(got, want) {
			t.Errorf("a sees %v, want %v", got, want)
		}
		if len(a.log) != 1 {
			t.Errorf("a was told %v", a.log)
		}
	})
}
