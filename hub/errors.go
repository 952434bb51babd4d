package hub

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrClosed: the hub is closed.
	ErrClosed = errors.New("hub: closed")
	// ErrNil: something that is needed is nil, which the error names: the hub, a
	// context, a sink, an owner.
	ErrNil = errors.New("hub: nil")
	// ErrUnsubscribed: the subscription was closed by its owner.
	ErrUnsubscribed = errors.New("hub: subscription closed")
	// ErrBusy: another goroutine is reading this subscription.
	ErrBusy = errors.New("hub: subscription has another reader")
	// ErrNoKey: the topic holds nothing under this key. What Get and Delete return
	// wraps it and names both.
	ErrNoKey = errors.New("hub: no such key")
	// ErrKicked: the subscription was ended by Hub.Kick.
	ErrKicked = errors.New("hub: kicked")
	// ErrDraining: the hub is being drained, and the subscription has got all
	// there was.
	ErrDraining = errors.New("hub: draining")
	// ErrLeaseLost: the owner's lease has ended. What it held is gone, or
	// about to be; it may Enter again as somebody new. What a write returns wraps
	// it and names topic and key.
	ErrLeaseLost = errors.New("hub: lease lost")
	// ErrUnavailable: the broker can't be reached. Nothing was written.
	ErrUnavailable = errors.New("hub: broker unavailable")
	// ErrUncertain: the broker's answer to a write was lost, and nobody here
	// knows whether it took effect. Made Idempotent, the same write may be tried
	// again and returns the position it got, now or then.
	ErrUncertain = errors.New("hub: write may or may not have taken effect")
)

// A ConflictError is the answer to a conditional write whose condition did not
// hold. Nothing was published.
type ConflictError struct {
	Topic, Key string
	Current    Position // what the key is at; zero if it is absent
}

func (e *ConflictError) Error() string {
	if e.Current.IsZero() {
		return fmt.Sprintf("hub: conflict: topic %q has no key %q", e.Topic, e.Key)
	}
	return fmt.Sprintf("hub: conflict: topic %q has key %q at %s", e.Topic, e.Key, e.Current)
}

// keyError is ErrNoKey with names.
type keyError struct{ topic, key string }

func (e *keyError) Error() string {
	return fmt.Sprintf("hub: topic %q has no key %q", e.topic, clip(e.key))
}

func (e *keyError) Unwrap() error { return ErrNoKey }

// A KindError tells of an operation that a topic of this kind does not have. A
// topic's kind is what Options.Configure returns for its name, Log without it; a
// Broker knows it by the first write or reader, of whichever hub.
type KindError struct {
	Topic string
	Kind  Kind
	Op    string
}

func (e *KindError) Error() string {
	return fmt.Sprintf("hub: %s on topic %q, which is of kind %s: %s", e.Op, e.Topic, e.Kind, e.advice())
}

// advice says what to do about it.
func (e *KindError) advice() string {
	switch {
	case strings.HasPrefix(e.Op, "use as "):
		return "let Options.Configure return the same Kind for this name in all hubs of the broker"
	case e.Kind == Keyed:
		return "use Put and Delete, or let Options.Configure return another Kind for this name"
	case strings.HasPrefix(e.Op, "conditional "):
		return "IfMatch and Absent are for Put and Delete, on a topic for which Options.Configure returns Kind: hub.Keyed"
	case strings.HasPrefix(e.Op, "owned "):
		return "OwnedBy is for Put and Delete, on a topic for which Options.Configure returns Kind: hub.Keyed"
	case e.Kind == Log && e.Op != "presence" && !strings.HasPrefix(e.Op, "Publish"):
		return "let Options.Configure return Kind: hub.Keyed for this name; without Configure every topic is a log"
	case e.Op == "Publish with Key":
		return "use Put"
	}
	return "let Options.Configure return another Kind for this name"
}

// A FollowError says that the connection follows the topic already.
type FollowError struct {
	Topic string
}

func (e *FollowError) Error() string {
	return fmt.Sprintf("hub: topic %q is followed already", e.Topic)
}

