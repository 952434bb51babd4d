package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// witness is a third connection, past the proxy, so that no cut concerns it. It keeps every operation that took
// effect: what two pages agree on could still have happened twice.
type witness struct {
	t  *testing.T
	mu sync.Mutex
	// ops are the operations in the order of their effects.
	ops []effect
}

type effect struct {
	T      string `json:"t"`
	Client string `json:"client"`
	Seq    int    `json:"seq"`
	Kind   string `json:"k"`
	ID     string `json:"id"`
}

func (h *house) witness() *witness {
	h.t.Helper()
	w := &witness{t: h.t}
	ctx, cancel := context.WithCancel(context.Background())
	c, err := ws.Dial(ctx, "ws://"+h.addr+"/ws/main", &ws.DialOptions{Subprotocols: []string{"board.v1"}})
	if err != nil {
		h.t.Fatal(err)
	}
	hello := fmt.Sprintf(`{"t":"hello","v":1,"client":"c_%s","user":{"id":"u_witness","name":"Witness","hue":0},"first":1}`, strings.Repeat("e", 32))
	if err := c.Write(ctx, ws.Text, []byte(hello)); err != nil {
		h.t.Fatal(err)
	}
	if _, first, err := c.Read(ctx); err != nil || !strings.Contains(string(first), `"welcome"`) {
		h.t.Fatalf("the witness was told %q, %v", first, err)
	}
	done := make(chan struct{})
	go func() { // ends with the connection
		defer close(done)
		for m, err := range c.Messages(ctx) {
			if err != nil {
				return
			}
			var e effect
			if err := json.Unmarshal(m.Data, &e); err != nil {
				w.t.Errorf("the witness was told %q: %v", m.Data, err)
				return
			}
			if e.T == "ping" {
				c.Write(ctx, ws.Text, []byte(`{"t":"pong","n":0}`))
			}
			if e.T == "op" {
				w.mu.Lock()
				w.ops = append(w.ops, e)
				w.mu.Unlock()
			}
		}
	}()
	h.t.Cleanup(func() {
		c.CloseNow()
		cancel()
		<-done
	})
	return w
}

// eachOnce checks that no operation took effect twice, and that the note's operations are these, in this order.
func (w *witness) eachOnce(id string, kinds ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[string]int{}
	var got []string
	for _, e := range w.ops {
		k := fmt.Sprintf("%s/%d", e.Client, e.Seq)
		if seen[k]++; seen[k] > 1 {
			w.t.Errorf("operation %s took effect %d times", k, seen[k])
		}
		if e.ID == id {
			got = append(got, e.Kind)
		}
	}
	if strings.Join(got, " ") != strings.Join(kinds, " ") {
		w.t.Errorf("note %s: operations %q, want %q", id, got, kinds)
	}
}
