package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/hub/gateway"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/ws"
)

// A handler of one's own whose WebSockets the hub writes to. What it follows ends
// with the connection, and not with the func that opens it.
func ExampleWebSocketEncoder() {
	ctx := context.Background()
	h := hub.New(nil)
	defer h.Close()
	hub.TopicOf[string](h, "news", nil).Publish(ctx, "one")

	mux := http.NewServeMux()
	mux.Handle("GET /news", ws.Handler(nil, func(c *ws.Conn, r *http.Request) ws.Events {
		bye := func(string, hub.Position, error) { c.Close(ws.CloseTryAgainLater, "") }
		hc, err := h.Connect(c, hub.ConnOptions{Encoder: gateway.WebSocketEncoder{}, Ended: bye})
		if err != nil {
			c.Close(ws.CloseTryAgainLater, "")
			return ws.Events{}
		}
		if err := hc.Follow(r.Context(), "news", &hub.FollowOptions{From: hub.Start()}); err != nil {
			c.Close(ws.CloseTryAgainLater, "")
		}
		return ws.Events{Close: func(*ws.Conn, error) { hc.Close() }}
	}))
	server := httptest.NewServer(mux)
	defer server.Close()

	c, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(server.URL, "http")+"/news", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close(ws.CloseNormal, "")
	for range 3 {
		_, data, err := c.Read(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		e, err := gateway.ParseEnvelope(data)
		if err != nil {
			fmt.Println(err)
			return
		}
		if e.Marker == hub.MarkLive { // open has long returned
			hub.TopicOf[string](h, "news", nil).Publish(ctx, "two")
			continue
		}
		fmt.Printf("%s\n", e.Data)
	}
	// Output:
	// "one"
	// "two"
}

// The same for event streams, whose Close event comes last, too.
func ExampleEventStreamEncoder() {
	ctx := context.Background()
	h := hub.New(nil)
	defer h.Close()
	hub.TopicOf[string](h, "news", nil).Publish(ctx, "one")

	mux := http.NewServeMux()
	mux.Handle("GET /news", sse.Handler(nil, func(s *sse.Stream, r *http.Request) sse.StreamEvents {
		bye := func(string, hub.Position, error) { s.Close() }
		hc, err := h.Connect(s, hub.ConnOptions{Encoder: gateway.EventStreamEncoder{}, Ended: bye})
		if err != nil {
			s.Close()
			return sse.StreamEvents{}
		}
		if err := hc.Follow(r.Context(), "news", &hub.FollowOptions{From: hub.Start()}); err != nil {
			s.Close()
		}
		return sse.StreamEvents{Close: func(*sse.Stream, error) { hc.Close() }}
	}))
	server := httptest.NewServer(mux)
	defer server.Close()

	client := &sse.Client{URL: server.URL + "/news"}
	for ev, err := range client.Events(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		e, err := gateway.ParseEnvelope(ev.Data)
		if err != nil {
			fmt.Println(err)
			return
		}
		if e.Marker == hub.MarkLive { // open has long returned
			hub.TopicOf[string](h, "news", nil).Publish(ctx, "two")
			continue
		}
		fmt.Printf("%s\n", e.Data)
		if string(e.Data) == `"two"` {
			break
		}
	}
	// Output:
	// "one"
	// "two"
}
