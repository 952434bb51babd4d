package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/hub"
)

// The names of the events that the hub and the gateway put into a stream. No
// event that was published can have one of them.
const (
	NameGap   = "gap"
	NameReset = "reset"
	NameLive  = "live"
	NameBye   = "bye"
)

// Why the server ends a connection: [Bye.Reason].
const (
	ByeDrain       = "drain"       // the server goes away; another one, or the next, goes on
	ByeSlow        = "slow"        // the client was so slow that the topic's log has moved on
	ByeKicked      = "kicked"      // Hub.Kick
	ByeAge         = "age"         // sse.Options.MaxAge
	ByeClosed      = "closed"      // the hub was closed
	ByeUnavailable = "unavailable" // the topic can't be read for the moment
	ByeFailed      = "failed"      // it can't be followed here, which is the server's fault
)

// An Envelope is what a client gets for an event: the event as a reader in the
// server's process has it, or the server's last word. [AppendEvent] says how it
// is written.
//
// What a reader has that the wire has not is filled in: Value is Data, and Rev
// is Pos where the event came from the log. Time is in milliseconds and UTC.
type Envelope struct {
	hub.Event[[]byte]

	Bye *Bye // set exactly on the event NameBye
}

// A Bye is the last event of a connection that the server ends. The client may
// come back with its last position, which is not changed by it.
type Bye struct {
	// Reason is one of ByeDrain and the others; a client should take one that it
	// does not know as ByeFailed.
	Reason string
	// Retry is for how long the client should stay away. Each client is told a
	// time of its own, so that they do not come back all at once. Zero: as it likes.
	Retry time.Duration
	// Pos is behind the last event that was sent, where the server knows: what the
	// client has too, if it got all of that.
	Pos hub.Position
	// Missed is how many events behind Pos the log has lost, with ByeSlow.
	Missed int64
}

// An EnvelopeError tells why something is not an envelope.
type EnvelopeError struct {
	Problem string
	Err     error // that of encoding/json or of the hub, or nil
}

func (e *EnvelopeError) Error() string {
	if e.Err == nil {
		return "gateway: not an envelope: " + e.Problem
	}
	return fmt.Sprintf("gateway: not an envelope: %s: %v", e.Problem, e.Err)
}

// Unwrap returns Err.
func (e *EnvelopeError) Unwrap() error { return e.Err }

// The wire form, for reading. What is sometimes absent is a pointer.
type wire struct {
	Topic   string          `json:"topic"`
	Pos     hub.Position    `json:"pos"`
	Rev     hub.Position    `json:"rev"`
	Name    string          `json:"name"`
	Key     string          `json:"key"`
	Time    *int64          `json:"time"`
	Deleted bool            `json:"deleted"`
	Expired bool            `json:"expired"`
	Gap     *wireGap        `json:"gap"`
	Reset   *wireGap        `json:"reset"`
	Bye     *wireBye        `json:"bye"`
	Data    json.RawMessage `json:"data"`
	Text    *string         `json:"text"`
	B64     *[]byte         `json:"b64"`
}

type wireGap struct {
	Reason string       `json:"reason"`
	From   hub.Position `json:"from"`
	Now    hub.Position `json:"now"`
	Missed int64        `json:"missed"`
}

type wireBye struct {
	Reason string       `json:"reason"`
	Retry  int64        `json:"retry"`
	Pos    hub.Position `json:"pos"`
	Missed int64        `json:"missed"`
}

// ParseEnvelope reads an envelope: the data of an event of an event stream, or
// a text message of a WebSocket. The error is an *EnvelopeError. Members that it
// does not know are passed over, and data is not kept.
func ParseEnvelope(data []byte) (*Envelope, error) {
	var w wire
	if err := json.Unmarshal(data, &w); err != nil {
		return nil, &EnvelopeError{Problem: "bad JSON", Err: err}
	}
	e := &Envelope{Event: hub.Event[[]byte]{
		Topic: w.Topic, Pos: w.Pos, Rev: w.Rev, Name: w.Name, Key: w.Key, Deleted: w.Deleted, Expired: w.Expired,
	}}
	if w.Time != nil {
		e.Time = time.UnixMilli(*w.Time).UTC()
	}
	if problem := e.take(&w); problem != "" {
		return nil, &EnvelopeError{Problem: problem}
	}
	return e, nil
}

// UnmarshalJSON is [ParseEnvelope].
func (e *Envelope) UnmarshalJSON(data []byte) error {
	got, err := ParseEnvelope(data)
	if err == nil {
		*e = *got
	}
	return err
}

// take fills in what makes the event a marker, or one that was published. It
// returns what is wrong, or "".
func (e *Envelope) take(w *wire) string {
	if (w.Gap != nil) != (w.Name == NameGap) || (w.Reset != nil) != (w.Name == NameReset) || (w.Bye != nil) != (w.Name == NameBye) {
		return "name and marker do not agree"
	}
	forms := 0
	for _, has := range []bool{w.Data != nil, w.Text != nil, w.B64 != nil} {
		if has {
			forms++
		}
	}
	switch w.Name {
	case NameGap:
		e.Marker = hub.MarkGap
		e.Gap = &hub.Gap{Reason: reasonOf(w.Gap.Reason), From: w.Gap.From, Now: w.Gap.Now, Missed: w.Gap.Missed}
	case NameReset:
		e.Marker = hub.MarkReset
		e.Reset = &hub.Reset{Reason: reasonOf(w.Reset.Reason), From: w.Reset.From, Missed: w.Reset.Missed}
	case NameLive:
		e.Marker = hub.MarkLive
	case NameBye:
		retry, ok := duration(w.Bye.Retry)
		if !ok {
			return "bad retry"
		}
		e.Bye = &Bye{Reason: w.Bye.Reason, Retry: retry, Pos: w.Bye.Pos, Missed: w.Bye.Missed}
	default:
		want := 1
		if w.Deleted {
			want = 0
		}
		if forms != want {
			return "an event has exactly one of data, text and b64, and a deletion none"
		}
		if w.Rev.IsZero() {
			e.Rev = w.Pos
		}
		switch {
		case w.Data != nil:
			e.Data = bytes.TrimSpace(w.Data)
		case w.Text != nil:
			e.Data = []byte(*w.Text)
		case w.B64 != nil:
			e.Data = *w.B64
		}
		e.Value = e.Data
		return ""
	}
	e.Name = "" // the hub's markers have none, see hub.Event
	if forms > 0 || w.Deleted || w.Expired {
		return "a marker with data"
	}
	return ""
}

func duration(ms int64) (time.Duration, bool) {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(ms) * time.Millisecond, ms >= 0 && ms <= most
}

// reasonOf returns the hub's reason of that name, 0 if it has none.
func reasonOf(name string) hub.Reason {
	for r := hub.Trimmed; r <= hub.Dropped; r++ {
		if r.String() == name {
			return r
		}
	}
	return 0
}
