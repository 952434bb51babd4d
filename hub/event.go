package hub

import (
	"fmt"
	"time"
)

// An Event is what a subscription hands out: a published event, a tombstone, or
// a marker that the hub put into the stream. Events are shared between all
// readers of a topic and are not to be modified, nor are their Data and Value.
type Event[T any] struct {
	Topic string `json:"topic"`

	// Marker is NoMarker for what was published, else what the hub says.
	Marker Marker `json:"marker,omitzero"`

	// Pos is where to resume after this event, the id to write on the wire.
	// It is zero, and then no id is to be written, on the events of a
	// snapshot, on a reset and on everything of an ephemeral topic.
	Pos Position `json:"pos,omitzero"`

	// Rev is the position of the write that made this event, also in a
	// snapshot: what IfMatch wants. Zero on markers and ephemeral topics.
	Rev Position `json:"rev,omitzero"`

	Name string    `json:"name,omitempty"` // optional
	Key  string    `json:"key,omitempty"`  // keyed topics always, the others where given
	Time time.Time `json:"time"`           // when it was published

	// Value is Data, decoded once for all readers. Zero on markers and
	// tombstones.
	Value T `json:"value"`

	// Data is the event as encoded by the publisher; nil on markers and
	// tombstones. It is not part of the event's JSON, for Value is.
	Data []byte `json:"-"`

	Deleted bool   `json:"deleted,omitempty"` // a tombstone: Key is gone
	Expired bool   `json:"expired,omitempty"` // a tombstone, because the lease of Key's owner has ended
	Gap     *Gap   `json:"gap,omitempty"`     // set exactly on MarkGap
	Reset   *Reset `json:"reset,omitempty"`   // set exactly on MarkReset
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
	Reason Reason   `json:"reason"`
	From   Position `json:"from"`   // behind the last event that the reader has; zero where there is none
	Now    Position `json:"now"`    // the stream goes on after this; zero on ephemeral topics
	Missed int64    `json:"missed"` // how many, -1 where it can't be known
}

// A Reset says why a reader of a keyed topic gets the snapshot again.
type Reset struct {
	Reason Reason   `json:"reason"`
	From   Position `json:"from"`   // behind the last event that the reader has; zero where there is none
	Missed int64    `json:"missed"` // how many events the snapshot stands for, -1 where it can't be known
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

// String returns "trimmed", "epoch", "fork" or "dropped", and "" for no Reason.
func (r Reason) String() string {
	switch r {
	case 0:
		return ""
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

// UnmarshalText implements [encoding.TextUnmarshaler].
func (r *Reason) UnmarshalText(b []byte) error {
	return parseName(r, "reason", string(b), Trimmed, Epoch, Fork, Dropped)
}

// MarshalText implements [encoding.TextMarshaler].
func (m Marker) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (m *Marker) UnmarshalText(b []byte) error {
	return parseName(m, "marker", string(b), NoMarker, MarkGap, MarkReset, MarkLive)
}

// parseName sets v to that of values which is named so.
func parseName[T fmt.Stringer](v *T, what, name string, values ...T) error {
	for _, have := range values {
		if have.String() == name {
			*v = have
			return nil
		}
	}
	return &NameError{What: what, Name: clip(name), Problem: "unknown"}
}

// reserved reports whether an event name is one of the hub's own.
func reserved(name string) bool {
	switch name {
	case "gap", "reset", "live", "bye":
		return true
	}
	return false
}
