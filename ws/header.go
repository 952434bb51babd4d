package ws

import "encoding/binary"

// opcode is the low half of a frame's first byte (RFC 6455, section 5.2).
type opcode uint8

const (
	opContinuation opcode = 0
	opText         opcode = opcode(Text)
	opBinary       opcode = opcode(Binary)
	opClose        opcode = 8
	opPing         opcode = 9
	opPong         opcode = 10
)

func (o opcode) control() bool { return o >= opClose }

const (
	bitFin  = 0x80
	bitRSV1 = 0x40 // the extension's; compression will use it
	bitRSV2 = 0x20
	bitRSV3 = 0x10
	bitMask = 0x80

	maxControl = 125 // bytes of payload in a control frame
	maxHeader  = 14  // bytes: 2 + 8 of length + 4 of key
)

// header is a frame header. The zero key of an unmasked frame is never applied.
type header struct {
	opcode opcode
	fin    bool
	rsv    uint8 // bitRSV1 | bitRSV2 | bitRSV3
	masked bool
	key    uint32 // as mask takes it
	length int64  // never negative
}

// headerSize is the size of the header that begins with these two bytes.
func headerSize(b1 byte) int {
	n := 2
	switch b1 &^ bitMask {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if b1&bitMask != 0 {
		n += 4
	}
	return n
}

// parseHeader reads the header at the start of b and says how long it is. n = 0 without an error means that b holds
// only a part of it. Lengths must be as short as they can and fit an int64 (RFC 6455, section 5.2).
func parseHeader(b []byte) (h header, n int, err *ProtocolError) {
	if len(b) < 2 {
		return header{}, 0, nil
	}
	n = headerSize(b[1])
	if len(b) < n {
		return header{}, 0, nil
	}
	h = header{
		opcode: opcode(b[0] & 0x0f),
		fin:    b[0]&bitFin != 0,
		rsv:    b[0] & (bitRSV1 | bitRSV2 | bitRSV3),
		masked: b[1]&bitMask != 0,
	}
	switch l := b[1] &^ bitMask; l {
	case 126:
		h.length = int64(binary.BigEndian.Uint16(b[2:]))
		if h.length < 126 {
			return header{}, 0, violation("frame length %d in 16 bits", h.length)
		}
	case 127:
		l := binary.BigEndian.Uint64(b[2:])
		if l>>63 != 0 {
			return header{}, 0, violation("frame length with the top bit set")
		}
		if l < 1<<16 {
			return header{}, 0, violation("frame length %d in 64 bits", l)
		}
		h.length = int64(l)
	default:
		h.length = int64(l)
	}
	if h.masked {
		h.key = binary.LittleEndian.Uint32(b[n-4:])
	}
	return h, n, nil
}

// appendHeader appends the header, its length in as few bits as it fits.
func appendHeader(dst []byte, h header) []byte {
	b0, b1 := byte(h.opcode)|h.rsv, byte(0)
	if h.fin {
		b0 |= bitFin
	}
	if h.masked {
		b1 = bitMask
	}
	switch {
	case h.length < 126:
		dst = append(dst, b0, b1|byte(h.length))
	case h.length < 1<<16:
		dst = append(dst, b0, b1|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(h.length))
	default:
		dst = append(dst, b0, b1|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(h.length))
	}
	if h.masked {
		dst = binary.LittleEndian.AppendUint32(dst, h.key)
	}
	return dst
}

// appendFrame appends a whole frame; payload is copied, then masked if h says so.
func appendFrame(dst []byte, h header, payload []byte) []byte {
	h.length = int64(len(payload))
	dst = appendHeader(dst, h)
	dst = append(dst, payload...)
	if h.masked {
		mask(dst[len(dst)-len(payload):], h.key)
	}
	return dst
}
