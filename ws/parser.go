package ws

import (
	"math"
	"unicode/utf8"
)

// parser turns bytes into messages and control frames. It is a state machine that is fed: it does no I/O, never
// blocks, and keeps its place at every byte, also inside a header. Whoever owns the connection's reading side owns
// the parser; a blocking Read and a core that pushes what it has received use it alike.
//
// States: in a header (cut, inFrame false), in a payload (inFrame true, frame.length bytes to come), and across both, in a
// message or not. Control frames may stand between the fragments of a message.
type parser struct {
	// The order of all this leaves no gaps: every connection has one.
	limits *limits // immutable

	frame header // under way: its key turns as the payload is unmasked, and its length is that of what is still to come
	cut   *cut   // nil, unless bytes of a header or of a control frame have come and others have not

	// The message under way.
	size      int64 // bytes declared by its frames so far
	frames    int32
	typ       opcode
	inMessage bool
	text      textCheck

	inFrame    bool // a frame is under way
	begun      bool // some of its payload has been parsed
	fromClient bool // masks are required; otherwise they are forbidden. Immutable
}

// limits are what many parsers have in common.
type limits struct {
	message int64 // bytes; math.MaxInt-1: no limit
	frames  int32 // a message; math.MaxInt32: no limit
}

// cut keeps the beginning of a header, or of a control frame, whose end has not come with it. That is rare.
type cut struct {
	head        [maxHeader]byte
	control     [maxControl]byte
	haveHead    uint8
	haveControl uint8
}

// newLimits makes them of options; what is negative is none.
func newLimits(message int64, frames int) limits {
	if message < 0 || message > math.MaxInt-1 { // a message is one slice, also where int has 32 bits
		message = math.MaxInt - 1
	}
	if frames < 0 || frames > math.MaxInt32 {
		frames = math.MaxInt32
	}
	return limits{message: message, frames: int32(frames)}
}

// event is what a step of the parser came to: nothing, a piece of a message, or a whole control frame.
type event struct {
	kind eventKind
	// Of a piece:
	typ   MessageType
	first bool // it begins the message
	last  bool // it ends the message
	// Of a control frame:
	opcode opcode
	// Unmasked. It aliases the bytes that were fed or, if it is a control frame's, the parser: valid until the next step.
	data []byte
}

type eventKind uint8

const (
	eventNone eventKind = iota // all bytes were consumed, and more are needed
	eventPiece
	eventControl
)

// midFrame reports whether bytes that were consumed belong to a frame that is not complete.
func (p *parser) midFrame() bool { return p.inFrame || p.cut != nil }

// want is how many payload bytes of a data frame are to come next: they may be received wherever the caller wants
// them, and step unmasks them there.
func (p *parser) want() int64 {
	if !p.inFrame || p.frame.opcode.control() {
		return 0
	}
	return p.frame.length
}

// step consumes bytes from the start of b, unmasking payload in place, up to the first event. room is how many bytes of
// a message it may consume. The error is final, and is either a *ProtocolError or a *LimitError.
func (p *parser) step(b []byte, room int) (n int, ev event, err error) {
	if !p.inFrame {
		n, err = p.stepHeader(b)
		if err != nil || !p.inFrame {
			return n, event{}, err
		}
	}
	b = b[n:]
	if len(b) > room && !p.frame.opcode.control() {
		b = b[:room]
	}
	if len(b) == 0 && p.frame.length > 0 {
		return n, event{}, nil
	}
	m, ev, err := p.stepPayload(b)
	return n + m, ev, err
}

// whole returns the header of the message that b begins with, if all of it is there in one frame and nothing is wrong
// with that, and how long the header is; else 0. Nothing is consumed.
func (p *parser) whole(b []byte) (h header, n int) {
	if p.inFrame || p.cut != nil || p.inMessage {
		return h, 0
	}
	h, n, err := parseHeader(b)
	if err != nil || n == 0 || !h.fin || h.rsv != 0 || h.masked != p.fromClient || h.opcode != opText && h.opcode != opBinary ||
		h.length > int64(len(b)-n) || h.length > p.limits.message {
		return h, 0
	}
	return h, n
}

// takeWhole takes the payload of such a message.
func (p *parser) takeWhole(h header, payload []byte) error {
	p.typ, p.size, p.frames = h.opcode, h.length, 1
	if h.masked {
		mask(payload, h.key)
	}
	if h.opcode == opText && !utf8.Valid(payload) {
		return errNotUTF8()
	}
	return nil
}

func errNotUTF8() error {
	return &ProtocolError{Code: CloseInvalidPayload, Reason: "text message is not valid UTF-8"}
}

// ahead reports whether b, which stands behind what was fed last, has a frame in it that ends a message.
func (p *parser) ahead(b []byte) bool {
	for len(b) >= 2 {
		h, n, err := parseHeader(b)
		if err != nil || n == 0 || h.length > int64(len(b)-n) {
			return false
		}
		if !h.opcode.control() && h.fin {
			return true
		}
		b = b[n+int(h.length):]
	}
	return false
}