// A LimitError tells which limit was reached and the option that sets it.
type LimitError struct {
	Limit    string
	Option   string // "" where the limit is fixed
	Max, Got int64
}

func (e *LimitError) Error() string {
	set := "fixed"
	if e.Option != "" {
		set = e.Option
	}
	return fmt.Sprintf("hub: limit on %s: %d, at most %d (%s)", e.Limit, e.Got, e.Max, set)
}

// A NameError tells what is wrong with the name of a topic or an event, a key,
// an idempotency key, an encoder's format or the text of a constant.
type NameError struct {
	What    string // "topic", "name", "key", "idempotency key", "format", "policy", "kind", "marker" or "reason"
	Name    string // at most its first 64 bytes
	Problem string
}

func (e *NameError) Error() string {
	return fmt.Sprintf("hub: %s %q: %s", e.What, e.Name, e.Problem)
}

// A PositionError tells what is wrong with the text of a position.
type PositionError struct {
	Text    string // at most its first 64 bytes
	Problem string
}

func (e *PositionError) Error() string {
	return fmt.Sprintf("hub: position %q: %s", e.Text, e.Problem)
}

// A StartError tells what is wrong with the place where a subscription is to
// start.
type StartError struct {
	Text    string // at most its first 64 bytes; of a request with the parameter's name, as in "from=x"
	Problem string
	Err     error // the *PositionError, where the place was to be a position
}

func (e *StartError) Error() string {
	return fmt.Sprintf("hub: start %q: %s", e.Text, e.Problem)
}

// Unwrap returns Err.
func (e *StartError) Unwrap() error { return e.Err }

// A SlowError ends a subscription with policy Disconnect that has fallen
// behind what the log retains. After(Pos) resumes, with a gap or a reset.
type SlowError struct {
	Topic  string
	Pos    Position // zero when the reader never had one
	Missed int64    // events lost between Pos and the oldest retained one
}

func (e *SlowError) Error() string {
	return fmt.Sprintf("hub: reader of topic %q was too slow and missed %d events after %q", e.Topic, e.Missed, e.Pos)
}

// A DecodeError ends a subscription, or fails a read, whose codec refused an
// event. After(Pos) goes on behind that event. Pos is zero when the event came
// from the table of a topic: no reader with this codec gets past it until Key is
// written again or deleted.
type DecodeError struct {
	Topic string
	Key   string
	Pos   Position
	Rev   Position // of the write
	Err   error
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("hub: decoding the event of topic %q at %s: %v", e.Topic, e.Rev, e.Err)
}

// Unwrap returns the codec's error.
func (e *DecodeError) Unwrap() error { return e.Err }

// An EncodeError says that the codec refused the value to publish.
type EncodeError struct {
	Topic string
	Err   error
}

func (e *EncodeError) Error() string {
	return fmt.Sprintf("hub: encoding an event for topic %q: %v", e.Topic, e.Err)
}

// Unwrap returns the codec's error.
func (e *EncodeError) Unwrap() error { return e.Err }

func nilError(what string) error { return fmt.Errorf("%w %s", ErrNil, what) }

// ready says why nothing can be begun with a hub and a context.
func ready(ctx context.Context, h *Hub) error {
	if err := h.usable(); err != nil {
		return err
	}
	switch {
	case ctx == nil:
		return nilError("context")
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return nil
}

// usable refuses hubs that are none.
func (h *Hub) usable() error {
	switch {
	case h == nil:
		return nilError("*Hub")
	case h.cancel == nil:
		return nilError("hub, which New has not made")
	}
	return nil
}

func positionError(text, problem string) error {
	return &PositionError{Text: clip(text), Problem: problem}
}

func startError(text, problem string) error {
	return &StartError{Text: clip(text), Problem: problem}
}

// leaseError is ErrLeaseLost, or the broker's error that wraps it, with what was
// to be written.
func leaseError(err error, topic string, w *Write) error {
	return fmt.Errorf("%w: %s of key %q on topic %q is refused: Enter again and write as the new Owner", err, w.Op, clip(w.Key), topic)
}

// clip bounds what an error keeps of hostile input.
func clip(s string) string {
	if len(s) > 64 {
		return s[:64]
	}
	return s
}
