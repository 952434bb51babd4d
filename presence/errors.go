package presence

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed: the Presence is closed.
	ErrClosed = errors.New("presence: closed")
	// ErrLeft: the handle holds nothing any more. It left or disconnected, or
	// another Enter of the member took its place over.
	ErrLeft = errors.New("presence: handle has left")
)

// A MemberError tells what is wrong with the name of a member.
type MemberError struct {
	Member  string
	Problem string
}

func (e *MemberError) Error() string {
	return fmt.Sprintf("presence: member %q: %s", e.Member, e.Problem)
}

// An EntryError tells of something in the hub's topic that no Presence has put
// there.
type EntryError struct {
	Topic string // of the hub, with the prefix
	Key   string
}

func (e *EntryError) Error() string {
	return fmt.Sprintf("presence: topic %q: key %q is not that of a member", e.Topic, e.Key)
}
