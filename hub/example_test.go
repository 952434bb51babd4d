package hub_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/tidewire/tidewire/hub"
)

type story struct{ Title string }

// Publish once, follow from anywhere, come back to where one was.
func Example() {
	ctx := context.Background()
	h := hub.New(nil)
	defer h.Close()
	news := hub.TopicOf[story](h, "news", nil)

	sub, err := news.Subscribe(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, title := range []string{"one", "two", "three"} {
		news.Publish(ctx, story{title})
	}
	for ev, err := range sub.Events() {
		if err != nil {
			fmt.Println(err)
			return
		}
		if ev.Marker != hub.NoMarker {
			fmt.Println(ev.Marker)
			continue
		}
		fmt.Println(ev.Value.Title)
		if ev.Value.Title == "two" {
			break // cut off here
		}
	}

	sub, err = news.Subscribe(ctx, &hub.SubOptions[story]{From: hub.After(sub.Position())})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sub.Close()
	events, err := sub.Next(ctx)
	fmt.Println("back:", events[0].Value.Title, events[1].Marker, err)
	// Output:
	// live
	// one
	// two
	// back: three live <nil>
}

// A keyed topic is a table that can be followed.
func Example_keyed() {
	ctx := context.Background()
	h := hub.New(&hub.Options{Configure: func(topic string) (hub.TopicConfig, error) {
		switch {
		case strings.HasPrefix(topic, "board."):
			return hub.TopicConfig{Kind: hub.Keyed}, nil
		case strings.HasPrefix(topic, "news."):
			return hub.TopicConfig{MaxEvents: 100}, nil
		}
		return hub.TopicConfig{}, errors.New("no such topic")
	}})
	defer h.Close()
	notes := hub.TopicOf[string](h, "board.main", nil)
	notes.Put(ctx, "n1", "milk")
	notes.Put(ctx, "n2", "bread")
	notes.Put(ctx, "n1", "milk, two")

	sub, _ := notes.Subscribe(ctx, nil)
	defer sub.Close()
	notes.Delete(ctx, "n2")

	for ev, err := range sub.Events() {
		switch {
		case err != nil:
			fmt.Println(err)
			return
		case ev.Marker == hub.MarkLive:
			fmt.Println("that is all of it")
		case ev.Deleted:
			fmt.Println(ev.Key, "deleted")
			return
		default:
			fmt.Println(ev.Key, "=", ev.Value)
		}
	}
	// Output:
	// n1 = milk, two
	// n2 = bread
	// that is all of it
	// n2 deleted
}

// Read, change, write, and begin again if somebody was faster.
func ExampleIfMatch() {
	ctx := context.Background()
	h := hub.New(&hub.Options{Configure: func(string) (hub.TopicConfig, error) {
		return hub.TopicConfig{Kind: hub.Keyed}, nil
	}})
	defer h.Close()
	scores := hub.TopicOf[int](h, "scores", nil)
	scores.Put(ctx, "ada", 1)

	add := func(key string, n int, id string) error {
		for {
			ev, err := scores.Get(ctx, key)
			if err != nil {
				return err
			}
			_, err = scores.Put(ctx, key, ev.Value+n, hub.IfMatch(ev.Rev), hub.Idempotent(id))
			if _, conflict := errors.AsType[*hub.ConflictError](err); !conflict {
				return err
			}
		}
	}
	fmt.Println(add("ada", 10, "client-1.1"))
	fmt.Println(add("ada", 10, "client-1.1")) // sent again, counted once
	fmt.Println(add("bo", 10, "client-1.2"))
	ev, _ := scores.Get(ctx, "ada")
	fmt.Println(ev.Value)
	// Output:
	// <nil>
	// <nil>
	// hub: topic "scores" has no key "bo"
	// 11
}

// What an HTTP handler makes of a request's query and Last-Event-ID header.
func ExampleParseFrom() {
	for _, request := range []struct{ query, lastEventID string }{
		{"", ""},
		{"from=last.50", ""},
		{"from=start", "00000000010.42.00000z"},
		{"after=00000000010.42.00000z", ""},
		{"after=42", ""},
	} {
		query, _ := url.ParseQuery(request.query)
		from, err := hub.ParseFrom(query, request.lastEventID)
		fmt.Printf("%q %v\n", from, err)
	}
	// Output:
	// "" <nil>
	// "last.50" <nil>
	// "after=00000000010.42.00000z" <nil>
	// "after=00000000010.42.00000z" <nil>
	// "" hub: start "after=42": not epoch.offset.tag: want the position of an event, as it was sent, or leave it out
}

// A page at a time, for a client that asks rather than waits.
func ExampleTopic_Since() {
	ctx := context.Background()
	h := hub.New(&hub.Options{Configure: func(string) (hub.TopicConfig, error) {
		return hub.TopicConfig{MaxEvents: 3}, nil
	}})
	defer h.Close()
	t := hub.TopicOf[int](h, "numbers", nil)
	pos, _ := t.Head(ctx)
	for i := range 5 {
		t.Publish(ctx, i)
	}
	for more := true; more; {
		page, err := t.Since(ctx, pos, 2)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, ev := range page.Events {
			if ev.Gap != nil {
				fmt.Println(ev.Gap.Missed, "missed:", ev.Gap.Reason)
			} else {
				fmt.Println(ev.Value)
			}
		}
		pos, more = page.Next, page.More
	}
	// Output:
	// 2 missed: trimmed
	// 2
	// 3
	// 4
}

// What an owner holds ends with it.
func ExampleHub_Enter() {
	ctx := context.Background()
	h := hub.New(&hub.Options{Configure: func(string) (hub.TopicConfig, error) {
		return hub.TopicConfig{Kind: hub.Keyed}, nil
	}})
	defer h.Close()
	nodes := hub.TopicOf[string](h, "nodes", nil)
	sub, _ := nodes.Subscribe(ctx, nil)
	defer sub.Close()
	owner, err := h.Enter(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	nodes.Put(ctx, "a", "up", hub.OwnedBy(owner))
	owner.Close(ctx)
	events, _ := sub.Next(ctx)
	for _, ev := range events {
		fmt.Println(ev.Marker, ev.Key, ev.Value, ev.Expired)
	}
	// Output:
	// live   false
	//  a up false
	//  a  true
}
