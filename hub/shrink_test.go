package hub_test

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A list of operations shrinks to what its failure needs.
func TestShrink(t *testing.T) {
	for seed := range uint64(20) {
		ops := randomOps(rand.New(rand.NewPCG(seed, 0)), 250)
		ops = append(ops, op{code: "since", a: 5}, op{code: "drain"})
		// Fails where a write stands before a since, which stands before a drain.
		tries := 0
		fails := func(ops []op) bool {
			tries++
			at := 0
			for _, o := range ops {
				if at < 3 && o.code == []string{"write", "since", "drain"}[at] {
					at++
				}
			}
			return at == 3
		}
		if !fails(ops) {
			t.Fatalf("seed %d has no write", seed)
		}
		before := slices.Clone(ops)
		got := shrink(ops, fails)
		if len(got) != 3 || !fails(got) {
			t.Errorf("seed %d: %d operations left: %+v", seed, len(got), got)
		}
		if !slices.Equal(ops, before) {
			t.Errorf("seed %d: the list was changed", seed)
		}
		if tries > 1500 {
			t.Errorf("seed %d: %d tries", seed, tries)
		}
	}
}
