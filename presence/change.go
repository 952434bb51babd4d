package presence

import "fmt"

// A Change is one difference between two moments of a topic. States are shared
// between all who watch and are not to be modified.
type Change[S any] struct {
	Kind   Kind   `json:"kind"`
	Member string `json:"member"`
	State  S      `json:"state"` // of a Leave, the last one known
	Cause  Cause  `json:"cause,omitempty"`
}

// A Kind says what a Change is.
type Kind uint8

const (
	Enter  Kind = iota + 1 // the member was not there and is
	Update                 // its state is another
	Leave                  // the member was there and is not
)

// String returns "enter", "update" or "leave".
func (k Kind) String() string {
	switch k {
	case Enter:
		return "enter"
	case Update:
		return "update"
	case Leave:
		return "leave"
	}
	return "unknown"
}

// MarshalText implements [encoding.TextMarshaler].
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (k *Kind) UnmarshalText(b []byte) error {
	for _, v := range []Kind{Enter, Update, Leave} {
		if v.String() == string(b) {
			*k = v
			return nil
		}
	}
	return fmt.Errorf("presence: unknown kind %q", b)
}

// A Cause says why a member left: how the last of its connections ended.
type Cause uint8

const (
	// Unknown is the cause of changes that are no Leave, and of a Leave that
	// was not seen but found out when the watch had to start over.
	Unknown Cause = iota
	// Left: by Handle.Leave.
	Left
	// Disconnected: by Handle.Disconnect, and did not come back in time.
	Disconnected
	// NodeDown: the process that held the member's connection has ended.
	NodeDown
)

// String returns "", "left", "disconnected" or "node down". The events that
// remove a member from the hub's topic have it as their name.
func (c Cause) String() string {
	switch c {
	case Left:
		return "left"
	case Disconnected:
		return "disconnected"
	case NodeDown:
		return "node down"
	}
	return ""
}

// MarshalText implements [encoding.TextMarshaler].
func (c Cause) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (c *Cause) UnmarshalText(b []byte) error {
	v, ok := parseCause(string(b))
	if !ok {
		return fmt.Errorf("presence: unknown cause %q", b)
	}
	*c = v
	return nil
}

func parseCause(s string) (Cause, bool) {
	for _, v := range []Cause{Unknown, Left, Disconnected, NodeDown} {
		if v.String() == s {
			return v, true
		}
	}
	return Unknown, false
}
