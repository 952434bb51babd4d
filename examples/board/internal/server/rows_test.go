package server

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

// fill puts notes on the main board past its connections.
func (e *env) fill(notes int, text string) {
	e.t.Helper()
	b, err := e.srv.acquire(e.t.Context(), "main")
	if err != nil {
		e.t.Fatal(err)
	}
	defer e.srv.release(b)
	c := newConn(e.srv, b, nil)
	defer c.cancel()
	c.hello = hello{client: "c_" + strings.Repeat("f", 32), first: 1, user: User{ID: "u_f"}}
	if _, err := b.join(e.t.Context(), c); err != nil {
		e.t.Fatal(err)
	}
	defer b.part(c)
	for i := range notes {
		op := operation{seq: c.client.acked + 1, kind: "create", id: fmt.Sprintf("n_%d", i), color: "amber", text: text}
		if err := b.deal(e.t.Context(), c, &op); err != nil {
			e.t.Fatal(err)
		}
	}
	if got := len(e.truth()); got != notes {
		e.t.Fatalf("the board has %d notes, want %d", got, notes)
	}
}

// Full boards: of what JSON makes longest, and of what is longest by itself.
var fullBoards = map[string]struct {
	notes int
	text  string
}{
	"markup":   {2000, strings.Repeat("<", maxText)},
	"controls": {400, strings.Repeat("\x01", maxText)},
	"pictures": {600, strings.Repeat("😀", maxText)},
}

// A full board comes in messages of a bounded size, and whole.
func TestAFullBoardComesInBoundedMessages(t *testing.T) {
	for name, tt := range fullBoards {
		t.Run(name, func(t *testing.T) {
			bubble(t, Options{}, func(e *env) {
				e.fill(tt.notes, tt.text)
				a := e.peer("a")
				a.openWith(a.helloText(1))
				total, longest, m := 0, 0, msg{}
				for m.T != "live" {
					m = a.nextOf("rows", "live")
					total, longest = total+len(m.raw), max(longest, len(m.raw))
					for _, n := range m.Notes {
						if a.state == nil {
							a.state = map[string]Note{}
						}
						a.state[n.ID] = n
					}
				}
				a.wantConverged()
				if longest > maxRows || longest < maxRows/2 {
					t.Errorf("the longest message has %d bytes", longest)
				}
				if most := tt.notes * (encodedLen(tt.text) + 250); total > most {
					t.Errorf("%d bytes in all, more than %d", total, most)
				}
				a.say(`{"t":"op","seq":1,"k":"set","id":"n_0","f":{"color":"sky"}}`)
				a.expect("op") // and on it goes
			})
		})
	}
}

// Who joins costs a bounded amount of memory, however much is on the board and
// however slowly they take it, and the time of those who take it is theirs: they
// are asked for a sign of life meanwhile.
func TestJoiningAFullBoardTakesBoundedMemory(t *testing.T) {
	const joins = 50
	bubble(t, Options{}, func(e *env) {
		tt := fullBoards["markup"]
		e.fill(tt.notes, tt.text)
		e.join("z") // what is made once is made
		before := heap()
		var all []*peer
		for i := range joins {
			p := e.peer(fmt.Sprintf("p%d", i))
			p.openWith(p.helloText(1)) // and does not read
			all = append(all, p)
		}
		synctest.Wait()
		each := (heap() - before) / joins
		t.Logf("%d bytes for each of %d joins of a board of %d bytes", each, joins, tt.notes*len(tt.text))
		// The pipe of the test and the connection's own buffers are 128 KiB of it.
		if most := int64(384 << 10); each > most {
			t.Errorf("a join takes %d bytes, more than %d", each, most)
		}
		var begin, end runtime.MemStats
		runtime.ReadMemStats(&begin)
		for _, p := range all[:5] {
			for p.nextOf("live").T != "live" {
			}
			p.conn.CloseNow()
		}
		runtime.ReadMemStats(&end)
		runtime.KeepAlive(all)
		t.Logf("%d bytes allocated for each that reads, the reading included", (end.TotalAlloc-begin.TotalAlloc)/5)
	})
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A welcome may take longer than the patience of either side: the server asks
// for a sign of life meanwhile, and a client whose network holds a lot gives one
// unasked.
func TestAWelcomeThatTakesLongIsKeptAlive(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		e.fill(600, strings.Repeat("<", maxText))
		a := e.peer("a")
		a.openWith(a.helloText(1))
		begin, said := time.Now(), time.Now()
		types := map[string]int{}
		for types["live"] == 0 {
			m, err := a.get()
			if err != nil {
				t.Fatalf("after %v: %v", time.Since(begin), err)
			}
			types[m.T]++
			if time.Since(said) > 7*time.Second {
				said = time.Now()
				a.say(`{"t":"ping","n":1}`)
			}
			// Some messages lie in buffers: it takes a multiple of this until the
			// server's writes go on, which it waits for 30 s.
			time.Sleep(1500 * time.Millisecond)
		}
		if d := time.Since(begin); d < time.Minute || types["ping"] < 3 || types["pong"] < 3 {
			t.Errorf("took %v with %v", d, types)
		}
	})
}

// Who is cut within the welcome comes back with what they had before, and gets
// all of it.
func TestACutWithinAWelcomeLosesNothing(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a := e.join("a")
		for i := range 60 {
			a.create(uint64(i+1), fmt.Sprintf("n_%d", i), strings.Repeat("y", maxText))
		}
		for _, resumed := range []bool{false, true} {
			b := e.peerOf(fmt.Sprintf("b%t", resumed), "main", User{"u_b", "b", 1})
			if resumed {
				b.connect(1)
				a.say(`{"t":"op","seq":61,"k":"set","id":"n_1","f":{"text":"changed"},"textRev":0}`)
				a.expect("op")
				b.conn.CloseNow()
			}
			b.openWith(b.helloText(1))
			b.nextOf("rows") // a part
			b.nextOf("rows", "live")
			b.conn.CloseNow()
			b.connect(1)
			b.wantConverged()
		}
	})
}

// encodedLen is what the encoder writes, whatever the text.
func TestTheWeightOfATextIsItsEncodedLength(t *testing.T) {
	var all []rune
	for r := range rune(0x3000) {
		all = append(all, r)
	}
	all = append(all, '😀', utf8.RuneError, utf8.MaxRune)
	for chunk := range slices.Chunk(all, 7) {
		s := string(chunk)
		if got, want := encodedLen(s), len(encode(s))-2; got != want {
			t.Fatalf("%q weighs %d, encoded it has %d", s, got, want)
		}
	}
}

func wantRejected(t *testing.T, m msg, code string) {
	t.Helper()
	if m.T != "reject" || m.Code != code {
		t.Fatalf("got %s, want reject %s", m.raw, code)
	}
}
