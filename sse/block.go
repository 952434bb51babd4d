package sse

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Most events of most streams look alike: at most one field of a kind, one
// line of data, line ends of LF alone, text that is UTF-8, and all of it in one
// piece. blocks takes such events with as little as possible: no state but what
// lasts from event to event, one allocation for the data of many events, and
// one for their ids. Whatever differs is left to the machine of parse, which can do
// everything, and alone reports what is over a limit; so blocks has to be right
// about what it takes and may refuse anything. It halves the time of a stream of
// small events (the row sse-parse of internal/bench).
//
// scan begins where an event does, and gives up at the second field of a kind,
// so that a line is looked at a bounded number of times before parse takes it.
// It never looks beyond a CR, which ends what blocks is for.

const (
	// slabSize is how much memory the data of several events shares, at most:
	// who keeps one of them keeps that. Data for which it would be little has
	// its own.
	slabSize = 2 << 10

	// maxIDs is the same for ids.
	maxIDs = 512

	// detour is how many events parse takes before blocks is tried again, after
	// one that it refused at once.
	detour = 3
)

// between reports whether nothing of the next event has come, not even a part
// of a line.
func (p *parser) between() bool {
	return p.lineLen == 0 && !p.hasData && !p.hasID && p.name == "" && p.retry == 0 && p.started
}

// blocks gives the events that begin here to yield, up to one that is not as
// above. It returns false if yield did.
//
// The event that is given out is filled in long before it is copied for yield,
// with the check of the data between: a processor stalls when it reads in one
// what has just been written in two.
func (p *parser) blocks(yield func(Event, error) bool) bool {
	if p.cr < p.pos {
		p.cr = p.find('\r')
	}
	id, lastName, slab := p.id, p.lastName, p.slab
	var ids strings.Builder // what it has given out is never written again
	var f block
	var e Event
	ok, taken := true, false
	for ok {
		b := p.chunk[p.pos:p.cr]
		n := f.scan(b, lastName)
		if n <= 0 || n > p.maxLine || n >= p.maxEvent || f.id.len() > p.maxID {
			if !taken && (n != 0 || p.cr < len(p.chunk)) {
				p.detour = detour
			}
			break
		}
		data := b[f.data.from:f.data.to]
		switch at := len(slab); {
		case len(data) == 0:
			e.Data = []byte{} // keeps no slab
		case len(data) <= cap(slab)-at:
			slab = append(slab, data...)
			e.Data = slab[at:len(slab):len(slab)]
		case len(data) > slabSize/4:
			e.Data = append([]byte(nil), data...)
		default:
			slab = make([]byte, len(data), min(slabSize, len(data)+len(b)-n))
			copy(slab, data)
			e.Data = slab[:len(data):len(data)]
		}
		e.Name = ""
		if f.name.len() > 0 {
			if v := b[f.name.from:f.name.to]; string(v) != lastName {
				if !utf8.Valid(v) {
					break
				}
				lastName = string(v)
			}
			e.Name = lastName
		}
		e.ID = id
		if v := b[f.id.from:f.id.to]; f.id.to > 0 && string(v) != id {
			switch at := ids.Len(); {
			case len(v) <= ids.Cap()-at:
				ids.Write(v)
				e.ID = ids.String()[at:]
			case !taken || len(v) > maxIDs/4: // the first may be the only one
				e.ID = string(v)
			default:
				ids.Reset()
				ids.Grow(min(maxIDs, len(v)*(1+len(b)/n)))
				ids.Write(v)
				e.ID = ids.String()
			}
		}
		if !utf8.Valid(data) {
			break
		}
		p.pos += n
		id, taken = e.ID, true
		ok = yield(e, nil)
	}
	p.id, p.lastID, p.lastName, p.slab = id, id, lastName, slab
	return ok
}

// A span is where a field's value lies in a block.
type span struct {
	from, to int
}

func (s span) len() int { return s.to - s.from }

// A block is where the values of an event lie; to is zero if there is none.
type block struct {
	name, id, data span
}

// scan finds the fields of the event that b begins with and returns its length,
// with the blank line: zero if it is not whole, negative if it has no data or
// isn't simple. The name is likely to be the last one.
func (f *block) scan(b []byte, lastName string) (n int) {
	*f = block{}
	i := 0
	for i < len(b) {
		rest := b[i:]
		switch {
		case rest[0] == '\n':
			if f.data.to == 0 {
				return -1
			}
			return i + 1
		case len(rest) > 5 && string(rest[:5]) == "data:" && f.data.to == 0:
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				return 0
			}
			f.data = span{i + 5, i + end}
			if rest[5] == ' ' {
				f.data.from++
			}
			i += end + 1
		case len(rest) > 3 && string(rest[:3]) == "id:" && f.id.to == 0:
			end := plainLen(rest)
			if end == len(rest) {
				return 0
			}
			if rest[end] != '\n' {
				return -1
			}
			f.id = span{i + 3, i + end}
			if rest[3] == ' ' {
				f.id.from++
			}
			i += end + 1
		case len(rest) > 6 && string(rest[:6]) == "event:" && f.name.to == 0:
			v := fieldValue(rest[6:])
			end := len(lastName)
			if len(v) <= end || v[end] != '\n' || string(v[:end]) != lastName {
				if end = bytes.IndexByte(v, '\n'); end < 0 {
					return 0
				}
			}
			i += len(rest) - len(v)
			f.name = span{i, i + end}
			i += end + 1
		case len(rest) <= 6:
			return 0 // perhaps one of these, cut off
		default:
			return -1
		}
	}
	return 0
}

// plainLen returns how many bytes of ASCII but NUL and LF b begins with.
func plainLen(b []byte) int {
	for i, c := range b {
		if c-1 >= utf8.RuneSelf-1 || c == '\n' {
			return i
		}
	}
	return len(b)
}
