package server

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/hub"
)

// The arithmetic of share.go: what all boards may hold is what the hub has room
// for, and by default that is within 1 GiB.
func TestTheHubHasRoomForEveryBoardsShare(t *testing.T) {
	for name, o := range map[string]Options{"default": Options{}.withDefaults(), "own": Options{MaxBoards: 3, MaxNotes: 7, NewBoards: 2}.withDefaults()} {
		var share, remains int64
		for _, topic := range []string{"board/x", "notices/x", "presence/board/x"} {
			c, err := o.configure(topic)
			if err != nil {
				t.Fatal(err)
			}
			if c.MaxBytes <= 0 || c.Kind == hub.Keyed && c.MaxTableBytes <= 0 {
				t.Errorf("%s: %s has no bound of its own: %+v", name, topic, c)
			}
			share += c.MaxBytes + c.MaxTableBytes
			remains += c.MaxBytes
		}
		if need := share*int64(o.MaxBoards) + 2*int64(o.NewBoards)*remains; o.hubBytes() < need {
			t.Errorf("%s: the hub has %d bytes for %d", name, o.hubBytes(), need)
		}
		if name == "default" && o.hubBytes() > 1<<30 {
			t.Errorf("by default it is %d MiB", o.hubBytes()>>20)
		}
	}
}

// A row takes no more than rowBytes beside its texts, as the hub counts.
func TestARowWithoutTextsHasABound(t *testing.T) {
	id := strings.Repeat("Z", 32)
	client := "c_" + strings.Repeat("f", 32)
	who := author{client, maxSeq, "u_" + id}
	r := record{
		Note: Note{
			ID: "n_" + id, X: -99999.123456789012, Y: -math.SmallestNonzeroFloat64, Z: math.MaxInt64, Color: "lilac",
			TextRev: math.MaxUint64, By: "u_" + id, At: math.MaxInt64,
		},
		Gone: true, Client: client, Seq: maxSeq, By: "u_" + id, At: math.MaxInt64, Kind: "restore",
		Changed: []register{place, color, text, order}, Maker: client, Author: who, Lost: &lost{author: who},
	}
	if n := len(encode(r)) + len(r.Note.ID) + 200; n > rowBytes {
		t.Errorf("%d bytes, more than %d", n, rowBytes)
	}
}

// Full boards take nothing from another one, and on a full one everything that
// makes no text longer can still be done.
func TestFullBoardsLeaveOthersTheirShare(t *testing.T) {
	const boards = 4
	long := strings.Repeat("<", maxText)
	bubble(t, Options{MaxBoards: boards + 1, MaxText: 100_000, OpsPerSecond: 10_000}, func(e *env) {
		for i := range boards {
			p := e.peerOf(fmt.Sprintf("p%d", i), fmt.Sprintf("full-%d", i), User{"u_p", "P", 1})
			p.connect(1)
			seq, notes := uint64(1), 0
			for {
				p.sayf(`{"t":"op","seq":%d,"k":"create","id":"n_%d","f":{"x":1,"y":2,"color":"amber","text":%q}}`, seq, seq, long)
				seq++
				m := p.next()
				if m.T == "reject" {
					wantRejected(t, m, "limit")
					break
				}
				notes++
			}
			if notes != 50 {
				t.Errorf("%d notes fit", notes)
			}
			for _, op := range []string{
				`"k":"set","id":"n_1","f":{"x":-99999.5,"y":99999.25}`,
				`"k":"set","id":"n_1","f":{"color":"stone"}`,
				`"k":"front","id":"n_1"`,
				`"k":"set","id":"n_1","f":{"text":"short"},"textRev":0`,
				`"k":"set","id":"n_1","f":{"text":"as long as it was"},"textRev":1`,
				`"k":"delete","id":"n_2"`,
				`"k":"restore","id":"n_2"`,
				`"k":"delete","id":"n_3"`,
			} {
				p.sayf(`{"t":"op","seq":%d,%s}`, seq, op)
				seq++
				p.expect("op")
			}
			// The deleted give way.
			p.create(seq, "n_new", long)
			seq++
			p.sayf(`{"t":"op","seq":%d,"k":"restore","id":"n_3"}`, seq)
			wantRejected(t, p.next(), "gone")
		}
		q := e.join("q")
		for seq := range uint64(40) {
			q.create(seq+1, fmt.Sprintf("n_%d", seq), long)
		}
	})
}

// However the notes come about, the board's sum is what its topic says.
func TestTheWeightOfABoardIsThatOfItsTopic(t *testing.T) {
	bubble(t, Options{MaxDeleted: 2, OpsPerSecond: 10_000}, func(e *env) {
		a, b := e.join("a"), e.join("b")
		for i := range uint64(5) {
			a.create(i+1, fmt.Sprintf("n_%d", i), strings.Repeat("a", int(i)*10))
			b.expect("op")
		}
		b.say(`{"t":"op","seq":1,"k":"set","id":"n_4","f":{"text":"unseen"},"textRev":7}`)
		b.expect("op")
		for seq, op := range []string{`"k":"delete","id":"n_0"`, `"k":"delete","id":"n_1"`, `"k":"delete","id":"n_2"`, `"k":"restore","id":"n_2"`, `"k":"delete","id":"n_4"`} {
			b.sayf(`{"t":"op","seq":%d,%s}`, seq+2, op)
			b.expect("op")
		}
		synctest.Wait()
		old := e.srv.boards["main"]
		fresh := newBoard(e.srv, "main")
		if err := fresh.load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if fresh.text != old.text || old.text == 0 {
			t.Errorf("counted %d, its topic says %d", old.text, fresh.text)
		}
	})
}
