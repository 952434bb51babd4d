package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/tidewire/tidewire/hub"
)

// AppendEvent appends the envelope of an event to dst: one line of JSON,
//
//	{"topic":"news","pos":"…","rev":"…","name":"…","key":"…","time":1767225600000,"deleted":true,"expired":true,"data":…}
//
// with everything left out but topic that is empty, zero or false. It is the
// same on every transport and for every connection.
//
//	pos    where to resume after the event, the same text as the id of an event
//	       stream; not on the rows of a snapshot, a reset and ephemeral topics
//	rev    the position of the write that made the event, where that is not pos:
//	       on the rows of a snapshot
//	time   when it was published, in milliseconds since 1970
//	data   the event's data if it is JSON (RFC 8259), as it is but for white space
//	       between its tokens where that has line ends
//	text   else, as a string, if it is UTF-8
//	b64    else in base64 (RFC 4648, section 4)
//
// Exactly one of the last three is there, also for data that is empty, which is
// text; a deletion has none. Markers have the name gap, reset or live, and
//
//	{"topic":"news","pos":"…","name":"gap","gap":{"reason":"trimmed","from":"…","now":"…","missed":12}}
//	{"topic":"news","name":"reset","reset":{"reason":"epoch","from":"…","missed":-1}}
//	{"topic":"news","pos":"…","name":"live"}
//
// as [hub.Gap] and [hub.Reset] have it. The server's last word is
//
//	{"topic":"news","name":"bye","bye":{"reason":"slow","retry":1500,"pos":"…","missed":12}}
//
// with the time to stay away in milliseconds; see [Bye].
//
// It allocates nothing but what dst needs, and a little where the data begins as
// JSON does and is none.
func AppendEvent(dst []byte, ev *hub.Event[[]byte]) []byte {
	dst = appendHead(dst, ev.Topic, ev.Pos)
	switch ev.Marker {
	case hub.MarkGap:
		dst = append(dst, `,"name":"gap","gap":{"reason":"`...)
		g := ev.Gap
		if g == nil {
			g = new(hub.Gap)
		}
		dst = append(dst, g.Reason.String()...)
		dst = appendPosition(append(dst, `","from":`...), g.From)
		dst = appendPosition(append(dst, `,"now":`...), g.Now)
		dst = strconv.AppendInt(append(dst, `,"missed":`...), g.Missed, 10)
		return append(dst, "}}"...)
	case hub.MarkReset:
		dst = append(dst, `,"name":"reset","reset":{"reason":"`...)
		r := ev.Reset
		if r == nil {
			r = new(hub.Reset)
		}
		dst = append(dst, r.Reason.String()...)
		dst = appendPosition(append(dst, `","from":`...), r.From)
		dst = strconv.AppendInt(append(dst, `,"missed":`...), r.Missed, 10)
		return append(dst, "}}"...)
	case hub.MarkLive:
		return append(dst, `,"name":"live"}`...)
	}
	if !ev.Rev.IsZero() && ev.Rev != ev.Pos {
		dst = appendPosition(append(dst, `,"rev":`...), ev.Rev)
	}
	if ev.Name != "" {
		dst = appendString(append(dst, `,"name":`...), ev.Name)
	}
	if ev.Key != "" {
		dst = appendString(append(dst, `,"key":`...), ev.Key)
	}
	if !ev.Time.IsZero() {
		dst = strconv.AppendInt(append(dst, `,"time":`...), ev.Time.UnixMilli(), 10)
	}
	if ev.Deleted {
		dst = append(dst, `,"deleted":true`...)
	}
	if ev.Expired {
		dst = append(dst, `,"expired":true`...)
	}
	if !ev.Deleted {
		dst = appendData(dst, ev.Data)
	}
	return append(dst, '}')
}

// AppendBye appends the envelope of a server's last word to dst. See [AppendEvent].
func AppendBye(dst []byte, topic string, b *Bye) []byte {
	dst = appendHead(dst, topic, hub.Position{})
	dst = appendString(append(dst, `,"name":"bye","bye":{"reason":`...), b.Reason)
	if b.Retry > 0 {
		dst = strconv.AppendInt(append(dst, `,"retry":`...), milliseconds(b.Retry), 10)
	}
	if !b.Pos.IsZero() {
		dst = appendPosition(append(dst, `,"pos":`...), b.Pos)
	}
	if b.Missed != 0 {
		dst = strconv.AppendInt(append(dst, `,"missed":`...), b.Missed, 10)
	}
	return append(dst, "}}"...)
}

// MarshalJSON is [AppendEvent], or [AppendBye].
func (e *Envelope) MarshalJSON() ([]byte, error) {
	if e.Bye != nil {
		return AppendBye(nil, e.Topic, e.Bye), nil
	}
	return AppendEvent(nil, &e.Event), nil
}

// appendHead begins the object, which is still open behind it.
func appendHead(dst []byte, topic string, pos hub.Position) []byte {
	dst = appendString(append(dst, `{"topic":`...), topic)
	if !pos.IsZero() {
		dst = appendPosition(append(dst, `,"pos":`...), pos)
	}
	return dst
}

func appendPosition(dst []byte, p hub.Position) []byte {
	dst, _ = p.AppendText(append(dst, '"')) // the error is always nil
	return append(dst, '"')
}

// maxDepth is how deep JSON may be nested to be data. encoding/json goes down to
// 10,000, and the envelope, and what an envelope is put into, take some of it.
const maxDepth = 9000

func appendData(dst, data []byte) []byte {
	switch {
	case !utf8.Valid(data):
		dst = append(dst, `,"b64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, data)
		return append(dst, '"')
	case !isJSON(data) || deep(data):
		return appendQuoted(append(dst, `,"text":`...), data)
	}
	dst = append(dst, `,"data":`...)
	if bytes.IndexByte(data, '\n') < 0 && bytes.IndexByte(data, '\r') < 0 {
		return append(dst, data...)
	}
	return appendCompact(dst, data)
}

// isJSON is json.Valid for text, most of which it tells by its beginning: a
// refusal of json.Valid costs allocations.
func isJSON(data []byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	if len(data) == 0 {
		return false
	}
	switch c := data[0]; {
	case c == 't', c == 'f', c == 'n':
		switch string(bytes.TrimRight(data, " \t\r\n")) {
		case "true", "false", "null":
			return true
		}
		return false
	case c == '{', c == '[', c == '"', c == '-', '0' <= c && c <= '9':
		return json.Valid(data)
	}
	return false
}

// appendCompact appends JSON, which is valid, without the white space between its
// tokens. A line end would be a message's end elsewhere.
func appendCompact(dst, data []byte) []byte {
	dst = slices.Grow(dst, len(data))
	inString := false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			dst = append(dst, c, data[i+1]) // there is one: it is valid
			i++
			continue
		case c == '"':
			inString = !inString
		case !inString && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			continue
		}
		dst = append(dst, data[i])
	}
	return dst
}

// deep reports whether JSON, which is valid, is nested deeper than maxDepth.
func deep(data []byte) bool {
	if len(data) < 2*maxDepth || bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) <= maxDepth {
		return false
	}
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '[', c == '{':
			if depth++; depth > maxDepth {
				return true
			}
		case c == ']', c == '}':
			depth--
		}
	}
	return false
}

const hex = "0123456789abcdef"

// appendString appends a JSON string (RFC 8259, section 7). What is not UTF-8
// becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	return appendQuoted(dst, s)
}

// appendQuoted is appendString for what is UTF-8.
func appendQuoted[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, `\u00`...)
			dst = append(dst, hex[c>>4], hex[c&15])
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
