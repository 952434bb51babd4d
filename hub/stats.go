package hub

import "sync/atomic"

// Stats are a hub's counters, since it was made, and what it holds now.
type Stats struct {
	// Now.
	Topics        int   `json:"topics"`
	Subscriptions int   `json:"subscriptions"` // those of connections too
	Connections   int   `json:"connections"`   // see Connect
	Bytes         int64 `json:"bytes"`         // retained in logs and tables, with the frames in use
	FeedsDown     int   `json:"feedsDown"`     // topics whose feed from the broker does not run

	// Since the beginning.
	Published uint64 `json:"published"` // events that came into logs here, by whomever
	Read      uint64 `json:"read"`      // events, rows and markers handed to readers, before filters
	Sent      uint64 `json:"sent"`      // events and rows that sinks have taken
	Full      uint64 `json:"full"`      // times a sink did not take all
	Encoded   uint64 `json:"encoded"`   // calls of encoders
	Gaps      uint64 `json:"gaps"`      // gap markers
	Resets    uint64 `json:"resets"`    // reset markers
	Slow      uint64 `json:"slow"`      // subscriptions ended by a *SlowError
	Repairs   uint64 `json:"repairs"`   // times a topic was verified or repaired from the broker
	Breaks    uint64 `json:"breaks"`    // times a log did not go on as it was here
	Uncertain uint64 `json:"uncertain"` // writes that ended with ErrUncertain
	Panics    uint64 `json:"panics"`    // of code of the program's in goroutines of the hub, see PanicError
}

// counters are what the hub counts as it happens.
type counters struct {
	connections, down                                  atomic.Int64
	published, read, sent, full, encoded, gaps, resets atomic.Uint64
	slow, repairs, breaks, uncertain, panics           atomic.Uint64
}

// Stats returns the hub's counters. They are read one after the other, while the
// hub goes on.
func (h *Hub) Stats() Stats {
	if h == nil {
		return Stats{}
	}
	h.mu.RLock()
	topics := len(h.topics)
	h.mu.RUnlock()
	c := &h.stats
	return Stats{
		Topics: topics, Subscriptions: int(h.subs.Load()), Connections: int(c.connections.Load()),
		Bytes: h.total.used.Load(), FeedsDown: int(c.down.Load()),
		Published: c.published.Load(), Read: c.read.Load(), Sent: c.sent.Load(), Full: c.full.Load(),
		Encoded: c.encoded.Load(), Gaps: c.gaps.Load(), Resets: c.resets.Load(), Slow: c.slow.Load(),
		Repairs: c.repairs.Load(), Breaks: c.breaks.Load(), Uncertain: c.uncertain.Load(), Panics: c.panics.Load(),
	}
}

// A What says what an Incident is.
type What uint8

const (
	FeedDown       What = iota + 1 // a topic's feed from the broker does not run: Err
	FeedUp                         // it runs again
	AttachFailed                   // a topic could not be attached: Err
	RepairFailed                   // a topic could not be repaired, and will be tried again: Err
	LogBroke                       // data is gone at the broker, and readers are told: Reason
	SlowReader                     // a subscription ended with a *SlowError, see Policy for when: Err, Missed
	LeaseLost                      // an owner was away for too long: Err, and Topic if a write found out
	WriteUncertain                 // a write's acknowledgement was lost: Err
	Panicked                       // code of the program's panicked in a goroutine of the hub: Err is a *PanicError
)

// String returns a few words.
func (w What) String() string {
	switch w {
	case FeedDown:
		return "feed down"
	case FeedUp:
		return "feed up"
	case AttachFailed:
		return "attach failed"
	case RepairFailed:
		return "repair failed"
	case LogBroke:
		return "log broke"
	case SlowReader:
		return "slow reader"
	case LeaseLost:
		return "lease lost"
	case WriteUncertain:
		return "write uncertain"
	case Panicked:
		return "panicked"
	}
	return "unknown"
}

// An Incident is what Options.Observe is told.
type Incident struct {
	What   What
	Topic  string // "" where it concerns none
	Reason Reason // of LogBroke, else 0
	Missed int64  // of SlowReader, else 0
	Err    error  // of all but FeedUp and LogBroke
}

// observe tells Observe. That it panicked is counted, and there is nobody else to
// tell.
func (h *Hub) observe(i Incident) {
	if h.opts.Observe != nil {
		var err error
		defer h.rescue("Observe", i.Topic, &err)
		h.opts.Observe(i)
	}
}
