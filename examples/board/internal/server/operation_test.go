package server

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCreateIsEchoedToAllAsTheWholeNote(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a, b := e.join("a"), e.join("b")
		a.create(1, "n_1", "Hi")
		m := b.expect("op")
		want := Note{ID: "n_1", X: 1, Y: 2, Z: 1, Color: "amber", Text: "Hi", By: "u_a", At: m.At}
		if m.Seq != 1 || m.By != "u_a" || m.K != "create" || m.ID != "n_1" || m.At == 0 || m.Pos == "" {
			t.Errorf("echo %s", m.raw)
		}
		for _, p := range []*peer{a, b} {
			if diff := cmp.Diff([]Note{want}, p.notes()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", p.user.ID, diff)
			}
			p.wantConverged()
		}
	})
}

func TestTheOwnEchoBearsTheOwnClientIdAndNoOtherDoes(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a, b := e.join("a"), e.join("b")
		own := a.create(1, "n_1", "")
		other := b.expect("op")
		if own.Client != a.client {
			t.Errorf("own echo of client %s, want %s", own.Client, a.client)
		}
		if other.Client == a.client || !isClient(other.Client) {
			t.Errorf("b is told client %s: with it b could take a's place", other.Client)
		}
		if m := e.join("c"); strings.Contains(fmt.Sprint(m.log), a.client) {
			t.Error("a snapshot tells the client id")
		}
	})
}

func TestSetTellsTheValuesThatTookEffect(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a := e.join("a")
		a.create(1, "n_1", "Hi")
		for _, tt := range []struct{ op, f string }{
			{`"k":"set","id":"n_1","f":{"x":300,"y":120}`, `{"x":300,"y":120}`},
			{`"k":"set","id":"n_1","f":{"x":300,"y":121.5}`, `{"x":300,"y":121.5}`},
			{`"k":"set","id":"n_1","f":{"color":"sky"}`, `{"color":"sky"}`},
			{`"k":"set","id":"n_1","f":{"text":"Ship it"},"textRev":0`, `{"text":"Ship it","textRev":1}`},
			{`"k":"set","id":"n_1","f":{"color":"sky","text":"Ship"},"textRev":1`, `{"text":"Ship","textRev":2}`},
		} {
			a.sayf(`{"t":"op","seq":%d,%s}`, len(a.log)+1, tt.op)
			if m := a.expect("op"); string(m.F) != tt.f {
				t.Errorf("%s: f %s, want %s", tt.op, m.F, tt.f)
			}
		}
		a.wantConverged()
	})
}

func TestFrontPutsANoteOnTop(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a := e.join("a")
		a.create(1, "n_1", "")
		a.create(2, "n_2", "")
		a.say(`{"t":"op","seq":3,"k":"front","id":"n_1"}`)
		if m := a.expect("op"); string(m.F) != `{"z":3}` {
			t.Errorf("f %s", m.F)
		}
		a.say(`{"t":"op","seq":4,"k":"front","id":"n_1"}`)
		if m := a.expect("ack"); m.Seq != 4 {
			t.Errorf("front of what is in front: %s", m.raw)
		}
		a.wantConverged()
	})
}

