package ws

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// HandshakeError says why there is no connection. On the server the request has been answered with StatusCode. The text
// of a client's has the status and the first line of the body in it.
type HandshakeError struct {
	Reason string
	// StatusCode is that of the HTTP response; 0 when there was none.
	StatusCode int
	// Header and Body are those of the response that a client got instead of a 101. Of a Body longer than 64 KiB, or
	// that did not come in time, there is a part, and Truncated is true.
	Header    http.Header
	Body      []byte
	Truncated bool
	// Err is the cause, if there is one beneath: the network's error, a *LimitError, ErrDraining.
	Err error

	fromProxy bool // it is the proxy's response
	misuse    bool // nothing was sent: what the caller gave can't be
}

func (e *HandshakeError) Error() string {
	s := "ws: handshake: " + e.Reason
	if e.StatusCode != 0 {
		s += fmt.Sprintf(" (status %d)", e.StatusCode)
	}
	if e.Err != nil {
		s += ": " + strings.TrimPrefix(e.Err.Error(), "ws: ")
	}
	if line := firstLine(e.Body); line != "" {
		s += fmt.Sprintf(": %q", line)
	}
	return s
}

// firstLine is the first line of a body that has something in it, as far as it is text, and no longer than maxQuoted.
func firstLine(body []byte) string {
	body = body[:min(len(body), 4<<10)]
	for line := range bytes.Lines(body) {
		line = bytes.Map(func(r rune) rune {
			if r == utf8.RuneError || unicode.IsControl(r) && r != '\t' {
				return -1
			}
			return r
		}, line)
		if line = bytes.TrimSpace(line); len(line) > maxQuoted {
			line = append(bytes.ToValidUTF8(line[:maxQuoted], nil), "..."...)
		}
		if len(line) > 0 {
			return string(line)
		}
	}
	return ""
}

func (e *HandshakeError) Unwrap() error { return e.Err }

// acceptKey answers a Sec-WebSocket-Key (RFC 6455, section 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// validKey reports whether s is 16 bytes in base64, padded, without stray bits.
func validKey(s string) bool {
	if len(s) != 24 {
		return false
	}
	var b [18]byte
	n, err := base64.StdEncoding.Strict().Decode(b[:], []byte(s))
	return err == nil && n == 16
}

// checkUpgrade holds the request against RFC 6455, section 4.2.1, and the options. It returns nil when it is good.
func checkUpgrade(r *http.Request, opts *AcceptOptions) *HandshakeError {
	refuse := func(status int, format string, args ...any) *HandshakeError {
		return &HandshakeError{StatusCode: status, Reason: fmt.Sprintf(format, args...), Header: http.Header{}}
	}
	switch {
	case r.ProtoMajor >= 2:
		return refuse(http.StatusHTTPVersionNotSupported, "the request's version is HTTP/%d, which has no Upgrade: "+
			"let the client or the proxy ask in HTTP/1.1, or switch HTTP/2 off in http.Server.Protocols", r.ProtoMajor)
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return refuse(http.StatusHTTPVersionNotSupported, "the request's version is HTTP/%d.%d, and Upgrade begins with HTTP/1.1: "+
			"a proxy may have to be told so (nginx: proxy_http_version 1.1)", r.ProtoMajor, r.ProtoMinor)
	}
	if r.Method != http.MethodGet {
		e := refuse(http.StatusMethodNotAllowed, "the request's method is not GET")
		e.Header.Set("Allow", http.MethodGet)
		return e
	}
	if limit := orDefault(opts.HandshakeLimit, defaultServerHandshake); limit >= 0 && headerBytes(r) > limit {
		e := refuse(http.StatusRequestHeaderFieldsTooLarge, "the request's header is too large")
		e.Err = &LimitError{Limit: "request header in bytes", Max: int64(limit), Option: "HandshakeLimit"}
		return e
	}
	if !hasToken(r.Header["Connection"], "upgrade") || !hasToken(r.Header["Upgrade"], "websocket") {
		e := refuse(http.StatusUpgradeRequired, "the request does not ask for an upgrade to websocket; a proxy may have taken Connection and Upgrade away")
		e.Header.Set("Connection", "Upgrade")
		e.Header.Set("Upgrade", "websocket")
		return e
	}
	if r.ContentLength != 0 || len(r.TransferEncoding) > 0 {
		return refuse(http.StatusBadRequest, "the request has a body")
	}
	switch v := r.Header["Sec-Websocket-Version"]; {
	case len(v) != 1:
		return refuse(http.StatusBadRequest, "%d Sec-WebSocket-Version fields", len(v))
	case v[0] != "13":
		e := refuse(http.StatusUpgradeRequired, "the version asked for is not 13")
		e.Header.Set("Connection", "Upgrade")
		e.Header.Set("Upgrade", "websocket")
		e.Header.Set("Sec-WebSocket-Version", "13")
		return e
	}
	switch k := r.Header["Sec-Websocket-Key"]; {
	case len(k) != 1:
		return refuse(http.StatusBadRequest, "%d Sec-WebSocket-Key fields", len(k))
	case !validKey(k[0]):
		return refuse(http.StatusBadRequest, "the Sec-WebSocket-Key is not 16 bytes in base64")
	}
	if _, ok := parseTokens(r.Header["Sec-Websocket-Protocol"]); !ok {
		return refuse(http.StatusBadRequest, "the Sec-WebSocket-Protocol is malformed")
	}
	if _, ok := parseExtensions(r.Header["Sec-Websocket-Extensions"]); !ok {
		return refuse(http.StatusBadRequest, "the Sec-WebSocket-Extensions are malformed")
	}
	if why := checkOrigin(r, opts); why != "" {
		return refuse(http.StatusForbidden, "%s", why)
	}
	return nil
}

// headerBytes is the size of the request's header as it came, or a little more.
func headerBytes(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len(r.Host) + len("  HTTP/1.1\r\nHost: \r\n\r\n")
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v) + len(": \r\n")
		}
	}
	return n
}

// chooseSubprotocol returns the server's first that the client offers as well. Names are case-sensitive.
func chooseSubprotocol(r *http.Request, ours []string) string {
	offered, _ := parseTokens(r.Header["Sec-Websocket-Protocol"]) // checked before
	for _, p := range ours {
		if slices.Contains(offered, p) {
			return p
		}
	}
	return ""
}
