package ws

import "unicode/utf8"

// textCheck validates UTF-8 that arrives in pieces and fails at the first byte that can't belong to it, before the
// rune, the fragment or the message is complete. It carries at most three bytes, an incomplete last rune, and leaves
// the rest to utf8.Valid, which is some thirty times faster than a byte-wise automaton.
type textCheck struct {
	carry [utf8.UTFMax]byte
	n     uint8 // bytes of carry in use
}

// add reports whether the text may still be valid after p.
func (t *textCheck) add(p []byte) bool {
	for t.n > 0 && len(p) > 0 {
		t.carry[t.n] = p[0]
		t.n++
		p = p[1:]
		b := t.carry[:t.n]
		if utf8.FullRune(b) {
			if r, size := utf8.DecodeRune(b); r == utf8.RuneError && size == 1 {
				return false
			}
			t.n = 0
		}
	}
	if len(p) == 0 {
		return true
	}
	// Find where an incomplete last rune begins: within the last three bytes, or not at all.
	cut := len(p)
	for i := len(p) - 1; i >= 0 && i >= len(p)-(utf8.UTFMax-1); i-- {
		if utf8.RuneStart(p[i]) {
			// FullRune is true for what can't be completed too, so that a wrong byte is not carried but refused.
			if !utf8.FullRune(p[i:]) {
				cut = i
			}
			break
		}
	}
	if !utf8.Valid(p[:cut]) {
		return false
	}
	t.n = uint8(copy(t.carry[:], p[cut:]))
	return true
}

// done reports whether the text may end here, and makes ready for the next.
func (t *textCheck) done() bool {
	ok := t.n == 0
	t.n = 0
	return ok
}
