package ws_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

// suite is what the conformance suite is told of a server of ours.
func suite(opts *ws.DialOptions, peer wstest.Peer) *wstest.ServerOptions {
	peer.MessageLimit, peer.FrameLimit = 1<<20, 10_000
	return &wstest.ServerOptions{
		Peer:         peer,
		Subprotocols: []string{"chat.v2", "chat"},
		ReplyHeader:  http.Header{"Set-Cookie": {"form=1"}},
		TLS:          opts.TLS,
		Dial:         opts.NetDial,
	}
}

func conforming(t testing.TB, fm form) http.Handler {
	h := fm.echo(t, &ws.AcceptOptions{Subprotocols: []string{"chat.v2", "chat"}})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "form=1")
		h.ServeHTTP(w, r)
	})
}

// Both forms keep to RFC 6455, whatever they stand on.
func TestServerConforms(t *testing.T) {
	runForms(t, func(t *testing.T, fm form, tr transport) {
		url, opts := tr.serve(t, conforming(t, fm))
		flood := 200_000
		if raceEnabled {
			flood = 100_000
		}
		// Those that wait for our deadlines run on fake time, below.
		wstest.Server(t, url, suite(opts, wstest.Peer{Skip: []string{"close/no-answer", "frames/stalled"}, Flood: flood}))
	})
}

func TestServerConformsOnFakeTime(t *testing.T) {
	for _, fm := range forms {
		t.Run(fm.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := testnet.Listen()
				srv := &http.Server{Handler: conforming(t, fm)}
				served := make(chan struct{})
				go func() { srv.Serve(ln); close(served) }()
				results, err := wstest.RunServer(t.Context(), "ws://wstest.example/", suite(&ws.DialOptions{NetDial: ln.DialContext},
					wstest.Peer{Stalls: true, Patience: time.Minute, Only: []string{"close/*", "frames/stalled"}}))
				if err != nil {
					t.Error(err)
				}
				for _, r := range results {
					if r.Outcome == wstest.Fail {
						t.Error(r)
					}
				}
				srv.Close()
				<-served
			})
		})
	}
}

// Of two forms the peer sees the same end, whoever begins it.
func TestEndsLookTheSame(t *testing.T) {
	runForms(t, func(t *testing.T, fm form, tr transport) {
		var g ws.Group
		url, opts := tr.serve(t, fm.echo(t, &ws.AcceptOptions{Group: &g, MessageLimit: 100}))
		ctx := patient(t)
		c := dial(t, url, opts)
		for i := range 3 {
			want := fmt.Sprint("message ", i)
			c.Write(ctx, ws.Text, []byte(want))
			if typ, p, err := c.Read(ctx); err != nil || typ != ws.Text || string(p) != want {
				t.Fatalf("Read: %v %q, %v", typ, p, err)
			}
		}
		if err := c.Close(4321, "bye"); err != nil {
			t.Errorf("Close: %v", err)
		}
		big := dial(t, url, opts)
		big.Write(ctx, ws.Binary, make([]byte, 101))
		if _, _, err := big.Read(ctx); ws.CloseStatus(err) != ws.CloseMessageTooBig {
			t.Errorf("a message that is too big: %v", err)
		}
		vanished := dial(t, url, opts)
		vanished.CloseNow()
		await(t, "the group", func() bool { return g.Len() == 0 })

		last := dial(t, url, opts)
		read := make(chan error, 1)
		go func() {
			_, _, err := last.Read(ctx)
			read <- err
		}()
		g.Spread = -1
		if err := g.Drain(ctx); err != nil {
			t.Errorf("Drain: %v", err)
		}
		if err := <-read; ws.CloseStatus(err) != ws.CloseGoingAway {
			t.Errorf("drained: %v", err)
		}
		if _, err := ws.Dial(ctx, url, opts); err == nil {
			t.Error("a draining group let somebody in")
		}
	})
}
