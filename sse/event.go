package sse

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Event is one event of an event stream. The same type is written by a
// [Writer], read by [Read] and kept by a [Log].
type Event struct {
	// Name is the event's type, the value of its "event" field. Empty means
	// the default type, "message".
	Name string

	// ID is the event's id. When an event is written, an empty ID writes no
	// id field. In an event that was read it is the last event ID as of this
	// event: it stays when an event has no id of its own.
	ID string

	// Data is the payload. Each of its lines becomes one data field, whatever
	// ends the line (LF, CR or CRLF), and a reader gets the lines joined by
	// LF. It must be UTF-8. Nil and empty both mean empty data.
	Data []byte

	// Retry is the reconnection time for the client. Zero writes no retry
	// field; a positive value is rounded up to whole milliseconds; a negative
	// one stands for "retry: 0", in both directions. Of an event that was read,
	// more than 10^12 ms, some 31 years, is that.
	Retry time.Duration

	// Comment is written before the fields, one comment for each of its
	// lines. A reader never sees it.
	Comment string

	// NoData leaves out the data field: the client takes over ID and Retry
	// and dispatches nothing. An event that has nothing but Comment and Retry
	// is written like that in any case.
	NoData bool
}

// A FieldError reports an event that can't be written, because a field has
// characters that would break out of it, that every reader would ignore, or
// that no reader could send back.
type FieldError struct {
	Field  string // "id", "event" or "data"
	Reason string
}

func (e *FieldError) Error() string {
	return "sse: bad " + e.Field + " field: " + e.Reason
}

// AppendEvent appends the event stream form of e, with the blank line that
// ends it, to dst and returns the extended buffer.
//
// It is the only encoder of this package, and nothing that an event holds can
// end a field early: line ends in Data and Comment start a new line of the
// same field, and a Name or an ID with CR, LF or NUL is refused with a
// [*FieldError], as is text that is not UTF-8 (an event stream is always
// decoded as UTF-8, so it would arrive changed). So is an ID that a client
// could not send back in a header: one with a control character, or with a
// space at an end, which would be lost. After an error dst is returned as it
// was.
func AppendEvent(dst []byte, e *Event) ([]byte, error) {
	if e == nil {
		return dst, &FieldError{Field: "data", Reason: "the event is nil"}
	}
	if !plain(e.ID) {
		if reason := badID(e.ID); reason != "" {
			return dst, &FieldError{Field: "id", Reason: reason}
		}
	}
	if !plain(e.Name) {
		if reason := badValue(e.Name); reason != "" {
			return dst, &FieldError{Field: "event", Reason: reason}
		}
	}
	if !utf8.Valid(e.Data) {
		return dst, &FieldError{Field: "data", Reason: "it is not UTF-8"}
	}
	if e.Comment != "" {
		dst = appendLines(dst, ": ", e.Comment)
	}
	if e.Retry != 0 {
		dst = appendRetry(dst, e.Retry)
	}
	if e.ID != "" {
		dst = append(dst, "id: "...)
		dst = append(dst, e.ID...)
		dst = append(dst, '\n')
	}
	if e.Name != "" {
		dst = append(dst, "event: "...)
		dst = append(dst, e.Name...)
		dst = append(dst, '\n')
	}
	if e.hasData() {
		dst = appendData(dst, e.Data)
	}
	return append(dst, '\n'), nil
}

// hasData reports whether the event is written with a data field, which makes
// the client dispatch it.
func (e *Event) hasData() bool {
	if e.NoData {
		return false
	}
	if len(e.Data) > 0 || e.Name != "" || e.ID != "" {
		return true
	}
	return e.Comment == "" && e.Retry == 0
}

// plain reports whether s is good as an id and as a name at first sight:
// printable ASCII without a space at an end.
func plain(s string) bool {
	for i := range len(s) {
		if s[i]-' ' >= 0x7f-' ' { // below the space, it wraps around
			return false
		}
	}
	return s == "" || s[0] != ' ' && s[len(s)-1] != ' '
}

// badValue says what is wrong with a value that has to fit on one line. NUL is
// refused in both fields: a client ignores an id with NUL, so its cursor would
// stand still without a sign.
func badValue(s string) string {
	for i := range len(s) {
		switch s[i] {
		case '\n', '\r':
			return "it has a line end"
		case 0:
			return "it has a NUL"
		}
	}
	if !utf8.ValidString(s) {
		return "it is not UTF-8"
	}
	return ""
}

// badID says what is wrong with an id. It is for the client to send back, and
// servers refuse a request that has a control character in a header.
func badID(s string) string {
	if reason := badValue(s); reason != "" {
		return reason
	}
	if badHeader(s) || strings.IndexByte(s, '\t') >= 0 {
		return "it has a control character"
	}
	if s != strings.Trim(s, " ") {
		return "it begins or ends with a space"
	}
	return ""
}

// appendData writes data fields, always as "data: " with the space: a reader
// takes away one space, so that data which begins with a space keeps it.
func appendData(dst, data []byte) []byte {
	if bytes.IndexByte(data, '\r') >= 0 {
		return appendLines(dst, "data: ", data)
	}
	for {
		dst = append(dst, "data: "...)
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			dst = append(dst, data...)
			return append(dst, '\n')
		}
		dst = append(dst, data[:i+1]...)
		data = data[i+1:]
	}
}

// appendLines writes each line of text after the prefix.
func appendLines[T string | []byte](dst []byte, prefix string, text T) []byte {
	dst = append(dst, prefix...)
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\r' && i+1 < len(text) && text[i+1] == '\n' {
			continue // CRLF is one line end
		}
		if c == '\n' || c == '\r' {
			dst = append(dst, '\n')
			dst = append(dst, prefix...)
			continue
		}
		dst = append(dst, c)
	}
	return append(dst, '\n')
}

func appendRetry(dst []byte, d time.Duration) []byte {
	ms := int64(0)
	if d > 0 {
		ms = int64((d-1)/time.Millisecond) + 1
	}
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, ms, 10)
	return append(dst, '\n')
}

// appendEvents encodes a batch, all or nothing.
func appendEvents(dst []byte, events []*Event) ([]byte, error) {
	out := dst
	for _, e := range events {
		var err error
		if out, err = AppendEvent(out, e); err != nil {
			return dst, err
		}
	}
	return out, nil
}

// cleanID makes a cursor that came from outside safe to log, to compare and to
// send back. See [LastEventID].
func cleanID(id string) string {
	if len(id) > maxCursor {
		id = id[:maxCursor]
	}
	clean := true
	for i := range len(id) {
		if id[i] < ' ' || id[i] >= 0x7f || id[i] == ' ' && (i == 0 || i == len(id)-1) {
			clean = false
			break
		}
	}
	if clean {
		return id
	}
	id = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return utf8.RuneError
		}
		return c // a byte that is not UTF-8 comes as RuneError
	}, id)
	if id[0] == ' ' { // from a query: a header has none there
		id = "\uFFFD" + id[1:]
	}
	id = cut(id, maxCursor)
	if strings.HasSuffix(id, " ") {
		id = strings.TrimRight(cut(id, maxCursor-len("\uFFFD")), " ") + "\uFFFD"
	}
	return id
}

// cut cuts valid UTF-8 at the end of a character.
func cut(s string, n int) string {
	for len(s) > n {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}
