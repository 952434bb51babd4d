package sse_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidewire/tidewire/sse"
)

// pieces cuts a stream into reads of the sizes that the seed tells.
type pieces struct {
	in   []byte
	seed uint32
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.in) == 0 {
		return 0, io.EOF
	}
	p.seed = p.seed*1664525 + 1013904223
	n := 1 + int(p.seed>>24)%16
	n = copy(b[:min(n, len(b))], p.in)
	p.in = p.in[n:]
	return n, nil
}

// FuzzRead compares the parser with the reference, in one piece, byte by byte
// and in random pieces.
func FuzzRead(f *testing.F) {
	for i, tt := range readCases {
		f.Add([]byte(tt.in), uint32(i))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint32) {
		want := reference(in).events
		for name, r := range map[string]io.Reader{
			"whole":  bytes.NewReader(in),
			"bytes":  iotest.OneByteReader(bytes.NewReader(in)),
			"pieces": &pieces{in: in, seed: seed},
		} {
			got := collect(t, r, &sse.ReadOptions{MaxID: -1})
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%s of %q (-want +got)\n%s", name, in, diff)
			}
		}
	})
}

// FuzzRoundTrip checks that Read gives back what AppendEvent wrote.
func FuzzRoundTrip(f *testing.F) {
	f.Add("", "", []byte(""), []byte(" x"), uint32(1))
	f.Add("n", "1", []byte("x\n"), []byte("\n"), uint32(2))
	f.Add(" n ", "1", []byte(":x"), []byte("\r\n\r"), uint32(3))
	f.Add("\uFEFF", "…", []byte("\uFEFF"), []byte("data: x"), uint32(4))
	f.Fuzz(func(t *testing.T, name, id string, one, two []byte, seed uint32) {
		events := []sse.Event{
			{Name: name, ID: id, Data: one, Retry: time.Duration(seed) * time.Millisecond},
			{Data: two},
			{ID: id, Data: two, Comment: name},
		}
		var stream []byte
		for i := range events {
			e := &events[i]
			var err error
			if stream, err = sse.AppendEvent(stream, e); err != nil {
				return // FuzzAppendEvent knows when
			}
			e.Data, e.Comment, e.ID = normalise(e.Data), "", id
		}
		if name != "" && id == "" && len(two) == 0 {
			events = events[:2] // a comment alone
		}
		if name == "" && id == "" && len(one) == 0 && seed != 0 {
			events = events[1:] // a retry alone
		}
		got := collect(t, &pieces{in: stream, seed: seed}, &sse.ReadOptions{MaxID: -1})
		if diff := cmp.Diff(events, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%q (-want +got)\n%s", stream, diff)
		}
	})
}

