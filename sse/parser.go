package sse

import (
	"bytes"
	"math"
	"time"
	"unicode/utf8"
)

// A parser turns the bytes of an event stream into events, as the HTML
// standard interprets them (sections 9.2.5 and 9.2.6). Bytes go in by parse, in
// pieces of any size, and it gives out the events that end there.
//
// It is linear in the length of the stream: each byte is looked at a constant
// number of times, whatever the pieces. The positions of the next LF and the
// next CR are remembered, because a stream that ends its lines with one of
// them would otherwise be searched to the end of the piece for the other one
// at each line. A data line that does not fit into a piece goes straight into
// the event, and a comment nowhere; so memory is bounded by one event.
type parser struct {
	// Immutable. No limit is math.MaxInt.
	maxEvent, maxLine, maxID int
	noData                   bool // also give events without data

	// The piece, and where parse goes on. lf and cr are the next
	// LF and CR in it, len(chunk) if there is none; not valid if before pos.
	chunk       []byte
	pos, lf, cr int

	// The line in progress.
	kind    lineKind
	line    []byte // what has come of it, if kind is lineBuffered
	lineLen int    // bytes of it so far, whatever the kind
	skipLF  bool   // a line ended with CR; an LF now belongs to it
	started bool   // no byte order mark can come any more

	// The event in progress.
	data    []byte // with an LF between its lines
	only    []byte // instead, while lone: the value of the first data line, where it lies in the chunk
	lone    bool
	hasData bool
	name    string
	retry   time.Duration // as in Event
	hasID   bool
	id      string // the standard's "last event ID buffer"

	// What a client keeps for the next connection.
	lastID    string        // as of the latest blank line
	reconnect time.Duration // the latest retry field; as in Event, zero if none

	lastName string // the latest event name, so that equal ones share memory

	// Of blocks: what the data of this piece's next events shares, and how
	// many events to go before it is tried again.
	slab   []byte
	detour int
}

// lineKind says where the bytes of a line go whose end has not come yet.
type lineKind uint8

const (
	lineBuffered lineKind = iota // kept, until it is known what it is
	lineData                     // a data field: its value goes into the event
	lineSkipped                  // a comment
)

func newParser(o *ReadOptions) *parser {
	var opts ReadOptions
	if o != nil {
		opts = *o
	}
	p := &parser{
		maxEvent: orLimit(opts.MaxEvent, defaultMaxEvent),
		maxID:    orLimit(opts.MaxID, maxCursor),
		noData:   opts.NoData,
		id:       opts.LastEventID,
		lastID:   opts.LastEventID,
	}
	longest := max(p.maxEvent, p.maxID, minMaxLine)
	// Room for a byte order mark, the field's name, its colon and its space;
	// max for overflow.
	p.maxLine = orLimit(opts.MaxLine, max(longest, longest+len(bom)+len("event: ")))
	return p
}

func orLimit(n, def int) int {
	switch {
	case n == 0:
		return def
	case n < 0:
		return math.MaxInt
	}
	return n
}

// parse gives the events that end in the next piece of the stream to yield. It
// returns false if yield did. After an error the parser is of no use.
func (p *parser) parse(piece []byte, yield func(Event, error) bool) (bool, error) {
	p.chunk, p.pos, p.lf, p.cr = piece, 0, -1, -1
	p.slab = nil
	for p.pos < len(p.chunk) {
		if p.skipLF {
			p.skipLF = false
			if p.chunk[p.pos] == '\n' {
				p.pos++
				continue
			}
		}
		if p.detour == 0 && p.chunk[p.pos] != ':' && p.between() {
			if !p.blocks(yield) {
				return false, nil
			}
			if p.pos == len(p.chunk) {
				break
			}
		}
		end := p.lineEnd()
		piece := p.chunk[p.pos:end]
		if len(piece) > p.maxLine-p.lineLen {
			return false, p.tooLong(piece)
		}
		if end == len(p.chunk) {
			p.pos = end
			p.settle()
			return true, p.begin(piece)
		}
		p.skipLF = p.chunk[end] == '\r'
		p.pos = end + 1
		blank, err := len(piece) == 0, error(nil)
		if p.lineLen > 0 || !p.started {
			blank, err = p.finish(piece)
		} else if !blank {
			err = p.field(piece)
		}
		if err != nil {
			return false, err
		}
		if blank && !p.dispatch(yield) {
			return false, nil
		}
	}
	p.settle()
	return true, nil
}

