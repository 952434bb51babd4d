package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// contentPolicy returns the Content-Security-Policy of a page: everything from
// here alone, and of inline scripts those that it was built with. The page talks
// to its own host only, which 'self' covers for WebSockets too (CSP Level 3,
// section 6.7.2.8).
func contentPolicy(html []byte) string {
	var scripts strings.Builder
	for _, script := range inlineScripts(html) {
		sum := sha256.Sum256(script)
		scripts.WriteString(" 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'")
	}
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'" + scripts.String(),
		"style-src 'self' 'unsafe-inline'", // style attributes of the built page
		"img-src 'self' data:",
		"font-src 'self'",
		"connect-src 'self'",
		"manifest-src 'self'",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
	}, "; ")
}

// inlineScripts returns the contents of a page's script elements without a src,
// each once. It knows as much of HTML as a build writes: quoted attributes,
// comments, and that a script ends at the first end tag.
func inlineScripts(html []byte) [][]byte {
	var out [][]byte
	seen := make(map[string]bool)
	for {
		i := bytes.IndexByte(html, '<')
		if i < 0 {
			return out
		}
		html = html[i+1:]
		if rest, ok := bytes.CutPrefix(html, []byte("!--")); ok {
			_, html, _ = bytes.Cut(rest, []byte("-->"))
			continue
		}
		if len(html) < 7 || !bytes.EqualFold(html[:6], []byte("script")) || isNameByte(html[6]) {
			continue
		}
		tag, rest, ok := cutTag(html[6:])
		if !ok {
			return out
		}
		html = rest
		end := bytes.Index(bytes.ToLower(html), []byte("</script"))
		if end < 0 {
			return out
		}
		body := html[:end]
		html = html[end:]
		if !hasSrc(tag) && len(body) > 0 && !seen[string(body)] {
			seen[string(body)] = true
			out = append(out, body)
		}
	}
}

func isNameByte(c byte) bool {
	return c != ' ' && c != '\t' && c != '\n' && c != '\f' && c != '\r' && c != '/' && c != '>'
}

// cutTag cuts behind the > that ends a start tag, which quoted values may hold
// too.
func cutTag(s []byte) (tag, rest []byte, ok bool) {
	quote := byte(0)
	for i, c := range s {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return s[:i], s[i+1:], true
		}
	}
	return nil, nil, false
}

// hasSrc reports whether a tag's attributes include src.
func hasSrc(tag []byte) bool {
	quote := byte(0)
	var bare []byte // the tag without its values in quotes
	for _, c := range tag {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		default:
			bare = append(bare, c)
		}
	}
	for attr := range strings.FieldsSeq(string(bare)) {
		name, _, _ := strings.Cut(attr, "=")
		if strings.EqualFold(strings.Trim(name, "/"), "src") {
			return true
		}
	}
	return false
}
