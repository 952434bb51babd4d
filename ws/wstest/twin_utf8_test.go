package wstest_test

import "unicode/utf8"

// utf8Check looks at text byte by byte and says as soon as it can't become good any more.
type utf8Check struct {
	fault string
	have  []byte // of a character that is not complete
	skip  int    // bytes of a bad one, for a fault
	bad   bool
}

func (c *utf8Check) add(b []byte) bool {
	for _, x := range b {
		if c.skip > 0 {
			c.skip--
			continue
		}
		c.have = append(c.have, x)
		switch {
		case c.bad:
			return false
		case utf8.Valid(c.have):
			c.have = c.have[:0]
		case !c.begins():
			n, ok := c.forgives()
			if !ok {
				c.bad = true
				return false
			}
			c.have, c.skip = c.have[:0], n
		}
	}
	return true
}

// begins tries what could complete it.
func (c *utf8Check) begins() bool {
	for _, rest := range []string{"\x80", "\xa0", "\x90", "\xbf", "\x80\x80", "\xa0\x80", "\x90\x80", "\xbf\xbf", "\x80\x80\x80", "\xa0\x80\x80", "\x90\x80\x80", "\x8f\xbf\xbf"} {
		if utf8.Valid(append(c.have[:len(c.have):len(c.have)], rest...)) {
			return true
		}
	}
	return false
}

// forgives has the faults. n is how many more bytes are forgiven.
func (c *utf8Check) forgives() (n int, ok bool) {
	h := c.have
	switch c.fault {
	case "utf8-lead-then-ascii":
		return 0, len(h) > 1 && h[len(h)-1] < 0x80
	case "utf8-overlong":
		return 1, h[0] == 0xc0 || h[0] == 0xc1
	case "utf8-surrogates":
		return 1, len(h) > 1 && h[0] == 0xed && h[1] >= 0xb0
	case "utf8-too-large":
		return 3, h[0] >= 0xf5 && h[0] < 0xf8
	}
	return 0, false
}

func (c *utf8Check) done() bool { return c.bad || len(c.have) == 0 }