// Each of these is what one operation meets on a board where a made n_1, b made
// and deleted n_2, and n_9 never was.
func TestConflictRules(t *testing.T) {
	const f = `"f":{"x":1,"y":2,"color":"amber","text":"late"}`
	for name, tt := range map[string]struct{ who, op, answer, code string }{
		"create of an own note":             {"a", `"k":"create","id":"n_1",` + f, "ack", ""},
		"create of another's note":          {"b", `"k":"create","id":"n_1",` + f, "reject", "exists"},
		"create of another's deleted note":  {"a", `"k":"create","id":"n_2",` + f, "reject", "exists"},
		"create of an own deleted note":     {"b", `"k":"create","id":"n_2",` + f, "ack", ""},
		"set what is so":                    {"b", `"k":"set","id":"n_1","f":{"x":1,"y":2}`, "ack", ""},
		"set the same text, stale revision": {"b", `"k":"set","id":"n_1","f":{"text":"one"},"textRev":7`, "ack", ""},
		"set of a deleted note":             {"a", `"k":"set","id":"n_2","f":{"color":"sky"}`, "reject", "gone"},
		"set of a note that never was":      {"a", `"k":"set","id":"n_9","f":{"color":"sky"}`, "reject", "gone"},
		"front of a deleted note":           {"a", `"k":"front","id":"n_2"`, "reject", "gone"},
		"delete of a deleted note":          {"a", `"k":"delete","id":"n_2"`, "ack", ""},
		"delete of a note that never was":   {"a", `"k":"delete","id":"n_9"`, "ack", ""},
		"restore of a live note":            {"b", `"k":"restore","id":"n_1"`, "ack", ""},
		"restore of a note that never was":  {"b", `"k":"restore","id":"n_9"`, "reject", "gone"},
		"unknown field":                     {"a", `"k":"front","id":"n_1","x":1`, "reject", "invalid"},
		"text too long":                     {"a", `"k":"set","id":"n_1","f":{"text":"` + strings.Repeat("x", 2001) + `"},"textRev":0`, "reject", "too_long"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Options{}, func(e *env) {
				a, b := e.join("a"), e.join("b")
				b.create(1, "n_2", "two")
				b.say(`{"t":"op","seq":2,"k":"delete","id":"n_2"}`)
				b.expect("op")
				a.expect("op")
				a.expect("op")
				a.create(1, "n_1", "one")
				b.expect("op")
				before := e.truth()

				p, other, seq := a, b, uint64(2)
				if tt.who == "b" {
					p, other, seq = b, a, 3
				}
				p.sayf(`{"t":"op","seq":%d,%s}`, seq, tt.op)
				m := p.expect(tt.answer)
				if m.Seq != seq || m.Code != tt.code {
					t.Errorf("answer %s, want %s %s", m.raw, tt.answer, tt.code)
				}
				if tt.code == "gone" && strings.Contains(tt.op, "n_2") {
					if m.Note == nil || m.Note.Text != "two" || m.By != "u_b" {
						t.Errorf("gone without its last content or who did it: %s", m.raw)
					}
				} else if m.Note != nil {
					t.Errorf("a note in %s", m.raw)
				}
				// The number is used up, and the others were not told a thing.
				p.sayf(`{"t":"op","seq":%d,"k":"front","id":"n_1"}`, seq+1)
				p.sayf(`{"t":"op","seq":%d,"k":"set","id":"n_1","f":{"color":"mint"}}`, seq+2)
				for _, q := range []*peer{p, other} {
					m := q.next()
					if q == p && m.T == "ack" {
						m = q.next()
					}
					if m.T != "op" || m.K != "set" || m.Seq != seq+2 {
						t.Errorf("%s is told %s", q.user.ID, m.raw)
					}
				}
				after := e.truth()
				after[0].Color, after[0].At, after[0].By = before[0].Color, before[0].At, before[0].By
				if !reflect.DeepEqual(before, after) {
					t.Errorf("the board changed: %v, %v", before, after)
				}
			})
		})
	}
}

func TestRestoreRevivesTheLastContent(t *testing.T) {
	bubble(t, Options{MaxDeleted: 2}, func(e *env) {
		a := e.join("a")
		seq := uint64(0)
		do := func(format string, args ...any) msg {
			seq++
			a.sayf(`{"t":"op","seq":%d,%s}`, seq, fmt.Sprintf(format, args...))
			return a.next()
		}
		for i := range 3 {
			do(`"k":"create","id":"n_%d","f":{"x":%d,"y":2,"color":"sky","text":"note %d"}`, i, i, i)
		}
		do(`"k":"set","id":"n_1","f":{"text":"changed"},"textRev":0`)
		for i := range 3 {
			if m := do(`"k":"delete","id":"n_%d"`, i); m.K != "delete" || m.F != nil {
				t.Errorf("delete: %s", m.raw)
			}
		}
		if m := do(`"k":"restore","id":"n_0"`); m.Code != "gone" || m.Note != nil {
			t.Errorf("restore of what is forgotten: %s", m.raw)
		}
		if m := do(`"k":"restore","id":"n_1"`); m.K != "restore" || !strings.Contains(string(m.F), `"text":"changed","textRev":1`) {
			t.Errorf("restore: %s", m.raw)
		}
		if m := do(`"k":"create","id":"n_0","f":{"x":1,"y":2,"color":"sky","text":"again"}`); m.K != "create" {
			t.Errorf("create of what is forgotten: %s", m.raw)
		}
		a.wantConverged()
		// The restored one is not among the deleted any more: n_2 and one other fit.
		do(`"k":"delete","id":"n_0"`)
		if m := do(`"k":"restore","id":"n_2"`); m.K != "restore" {
			t.Errorf("restore: %s", m.raw)
		}
		a.wantConverged()
	})
}

