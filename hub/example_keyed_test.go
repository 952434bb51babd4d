package hub_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidewire/tidewire/hub"
)

// follow keeps a table as the topic has it, until the subscription ends.
func follow(sub *hub.Sub[string]) (map[string]string, error) {
	table := map[string]string{}
	for ev, err := range sub.Events() {
		switch {
		case err != nil:
			return table, err
		case ev.Marker == hub.MarkReset:
			clear(table) // the snapshot follows
		case ev.Marker != hub.NoMarker: // hub.MarkLive: the table is complete
		case ev.Deleted: // and ev.Expired, if its owner's lease has ended
			delete(table, ev.Key)
		default:
			table[ev.Key] = ev.Value
		}
	}
	return table, nil
}

// A table that several write under conditions, and what goes with its owner.
func ExampleTopic_Put() {
	ctx := context.Background()
	h := hub.New(&hub.Options{Configure: func(topic string) (hub.TopicConfig, error) {
		if strings.HasPrefix(topic, "board.") {
			return hub.TopicConfig{Kind: hub.Keyed}, nil
		}
		return hub.TopicConfig{}, nil // a log
	}})
	defer h.Close()
	notes := hub.TopicOf[string](h, "board.main", nil)
	check := func(err error) {
		if err != nil {
			fmt.Println(err)
		}
	}

	rev, err := notes.Put(ctx, "n1", "milk", hub.Absent()) // or *hub.ConflictError: Current is what to match
	check(err)
	rev, err = notes.Put(ctx, "n1", "milk, two", hub.IfMatch(rev))
	check(err)
	_, err = notes.Delete(ctx, "n1", hub.IfMatch(hub.Position{})) // the zero Position is Absent
	fmt.Println(err != nil && strings.HasSuffix(err.Error(), rev.String()))

	owner, err := h.Enter(ctx, nil)
	check(err)
	_, err = notes.Put(ctx, "ada", "is writing", hub.OwnedBy(owner)) // gone when owner is
	check(err)

	sub, err := notes.Subscribe(ctx, nil) // the table, and then what changes
	if err != nil {
		fmt.Println(err)
		return
	}
	check(owner.Close(ctx))
	go h.Drain(ctx) // ends the subscription when it has got all there is
	fmt.Println(follow(sub))

	_, err = notes.Put(ctx, "ada", "is late", hub.OwnedBy(owner))
	fmt.Println(err)
	// Output:
	// true
	// map[n1:milk, two] hub: draining
	// hub: lease lost: Put of key "ada" on topic "board.main" is refused: Enter again and write as the new Owner
}
