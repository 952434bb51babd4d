package hub

import "slices"

// A Sink is a connection, as the hub sees it. Connections of ws and sse fit.
type Sink interface {
	// TrySend takes frames, from the front, as far as it can without waiting,
	// and says how many. With fewer than all the error says why: one that has a
	// method Full() bool which returns true, such as ErrFull, means that the
	// rest may be tried again when NotifyWritable says so; with any other the
	// connection has ended. The bytes are shared and never change; the sink may
	// keep them, but not the slice of frames.
	TrySend(frames [][]byte) (whole int, err error)

	// NotifyWritable calls f once, on another goroutine or at least not from
	// within this call, when there may be room, or when the connection has
	// ended. f does not block.
	NotifyWritable(f func())
}

// ErrFull is what a Sink's TrySend may return when it has no room.
var ErrFull error = fullError{}

type fullError struct{}

func (fullError) Error() string { return "hub: sink is full" }

// Full tells the hub to come again.
func (fullError) Full() bool { return true }

// full reports whether an error of TrySend means to come again.
func full(err error) bool {
	for err != nil {
		if f, ok := err.(interface{ Full() bool }); ok {
			return f.Full()
		}
		switch u := err.(type) {
		case interface{ Unwrap() error }:
			err = u.Unwrap()
		case interface{ Unwrap() []error }:
			return slices.ContainsFunc(u.Unwrap(), full)
		default:
			return false
		}
	}
	return true // it took a part and did not say why
}

// An Encoder writes events as the frames of a transport. Its methods are called
// by the hub's workers, also at the same time, and must not block.
type Encoder interface {
	// Format names what the encoder makes, with all that it depends on. Encoders
	// of one format make the same frame of the same event: it is made by one of
	// them and shared by all their connections.
	Format() string

	// AppendFrame appends the frame of an event, or of a marker, and nothing if
	// it is not to be sent. An error ends the subscription that wanted it.
	AppendFrame(dst []byte, ev *Event[[]byte]) ([]byte, error)
}
