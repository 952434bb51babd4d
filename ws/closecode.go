package ws

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// CloseCode is the status code of a close frame (RFC 6455, section 7.4, and the IANA registry). 3000-3999 are
// registered with IANA by libraries and frameworks, 4000-4999 are free for applications.
type CloseCode uint16

const (
	CloseNormal             CloseCode = 1000
	CloseGoingAway          CloseCode = 1001 // the server shuts down, or the page was left
	CloseProtocolError      CloseCode = 1002
	CloseUnsupportedData    CloseCode = 1003
	CloseNoStatus           CloseCode = 1005 // never sent: the close frame had no code
	CloseAbnormal           CloseCode = 1006 // never sent: there was no close frame
	CloseInvalidPayload     CloseCode = 1007 // text that is not UTF-8
	ClosePolicyViolation    CloseCode = 1008
	CloseMessageTooBig      CloseCode = 1009
	CloseMandatoryExtension CloseCode = 1010
	CloseInternalError      CloseCode = 1011
	CloseServiceRestart     CloseCode = 1012
	CloseTryAgainLater      CloseCode = 1013
	CloseBadGateway         CloseCode = 1014
	CloseTLSHandshake       CloseCode = 1015 // never sent
)

var closeNames = map[CloseCode]string{
	CloseNormal:             "normal closure",
	CloseGoingAway:          "going away",
	CloseProtocolError:      "protocol error",
	CloseUnsupportedData:    "unsupported data",
	CloseNoStatus:           "no status received",
	CloseAbnormal:           "abnormal closure",
	CloseInvalidPayload:     "invalid payload",
	ClosePolicyViolation:    "policy violation",
	CloseMessageTooBig:      "message too big",
	CloseMandatoryExtension: "mandatory extension",
	CloseInternalError:      "internal error",
	CloseServiceRestart:     "service restart",
	CloseTryAgainLater:      "try again later",
	CloseBadGateway:         "bad gateway",
	CloseTLSHandshake:       "TLS handshake",
}

func (c CloseCode) String() string {
	if name, ok := closeNames[c]; ok {
		return fmt.Sprintf("%d (%s)", uint16(c), name)
	}
	return fmt.Sprint(uint16(c))
}

// onWire reports whether the code may stand in a close frame: RFC 6455, section 7.4.2, and 1012-1014, which IANA has
// assigned since.
func (c CloseCode) onWire() bool {
	switch {
	case c >= 1000 && c <= 1014:
		return c != 1004 && c != CloseNoStatus && c != CloseAbnormal
	case c >= 3000 && c <= 4999:
		return true
	}
	return false
}

// maxReason is what a control frame of 125 bytes has left beside the code.
const maxReason = maxControl - 2

// cutReason makes a reason fit a close frame: valid UTF-8, at most 123 bytes, no rune cut in two.
func cutReason(s string) string {
	if len(s) > 2*maxReason { // what is cut off anyway need not be looked at
		s = s[:2*maxReason]
	}
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) <= maxReason {
		return s
	}
	n := maxReason
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// appendClosePayload appends the payload of a close frame; with CloseNoStatus that is nothing.
func appendClosePayload(dst []byte, code CloseCode, reason string) []byte {
	if code == CloseNoStatus {
		return dst
	}
	dst = append(dst, byte(code>>8), byte(code))
	return append(dst, reason...)
}

// parseClosePayload is the other way round. The error is what the peer did wrong.
func parseClosePayload(p []byte) (CloseCode, string, *ProtocolError) {
	switch {
	case len(p) == 0:
		return CloseNoStatus, "", nil
	case len(p) == 1:
		return 0, "", violation("close frame with a payload of one byte")
	}
	code := CloseCode(p[0])<<8 | CloseCode(p[1])
	if !code.onWire() {
		return 0, "", violation("close frame with code %d", uint16(code))
	}
	if !utf8.Valid(p[2:]) {
		return 0, "", &ProtocolError{Code: CloseInvalidPayload, Reason: "close reason is not UTF-8"}
	}
	return code, string(p[2:]), nil
}
