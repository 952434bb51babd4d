package ws

import "strings"

// The grammar of the header fields that a handshake is made of (RFC 9110, sections 5.6.1, 5.6.2 and 5.6.4). All of it
// is linear in the size of its input.

// isTokenByte reports whether b is a tchar.
func isTokenByte(b byte) bool {
	switch {
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}

func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

// isFieldValue reports whether s may be sent as a field value: no CR, no LF, no other control character.
func isFieldValue(s string) bool {
	for i := range len(s) {
		if b := s[i]; b < ' ' && b != '\t' || b == 0x7f {
			return false
		}
	}
	return true
}

func trimSpace(s string) string { return strings.Trim(s, " \t") }

// equalFold is strings.EqualFold for ASCII alone: the Kelvin sign is no k.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		b += 'a' - 'A'
	}
	return b
}

// hasToken reports whether one element of the lists in these field lines is the token, in any case. A substring is
// not an element, and empty elements are nothing.
func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for e := range strings.SplitSeq(line, ",") {
			if equalFold(trimSpace(e), token) {
				return true
			}
		}
	}
	return false
}

// parseTokens returns the elements of the lists in these field lines, and whether all of them are tokens.
func parseTokens(lines []string) (tokens []string, ok bool) {
	for _, line := range lines {
		for e := range strings.SplitSeq(line, ",") {
			if e = trimSpace(e); e == "" {
				continue
			}
			if !isToken(e) {
				return nil, false
			}
			tokens = append(tokens, e)
		}
	}
	return tokens, true
}

// extension is an element of Sec-WebSocket-Extensions (RFC 6455, section 9.1).
type extension struct {
	name   string
	params []extensionParam
}

type extensionParam struct {
	name     string
	value    string // unquoted
	hasValue bool
}

// parseExtensions returns the elements of the lists in these field lines, and whether they keep to the grammar.
func parseExtensions(lines []string) (list []extension, ok bool) {
	for _, line := range lines {
		s := fieldScanner{rest: line}
		for {
			for s.skipSpace(); s.take(','); s.skipSpace() {
			}
			if s.rest == "" {
				break
			}
			e := extension{name: s.token()}
			if e.name == "" {
				return nil, false
			}
			for s.skipSpace(); s.take(';'); s.skipSpace() {
				s.skipSpace()
				p := extensionParam{name: s.token()}
				if p.name == "" {
					return nil, false
				}
				s.skipSpace()
				if p.hasValue = s.take('='); p.hasValue {
					s.skipSpace()
					if p.value = s.value(); !isToken(p.value) { // the unquoted value too
						return nil, false
					}
				}
				e.params = append(e.params, p)
			}
			if s.rest != "" && s.rest[0] != ',' {
				return nil, false
			}
			list = append(list, e)
		}
	}
	return list, true
}

// fieldScanner reads a field line from left to right.
type fieldScanner struct{ rest string }

func (s *fieldScanner) skipSpace() { s.rest = strings.TrimLeft(s.rest, " \t") }

func (s *fieldScanner) take(b byte) bool {
	if s.rest == "" || s.rest[0] != b {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// token returns the token that stands here, or nothing.
func (s *fieldScanner) token() string {
	n := 0
	for n < len(s.rest) && isTokenByte(s.rest[n]) {
		n++
	}
	t := s.rest[:n]
	s.rest = s.rest[n:]
	return t
}

// value returns the token or the contents of the quoted string that stands here, or nothing.
func (s *fieldScanner) value() string {
	if !s.take('"') {
		return s.token()
	}
	var b strings.Builder
	for i := 0; i < len(s.rest); i++ {
		switch s.rest[i] {
		case '"':
			s.rest = s.rest[i+1:]
			return b.String()
		case '\\':
			i++
			if i == len(s.rest) {
				return ""
			}
		}
		b.WriteByte(s.rest[i])
	}
	return ""
}
