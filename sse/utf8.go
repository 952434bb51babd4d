package sse

import "unicode/utf8"

// bom is the byte order mark that a stream may begin with.
var bom = []byte("\uFEFF")

// appendDecoded decodes src as the Encoding standard does (section 8.1.1):
// each maximal part of a sequence that is not UTF-8 becomes one U+FFFD.
// strings.ToValidUTF8 makes one of a run of them, and a range loop one of each
// byte. A line end is never part of a bad sequence, so that decoding after the
// lines were split gives what decoding the whole stream would.
func appendDecoded(dst, src []byte) []byte {
	for len(src) > 0 {
		c, n := utf8.DecodeRune(src)
		if c == utf8.RuneError && n == 1 {
			dst = append(dst, "\uFFFD"...)
			src = src[badPrefix(src):]
			continue
		}
		dst = append(dst, src[:n]...)
		src = src[n:]
	}
	return dst
}

// badPrefix returns the length of the bad sequence that p begins with: the
// bytes that could have begun a character, at least one.
func badPrefix(p []byte) int {
	low, high := byte(0x80), byte(0xBF) // what may follow
	more := 0
	switch b := p[0]; {
	case b >= 0xC2 && b <= 0xDF:
		more = 1
	case b >= 0xE0 && b <= 0xEF:
		more = 2
		if b == 0xE0 {
			low = 0xA0 // overlong
		}
		if b == 0xED {
			high = 0x9F // surrogates
		}
	case b >= 0xF0 && b <= 0xF4:
		more = 3
		if b == 0xF0 {
			low = 0x90 // overlong
		}
		if b == 0xF4 {
			high = 0x8F // over U+10FFFF
		}
	}
	n := 1
	for n <= more && n < len(p) && p[n] >= low && p[n] <= high {
		low, high = 0x80, 0xBF
		n++
	}
	return n
}

func decodeString(p []byte) string {
	if utf8.Valid(p) {
		return string(p)
	}
	return string(appendDecoded(nil, p))
}
