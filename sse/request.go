package sse

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxCursor is the longest last event ID that is taken from a request, in
// bytes. The longest that make sense are several positions in one, such as
// those of the sixteen topics of one stream, of 64 bytes and a separator each:
// 1039. Servers take 8 KiB of a header at least.
const maxCursor = 2048

// LastEventID returns the cursor of a client that comes back: the
// Last-Event-ID header, else the query parameter last_event_id, else
// lastEventId (polyfills that can't set headers send one of these). It is
// empty if the request has none.
//
// The client can send what it likes, so the result is hostile input, but safe
// to log, to compare and to send back: valid UTF-8 without control characters
// and not more than 2048 bytes. What is bad is replaced by U+FFFD and what is
// longer is cut, so that it matches no position and the client is told of a
// gap; an empty result would let it miss events without a sign.
func LastEventID(r *http.Request) string {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return cleanID(id)
	}
	if r.URL == nil || r.URL.RawQuery == "" {
		return ""
	}
	q := r.URL.Query()
	if id := q.Get("last_event_id"); id != "" {
		return cleanID(id)
	}
	return cleanID(q.Get("lastEventId"))
}

// refuse answers the request with an error, one of this package.
func refuse(w http.ResponseWriter, status int, retryAfter time.Duration, err error) error {
	return refuseAs(w, status, retryAfter, strings.TrimPrefix(err.Error(), "sse: "), err)
}

// refuseAs is refuse with another text for the client.
func refuseAs(w http.ResponseWriter, status int, retryAfter time.Duration, text string, err error) error {
	h := w.Header()
	h.Del("Content-Encoding")
	h.Set("Cache-Control", "no-store")
	if retryAfter > 0 {
		seconds := int64((retryAfter + time.Second - 1) / time.Second)
		h.Set("Retry-After", strconv.FormatInt(seconds, 10))
		retryAfter = time.Duration(seconds) * time.Second
	}
	if status == http.StatusMethodNotAllowed {
		h.Set("Allow", "GET, HEAD, POST")
	}
	http.Error(w, text, status)
	return &RefusedError{Status: status, RetryAfter: retryAfter, Err: err}
}

// accepts reports whether the Accept header allows text/event-stream. The most
// specific range decides (RFC 9110, section 12.5.1); no header allows all.
func accepts(h http.Header) bool {
	values := h.Values("Accept")
	best, allowed, some := 0, false, false
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			mediaRange, params, _ := strings.Cut(part, ";")
			mediaRange = strings.TrimSpace(mediaRange)
			if mediaRange == "" {
				continue
			}
			some = true
			rank := 0
			switch strings.ToLower(mediaRange) {
			case "text/event-stream":
				rank = 3
			case "text/*":
				rank = 2
			case "*/*":
				rank = 1
			}
			if rank > best {
				best, allowed = rank, weight(params) > 0
			}
		}
	}
	return !some || allowed
}

// weight returns the q parameter, 1 if it is missing or not a number.
func weight(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		if q, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
			return q
		}
	}
	return 1
}
