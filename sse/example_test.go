package sse_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/tidewire/tidewire/sse"
)

// A log serves itself: clients that come back get what they missed.
func Example() {
	events := sse.NewLog(nil)
	mux := http.NewServeMux()
	mux.Handle("GET /events", events)
	server := httptest.NewServer(mux)
	defer server.Close()

	cursor, _ := events.Head(context.Background()) // a client saw this, and left
	for _, text := range []string{"low tide", "high tide"} {
		if _, err := events.Append(context.Background(), &sse.Event{Data: []byte(text)}); err != nil {
			fmt.Println(err)
		}
	}

	client := &sse.Client{URL: server.URL + "/events", Read: sse.ReadOptions{LastEventID: cursor}}
	for event, err := range client.Events(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(string(event.Data))
		if string(event.Data) == "high tide" {
			break // closes the connection
		}
	}
	// Output:
	// low tide
	// high tide
}

// A handler that sends an answer piece by piece.
func ExampleNewWriter() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		s, err := sse.NewWriter(w, r, nil)
		if err != nil {
			return // the request has been answered
		}
		defer s.Close()
		for _, token := range []string{"The", " tide", " is", " out."} {
			if err := s.Send(s.Context(), &sse.Event{Name: "token", Data: []byte(token)}); err != nil {
				return // the client has gone
			}
		}
		_ = s.Close(&sse.Event{Name: "done"})
	}
	server := httptest.NewServer(http.HandlerFunc(handler))
	defer server.Close()

	resp, err := http.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	for event, err := range sse.Read(resp.Body, nil) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s %q\n", event.Name, event.Data)
	}
	// Output:
	// token "The"
	// token " tide"
	// token " is"
	// token " out."
	// done ""
}

func ExampleAppendEvent() {
	buf, err := sse.AppendEvent(nil, &sse.Event{Name: "note", ID: "7", Data: []byte("two\nlines")})
	fmt.Printf("%s%v\n", buf, err)

	_, err = sse.AppendEvent(nil, &sse.Event{ID: "7\ndata: evil"})
	fmt.Println(err)
	// Output:
	// id: 7
	// event: note
	// data: two
	// data: lines
	//
	// <nil>
	// sse: bad id field: it has a line end
}

func ExampleRead() {
	stream := "data: {\"token\":\"tide\"}\n\n: heartbeat\n\ndata: [DONE]\n\n"
	for event, err := range sse.Read(strings.NewReader(stream), nil) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(string(event.Data))
	}
	// Output:
	// {"token":"tide"}
	// [DONE]
}

// Follow is for events that go elsewhere than to an HTTP client.
func ExampleLog_Follow() {
	log := sse.NewLog(&sse.LogOptions{Count: 2})
	ctx := context.Background()
	start, _ := log.Head(ctx)
	for _, text := range []string{"one", "two", "three"} {
		_, _ = log.Append(ctx, &sse.Event{Data: []byte(text)})
	}
	for event, err := range log.Follow(ctx, start) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if gap, ok := sse.ParseGap(event); ok {
			fmt.Println(gap.Reason, gap.Missed)
			continue
		}
		fmt.Println(string(event.Data))
		if string(event.Data) == "three" {
			break
		}
	}
	// Output:
	// trimmed 1
	// two
	// three
}

// A server's streams end before the server does.
func ExampleGroup() {
	group := sse.NewGroup(&sse.GroupOptions{MaxStreams: 10_000, Rate: 500})
	ended := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := sse.NewWriter(w, r, &sse.Options{Group: group})
		if err != nil {
			return
		}
		defer s.Close()
		<-s.Done()
		ended <- s.Err()
	}))
	defer server.Close()

	resp, err := http.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(group.Len(), "stream")
	fmt.Println(group.Drain(context.Background()), errors.Is(<-ended, sse.ErrDraining))
	// Output:
	// 1 stream
	// <nil> true
}

func ExampleLastEventID() {
	r := httptest.NewRequest(http.MethodGet, "/events?lastEventId=k3F9.41", nil)
	fmt.Println(sse.LastEventID(r)) // a polyfill's
	r.Header.Set("Last-Event-ID", "k3F9.42")
	fmt.Println(sse.LastEventID(r)) // a browser's
	// Output:
	// k3F9.41
	// k3F9.42
}