// settle takes over what lies in the chunk, which is about to change.
func (p *parser) settle() {
	if p.lone {
		p.lone = false
		p.data = append(p.data, p.only...)
		p.only = nil
	}
}

// lineEnd returns the position of the next CR or LF, len(chunk) if none.
func (p *parser) lineEnd() int {
	if p.lf < p.pos {
		p.lf = p.find('\n')
	}
	if p.cr < p.pos {
		p.cr = p.find('\r')
	}
	return min(p.lf, p.cr)
}

func (p *parser) find(c byte) int {
	if i := bytes.IndexByte(p.chunk[p.pos:], c); i >= 0 {
		return p.pos + i
	}
	return len(p.chunk)
}

// begin takes a part of a line that does not end in this piece.
func (p *parser) begin(piece []byte) error {
	p.lineLen += len(piece)
	switch p.kind {
	case lineSkipped:
		return nil
	case lineData:
		return p.appendData(piece)
	}
	p.line = append(p.line, piece...)
	if !p.started {
		if p.line[0] == bom[0] {
			return nil // a byte order mark, or a field that will be ignored
		}
		p.started = true // what looks like one further on in the line is text
	}
	switch {
	case p.line[0] == ':':
		p.kind = lineSkipped
		p.line = p.line[:0]
	case len(p.line) > len("data:") && string(p.line[:5]) == "data:":
		p.kind = lineData
		if p.hasData {
			p.data = append(p.data, '\n')
		}
		p.hasData = true
		err := p.appendData(fieldValue(p.line[5:]))
		p.line = p.line[:0]
		return err
	}
	return nil
}

// tooLong returns the error for a line over the limit. Where the event is over
// its limit too, it names that: MaxLine follows it by default.
func (p *parser) tooLong(piece []byte) error {
	if p.kind == lineData {
		if err := p.appendData(piece); err != nil {
			return err
		}
	}
	return &LimitError{Option: "MaxLine", Limit: p.maxLine}
}

// finish takes the last part of a line. It reports whether the line is blank.
func (p *parser) finish(piece []byte) (blank bool, err error) {
	line := piece
	if len(p.line) > 0 {
		p.line = append(p.line, piece...)
		line = p.line
		p.line = p.line[:0]
		if cap(p.line) > maxPooled {
			p.line = nil
		}
	}
	if !p.started {
		p.started = true
		line = bytes.TrimPrefix(line, bom)
	}
	kind := p.kind
	p.kind, p.lineLen = lineBuffered, 0
	switch kind {
	case lineSkipped:
		return false, nil
	case lineData:
		return false, p.appendData(line)
	}
	if len(line) == 0 {
		return true, nil
	}
	return false, p.field(line)
}

