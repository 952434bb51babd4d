package hub

import "sync/atomic"

// counters are what the hub counts as it happens.
type counters struct {
	connections atomic.Int64
	sent        atomic.Uint64
	full        atomic.Uint64
	encoded     atomic.Uint64
}
