package presence_test

import (
	"context"
	"fmt"

	"github.com/tidewire/tidewire/hub"
	"github.com/tidewire/tidewire/presence"
)

type user struct {
	Name string `json:"name"`
	Hue  int    `json:"hue"`
}

func newHub() *hub.Hub {
	return hub.New(&hub.Options{Configure: func(topic string) (hub.TopicConfig, error) {
		if c, ok := presence.Config(topic); ok {
			return c, nil
		}
		return hub.TopicConfig{}, nil // the program's own topics
	}})
}

func Example() {
	h := newHub()
	defer h.Close()
	people := presence.New[user](h, nil)
	defer people.Close()
	ctx := context.Background()

	ada, err := people.Enter(ctx, "board/main", "u1", user{"Ada", 210})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ada.Disconnect()
	bo, err := people.Enter(ctx, "board/main", "u2", user{"Bo", 20})
	if err != nil {
		fmt.Println(err)
		return
	}

	now, _ := people.Snapshot(ctx, "board/main")
	for _, m := range now.Members {
		fmt.Println(m.Member, m.State.Name)
	}
	bo.Leave(ctx)
	n, _ := people.Count(ctx, "board/main")
	fmt.Println(n, "is left")
	// Output:
	// u1 Ada
	// u2 Bo
	// 1 is left
}

// The first batch says who is there, each further one what is different.
func ExamplePresence_Watch() {
	h := newHub()
	defer h.Close()
	people := presence.New[user](h, nil)
	defer people.Close()
	ctx := context.Background()

	ada, _ := people.Enter(ctx, "board/main", "u1", user{"Ada", 210})
	first := true
	for changes, err := range people.Watch(ctx, "board/main") {
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, c := range changes {
			fmt.Println(c.Kind, c.State.Name)
		}
		if !first {
			break
		}
		first = false
		ada.Leave(ctx)
	}
	// Output:
	// enter Ada
	// leave Ada
}

// The number alone costs less than the list.
func ExamplePresence_WatchCount() {
	h := newHub()
	defer h.Close()
	people := presence.New[user](h, nil)
	defer people.Close()
	ctx := context.Background()

	for n, err := range people.WatchCount(ctx, "board/main") {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(n)
		if n == 2 {
			break
		}
		people.Enter(ctx, "board/main", fmt.Sprint("u", n), user{})
	}
	// Output:
	// 0
	// 1
	// 2
}

// A reload: the page is gone and comes back within the grace.
func ExampleHandle_Disconnect() {
	h := newHub()
	defer h.Close()
	people := presence.New[user](h, nil)
	defer people.Close()
	ctx := context.Background()

	before, _ := people.Enter(ctx, "board/main", "u1", user{"Ada", 210})
	before.Disconnect()
	n, _ := people.Count(ctx, "board/main")
	fmt.Println("in the grace:", n)

	after, _ := people.Enter(ctx, "board/main", "u1", user{"Ada", 210})
	fmt.Println("the old handle:", before.Update(ctx, user{}))
	after.Leave(ctx)
	n, _ = people.Count(ctx, "board/main")
	fmt.Println("after Leave:", n)
	// Output:
	// in the grace: 1
	// the old handle: presence: handle has left
	// after Leave: 0
}