// field processes a whole line that is not blank.
func (p *parser) field(line []byte) error {
	if line[0] == ':' {
		return nil
	}
	if len(line) >= len("data:") && string(line[:len("data:")]) == "data:" {
		return p.dataLine(fieldValue(line[len("data:"):]))
	}
	var value []byte
	name := line
	if before, after, ok := bytes.Cut(line, []byte{':'}); ok {
		name, value = before, fieldValue(after)
	}
	switch string(name) {
	case "data": // without a colon
		return p.dataLine(value)
	case "event":
		// The last LF is not part of the data, wherever the name comes.
		if len(value) > p.maxEvent-p.dataLen() {
			return &LimitError{Option: "MaxEvent", Limit: p.maxEvent}
		}
		if string(value) != p.lastName {
			p.lastName = decodeString(value)
		}
		p.name = p.lastName
	case "id":
		if bytes.IndexByte(value, 0) >= 0 {
			return nil // ignored: the former id stays
		}
		if len(value) > p.maxID {
			return &LimitError{Option: "MaxID", Limit: p.maxID}
		}
		p.hasID = true
		if string(value) != p.id {
			p.id = decodeString(value)
			if len(p.id) > p.maxID { // U+FFFD is longer than what it stands for
				return &LimitError{Option: "MaxID", Limit: p.maxID}
			}
		}
	case "retry":
		if d, ok := parseRetry(value); ok {
			p.retry, p.reconnect = d, d
		}
	}
	return nil
}

// fieldValue takes away the one space that may follow the colon.
func fieldValue(v []byte) []byte {
	if len(v) > 0 && v[0] == ' ' {
		return v[1:]
	}
	return v
}

func (p *parser) appendData(v []byte) error {
	if len(v) > p.maxEvent-len(p.name)-len(p.data) {
		return &LimitError{Option: "MaxEvent", Limit: p.maxEvent}
	}
	if n := len(p.data) + len(v); n > cap(p.data) {
		// append alone would grow a large event by a quarter at a time, and so move each byte four times.
		p.data = append(make([]byte, 0, max(n, 2*cap(p.data))), p.data...)
	}
	p.data = append(p.data, v...)
	return nil
}

// dataLine takes a whole data line. The first of an event stays where it lies: most often it is the only one.
func (p *parser) dataLine(v []byte) error {
	if !p.hasData {
		if len(v) > p.maxEvent-len(p.name) {
			return &LimitError{Option: "MaxEvent", Limit: p.maxEvent}
		}
		p.hasData, p.lone, p.only = true, true, v
		return nil
	}
	p.settle()
	p.data = append(p.data, '\n')
	return p.appendData(v)
}

// dataLen is the length of the data so far.
func (p *parser) dataLen() int {
	if p.lone {
		return len(p.only)
	}
	return len(p.data)
}

// dispatch handles a blank line: it gives the event to yield, if there is one.
func (p *parser) dispatch(yield func(Event, error) bool) bool {
	p.lastID = p.id
	p.detour = max(0, p.detour-1)
	give := p.hasData || p.noData && (p.hasID || p.retry != 0)
	e := Event{ID: p.id, Retry: p.retry, NoData: !p.hasData}
	if p.hasData {
		e.Name = p.name
		e.Data = p.takeData()
	}
	p.name, p.retry, p.hasID, p.hasData = "", 0, false, false
	p.data = p.data[:0]
	if cap(p.data) > 2*maxPooled {
		p.data = nil // it was not UTF-8, and so not handed over
	}
	return !give || yield(e, nil)
}

// takeData returns the event's data in memory of its own. Small data is
// copied to its exact size; a large buffer is handed over.
func (p *parser) takeData() []byte {
	if p.lone {
		data := p.only
		p.only, p.lone = nil, false
		if !utf8.Valid(data) {
			return appendDecoded(nil, data)
		}
		own := make([]byte, len(data))
		copy(own, data)
		return own
	}
	data := p.data
	if !utf8.Valid(data) {
		return appendDecoded(nil, data)
	}
	if len(data) <= maxPooled {
		own := make([]byte, len(data))
		copy(own, data)
		return own
	}
	p.data = nil
	return data
}

// maxRetry is the longest reconnection time that is told apart, some 31 years.
const maxRetry = 1e12

// parseRetry accepts ASCII digits and nothing else.
func parseRetry(v []byte) (time.Duration, bool) {
	if len(v) == 0 {
		return 0, false
	}
	var ms int64
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		ms = min(ms*10+int64(c-'0'), maxRetry)
	}
	if ms == 0 {
		return -1, true
	}
	return time.Duration(ms) * time.Millisecond, true
}
