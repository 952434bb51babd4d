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

// One topic, followed by an event stream and then, from where that was cut, by a
// WebSocket.
func Example() {
	ctx := context.Background()
	h := hub.New(nil)
	defer h.Close()
	g := gateway.New(h, &gateway.Options{Authorize: gateway.Public})
	mux := http.NewServeMux()
	mux.Handle("GET /topics/{topic}", g)
	server := httptest.NewServer(mux)
	defer server.Close()

	news := hub.TopicOf[string](h, "news", nil)
	news.Publish(ctx, "one")
	news.Publish(ctx, "two")

	var last hub.Position
	client := &sse.Client{URL: server.URL + "/topics/news?from=start"}
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
		fmt.Printf("event stream: %s\n", e.Data)
		last = e.Pos
		break // cut here
	}

	news.Publish(ctx, "three")
	c, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(server.URL, "http")+"/topics/news?after="+last.String(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for m, err := range c.Messages(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		e, err := gateway.ParseEnvelope(m.Data)
		if err != nil {
			fmt.Println(err)
			return
		}
		if e.Marker == hub.MarkLive {
			fmt.Println("WebSocket: live")
			break
		}
		fmt.Printf("WebSocket: %s\n", e.Data)
	}
	c.Close(ws.CloseNormal, "")
	fmt.Println(g.Drain(ctx))
	// Output:
	// event stream: "one"
	// WebSocket: "two"
	// WebSocket: "three"
	// WebSocket: live
	// <nil>
}

// What a client reads: events, and what the server has to say.
func ExampleParseEnvelope() {
	for _, text := range []string{
		`{"topic":"board","pos":"0000000000g.7.00001b","key":"n1","time":1767225600000,"data":{"text":"milk"}}`,
		`{"topic":"board","pos":"0000000000g.8.00002c","key":"n1","deleted":true}`,
		`{"topic":"board","name":"reset","reset":{"reason":"trimmed","from":"0000000000g.2.000003","missed":6}}`,
		`{"topic":"board","name":"bye","bye":{"reason":"drain","retry":1500}}`,
	} {
		e, err := gateway.ParseEnvelope([]byte(text))
		switch {
		case err != nil:
			fmt.Println(err)
		case e.Bye != nil:
			fmt.Println("come back in", e.Bye.Retry)
		case e.Reset != nil:
			fmt.Println("forget what the snapshot does not name:", e.Reset.Reason)
		case e.Deleted:
			fmt.Println("deleted:", e.Key)
		default:
			fmt.Printf("%s = %s\n", e.Key, e.Data)
		}
	}
	// Output:
	// n1 = {"text":"milk"}
	// deleted: n1
	// forget what the snapshot does not name: trimmed
	// come back in 1.5s
}

// Who may follow what, and what the others are answered.
func ExampleOptions() {
	h := hub.New(nil)
	defer h.Close()
	g := gateway.New(h, &gateway.Options{
		Authorize: func(a *gateway.Access) (gateway.Grant, error) {
			user := a.Request.URL.Query().Get("user") // a real program would look at a cookie
			switch {
			case user == "":
				return gateway.Grant{}, &gateway.RefusedError{Status: http.StatusUnauthorized, Text: "log in first"}
			case !strings.HasPrefix(a.Topic, user+"."):
				return gateway.Grant{}, &gateway.RefusedError{Status: http.StatusForbidden}
			}
			return gateway.Grant{User: user}, nil
		},
	})
	mux := http.NewServeMux()
	mux.Handle("GET /topics/{topic}", g.EventStream())
	for _, url := range []string{"/topics/ada.inbox", "/topics/ada.inbox?user=bo", "/topics/ada.inbox?user=ada&from=yesterday"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", url, nil))
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 401 log in first
	// 403 Forbidden
	// 400 start "from=yesterday": want start, live or last.N
}
