package sse

import (
	"fmt"
	"io"
	"iter"
)

// Defaults of ReadOptions.
const (
	defaultMaxEvent = 16 << 20
	minMaxLine      = 64 << 10
)

// ReadOptions says what [Read] accepts. Nil and the zero value are good. In
// the limits, which are in bytes, zero is the default and negative means none.
type ReadOptions struct {
	// MaxEvent limits the data and the name of one event, together. The
	// default is 16 MiB. Memory is taken as bytes arrive.
	MaxEvent int

	// MaxLine limits one line, comments too. The default is what the other
	// limits allow, and at least 64 KiB.
	MaxLine int

	// MaxID limits an event's id. The default is 2048, which is also
	// what [LastEventID] takes.
	MaxID int

	// LastEventID is the last event ID to begin with: events have it until
	// the stream sets another one. A [Client] sends it with its first request.
	// There it is the id of an event that was had before, or, if the server
	// serves a [Log] of this package, [Start] for all that the log keeps, or
	// [Live] for what comes from now on. Other servers take those two for
	// ids that they do not know.
	LastEventID string

	// NoData gives out also what sets an id or a reconnection time but has no
	// data, as an Event with NoData set. A browser dispatches nothing then,
	// and neither does Read by default; its events still show a changed id.
	NoData bool
}

// A LimitError reports an event stream that exceeds a limit of [ReadOptions].
type LimitError struct {
	Option string // the field of ReadOptions that sets the limit
	Limit  int    // in bytes
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("sse: event stream exceeds the limit of %d bytes (ReadOptions.%s)", e.Limit, e.Option)
}

// Read parses the event stream r, exactly as the HTML standard interprets one
// (section 9.2.6), and returns its events as they come. An event is given out
// as soon as its blank line has been read; its Data belongs to the caller, for
// ever. Small events that come together lie together in memory, though no part
// of it is in two of them: one that is kept alone keeps up to 2 KiB for its Data
// and 512 bytes for its ID, and one that came in many reads up to twice its size.
//
// The sequence ends at the end of the stream. An event that is cut off there is
// discarded without an error, as the standard demands; so an end in order does
// not say that the stream was complete. It ends with an error when reading
// fails, or with a [*LimitError]. Breaking out of the loop stops reading and
// closes nothing; what was read ahead is lost.
//
// Anything is an event stream to the parser: what it does not know it ignores,
// so an HTML page gives no events and no error. Of a response look at the
// status (200) and the Content-Type (text/event-stream) first, as [Client] does.
//
// Bytes that are not UTF-8 become U+FFFD, one for each maximal part of a bad
// sequence, as in a browser, and the stream goes on. Lines end with LF, CR or
// CRLF; one byte order mark at the start is dropped. A charset plays no part: an
// event stream is always UTF-8. A retry field of more than 10^12 ms, some 31
// years, counts as that.
func Read(r io.Reader, o *ReadOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		_ = readEvents(r, newParser(o), yield)
	}
}

// Reads start small, for the many streams that are quiet, and grow while they
// fill the buffer.
const (
	minRead = 4 << 10
	maxRead = 64 << 10
)

// readEvents gives all events of r to yield, and then the error if there is
// one. It returns false if yield did.
func readEvents(r io.Reader, p *parser, yield func(Event, error) bool) bool {
	buf := make([]byte, minRead)
	empty := 0
	for {
		n, err := r.Read(buf)
		if ok, err := p.parse(buf[:n], yield); err != nil {
			return yield(Event{}, err)
		} else if !ok {
			return false
		}
		switch {
		case err == io.EOF:
			return true
		case err != nil:
			return yield(Event{}, err)
		case n > 0:
			empty = 0
		default:
			if empty++; empty == 100 {
				return yield(Event{}, io.ErrNoProgress)
			}
		}
		if n == len(buf) && n < maxRead {
			buf = make([]byte, 2*n)
		}
	}
}
