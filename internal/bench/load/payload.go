package load

import (
	"encoding/hex"
	"errors"
	"fmt"
)

// MinPayload is the smallest payload that is published: a time, a number and a blank after each.
const MinPayload = 34

const pattern = "The quick brown fox jumps over the lazy dog, 0123456789 times. "

// AppendPayload appends a published message: text in one line, with the time of its publishing (CLOCK_MONOTONIC, the same
// in all processes) and its number in front, and a fixed pattern behind.
func AppendPayload(dst []byte, size int, now int64, seq uint64) []byte {
	dst = appendHex(dst, uint64(now))
	dst = append(dst, ' ')
	dst = appendHex(dst, seq)
	dst = append(dst, ' ')
	for i := MinPayload; i < size; i++ {
		dst = append(dst, pattern[i%len(pattern)])
	}
	return dst
}

func appendHex(dst []byte, v uint64) []byte {
	var b [8]byte
	for i := range b {
		b[i] = byte(v >> (56 - 8*i))
	}
	return hex.AppendEncode(dst, b[:])
}

var errPayload = errors.New("a message came changed")

// payloads checks messages of one size.
type payloads struct{ tail string }

func newPayloads(size int) *payloads {
	return &payloads{tail: string(AppendPayload(nil, size, 0, 0)[MinPayload:])}
}

func (p *payloads) check(b []byte) (at int64, seq uint64, err error) {
	if len(b) != MinPayload+len(p.tail) || string(b[MinPayload:]) != p.tail || b[16] != ' ' || b[33] != ' ' {
		return 0, 0, fmt.Errorf("%w: %.80q", errPayload, b)
	}
	t, ok1 := parseHex(b[:16])
	seq, ok2 := parseHex(b[17:33])
	if !ok1 || !ok2 {
		return 0, 0, fmt.Errorf("%w: %.80q", errPayload, b)
	}
	return int64(t), seq, nil
}

func parseHex(b []byte) (v uint64, ok bool) {
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		v = v<<4 | uint64(c)
	}
	return v, true
}
