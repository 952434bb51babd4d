package sse

import (
	"encoding/json"
	"fmt"
)

// Reasons of a [Gap].
const (
	GapTrimmed = "trimmed" // the events after the cursor are not kept any more
	GapEpoch   = "epoch"   // the cursor is of another log: the server restarted, or it was never one of ours
	GapFork    = "fork"    // the cursor is ahead of the log, which has lost its newest events
)

// GapEvent is the name of the event that tells of a [Gap].
const GapEvent = "gap"

// A Gap says that events after a cursor can't be delivered. In a followed log
// it is an event in its place, with the name [GapEvent], Now as its id and the
// Gap as JSON in its data; all that the log keeps follows. As an error it comes
// from [Store.After] and [Log.After].
type Gap struct {
	Reason string `json:"reason"`
	From   string `json:"from"`   // the cursor that the events should have followed
	Now    string `json:"now"`    // the cursor that the log goes on from
	Missed int64  `json:"missed"` // how many events are missing; -1 if that can't be known
}

func (g *Gap) Error() string {
	return fmt.Sprintf("sse: gap after %q (%s): goes on after %q, %d missed", g.From, g.Reason, g.Now, g.Missed)
}

// event returns the gap as an event.
func (g *Gap) event() *Event {
	data, err := json.Marshal(g)
	if err != nil {
		data = []byte("{}") // strings and a number can always be encoded
	}
	return &Event{Name: GapEvent, ID: g.Now, Data: data}
}

// header is the value of the response header that tells of the gap.
func (g *Gap) header() string { return fmt.Sprintf("%s;missed=%d", g.Reason, g.Missed) }

// ParseGap reads an event of a [Log]. It returns false if the event is none
// that tells of a gap.
func ParseGap(e *Event) (*Gap, bool) {
	if e == nil || e.Name != GapEvent {
		return nil, false
	}
	g := new(Gap)
	if err := json.Unmarshal(e.Data, g); err != nil || g.Reason == "" {
		return nil, false
	}
	return g, true
}
