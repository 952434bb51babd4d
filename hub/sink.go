package hub

import "slices"

// A Sink is a connection, as the hub sees it: a run of bytes that goes out in
// order. It is satisfied structurally: a Conn of package ws and a Stream of package
// sse fit, though the packages do not know of one another. Their encoders are in
// package hub/gateway.
//
// What an Encoder appends for one event is a frame. An element of TrySend's frames
// is one frame, or several that follow one another, joined so that all connections
// at one place send the same buffer with one call. The end of an element is always
// the end of a frame, but the ends of frames within one are known to the Encoder
// alone: it must make them so that whoever gets the bytes can tell them apart, as
// the blank line of an event stream and the header of a WebSocket frame do. A
// transport of messages that puts a header around each element itself would make
// one message of several events; it wants the header made by its Encoder, or a
// format in which a message may hold many (a JSON value a line).
type Sink interface {
	// TrySend takes elements of frames, from the front, as far as it can without
	// waiting, and says how many. One that it has begun counts as taken: the
	// sink keeps the remainder and sends it first. With fewer than all the error
	// says why: one that has a method Full() bool which returns true, such as
	// ErrFull, or that wraps one, means that the rest may be tried again when
	// NotifyWritable says so; no error means the same; with any other the
	// connection has ended. The bytes are shared by many and never change: the
	// sink may keep them and must not write to them. The slice of frames is the
	// hub's again when TrySend returns. Calls come one at a time, from one
	// goroutine after another. If it panics the connection has ended, with a
	// *PanicError.
	TrySend(frames [][]byte) (whole int, err error)

	// NotifyWritable calls f once, on another goroutine or at least not from
	// within this call, when there may be room, or when the connection has
	// ended; soon, if that is so already. The hub calls it after a TrySend that did
	// not take all, and sends nothing until then. f does not block and may be
	// called at any time, also after the hub is closed.
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

// An Encoder writes events as the frames of a transport, each such that where it
// ends can be told from its bytes (see Sink). Its methods are called by the hub's
// workers, also at the same time, and must not block.
type Encoder interface {
	// Format names what the encoder makes, with all that it depends on, and is not
	// empty. Encoders of one format make the same frame of the same event: it is made by one of
	// them and shared by all their connections.
	Format() string

	// AppendFrame appends the frame of an event, or of a marker, and nothing if
	// it is not to be sent. An error, and a panic, which is a *PanicError, ends the
	// subscriptions that wanted it.
	AppendFrame(dst []byte, ev *Event[[]byte]) ([]byte, error)
}