func TestReadLimits(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, tt := range []struct {
		name, in string
		options  sse.ReadOptions
		want     string // the option that is exceeded; none if it fits
	}{
		{"data fits", "data: " + x(10) + "\n\n", sse.ReadOptions{MaxEvent: 10}, ""},
		{"data", "data: " + x(11) + "\n\n", sse.ReadOptions{MaxEvent: 10}, "MaxEvent"},
		{"lines of data fit", "data:1234\ndata:12345\n\n", sse.ReadOptions{MaxEvent: 10}, ""},
		{"lines of data", "data:1234\ndata:123456\n\n", sse.ReadOptions{MaxEvent: 10}, "MaxEvent"},
		{"many empty lines", strings.Repeat("data\n", 100), sse.ReadOptions{MaxEvent: 10}, "MaxEvent"},
		{"many empty lines with a colon", strings.Repeat("data:\n", 100), sse.ReadOptions{MaxEvent: 10}, "MaxEvent"},
		{"name", "event:" + x(11) + "\n", sse.ReadOptions{MaxEvent: 10}, "MaxEvent"},
		{"name and data fit", "event:" + x(5) + "\ndata:" + x(5) + "\n\n", sse.ReadOptions{MaxEvent: 10}, ""},
		{"name and data", "event:" + x(5) + "\ndata:" + x(6) + "\n\n", sse.ReadOptions{MaxEvent: 10}, "MaxEvent"},
		{"data and name", "data:" + x(6) + "\nevent:" + x(5) + "\n\n", sse.ReadOptions{MaxEvent: 10}, "MaxEvent"},
		{"data and name fit", "data:" + x(5) + "\nevent:" + x(5) + "\n\n", sse.ReadOptions{MaxEvent: 10}, ""},
		{"largest data and no name", "data:" + x(10) + "\nevent\n\n", sse.ReadOptions{MaxEvent: 10}, ""},
		{"largest data and an empty line", "data:" + x(10) + "\nevent\ndata\n\n", sse.ReadOptions{MaxEvent: 10}, "MaxEvent"},
		{"unfinished data", "data:" + x(11), sse.ReadOptions{MaxEvent: 10}, "MaxEvent"},
		{"id fits", "id:" + x(2048) + "\n\n", sse.ReadOptions{}, ""},
		{"id", "id:" + x(2049) + "\n\n", sse.ReadOptions{}, "MaxID"},
		{"id with an own limit", "id:" + x(5) + "\n\n", sse.ReadOptions{MaxID: 4}, "MaxID"},
		{"id that is too long as UTF-8", "id:\xff\xff\ndata:x\n\n", sse.ReadOptions{MaxID: 5}, "MaxID"},
		{"id that fits as UTF-8", "id:\xff\xff\ndata:x\n\n", sse.ReadOptions{MaxID: 6}, ""},
		{"no limit for the id", "id:" + x(5000) + "\n\n", sse.ReadOptions{MaxID: -1}, ""},
		{"line fits", x(20) + "\n\n", sse.ReadOptions{MaxLine: 20}, ""},
		{"line", x(21) + "\n\n", sse.ReadOptions{MaxLine: 20}, "MaxLine"},
		{"unfinished line", x(21), sse.ReadOptions{MaxLine: 20}, "MaxLine"},
		{"comment", ":" + x(20) + "\n", sse.ReadOptions{MaxLine: 20}, "MaxLine"},
		{"line of data", "data: " + x(20), sse.ReadOptions{MaxLine: 20}, "MaxLine"},
		{"comment by default", ":" + x(64<<10) + "\n", sse.ReadOptions{MaxEvent: 10}, ""},
		{"largest data after a byte order mark", "\uFEFFdata: " + x(70_000) + "\n\n", sse.ReadOptions{MaxEvent: 70_000}, ""},
		{"largest name after a byte order mark", "\uFEFFevent: " + x(70_000) + "\n\n", sse.ReadOptions{MaxEvent: 70_000}, ""},
		{"no limits", "data:" + x(1<<17) + "\n:" + x(1<<17) + "\n\n", sse.ReadOptions{MaxEvent: -1, MaxLine: -1}, ""},
		{"old size does not count", "data:" + x(10) + "\n\ndata:" + x(10) + "\n\n", sse.ReadOptions{MaxEvent: 10, MaxLine: 15}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{
				"whole": strings.NewReader(tt.in),
				"bytes": iotest.OneByteReader(strings.NewReader(tt.in)),
				"later": strings.NewReader(":\n" + tt.in),
			} {
				var last error
				ended := 0
				for _, err := range sse.Read(r, &tt.options) {
					if last = err; err != nil {
						ended++
					}
				}
				if tt.want == "" {
					if last != nil {
						t.Errorf("%s: %v", name, last)
					}
					continue
				}
				if le, ok := errors.AsType[*sse.LimitError](last); !ok || le.Option != tt.want || ended != 1 {
					t.Errorf("%s: %v, want a LimitError for %s, once and last", name, last, tt.want)
				}
			}
		})
	}
}

// endless repeats a text for ever, or n times.
type endless struct {
	text string
	n    int // negative for ever
	rest string
}

func (e *endless) Read(p []byte) (int, error) {
	total := 0
	for total < len(p) {
		if e.rest == "" {
			if e.n == 0 {
				if total == 0 {
					return 0, io.EOF
				}
				break
			}
			e.n--
			e.rest = e.text
		}
		n := copy(p[total:], e.rest)
		e.rest = e.rest[n:]
		total += n
	}
	return total, nil
}