// stepHeader collects a header, and takes it straight from b where it stands there whole.
func (p *parser) stepHeader(b []byte) (n int, err error) {
	var h header
	var perr *ProtocolError
	if p.cut == nil {
		h, n, perr = parseHeader(b)
	}
	if perr == nil && n == 0 {
		if p.cut == nil {
			p.cut = new(cut)
		}
		for q := p.cut; ; {
			if q.haveHead >= 2 {
				var size int
				h, size, perr = parseHeader(q.head[:q.haveHead])
				if perr != nil || size > 0 && size == int(q.haveHead) {
					break
				}
			}
			if n == len(b) {
				// The first bytes may be wrong by themselves; the peer is told before the rest has come.
				return n, p.checkStart()
			}
			q.head[q.haveHead] = b[n]
			q.haveHead++
			n++
		}
	}
	if perr != nil {
		return n, perr
	}
	p.cut = nil
	if err := p.begin(h); err != nil {
		return n, err
	}
	p.inFrame, p.begun, p.frame = true, false, h
	return n, nil
}

// checkStart refuses what the first two bytes of an incomplete header already show to be wrong.
func (p *parser) checkStart() error {
	q := p.cut
	if q.haveHead < 2 {
		return nil
	}
	h := header{
		opcode: opcode(q.head[0] & 0x0f),
		fin:    q.head[0]&bitFin != 0,
		rsv:    q.head[0] & (bitRSV1 | bitRSV2 | bitRSV3),
		masked: q.head[1]&bitMask != 0,
	}
	if l := q.head[1] &^ bitMask; l > maxControl {
		h.length = maxControl + 1 // the true length is not known, but no control frame has it
	}
	if err := p.checkFrame(h); err != nil {
		return err
	}
	return nil
}

// checkFrame looks at the frame by itself and at its place in the message.
func (p *parser) checkFrame(h header) *ProtocolError {
	if h.rsv != 0 {
		return violation("reserved bits set without an extension")
	}
	if h.masked != p.fromClient {
		if h.masked {
			return violation("masked frame from a server")
		}
		return violation("unmasked frame from a client")
	}
	switch h.opcode {
	case opText, opBinary:
		if p.inMessage {
			return violation("a new message inside a fragmented one")
		}
	case opContinuation:
		if !p.inMessage {
			return violation("continuation frame without a message")
		}
	case opClose, opPing, opPong:
		if !h.fin {
			return violation("fragmented control frame")
		}
		if h.length > maxControl {
			return violation("control frame longer than 125 bytes")
		}
	default:
		return violation("reserved opcode %d", h.opcode)
	}
	return nil
}

// begin accounts for the frame whose header is complete, before any of its payload has come.
func (p *parser) begin(h header) error {
	if err := p.checkFrame(h); err != nil {
		return err
	}
	if h.opcode.control() {
		return nil
	}
	if h.opcode != opContinuation {
		p.typ, p.inMessage, p.size, p.frames = h.opcode, true, 0, 0
	}
	if p.frames < math.MaxInt32 {
		p.frames++
	}
	if h.length > p.limits.message-p.size { // the sum could overflow, the difference can't
		return &LimitError{Limit: "message size in bytes", Max: p.limits.message, Option: "MessageLimit", Code: CloseMessageTooBig}
	}
	p.size += h.length
	if p.frames > p.limits.frames {
		return &LimitError{Limit: "frames in a message", Max: int64(p.limits.frames), Option: "FrameLimit", Code: ClosePolicyViolation}
	}
	return nil
}

func (p *parser) stepPayload(b []byte) (n int, ev event, err error) {
	first := p.frame.opcode != opContinuation && !p.begun
	p.begun = true
	if int64(len(b)) > p.frame.length {
		b = b[:p.frame.length]
	}
	n = len(b)
	if p.frame.masked {
		p.frame.key = mask(b, p.frame.key)
	}
	p.frame.length -= int64(n)
	if p.frame.length == 0 {
		p.inFrame = false
	}
	if p.frame.opcode.control() {
		if q := p.cut; q != nil || p.inFrame {
			if q == nil {
				q = new(cut)
				p.cut = q
			}
			q.haveControl += uint8(copy(q.control[q.haveControl:], b))
			if p.inFrame {
				return n, event{}, nil
			}
			b, p.cut = q.control[:q.haveControl], nil
		}
		return n, event{kind: eventControl, opcode: p.frame.opcode, data: b}, nil
	}
	last := !p.inFrame && p.frame.fin
	if p.typ == opText && (!p.text.add(b) || last && !p.text.done()) {
		return n, event{}, errNotUTF8()
	}
	if last {
		p.inMessage = false
	}
	return n, event{kind: eventPiece, typ: MessageType(p.typ), first: first, last: last, data: b}, nil
}
