package server

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/ws"
)

func TestTheFirstWelcomeIsASnapshot(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a := e.peer("a")
		m := a.connect(1)
		if m.V != 1 || m.Mode != "snapshot" || m.Reset != nil || m.Pos == "" || m.Notes == nil || *m.Acked != 0 || m.HB != 15000 {
			t.Errorf("welcome %s", m.raw)
		}
		if m.Limits["text"] != 2000 || m.Limits["notes"] != 2000 || m.Limits["opsPerSec"] != 60 {
			t.Errorf("limits %v", m.Limits)
		}
		a.create(1, "n_2", "")
		a.create(2, "n_1", "")
		a.say(`{"t":"op","seq":3,"k":"delete","id":"n_2"}`)
		a.expect("op")
		a.create(3+1, "n_3", "")

		b := e.peer("b")
		if m := b.connect(1); len(m.Notes) != 2 || m.Pos != a.pos {
			t.Errorf("welcome %s; a is at %s", m.raw, a.pos)
		}
		b.wantConverged()
	})
}

func TestAResumeIsADelta(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a, b := e.join("a"), e.join("b")
		a.create(1, "n_1", "")
		b.expect("op")
		b.conn.CloseNow()
		a.create(2, "n_2", "")
		a.say(`{"t":"op","seq":3,"k":"delete","id":"n_1"}`)
		a.expect("op")

		m := b.connect(1)
		if m.Mode != "delta" || m.Reset != nil || m.Notes != nil || len(m.Ops) != 2 || m.Pos != a.pos {
			t.Fatalf("welcome %s", m.raw)
		}
		if op := m.Ops[0]; op.T != "op" || op.K != "create" || op.Seq != 2 || op.Pos == "" || op.Client == a.client {
			t.Errorf("first operation %+v", op)
		}
		b.wantConverged()

		b.conn.CloseNow()
		if m := b.connect(1); m.Mode != "delta" || m.Ops == nil || len(m.Ops) != 0 || m.Pos != a.pos {
			t.Errorf("nothing missed: %s", m.raw)
		}
		a.create(4, "n_3", "") // the stream goes on
		b.expect("op")
		b.wantConverged()
	})
}

func TestAResumeThatIsTooOldIsASnapshot(t *testing.T) {
	bubble(t, Options{Tail: 4}, func(e *env) {
		a, b := e.join("a"), e.join("b")
		a.create(1, "n_1", "")
		b.expect("op")
		b.conn.CloseNow()
		for seq := uint64(2); seq < 9; seq++ {
			a.create(seq, "n_"+strings.Repeat("x", int(seq)), "")
		}
		m := b.connect(1)
		if m.Mode != "snapshot" || m.Reset != "trimmed" || len(m.Notes) != 8 || m.Ops != nil {
			t.Errorf("welcome %s", m.raw)
		}
		b.wantConverged()
	})
}

// After a restart the log is another one and the client is not known.
func TestAfterARestartTheBoardIsReset(t *testing.T) {
	bubble(t, Options{}, func(first *env) {
		a := first.join("a")
		a.create(1, "n_1", "")
		first.stop()

		second := newBubbleEnv(first.t, Options{})
		a.env = second
		m := a.connect(2)
		if m.Mode != "snapshot" || m.Reset != "epoch" || len(m.Notes) != 0 || m.Acked != nil || !strings.Contains(m.raw, `"acked":null`) {
			t.Fatalf("welcome %s", m.raw)
		}
		// It comes back under a new id and numbers what is pending from 1.
		a.client = "c_" + strings.Repeat("9", 32)
		if m := a.connect(1); *m.Acked != 0 || m.Mode != "delta" {
			t.Errorf("welcome %s", m.raw)
		}
		a.create(1, "n_2", "pending")
		a.wantConverged()
	})
}

// A client that goes on under an id that is not known has a hole in its numbers.
func TestAClientThatIsNotKnownCannotGoOn(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a := e.peer("a")
		if m := a.connect(5); m.Acked != nil {
			t.Fatalf("welcome %s", m.raw)
		}
		a.say(`{"t":"op","seq":1,"k":"front","id":"n_1"}`)
		a.wantClosed(4009)
		if m := a.connect(5); m.Acked != nil {
			t.Fatalf("the second welcome knows the client: %s", m.raw)
		}
	})
}

