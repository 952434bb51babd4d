package backoff

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The date of RFC 9110's examples.
var example = time.Date(1994, time.November, 6, 8, 49, 37, 0, time.UTC)

func TestRetryAfter(t *testing.T) {
	const s = time.Second
	before := example.Add(-90 * s)
	tests := []struct {
		name, header string
		now          time.Time
		want         time.Duration
		ok           bool
	}{
		{"seconds", "120", before, 120 * s, true},
		{"zero", "0", before, 0, true},
		{"leading zeros", "0007", before, 7 * s, true},
		{"white space around", " \t5 ", before, 5 * s, true},
		{"an hour", "3600", before, MaxAfter, true},
		{"over an hour", "3601", before, MaxAfter, true},
		{"a year", "31536000", before, MaxAfter, true},
		{"past all integers", strings.Repeat("9", 1000), before, MaxAfter, true},
		{"IMF-fixdate", "Sun, 06 Nov 1994 08:49:37 GMT", before, 90 * s, true},
		{"RFC 850", "Sunday, 06-Nov-94 08:49:37 GMT", before, 90 * s, true},
		{"asctime", "Sun Nov  6 08:49:37 1994", before, 90 * s, true},
		{"another zone's now", "Sun, 06 Nov 1994 08:49:37 GMT", before.In(time.FixedZone("", 7200)), 90 * s, true},
		{"date past", "Sun, 06 Nov 1994 08:49:37 GMT", example.Add(s), 0, true},
		{"date long past", "Sun, 06 Nov 1994 08:49:37 GMT", example.AddDate(5000, 0, 0), 0, true},
		{"date far ahead", "Fri, 31 Dec 9999 23:59:59 GMT", before, MaxAfter, true},
		{"two digits, this century", "Friday, 01-Jan-27 00:00:30 GMT", time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), 30 * s, true},
		{"two digits, the century to come", "Saturday, 01-Jan-00 00:00:10 GMT", time.Date(2099, 12, 31, 23, 59, 50, 0, time.UTC), 20 * s, true},
		{"two digits, 50 years ahead", "Friday, 01-Jan-77 00:00:00 GMT", time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), MaxAfter, true},
		{"two digits, more than 50 years ahead is past", "Friday, 01-Jan-77 00:00:01 GMT", time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), 0, true},
		{"empty", "", before, 0, false},
		{"blank", "  ", before, 0, false},
		{"negative", "-1", before, 0, false},
		{"plus", "+1", before, 0, false},
		{"fraction", "1.5", before, 0, false},
		{"exponent", "1e3", before, 0, false},
		{"unit", "5s", before, 0, false},
		{"two values", "5, 10", before, 0, false},
		{"digits of another script", "٣", before, 0, false},
		{"other zone", "Sun, 06 Nov 1994 08:49:37 CET", before, 0, false},
		{"other zone, RFC 850", "Sunday, 06-Nov-94 08:49:37 CET", before, 0, false},
		{"RFC 3339", "1994-11-06T08:49:37Z", before, 0, false},
		{"no such day", "Wed, 30 Feb 1994 08:49:37 GMT", before, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := RetryAfter(tt.header, tt.now); got != tt.want || ok != tt.ok {
				t.Errorf("RetryAfter(%q) = %v, %v, want %v, %v", tt.header, got, ok, tt.want, tt.ok)
			}
		})
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{
		"", "0", "120", "-1", "99999999999999999999", " 7\t", "Sun, 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:60 GMT",
	} {
		f.Add(s, example.Unix())
	}
	f.Add("Sunday, 06-Nov-94 08:49:37 GMT", int64(math.MaxInt64))
	f.Add("Sunday, 29-Feb-00 08:49:37 GMT", int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, header string, unix int64) {
		now := time.Unix(unix, 0)
		d, ok := RetryAfter(header, now)
		if d < 0 || d > MaxAfter || !ok && d != 0 {
			t.Fatalf("RetryAfter(%q, %v) = %v, %v", header, now, d, ok)
		}
		trimmed := strings.Trim(header, " \t")
		if n, err := strconv.ParseUint(trimmed, 10, 32); err == nil {
			if want := min(time.Duration(n)*time.Second, MaxAfter); !ok || d != want {
				t.Fatalf("RetryAfter(%q) = %v, %v, want %v", header, d, ok, want)
			}
			return
		}
		if !ok || strings.Trim(trimmed, "0123456789") == "" {
			return
		}
		when, err := http.ParseTime(trimmed)
		if err != nil {
			t.Fatalf("RetryAfter(%q) = %v, and net/http says %v", header, d, err)
		}
		// Two-digit years are the one thing that net/http reads otherwise: without looking at now.
		if want := min(max(0, when.Sub(now)), MaxAfter); d != want && !strings.Contains(trimmed, "-") {
			t.Fatalf("RetryAfter(%q, %v) = %v, want %v", header, now, d, want)
		}
	})
}
