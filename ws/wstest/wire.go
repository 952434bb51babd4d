package wstest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// This file is a codec for frames (RFC 6455, section 5.2) that shares nothing with package ws, so that neither can
// hide a fault of the other. It writes whatever it is told to, however wrong, and reads whatever can be read: what is
// wrong with it is for the cases to say.

const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

// maxFrame is the largest payload that a frame is read with: the suite sends no more than this to be echoed.
const maxFrame = 64 << 20

// frame as sent and as received. The zero value is a good final continuation frame.
type frame struct {
	more    bool // FIN is not set
	rsv     byte // RSV1 is 4, RSV2 is 2, RSV3 is 1
	op      byte
	payload []byte
	bits    int // of the length field: 7, 16, 64; when sending, 0 is the shortest that will do

	// When receiving:
	masked bool
	key    uint32

	// When sending:
	wrongMask bool   // masked although it must not be, or the other way round
	declare   bool   // the header says length, whatever the payload
	length    uint64 // see declare
}

func text(s string) frame { return frame{op: opText, payload: []byte(s)} }
func blob(b []byte) frame { return frame{op: opBinary, payload: b} }
func ping(s string) frame { return frame{op: opPing, payload: []byte(s)} }

// closing is a close frame, well-formed or not, according to code and reason.
func closing(code uint16, reason string) frame {
	return frame{op: opClose, payload: append(binary.BigEndian.AppendUint16(nil, code), reason...)}
}

// declaring is f with a header that announces n bytes of payload, whatever there is.
func (f frame) declaring(n uint64) frame {
	f.declare, f.length = true, n
	return f
}

// open is f without FIN.
func (f frame) open() frame {
	f.more = true
	return f
}

// appendFrame appends f as a peer does that masks or does not.
func appendFrame(dst []byte, f frame, mask bool, key uint32) []byte {
	b0 := f.rsv<<4 | f.op
	if !f.more {
		b0 |= 0x80
	}
	length := uint64(len(f.payload))
	if f.declare {
		length = f.length
	}
	bits := f.bits
	if bits == 0 {
		switch {
		case length <= 125:
			bits = 7
		case length <= 0xffff:
			bits = 16
		default:
			bits = 64
		}
	}
	var b1 byte
	if mask {
		b1 = 0x80
	}
	switch bits {
	case 7:
		dst = append(dst, b0, b1|byte(length))
	case 16:
		dst = append(dst, b0, b1|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(length))
	default:
		dst = append(dst, b0, b1|127)
		dst = binary.BigEndian.AppendUint64(dst, length)
	}
	if !mask {
		return append(dst, f.payload...)
	}
	dst = binary.BigEndian.AppendUint32(dst, key)
	for i, b := range f.payload {
		dst = append(dst, b^byte(key>>(24-8*(i&3))))
	}
	return dst
}

// readFrame reads a frame and unmasks it. io.EOF: there is none.
func readFrame(r *bufio.Reader) (f frame, err error) {
	var head [14]byte
	if _, err := io.ReadFull(r, head[:1]); err != nil {
		return frame{}, err
	}
	if _, err := io.ReadFull(r, head[1:2]); err != nil {
		return frame{}, unexpected(err)
	}
	f.more, f.rsv, f.op = head[0]&0x80 == 0, head[0]>>4&7, head[0]&0x0f
	f.masked, f.bits = head[1]&0x80 != 0, 7
	length := uint64(head[1] & 0x7f)
	extra := 0
	switch length {
	case 126:
		f.bits, extra = 16, 2
	case 127:
		f.bits, extra = 64, 8
	}
	if _, err := io.ReadFull(r, head[:extra]); err != nil {
		return frame{}, unexpected(err)
	}
	switch extra {
	case 2:
		length = uint64(binary.BigEndian.Uint16(head[:]))
	case 8:
		length = binary.BigEndian.Uint64(head[:])
	}
	if f.masked {
		if _, err := io.ReadFull(r, head[:4]); err != nil {
			return frame{}, unexpected(err)
		}
		f.key = binary.BigEndian.Uint32(head[:])
	}
	if length > maxFrame {
		return frame{}, fmt.Errorf("a frame of %d bytes", length)
	}
	f.payload, err = readPayload(r, int(length))
	if err != nil {
		return frame{}, unexpected(err)
	}
	if f.masked {
		for i := range f.payload {
			f.payload[i] ^= byte(f.key >> (24 - 8*(i&3)))
		}
	}
	return f, nil
}

// readPayload allocates no more than a little ahead of what comes.
func readPayload(r io.Reader, n int) ([]byte, error) {
	if n <= 1<<16 {
		p := make([]byte, n)
		_, err := io.ReadFull(r, p)
		return p, err
	}
	p, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err == nil && len(p) < n {
		err = io.ErrUnexpectedEOF
	}
	return p, err
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

var opNames = map[byte]string{
	opContinuation: "continuation", opText: "text", opBinary: "binary", opClose: "close", opPing: "ping", opPong: "pong",
}

func (f frame) String() string {
	var b strings.Builder
	if name := opNames[f.op]; name != "" {
		b.WriteString(name)
	} else {
		fmt.Fprintf(&b, "opcode %#x", f.op)
	}
	if f.more {
		b.WriteString(" without FIN")
	}
	for i, name := range []string{"RSV1", "RSV2", "RSV3"} {
		if f.rsv&(4>>i) != 0 {
			b.WriteString(" with " + name)
		}
	}
	if f.wrongMask {
		b.WriteString(" masked wrongly")
	}
	if f.bits != 0 && f.bits != 7 {
		fmt.Fprintf(&b, " length in %d bits", f.bits)
	}
	if f.declare {
		fmt.Fprintf(&b, " declaring %d bytes", f.length)
	}
	p := f.payload
	if f.op == opClose && len(p) >= 2 {
		fmt.Fprintf(&b, " %d", binary.BigEndian.Uint16(p))
		if p = p[2:]; len(p) == 0 {
			return b.String()
		}
	}
	return b.String() + " " + quote(p)
}

// quote shows a payload, shortened.
func quote(p []byte) string {
	const most = 24
	verb, shown := "%q", p
	if len(p) > most {
		shown = p[:most]
	}
	if !utf8.Valid(p) {
		verb = "[% x]"
	}
	s := fmt.Sprintf(verb, shown)
	if len(p) > most {
		s += fmt.Sprintf("... (%d bytes)", len(p))
	}
	return s
}
