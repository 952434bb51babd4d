package sse_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"

	"github.com/tidewire/tidewire/sse"
)

// A live page: whoever is there gets each price. Nobody has a goroutine while
// nothing happens, and nobody waits for a client that is slow.
func ExampleHandler() {
	var mu sync.Mutex
	viewers := map[*sse.Stream]struct{}{}
	joined := make(chan struct{}, 1) // so that the example knows when its one client is there
	group := sse.NewGroup(nil)
	handler := sse.Handler(&sse.Options{Group: group}, func(s *sse.Stream, r *http.Request) sse.StreamEvents {
		mu.Lock()
		defer mu.Unlock()
		viewers[s] = struct{}{}
		joined <- struct{}{}
		return sse.StreamEvents{Close: func(s *sse.Stream, err error) {
			mu.Lock()
			defer mu.Unlock()
			delete(viewers, s)
		}}
	})
	publish := func(price string) {
		mu.Lock()
		defer mu.Unlock()
		for s := range viewers {
			_ = s.Push(&sse.Event{Name: "price", Data: []byte(price)}) // who is too slow is disconnected
		}
	}

	server := httptest.NewServer(handler)
	defer server.Close()
	resp, err := http.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()

	<-joined // which comes after the response's first bytes
	publish("12.50")
	for event, err := range sse.Read(resp.Body, nil) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s %s\n", event.Name, event.Data)
		if string(event.Data) == "12.75" {
			break
		}
		publish("12.75")
	}
	fmt.Println(group.Drain(context.Background()), group.Len())
	// Output:
	// price 12.50
	// price 12.75
	// <nil> 0
}

// What was encoded once is shared by all streams. TrySend never waits; a stream
// that is full tells when to come again.
func ExampleStream_TrySend() {
	streams := make(chan *sse.Stream, 1)
	server := httptest.NewServer(sse.Handler(nil, func(s *sse.Stream, r *http.Request) sse.StreamEvents {
		streams <- s
		return sse.StreamEvents{}
	}))
	defer server.Close()
	resp, err := http.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()

	frame, _ := sse.AppendEvent(nil, &sse.Event{Data: bytes.Repeat([]byte("for all "), 1000)})
	s, sent := <-streams, 0
	for { // the client does not read yet
		n, err := s.TrySend([][]byte{frame})
		sent += n
		if errors.Is(err, sse.ErrQueueFull) {
			break
		}
	}
	s.NotifyWritable(func() {
		_ = s.Close(&sse.Event{Name: "bye"}) // or go on sending
	})
	got := 0
	for event, err := range sse.Read(resp.Body, nil) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if event.Name == "bye" {
			break
		}
		got++
	}
	fmt.Println("all that was accepted has come:", got == sent)
	// Output:
	// all that was accepted has come: true
}
