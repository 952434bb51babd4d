package hub

import "time"

// An Event is what a subscription hands out: a published event, a tombstone, or
// a marker that the hub put into the stream. Events are shared between all
// readers of a topic and are not to be modified, nor are their Data and Value.
type Event[T any] struct {
	Topic string

	// Marker is NoMarker for what was published, else what the hub says.
	Marker Marker

	// Pos is where to resume after this event, the id to write on the wire.
	// It is zero, and then no id is to be written, on the events of a
	// snapshot, on a reset and on everything of an ephemeral topic.
	Pos Position

	// Rev is the position of the write that made this event, also in a
	// snapshot: what IfMatch wants. Zero on markers and ephemeral topics.
	Rev Position

	Name string    // optional
	Key  string    // keyed topics always, the others where given
	Time time.Time // when it was published

	// Value is Data, decoded once for all readers. Zero on markers and
	// tombstones.
	Value T

	// Data is the event as encoded by the publisher; nil on markers and
	// tombstones.
	Data []byte

	Deleted bool   // a tombstone: Key is gone
	Expired bool   // a tombstone, because the lease of Key's owner has ended
	Gap     *Gap   // set exactly on MarkGap
	Reset   *Reset // set exactly on MarkReset
}

// A Marker tells the events that the hub put into the stream from those that
// were published.
type Marker uint8

const (
	NoMarker  Marker = iota // a published event
	MarkGap                 // events are missing here; see Event.Gap
	MarkReset               // forget what the following snapshot does not name; see Event.Reset
	MarkLive                // everything up to the head at the time of subscribing, or of the reset, has been handed out
)

// String returns the event name used on the wire: "", "gap", "reset" or "live".
func (m Marker) String() string {
	switch m {
	case MarkGap:
		return "gap"
	case MarkReset:
		return "reset"
	case MarkLive:
		return "live"
	}
	return ""
}

// A Gap tells of events that can't be delivered.
type Gap struct {
	Reason Reason
	From   Position // behind the last event that the reader has
	Now    Position // the stream goes on after this; zero on ephemeral topics
	Missed int64    // how many, -1 where it can't be known
}

// A Reset says why a reader of a keyed topic gets the snapshot again.
type Reset struct {
	Reason Reason
	From   Position // behind the last event that the reader has
	Missed int64    // how many events the snapshot stands for, -1 where it can't be known
}

// A Reason says why events are missing.
type Reason uint8

const (
	// Trimmed: the position is older than what the log retains.
	Trimmed Reason = iota + 1
	// Epoch: the position is of another log; in memory, of another process.
	Epoch
	// Fork: the position is of another branch of this log.
	Fork
	// Dropped: the reader was too slow, and its Policy is to go on.
	Dropped
)

// String returns "trimmed", "epoch", "fork" or "dropped".
func (r Reason) String() string {
	switch r {
	case Trimmed:
		return "trimmed"
	case Epoch:
		return "epoch"
	case Fork:
		return "fork"
	case Dropped:
		return "dropped"
	}
	return "unknown"
}

// MarshalText implements [encoding.TextMarshaler].
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// reserved reports whether an event name is one of the hub's own.
func reserved(name string) bool {
	switch name {
	case "gap", "reset", "live", "bye":
		return true
	}
	return false
}
