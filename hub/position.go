package hub

import (
	"strconv"
)

// maxPositionText is the longest text ParsePosition looks at. The positions of
// this package take at most 39 bytes; the rest is room for other brokers.
const maxPositionText = 64

const (
	epochDigits = 11 // base 62 digits of 64 bits
	tagDigits   = 6  // base 62 digits of 32 bits
	base62      = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	maxOffset   = 1<<63 - 1
)

// A Position is a place in the log of a topic: just behind one event, or
// before the first. It is opaque and comparable with ==. There is no order on
// positions and no arithmetic: what lies between two of them only the log can
// tell. The zero Position is no position.
//
// As text it is epoch.offset.tag, at most 64 bytes of [0-9A-Za-z._-], so that it
// is a valid event-stream id, needs no escaping in a URL and, as Last-Event-ID,
// no CORS preflight. The epoch names the log, the tag is random for each event:
// a log that was cut and has grown again differently has other tags at the same
// offsets, and a position of the old branch is recognised as a fork.
//
// Positions are not signed. They say where to read, never whether one may.
type Position struct {
	epoch uint64
	off   uint64
	tag   uint32
}

// MakePosition returns the position of an offset in the log that epoch names,
// which must not be 0; offset 0 is before the first event, and its tag is 0. It
// is for brokers: others get positions and hand them back.
func MakePosition(epoch, offset uint64, tag uint32) Position { return Position{epoch, offset, tag} }

// Parts returns what MakePosition was given. It is for brokers.
func (p Position) Parts() (epoch, offset uint64, tag uint32) { return p.epoch, p.off, p.tag }

// IsZero reports whether p is no position.
func (p Position) IsZero() bool { return p == Position{} }

// SameLog reports whether p and q are positions of one log. A topic whose
// process restarted has another log.
func (p Position) SameLog(q Position) bool { return p.epoch == q.epoch }

// String returns the text form, or "" for the zero Position.
func (p Position) String() string {
	b, _ := p.AppendText(nil)
	return string(b)
}

// AppendText implements [encoding.TextAppender]. The zero Position appends
// nothing; the error is always nil.
func (p Position) AppendText(b []byte) ([]byte, error) {
	if p.IsZero() {
		return b, nil
	}
	b = appendBase62(b, p.epoch, epochDigits)
	b = append(b, '.')
	b = strconv.AppendUint(b, p.off, 10)
	b = append(b, '.')
	return appendBase62(b, uint64(p.tag), tagDigits), nil
}

// MarshalText implements [encoding.TextMarshaler].
func (p Position) MarshalText() ([]byte, error) { return p.AppendText(nil) }

// UnmarshalText implements [encoding.TextUnmarshaler]. Empty text is the zero
// Position.
func (p *Position) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*p = Position{}
		return nil
	}
	if len(b) > maxPositionText {
		return positionError(string(b[:maxPositionText+1]), "longer than 64 bytes")
	}
	q, err := ParsePosition(string(b))
	if err != nil {
		return err
	}
	*p = q
	return nil
}

// ParsePosition reads the text form. It is strict, each position has exactly
// one spelling, and takes a constant amount of work whatever it is given. The
// error is a *PositionError.
func ParsePosition(s string) (Position, error) {
	switch {
	case s == "":
		return Position{}, positionError(s, "empty")
	case len(s) > maxPositionText:
		return Position{}, positionError(s, "longer than 64 bytes")
	case len(s) < epochDigits+1+1+1+tagDigits || s[epochDigits] != '.' || s[len(s)-tagDigits-1] != '.':
		return Position{}, positionError(s, "not epoch.offset.tag")
	}
	var p Position
	var ok bool
	if p.epoch, ok = parseBase62(s[:epochDigits], 1<<64-1); !ok || p.epoch == 0 {
		return Position{}, positionError(s, "bad epoch")
	}
	if p.off, ok = parseOffset(s[epochDigits+1 : len(s)-tagDigits-1]); !ok {
		return Position{}, positionError(s, "bad offset")
	}
	tag, ok := parseBase62(s[len(s)-tagDigits:], 1<<32-1)
	if !ok {
		return Position{}, positionError(s, "bad tag")
	}
	p.tag = uint32(tag)
	return p, nil
}

func appendBase62(b []byte, v uint64, digits int) []byte {
	n := len(b)
	for range digits {
		b = append(b, '0')
	}
	for i := n + digits - 1; i >= n; i-- {
		b[i] = base62[v%62]
		v /= 62
	}
	return b
}

func parseBase62(s string, limit uint64) (uint64, bool) {
	var v uint64
	for i := range len(s) {
		var d byte
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			d = c - '0'
		case 'A' <= c && c <= 'Z':
			d = c - 'A' + 10
		case 'a' <= c && c <= 'z':
			d = c - 'a' + 36
		default:
			return 0, false
		}
		if v > (limit-uint64(d))/62 {
			return 0, false
		}
		v = v*62 + uint64(d)
	}
	return v, true
}

// parseOffset reads a decimal without sign, leading zeros or digits past
// maxOffset, which is what a signed 64-bit counter can hold.
func parseOffset(s string) (uint64, bool) {
	if len(s) == 0 || len(s) > 19 || (s[0] == '0' && len(s) > 1) {
		return 0, false
	}
	var v uint64
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + uint64(c-'0') // 19 digits fit in 64 bits
	}
	return v, v <= maxOffset
}