// allocated returns the bytes that f allocates, live or not.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestReadHostileStreamsTakeBoundedMemory(t *testing.T) {
	const limit = 1 << 20
	for _, tt := range []struct{ name, begin, text, option string }{
		{"line without an end", "", "x", "MaxLine"},
		{"comment without an end", ":", "x", "MaxLine"},
		{"data without an end", "data:", "x", "MaxEvent"},
		{"data lines without an end", "", "data:xxxxxxx\n", "MaxEvent"},
		{"empty data lines without an end", "", "data\n", "MaxEvent"},
		{"id without an end", "id:", "x", "MaxLine"},
		{"name without an end", "event:", "x", "MaxLine"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var last error
			n := allocated(func() {
				text := strings.Repeat(tt.text, 1000)
				r := io.MultiReader(strings.NewReader(tt.begin), &endless{text: text, n: -1})
				for _, err := range sse.Read(r, &sse.ReadOptions{MaxEvent: limit}) {
					last = err
				}
			})
			if le, ok := errors.AsType[*sse.LimitError](last); !ok || le.Option != tt.option {
				t.Errorf("%v, want a LimitError for %s", last, tt.option)
			}
			// A slice that grows to the limit has allocated a few times that.
			if n > 8*limit {
				t.Errorf("allocated %d bytes for a limit of %d", n, limit)
			}
		})
	}
}

func TestReadHeartbeatsForEver(t *testing.T) {
	beats := 10_000_000
	if raceEnabled {
		beats /= 20
	}
	for _, beat := range []string{":\n", ":\r\n", "\n"} {
		t.Run(fmt.Sprintf("%q", beat), func(t *testing.T) {
			var events []sse.Event
			n := allocated(func() {
				r := io.MultiReader(&endless{text: strings.Repeat(beat, 1000), n: beats / 1000}, strings.NewReader("data:x\n\n"))
				events = collect(t, r, nil)
			})
			if len(events) != 1 || n > 1<<20 {
				t.Errorf("%d events, %d bytes allocated", len(events), n)
			}
		})
	}
}

// chunked gives k bytes a read.
type chunked struct {
	r io.Reader
	k int
}

func (c chunked) Read(p []byte) (int, error) { return c.r.Read(p[:min(c.k, len(p))]) }

func TestReadPassesErrorsOn(t *testing.T) {
	broken := errors.New("broken")
	for name, r := range map[string]io.Reader{
		"after": io.MultiReader(strings.NewReader("data:a\n\ndata:b"), iotest.ErrReader(broken)),
		"with":  &errWith{in: "data:a\n\ndata:b", err: broken},
	} {
		var got []string
		for e, err := range sse.Read(r, nil) {
			got = append(got, fmt.Sprint(string(e.Data), err))
		}
		if diff := cmp.Diff([]string{"a<nil>", "broken"}, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	var last error
	for _, err := range sse.Read(iotest.ErrReader(io.ErrUnexpectedEOF), nil) {
		last = err
	}
	if last != io.ErrUnexpectedEOF {
		t.Errorf("a body that was cut off: %v", last)
	}
	for _, err := range sse.Read(nothing{}, nil) {
		last = err
	}
	if last != io.ErrNoProgress {
		t.Errorf("a reader that returns nothing for ever: %v", last)
	}
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

type errWith struct {
	in  string
	err error
}

func (e *errWith) Read(p []byte) (int, error) { return copy(p, e.in), e.err }

func TestReadBreakStops(t *testing.T) {
	r := strings.NewReader("data:a\n\ndata:b\n\n")
	for range sse.Read(r, nil) {
		break
	}
	for range sse.Read(iotest.ErrReader(io.ErrUnexpectedEOF), nil) {
		break
	}
}

// What is no event stream gives nothing, and no error either; nor does what is
// cut off.
func TestReadIsSilent(t *testing.T) {
	for _, in := range []string{
		"<!doctype html>\n<title>Sign in</title>\n\n<p style=\"color: red\">hello</p>\n\n",
		"{\"data\": 1}\n\n",
		"id: 1\nevent: a\ndata: x\n",
		"id: 1\ndata: x",
	} {
		for e, err := range sse.Read(strings.NewReader(in), nil) {
			t.Errorf("%q gave %+v, %v", in, e, err)
		}
	}
}

// A reconnection time without an end is a long one.
func TestReadLongRetry(t *testing.T) {
	const most = 1e12 * time.Millisecond
	for in, want := range map[string]time.Duration{
		"999999999999": most - time.Millisecond, "1000000000000": most, "1000000000001": most, strings.Repeat("9", 1000): most,
	} {
		got := collect(t, strings.NewReader("retry: "+in+"\ndata: x\n\n"), nil)
		if len(got) != 1 || got[0].Retry != want {
			t.Errorf("%.20s: %v, want %v", in, got, want)
		}
	}
}
