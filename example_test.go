package tidewire_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/hub/gateway"
	"github.com/tidewire/tidewire/presence"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/ws"
)

// The programs of the README stand here, so that they are compiled and run; TestReadmeShowsCompiledCode compares them.

func Example_webSocket() {
	mux := http.NewServeMux()
	mux.Handle("/echo", ws.Handler(nil, func(*ws.Conn, *http.Request) ws.Events {
		return ws.Events{Message: func(c *ws.Conn, typ ws.MessageType, data []byte) {
			_ = c.Write(context.Background(), typ, data) // what fails here ends in Events.Close
		}}
	}))
	server := httptest.NewServer(mux)
	defer server.Close()
	url, ctx := "ws"+server.URL[len("http"):]+"/echo", context.Background()

	c, err := ws.Dial(ctx, url, nil)
	if err == nil {
		err = c.Write(ctx, ws.Text, []byte("hello"))
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	_, echo, err := c.Read(ctx)
	fmt.Printf("%s %v\n", echo, err)
	fmt.Println(c.Close(ws.CloseNormal, ""))
	// Output:
	// hello <nil>
	// <nil>
}

func Example_webSocketBlocking() {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, nil)
		for err == nil {
			var m ws.Message
			if m.Type, m.Data, err = c.Read(r.Context()); err == nil {
				err = c.Write(r.Context(), m.Type, m.Data)
			}
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	ctx := context.Background()

	c, err := ws.Dial(ctx, "ws"+server.URL[len("http"):]+"/echo", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	fmt.Println(c.Write(ctx, ws.Binary, []byte{1, 2, 3}))
	fmt.Println(c.Read(ctx))
	// Output:
	// <nil>
	// binary [1 2 3] <nil>
}

func Example_eventStream() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	url, ctx := "http://"+listener.Addr().String()+"/events", context.Background()

	events := sse.NewLog(nil)  // keeps the newest events, for those who come back
	group := sse.NewGroup(nil) // holds the open streams, to limit them and to end them in order
	mux := http.NewServeMux()
	mux.Handle("GET /events", events.Handler(&sse.ServeOptions{Stream: sse.Options{Group: group}}))
	server := &http.Server{Handler: mux}
	server.RegisterOnShutdown(group.BeginDrain) // each client is told its own moment to return
	go server.Serve(listener)
	id, err := events.Append(ctx, &sse.Event{Name: "tide", Data: []byte("low")})

	defer server.Shutdown(ctx)
	if id == "" || err != nil {
		fmt.Println(id, err)
		return
	}
	client := &sse.Client{URL: url, Read: sse.ReadOptions{LastEventID: sse.Start}}
	for ev, err := range client.Events(ctx) {
		fmt.Printf("%s %s %v\n", ev.Name, ev.Data, err) // an error is the last
		break                                           // without it, the loop goes on with what comes
	}
	// Output: tide low <nil>
}

func Example_hub() {
	type Story struct{ Title string }
	ctx := context.Background()

	h := hub.New(nil)
	news := hub.TopicOf[Story](h, "news", nil)
	news.Publish(ctx, Story{"one"})
	sub, _ := news.Subscribe(ctx, &hub.SubOptions[Story]{From: hub.Start()}) // or After a position, Live, Last(50)
	for ev, err := range sub.Events() {
		if err != nil || ev.Marker == hub.MarkLive {
			break // that was all so far; without the break it goes on with what comes
		}
		fmt.Println(ev.Value.Title)
	}
	// Output: one
}

func Example_gateway() {
	listener, failed := net.Listen("tcp", "127.0.0.1:0")
	if failed != nil {
		fmt.Println(failed)
		return
	}
	ctx := context.Background()

	h := hub.New(nil)
	topics := gateway.New(h, &gateway.Options{Authorize: gateway.Public}) // or who may follow what
	mux := http.NewServeMux()
	mux.Handle("GET /topics/{topic}", topics)
	server := &http.Server{Handler: mux}
	go server.Serve(listener)
	_, err := h.Topic("news").Publish(ctx, []byte(`{"title":"It works"}`)) // from anywhere in the program

	defer h.Close()
	defer server.Shutdown(ctx)
	defer topics.Drain(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	url := listener.Addr().String() + "/topics/news?from=start"
	for ev, err := range (&sse.Client{URL: "http://" + url}).Events(ctx) {
		fmt.Println("event stream:", err, strings.HasSuffix(string(ev.Data), `"data":{"title":"It works"}}`))
		break
	}
	c, err := ws.Dial(ctx, "ws://"+url, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, data, err := c.Read(ctx)
	fmt.Println("WebSocket:", err, strings.HasSuffix(string(data), `"data":{"title":"It works"}}`))
	fmt.Println(c.Close(ws.CloseNormal, ""))
	// Output:
	// event stream: <nil> true
	// WebSocket: <nil> true
	// <nil>
}

func Example_presence() {
	type User struct{ Name string }
	ctx := context.Background()

	h := hub.New(&hub.Options{Configure: func(topic string) (hub.TopicConfig, error) {
		c, _ := presence.Config(topic) // presence needs keyed topics; the others are logs
		return c, nil
	}})
	defer h.Close()
	people := presence.New[User](h, nil)
	defer people.Close()
	// ctx is the connection's: when it ends, that is a Disconnect.
	ada, err := people.Enter(ctx, "room/1", "u1", User{"Ada"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ada.Disconnect() // gone after 10 s, unless she comes back

	for changes, err := range people.Watch(ctx, "room/1") {
		if err != nil {
			break
		}
		for _, c := range changes {
			fmt.Println(c.Kind, c.State.Name)
		}
		break
	}
	// Output: enter Ada
}
