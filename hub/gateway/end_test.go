package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/hub/gateway"
	"github.com/tidewire/tidewire/internal/testnet"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/ws"
)

// bubble runs a test in a synctest bubble, over connections in memory. A
// goroutine that is left behind fails it.
func bubble(t *testing.T, ho *hub.Options, o *gateway.Options, f func(t *testing.T, s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := testnet.Listen()
		s := prepare(t, ho, o)
		srv := &http.Server{Handler: s.mux(), Protocols: protocols()}
		done := make(chan error, 1)
		go func() { done <- srv.Serve(l) }()
		s.url, s.dial = "http://gateway.test", l.DialContext
		tr := &http.Transport{DialContext: l.DialContext}
		s.http = &http.Client{Transport: tr}
		stopH2 := s.useH2()
		f(t, s)
		s.end()
		stopH2()
		tr.CloseIdleConnections()
		_ = srv.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// However the server ends it, a client is told why and for how long to stay
// away.
func TestEndsAreTold(t *testing.T) {
	for _, tr := range transports {
		for _, end := range []struct {
			reason string
			code   ws.CloseCode
			do     func(s *site)
		}{
			{gateway.ByeKicked, ws.ClosePolicyViolation, func(s *site) { s.hub.Kick("") }},
			{gateway.ByeClosed, ws.CloseGoingAway, func(s *site) { _ = s.hub.Close() }},
			{gateway.ByeDrain, ws.CloseServiceRestart, func(s *site) { _ = s.hub.Drain(s.t.Context()) }},
			{gateway.ByeDrain, ws.CloseServiceRestart, func(s *site) { _ = s.g.Drain(s.t.Context()) }},
		} {
			t.Run(tr.name+" "+end.reason, func(t *testing.T) {
				bubble(t, nil, nil, func(t *testing.T, s *site) {
					log := hub.TopicOf[string](s.hub, "log", nil)
					c := tr.open(s, "log", "", "")
					c.want("at first", "live")
					publish(t, log, "a", "b")
					c.want("then", "a b")
					go end.do(s)
					list, err := c.end()
					if got := show(list...); got != "bye("+end.reason+")" {
						t.Errorf("got %q (%v)", got, err)
					}
					checkBye(t, c, list, err, end.reason, end.code)
					if b := list[len(list)-1].Bye; b.Retry < time.Second || b.Retry > time.Minute {
						t.Errorf("to stay away for %v", b.Retry)
					}
					c.close()
					synctest.Wait()
					if n := s.g.Len(); n != 0 {
						t.Errorf("%d connections are left", n)
					}
				})
			})
		}
	}
}

// Drain ends each connection at a moment of its own and tells each its own time
// to stay away; it returns when all have gone, and lets nobody else in.
func TestDrainSpreadsTheClients(t *testing.T) {
	const crowd = 60
	bubble(t, nil, &gateway.Options{DrainSpread: 10 * time.Second, Rate: 10}, func(t *testing.T, s *site) {
		type end struct {
			at    time.Duration
			retry time.Duration
		}
		ends := make(chan end, crowd)
		began := time.Now()
		for i := range crowd {
			c := transports[i%4].open(s, "log", "", "")
			c.one()
			go func() {
				list, err := c.end()
				checkBye(t, c, list, err, gateway.ByeDrain, ws.CloseServiceRestart)
				c.close()
				ends <- end{time.Since(began), list[0].Bye.Retry}
			}()
		}
		if err := s.g.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 10*time.Second || took < time.Second {
			t.Errorf("the drain took %v", took)
		}
		moments, retries := map[time.Duration]bool{}, map[time.Duration]bool{}
		var longest time.Duration
		for range crowd {
			e := <-ends
			moments[e.at], retries[e.retry] = true, true
			longest = max(longest, e.retry)
		}
		if len(moments) < crowd*9/10 || len(retries) < crowd*9/10 {
			t.Errorf("%d clients: %d moments, %d times to stay away", crowd, len(moments), len(retries))
		}
		// 60 clients at 10 a second are 7.5 s by backoff.Spread, and a second on top.
		if longest < 4*time.Second || longest > 8500*time.Millisecond {
			t.Errorf("the longest time to stay away is %v", longest)
		}
		r := s.request(t.Context(), "/ws/log", "", "")
		resp, err := s.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("a WebSocket during the drain: %s, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
		}
		c := overSSE.open(s, "log", "", "")
		list, err := c.end()
		checkBye(t, c, list, err, gateway.ByeDrain, 0)
		c.close()
		if err := s.g.Drain(t.Context()); err != nil {
			t.Errorf("a second time: %v", err)
		}
	})
}

// When the time is up, the rest are ended at once.
func TestDrainInAHurry(t *testing.T) {
	bubble(t, nil, &gateway.Options{DrainSpread: time.Hour}, func(t *testing.T, s *site) {
		var clients []*client
		for i := range 30 {
			c := transports[i%4].open(s, "log", "", "")
			c.one()
			clients = append(clients, c)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := s.g.Drain(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "30 connections") && !strings.Contains(err.Error(), "29 connections") {
			t.Errorf("Drain: %v", err)
		}
		for _, c := range clients {
			list, err := c.end()
			checkBye(t, c, list, err, gateway.ByeDrain, ws.CloseServiceRestart)
			c.close()
		}
		synctest.Wait()
		if took := time.Since(began); took > 2*time.Second || s.g.Len() != 0 {
			t.Errorf("after %v there are %d connections", took, s.g.Len())
		}
	})
}

func TestDrainOfNothing(t *testing.T) {
	h := hub.New(nil)
	defer h.Close()
	g := gateway.New(h, &gateway.Options{Authorize: gateway.Public, DrainSpread: -1})
	g.BeginDrain()
	g.BeginDrain()
	if err := g.Drain(t.Context()); err != nil {
		t.Error(err)
	}
}

// What the transports' own groups end is told, too, where that can be.
func TestGroupsOfTheTransports(t *testing.T) {
	streams, sockets := sse.NewGroup(nil), &ws.Group{Spread: -1}
	o := &gateway.Options{EventStream: sse.Options{Group: streams}, WebSocket: ws.AcceptOptions{Group: sockets}}
	bubble(t, nil, o, func(t *testing.T, s *site) {
		a, b := overSSE.open(s, "log", "", ""), overWS.open(s, "log", "", "")
		a.one()
		b.one()
		if streams.Len() != 1 || sockets.Len() != 1 {
			t.Errorf("groups of %d and %d", streams.Len(), sockets.Len())
		}
		go streams.Drain(t.Context())
		go sockets.Drain(t.Context())
		list, err := a.end()
		checkBye(t, a, list, err, gateway.ByeDrain, 0)
		if _, err := b.end(); ws.CloseStatus(err) != ws.CloseGoingAway {
			t.Errorf("a WebSocket of a group that drains: %v", err)
		}
		synctest.Wait()
	})
	bubble(t, nil, &gateway.Options{EventStream: sse.Options{MaxAge: time.Hour}}, func(t *testing.T, s *site) {
		c := overSSE.open(s, "log", "", "")
		list, err := c.end()
		checkBye(t, c, list[1:], err, gateway.ByeAge, 0)
	})
}

// A client that vanishes, in whatever way, leaves nothing.
func TestClientsThatVanishLeaveNothing(t *testing.T) {
	bubble(t, kinds(hub.TopicConfig{}), nil, func(t *testing.T, s *site) {
		log := hub.TopicOf[string](s.hub, "log", nil)
		for round := range 3 {
			for _, tr := range transports {
				c := tr.open(s, "log", "from=start", "")
				if round > 0 {
					c.until("live")
				}
				if round == 2 {
					go func() {
						for i := range 3 {
							if _, err := log.Publish(context.Background(), fmt.Sprint(i)); err != nil {
								t.Error(err)
							}
						}
					}()
				}
				c.close()
			}
			synctest.Wait()
			time.Sleep(time.Minute) // of the bubble's: keepalives find out
			if st := s.hub.Stats(); st.Connections != 0 || st.Subscriptions != 0 || s.g.Len() != 0 {
				t.Errorf("round %d: %d connections, %d subscriptions, %d sessions", round, st.Connections, st.Subscriptions, s.g.Len())
			}
		}
		// Half a handshake, and a request that is cut.
		for _, text := range []string{"GET /ws/log HTTP/1.1\r\nHost: x\r\nUpgr", "GET /sse/log HTTP/1.1\r\nHost: x\r\n\r\n"} {
			conn, err := s.dial(t.Context(), "tcp", "x")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
			closeHard(conn)
		}
		synctest.Wait()
	})
}

func closeHard(c net.Conn) {
	if r, ok := c.(interface{ Reset() error }); ok {
		_ = r.Reset()
	}
	_ = c.Close()
}