func TestABadHelloIsRefused(t *testing.T) {
	good := new(env).peer("a").helloText(1)
	for name, tt := range map[string]struct {
		say  string
		code ws.CloseCode
	}{
		"another version":  {strings.Replace(good, `"v":1`, `"v":2`, 1), 4003},
		"not JSON":         {`HELO board`, 4000},
		"an operation":     {`{"t":"op","seq":1,"k":"front","id":"n_1"}`, 4000},
		"a field too many": {strings.Replace(good, `"v":1`, `"v":1,"x":0`, 1), 4000},
		"too large":        {good + strings.Repeat(" ", 16<<10), 1009},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Options{}, func(e *env) {
				a, b := e.join("a"), e.peer("b")
				b.openWith(tt.say)
				b.wantClosed(tt.code)
				a.create(1, "n_1", "untouched")
				synctest.Wait()
				if n := e.srv.Connections(); n != 1 {
					t.Errorf("%d connections", n)
				}
			})
		})
	}
	t.Run("none within 5 s", func(t *testing.T) {
		bubble(t, Options{}, func(e *env) {
			b, begin := e.peer("b"), time.Now()
			b.openWith("")
			b.wantClosed(4000)
			if d := time.Since(begin); d != 5*time.Second {
				t.Errorf("closed after %v", d)
			}
		})
	})
	t.Run("binary", func(t *testing.T) {
		bubble(t, Options{}, func(e *env) {
			b := e.peer("b")
			b.openWith("")
			b.conn.Write(e.t.Context(), ws.Binary, []byte(good))
			b.wantClosed(4000)
		})
	})
	t.Run("a second one", func(t *testing.T) {
		bubble(t, Options{}, func(e *env) {
			b := e.join("b")
			b.say(good)
			b.wantClosed(4000)
		})
	})
	t.Run("without the subprotocol", func(t *testing.T) {
		bubble(t, Options{}, func(e *env) {
			conn, err := e.open("main", &ws.DialOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			if _, _, err := conn.Read(e.t.Context()); ws.CloseStatus(err) != 4003 {
				t.Errorf("closed with %v", err)
			}
		})
	})
}

func TestABadMessageEndsOnlyItsConnection(t *testing.T) {
	for name, tt := range map[string]struct {
		say  string
		code ws.CloseCode
	}{
		"not JSON":       {`}`, 4000},
		"unknown":        {`{"t":"sudo"}`, 4000},
		"no number":      {`{"t":"op","k":"front","id":"n_1"}`, 4000},
		"hole":           {`{"t":"op","seq":3,"k":"front","id":"n_1"}`, 4009},
		"20 kB":          {`{"t":"op","seq":2,"k":"front","id":"` + strings.Repeat("x", 20_000) + `"}`, 1009},
		"deeply nested":  {`{"t":` + strings.Repeat("[", 15_000), 4000},
		"invalid escape": {`{"t":"\x"}`, 4000},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Options{}, func(e *env) {
				a, b := e.join("a"), e.join("b")
				b.create(1, "n_1", "")
				a.expect("op")
				b.say(tt.say)
				b.wantClosed(tt.code)
				a.create(1, "n_2", "untouched")
				a.wantConverged()
				b.connect(2) // and its numbers go on
				b.create(2, "n_3", "")
			})
		})
	}
}

func TestTextWithMarkupIsText(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a := e.join("a")
		const text = "<script>alert(1)</script> \u202e \u0000 😀"
		a.say(`{"t":"op","seq":1,"k":"create","id":"n_1","f":{"x":1,"y":2,"color":"amber","text":"<script>alert(1)</script> \u202e \u0000 😀"}}`)
		a.expect("op")
		if got := e.truth()[0].Text; got != text {
			t.Errorf("text %q", got)
		}
		a.wantConverged()
	})
}

func TestANewConnectionOfAClientReplacesTheOld(t *testing.T) {
	bubble(t, Options{}, func(e *env) {
		a := e.join("a")
		a.create(1, "n_1", "")
		old := *a
		if m := a.connect(2); *m.Acked != 1 || m.Mode != "delta" {
			t.Errorf("welcome %s", m.raw)
		}
		old.wantClosed(4005)
		a.create(2, "n_2", "")
		synctest.Wait()
		if n := e.srv.Connections(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

// What happens while a welcome is under way comes after it, once.
func TestTheStreamGoesOnWhereTheWelcomeEnds(t *testing.T) {
	for _, mode := range []string{"snapshot", "delta"} {
		t.Run(mode, func(t *testing.T) {
			bubble(t, Options{}, func(e *env) {
				a, b := e.join("a"), e.peer("b")
				if mode == "delta" {
					b.connect(1)
				}
				a.create(1, "n_1", "")
				c := newConn(e.srv, e.srv.boards["main"], nil)
				defer c.cancel()
				c.client = new(client)
				if mode == "delta" {
					c.hello.resume = hub.Position{}
					if err := c.hello.resume.UnmarshalText([]byte(b.pos)); err != nil {
						t.Fatal(err)
					}
				}
				if err := c.welcome(new(uint64)); err != nil {
					t.Fatal(err)
				}
				a.create(2, "n_2", "")
				var sent []string
				c.rows.send = func(data []byte) error { sent = append(sent, string(data)); return nil }
				var live, behind []string
				for events := c.rest; len(behind) == 0; {
					for _, ev := range events {
						switch {
						case ev.Marker == hub.MarkLive:
							live = append(live, ev.Pos.String())
						case len(live) > 0:
							behind = append(behind, ev.Key)
						default:
							if err := c.sendRow(ev); err != nil {
								t.Fatal(err)
							}
						}
					}
					if len(behind) == 0 {
						var err error
						if events, err = c.sub.Next(c.ctx); err != nil {
							t.Fatal(err)
						}
					}
				}
				c.rows.flush()
				if len(sent) != 1 || !strings.Contains(sent[0], `"n_1"`) || strings.Contains(sent[0], `"n_2"`) ||
					fmt.Sprint(behind) != "[n_2]" || len(live) != 1 {
					t.Errorf("rows %v, live at %v, then %v", sent, live, behind)
				}
			})
		})
	}
}
