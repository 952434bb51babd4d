package backoff

import (
	"strings"
	"time"
)

// RetryAfter reads the value of a Retry-After field, RFC 9110 section 10.2.3: a number of seconds, or an HTTP date,
// which counts from now. The result is between 0, which is what a date in the past gives, and MaxAfter. ok is false
// for anything else.
func RetryAfter(header string, now time.Time) (d time.Duration, ok bool) {
	header = strings.Trim(header, " \t")
	if d, ok := delaySeconds(header); ok {
		return d, true
	}
	t, ok := httpDate(header, now)
	if !ok {
		return 0, false
	}
	return min(max(0, t.Sub(now)), MaxAfter), true // Sub saturates
}

// delaySeconds reads 1*DIGIT, of any length.
func delaySeconds(s string) (time.Duration, bool) {
	if s == "" {
		return 0, false
	}
	var d time.Duration
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		d = min(10*d+time.Duration(c-'0')*time.Second, MaxAfter)
	}
	return d, true
}

// The three forms of RFC 9110 section 5.6.7. All are in GMT, the last without saying so.
const (
	imfFixdate  = "Mon, 02 Jan 2006 15:04:05 GMT"
	rfc850Date  = "Monday, 02-Jan-06 15:04:05 GMT"
	asctimeDate = time.ANSIC
)

func httpDate(s string, now time.Time) (time.Time, bool) {
	for _, layout := range [...]string{imfFixdate, asctimeDate} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	t, err := time.Parse(rfc850Date, s)
	if err != nil {
		return time.Time{}, false
	}
	// Two digits of a year: the latest such date that is not more than 50 years ahead.
	horizon := now.AddDate(50, 0, 0)
	year := horizon.Year() - horizon.Year()%100 + t.Year()%100
	t = time.Date(year, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
	if t.After(horizon) {
		t = t.AddDate(-100, 0, 0)
	}
	return t, true
}