func TestTheNumberOfNotesIsLimited(t *testing.T) {
	bubble(t, Options{MaxNotes: 2}, func(e *env) {
		a := e.join("a")
		a.create(1, "n_1", "")
		a.create(2, "n_2", "")
		a.say(`{"t":"op","seq":3,"k":"create","id":"n_3","f":{"x":1,"y":2,"color":"amber","text":""}}`)
		if m := a.expect("reject"); m.Code != "limit" {
			t.Errorf("third note: %s", m.raw)
		}
		a.say(`{"t":"op","seq":4,"k":"delete","id":"n_1"}`)
		a.expect("op")
		a.create(5, "n_4", "")
		a.say(`{"t":"op","seq":6,"k":"restore","id":"n_1"}`)
		if m := a.expect("reject"); m.Code != "limit" {
			t.Errorf("restore: %s", m.raw)
		}
		a.wantConverged()
	})
}

func TestTheAuthorOfAReplacedTextIsTold(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a, b, c := e.join("a"), e.join("b"), e.join("c")
		a.create(1, "n_1", "")
		a.say(`{"t":"op","seq":2,"k":"set","id":"n_1","f":{"text":"from a"},"textRev":0}`)
		a.expect("op")
		b.say(`{"t":"op","seq":1,"k":"set","id":"n_1","f":{"text":"from b"},"textRev":0}`)
		if m := a.expect("op"); m.By != "u_b" {
			t.Fatalf("got %s", m.raw)
		}
		m := a.expect("conflict")
		if m.Seq != 2 || m.ID != "n_1" || m.Lost != "from a" || m.Winner != "u_b" {
			t.Errorf("conflict %s", m.raw)
		}
		// Who saw it, or wrote it, conflicts with nobody; nor is anybody else told.
		b.say(`{"t":"op","seq":2,"k":"set","id":"n_1","f":{"text":"b again"},"textRev":0}`)
		a.expect("op")
		a.say(`{"t":"op","seq":3,"k":"set","id":"n_1","f":{"text":"a, having seen it"},"textRev":3}`)
		for _, p := range []*peer{a, b, c} {
			for len(p.log) < 5 {
				if m := p.next(); m.T != "op" {
					t.Errorf("%s is told %s", p.user.ID, m.raw)
				}
			}
			p.wantConverged()
		}
	})
}

// A conflict is told with the operation that caused it, also to an author who
// was away then.
func TestAConflictWaitsForItsAuthor(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a, b := e.join("a"), e.join("b")
		a.create(1, "n_1", "from a")
		a.say(`{"t":"op","seq":2,"k":"set","id":"n_1","f":{"text":"more from a"},"textRev":0}`)
		a.expect("op")
		a.conn.CloseNow()
		b.say(`{"t":"op","seq":1,"k":"set","id":"n_1","f":{"text":"from b"},"textRev":0}`)
		for len(b.log) < 3 {
			b.next()
		}
		m := a.connect(3)
		if m.Mode != "delta" || len(m.Ops) != 1 {
			t.Fatalf("welcome %s", m.raw)
		}
		if m := a.expect("conflict"); m.Lost != "more from a" || m.Seq != 2 {
			t.Errorf("conflict %s", m.raw)
		}
		a.conn.CloseNow()
		a.connect(3)
		a.create(3, "n_2", "") // not the conflict again
	})
}
