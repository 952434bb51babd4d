package gateway_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/backoff"
	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/hub/gateway"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/ws"
)

// cutting is a connection that breaks when it has read so many bytes.
type cutting struct {
	net.Conn
	left int
}

func (c *cutting) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), max(c.left, 1))])
	if c.left -= n; c.left <= 0 {
		closeHard(c.Conn)
	}
	return n, err
}

// The clients of sse and ws come back by themselves, and get everything once,
// wherever they are cut and while others publish.
func TestClientsComeBackByThemselves(t *testing.T) {
	const events = 300
	for _, over := range []string{"sse.Client", "ws.Connections"} {
		t.Run(over, func(t *testing.T) {
			bubble(t, nil, nil, func(t *testing.T, s *site) {
				log := hub.TopicOf[string](s.hub, "log", nil)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				dials := 0
				dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
					dials++
					c, err := s.dial(ctx, network, addr)
					return &cutting{Conn: c, left: 300 + rand.IntN(3000)}, err
				}
				started, published := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(published)
					<-started
					for i := range events {
						if _, err := log.Publish(ctx, fmt.Sprint(i)); err != nil {
							t.Error(err)
						}
						time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond) // the bubble's
					}
				}()
				next := 0
				take := func(data []byte) (pos hub.Position, more bool) {
					e, err := gateway.ParseEnvelope(data)
					if err != nil {
						t.Fatalf("%q: %v", data, err)
					}
					switch {
					case e.Marker == hub.MarkLive && next == 0:
						select {
						case <-started:
						default:
							close(started)
						}
					case e.Marker == hub.MarkLive:
					case string(e.Data) != fmt.Sprintf("%q", fmt.Sprint(next)):
						t.Fatalf("got %s, want %d", data, next)
					default:
						next++
					}
					return e.Pos, next < events
				}
				policy := backoff.Policy{Base: time.Second, Max: time.Second}
				if over == "sse.Client" {
					tr := &http.Transport{DialContext: dial}
					defer tr.CloseIdleConnections()
					client := &sse.Client{URL: s.url + "/sse/log", HTTP: &http.Client{Transport: tr}, Policy: policy}
					for ev, err := range client.Events(ctx) {
						if err != nil {
							t.Fatal(err)
						}
						if _, more := take(ev.Data); !more {
							break
						}
					}
				} else {
					var last hub.Position
					o := &ws.DialOptions{NetDial: dial, Prepare: func(_ context.Context, a *ws.Attempt) error {
						if !last.IsZero() {
							a.URL.RawQuery = "after=" + last.String()
						}
						return nil
					}}
				connections:
					for c, err := range ws.Connections(ctx, "ws"+strings.TrimPrefix(s.url, "http")+"/ws/log", o, policy) {
						if err != nil {
							t.Fatal(err)
						}
						for m, err := range c.Messages(ctx) {
							if err != nil {
								break
							}
							var more bool
							if last, more = take(m.Data); !more {
								break connections
							}
						}
					}
				}
				<-published
				if dials < 5 {
					t.Errorf("only %d connections", dials)
				}
			})
		})
	}
}
