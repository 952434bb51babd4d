package sse_test

import (
	"strings"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// refResult is all that an event stream means: what is dispatched, and what a
// client takes over for the next connection.
type refResult struct {
	events []sse.Event
	lastID string
	retry  int64 // milliseconds; -1 if never set
}

// reference parses a whole event stream word for word as the HTML standard
// says (9.2.5 and 9.2.6), slowly and with everything in memory. It shares no
// code with the package.
func reference(input []byte) refResult {
	text := decodeWHATWG(input)
	text = strings.TrimPrefix(text, "\uFEFF")
	res := refResult{retry: -1}
	var data, name, id string
	var retry time.Duration
	hasData := false
	for {
		i := strings.IndexAny(text, "\r\n")
		if i < 0 {
			return res // what is pending at the end is discarded
		}
		line := text[:i]
		if strings.HasPrefix(text[i:], "\r\n") {
			i++
		}
		text = text[i+1:]
		if line == "" {
			res.lastID = id
			if hasData {
				res.events = append(res.events, sse.Event{
					Name: name, ID: id, Data: []byte(strings.TrimSuffix(data, "\n")), Retry: retry,
				})
			}
			data, name, hasData, retry = "", "", false, 0
			continue
		}
		field, value, colon := strings.Cut(line, ":")
		if colon && field == "" {
			continue
		}
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "data":
			data += value + "\n"
			hasData = true
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
			}
		case "retry":
			if value != "" && strings.Trim(value, "0123456789") == "" {
				ms := int64(0)
				for _, c := range value {
					if ms = ms*10 + int64(c-'0'); ms > 1e12 {
						ms = 1e12
					}
				}
				res.retry = ms
				retry = time.Duration(ms) * time.Millisecond
				if ms == 0 {
					retry = -1
				}
				if ms == 1e12 {
					retry = maxRetry
				}
			}
		}
	}
}

// maxRetry is what a reconnection time is cut to.
const maxRetry = time.Duration(1e12) * time.Millisecond

// decodeWHATWG is the UTF-8 decoder of the Encoding standard (8.1.1), one
// state machine step for each byte.
func decodeWHATWG(input []byte) string {
	var out strings.Builder
	var point rune
	seen, needed := 0, 0
	lower, upper := byte(0x80), byte(0xBF)
	for i := 0; i < len(input); i++ {
		b := input[i]
		if needed == 0 {
			switch {
			case b <= 0x7F:
				out.WriteByte(b)
			case b >= 0xC2 && b <= 0xDF:
				needed, point = 1, rune(b&0x1F)
			case b >= 0xE0 && b <= 0xEF:
				if b == 0xE0 {
					lower = 0xA0
				}
				if b == 0xED {
					upper = 0x9F
				}
				needed, point = 2, rune(b&0xF)
			case b >= 0xF0 && b <= 0xF4:
				if b == 0xF0 {
					lower = 0x90
				}
				if b == 0xF4 {
					upper = 0x8F
				}
				needed, point = 3, rune(b&0x7)
			default:
				out.WriteRune('\uFFFD')
			}
			continue
		}
		if b < lower || b > upper {
			seen, needed, lower, upper = 0, 0, 0x80, 0xBF
			out.WriteRune('\uFFFD')
			i-- // the byte is looked at again
			continue
		}
		lower, upper = 0x80, 0xBF
		point = point<<6 | rune(b&0x3F)
		if seen++; seen == needed {
			out.WriteRune(point)
			seen, needed = 0, 0
		}
	}
	if needed > 0 {
		out.WriteRune('\uFFFD')
	}
	return out.String()
}
