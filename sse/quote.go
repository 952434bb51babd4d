package sse

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxQuoted is how many bytes of a stranger's text are told in an error.
const maxQuoted = 256

// firstLine returns the first line of a body that has something in it, as far
// as it is text.
func firstLine(body []byte) string {
	for line := range strings.Lines(string(body)) {
		if line = printable(line); line != "" {
			return line
		}
	}
	return ""
}

// printable returns what a line has of text, up to maxQuoted bytes.
func printable(line string) string {
	line = strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return -1
		}
		return r
	}, line))
	if len(line) > maxQuoted {
		line = strings.ToValidUTF8(line[:maxQuoted], "") + "..."
	}
	return line
}

// place returns a URL for an error: without userinfo, query and fragment, where
// secrets are.
func place(u *url.URL) string {
	if u == nil {
		return ""
	}
	bare := *u
	bare.User, bare.RawQuery, bare.ForceQuery, bare.Fragment, bare.RawFragment = nil, "", false, "", ""
	return printable(bare.String())
}
