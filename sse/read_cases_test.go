package sse_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/tidewire/tidewire/sse"
)

// readCases are byte streams and what is dispatched, as type|data|lastEventId
// with an empty type for "message". CASES.md says where each comes from.
var readCases = []struct {
	name, in string
	want     []string
	lastID   string // what the next request would send
	retry    int64  // milliseconds, as of the end; -1 if never set
}{
	{"format-bom", "\uFEFFdata:1\n\n\uFEFFdata:2\n\ndata:3\n\n\n", []string{"|1|", "|3|"}, "", -1},
	{"format-bom-2", "\uFEFF\uFEFFdata:1\n\ndata:2\n\ndata:3\n\n\n", []string{"|2|", "|3|"}, "", -1},
	{"format-comments", "data:1\r:\x00\n:\r\ndata:2\n:" + strings.Repeat("x", 2048) + "\rdata:3\n:data:fail\r:" +
		strings.Repeat("x", 2048) + "\ndata:4\n\n", []string{"|1\n2\n3\n4|"}, "", -1},
	{"format-data-before-final-empty-line", "retry:1000\ndata:test1\n\nid:test\ndata:test2\n", []string{"|test1|"}, "", 1000},
	{"format-field-data", "data:\n\ndata\ndata\n\ndata:test\n\n\n", []string{"||", "|\n|", "|test|"}, "", -1},
	{"format-field-event", "event:test\ndata:x\n\ndata:x\n\n\n", []string{"test|x|", "|x|"}, "", -1},
	{"format-field-event-empty", "event: \ndata:data\n\n\n", []string{"|data|"}, "", -1},
	{"format-field-id", "id: …\nretry: 200\ndata: hello\n\n", []string{"|hello|…"}, "…", 200},
	{"format-field-id-3 persists", "id: 1\ndata: 1\n\ndata:2\n\n", []string{"|1|1", "|2|1"}, "1", -1},
	{"format-field-id-3 changes", "id: 1\ndata: 1\n\nid: 2\ndata:2\n\ndata:3\n\n", []string{"|1|1", "|2|2", "|3|2"}, "2", -1},
	{"format-field-id-3 resets", "id: 1\ndata: 1\n\nid:\ndata:2\n\ndata:3\n\n", []string{"|1|1", "|2|", "|3|"}, "", -1},
	{"format-field-id-3 resets without a colon", "id: 1\ndata: 1\n\nid\ndata:2\n\ndata:3\n\n", []string{"|1|1", "|2|", "|3|"}, "", -1},
	{"format-field-id-null 1", "id: \x00\x00\nretry: 200\ndata: hello\n\n", []string{"|hello|"}, "", 200},
	{"format-field-id-null 2", "id: x\x00\nretry: 200\ndata: hello\n\n", []string{"|hello|"}, "", 200},
	{"format-field-id-null 3", "id: \x00x\nretry: 200\ndata: hello\n\n", []string{"|hello|"}, "", 200},
	{"format-field-id-null 4", "id: x\x00x\nretry: 200\ndata: hello\n\n", []string{"|hello|"}, "", 200},
	{"format-field-id-null 5", "id:  \x00\nretry: 200\ndata: hello\n\n", []string{"|hello|"}, "", 200},
	{"format-field-id-null keeps the former id", "id: 1\ndata: a\n\nid: 2\x00\ndata: b\n\n", []string{"|a|1", "|b|1"}, "1", -1},
	{
		"format-field-parsing", "data:\x00\ndata:  2\rData:1\ndata\x00:2\ndata:1\r\x00data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
		[]string{"|\x00\n 2\n1\n3\n\n4|"},
		"", -1,
	},
	{"format-field-retry", "retry:03000\ndata:x\n\n", []string{"|x|"}, "", 3000},
	{"format-field-retry-bogus", "retry:3000\nretry:1000x\ndata:x\n\n", []string{"|x|"}, "", 3000},
	{
		"format-field-retry-bogus signs", "retry:3000\nretry:+5\nretry:-5\nretry: 5 \nretry:  5\nretry:5.0\nretry:1e3\nretry:٣\ndata:x\n\n",
		[]string{"|x|"},
		"", 3000,
	},
	{"format-field-retry-empty", "retry\ndata:test\n\n\n", []string{"|test|"}, "", -1},
	{"format-field-retry huge", "retry:99999999999999999999999999\ndata:x\n\n", []string{"|x|"}, "", 1e12},
	{"format-field-retry zero", "retry:00\ndata:x\n\n", []string{"|x|"}, "", 0},
	{
		"format-field-unknown", "data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n\n",
		[]string{"|test\n\ntest|"},
		"", -1,
	},
	{"format-leading-space", "data:\ttest\rdata: \ndata:test\n\n\n", []string{"|\ttest\n\ntest|"}, "", -1},
	{"format-newlines", "data:test\r\ndata\ndata:test\r\n\r\n", []string{"|test\n\ntest|"}, "", -1},
	{"format-null-character", "data:\x00\n\n\n\n", []string{"|\x00|"}, "", -1},
	{"format-utf-8", "data:ok…\n\n\n", []string{"|ok…|"}, "", -1},
	{
		"format-utf-8 bad sequences", "data:a\xffb\xc3\xe2\x82c\xf0\x9f\x98\n\nevent:\xed\xa0\x80\nid:\xc0\xaf\ndata:\xf4\x90\x80\x80\xe2\n\n",
		[]string{"|a\uFFFDb\uFFFD\uFFFDc\uFFFD|", "\uFFFD\uFFFD\uFFFD|\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD|\uFFFD\uFFFD"},
		"\uFFFD\uFFFD", -1,
	},
	{
		"format-utf-8 overlong sequences", "data:\xe0\x80|\xe0\xa0|\xf0\x80\x80|\xf0\x90\x80|\xed\x9f|\xc1\x80|\xf5\x80\n\n",
		[]string{"|\uFFFD\uFFFD|\uFFFD|\uFFFD\uFFFD\uFFFD|\uFFFD|\uFFFD|\uFFFD\uFFFD|\uFFFD\uFFFD|"},
		"", -1,
	},
	{
		"event-data", "data:msg\ndata: msg\n\n:\nfalsefield:msg\n\nfalsefield:msg\nData:data\n\ndata\n\ndata:end\n\n",
		[]string{"|msg\nmsg|", "||", "|end|"},
		"", -1,
	},
	{"derived no data, event", "event:foo\n\ndata:x\n\n", []string{"|x|"}, "", -1},
	{"derived no data, id", "id:9\n\ndata:x\n\n", []string{"|x|9"}, "9", -1},
	{"derived no data, retry", "retry:1\n\ndata:x\n\n", []string{"|x|"}, "", 1},
	{"derived CR CR", "data:a\r\rdata:b\r\r", []string{"|a|", "|b|"}, "", -1},
	{"derived CRLF CRLF", "data:a\r\n\r\ndata:b\r\n\r\n", []string{"|a|", "|b|"}, "", -1},
	{"derived CR CRLF", "data:a\r\r\ndata:b\n\r", []string{"|a|", "|b|"}, "", -1},
	{"derived LF CR", "data:a\n\rdata:b\n\r", []string{"|a|", "|b|"}, "", -1},
	{"derived cut off before the blank line", "data:x\n", nil, "", -1},
	{"derived cut off in the line", "data:x", nil, "", -1},
	{"derived cut off in retry", "retry:5", nil, "", -1},
	{"derived retry at the end", "retry: 2\n", nil, "", 2},
	{"derived priming event", "id:1\ndata:\n\nid:2\n\n", []string{"||1"}, "2", -1},
	{"derived id alone at the end", "data:x\n\nid:7\n", []string{"|x|"}, "", -1},
	{"derived BOM alone", "\uFEFF", nil, "", -1},
	{"derived BOM and blank lines", "\uFEFF\n\n\uFEFF\n\ndata:x\n\n", []string{"|x|"}, "", -1},
	{"derived half a BOM", "\xef\xbbdata:x\n\ndata:y\n\n", []string{"|y|"}, "", -1},
	{"derived BOM in the first line", "data:x\uFEFFy\n\n", []string{"|x\uFEFFy|"}, "", -1},
	{"derived comment before BOM", ":\n\uFEFFdata:x\n\ndata:y\n\n", []string{"|y|"}, "", -1},
	{"derived last event name counts", "event:a\nevent:b\ndata:x\n\nevent:c\nevent\ndata:y\n\n", []string{"b|x|", "|y|"}, "", -1},
	{"derived colons in values", "data:a:b\ndata: :\ndata::\n\n", []string{"|a:b\n:\n:|"}, "", -1},
	{"derived empty stream", "", nil, "", -1},
}

// show writes events as the table does.
func show(events []sse.Event) []string {
	var out []string
	for _, e := range events {
		out = append(out, fmt.Sprintf("%s|%s|%s", e.Name, e.Data, e.ID))
	}
	return out
}

// collect reads a stream that must not fail.
func collect(t *testing.T, r io.Reader, o *sse.ReadOptions) []sse.Event {
	t.Helper()
	var events []sse.Event
	for e, err := range sse.Read(r, o) {
		if err != nil {
			t.Fatalf("Read: %v", err)
		}
		events = append(events, e)
	}
	return events
}

func TestReadCases(t *testing.T) {
	for _, tt := range readCases {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, show(collect(t, strings.NewReader(tt.in), nil))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestReadCasesOneByteAtATime(t *testing.T) {
	for _, tt := range readCases {
		t.Run(tt.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{
				"one byte":     iotest.OneByteReader(strings.NewReader(tt.in)),
				"data and EOF": iotest.DataErrReader(strings.NewReader(tt.in)),
				"both":         iotest.DataErrReader(iotest.OneByteReader(strings.NewReader(tt.in))),
				"empty reads":  &stutter{in: []byte(tt.in)},
			} {
				if diff := cmp.Diff(tt.want, show(collect(t, r, nil))); diff != "" {
					t.Errorf("%s (-want +got)\n%s", name, diff)
				}
			}
		})
	}
}

// stutter returns nothing between each two bytes.
type stutter struct {
	in   []byte
	even bool
}

func (s *stutter) Read(p []byte) (int, error) {
	if s.even = !s.even; s.even {
		return 0, nil
	}
	if len(s.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:1], s.in)
	s.in = s.in[n:]
	return n, nil
}

func TestReadCasesAtEverySplitPoint(t *testing.T) {
	for _, tt := range readCases {
		t.Run(tt.name, func(t *testing.T) {
			for i := range len(tt.in) + 1 {
				r := io.MultiReader(strings.NewReader(tt.in[:i]), strings.NewReader(tt.in[i:]))
				if diff := cmp.Diff(tt.want, show(collect(t, r, nil))); diff != "" {
					t.Fatalf("split at %d (-want +got)\n%s", i, diff)
				}
			}
		})
	}
}

// The reference parser has to agree with the table, or the fuzz targets would
// compare with something else.
func TestReferenceCases(t *testing.T) {
	for _, tt := range readCases {
		t.Run(tt.name, func(t *testing.T) {
			res := reference([]byte(tt.in))
			if diff := cmp.Diff(tt.want, show(res.events)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if res.lastID != tt.lastID || res.retry != tt.retry {
				t.Errorf("last event ID %q, retry %d; want %q, %d", res.lastID, res.retry, tt.lastID, tt.retry)
			}
		})
	}
}

// An event is there as soon as its blank line is, also if that is a CR that an
// LF could follow.
func TestReadDispatchesAtOnce(t *testing.T) {
	for _, in := range []string{"data:a\n\n", "data:a\r\r", "data:a\r\n\r", "data:a\n\r"} {
		pr, pw := io.Pipe()
		got := make(chan string)
		go func() {
			defer close(got)
			for e, err := range sse.Read(pr, nil) {
				if err == nil {
					got <- string(e.Data)
				}
			}
		}()
		_, _ = io.WriteString(pw, in)
		if d := <-got; d != "a" { // the pipe is still open
			t.Errorf("%q gave %q", in, d)
		}
		_ = pw.Close()
		if d, ok := <-got; ok {
			t.Errorf("%q then gave %q", in, d)
		}
	}
}

func TestReadNoData(t *testing.T) {
	in := "id:1\n\nretry:5\n\nevent:x\n\n\n\n:c\n\nid:2\nretry:0\ndata:d\n\nid:2\n\n"
	for _, r := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in))} {
		got := collect(t, r, &sse.ReadOptions{NoData: true, LastEventID: "0"})
		want := []sse.Event{
			{ID: "1", NoData: true},
			{ID: "1", Retry: 5e6, NoData: true},
			{ID: "2", Retry: -1, Data: []byte("d")},
			{ID: "2", NoData: true},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

func TestReadBeginsWithTheLastEventID(t *testing.T) {
	got := show(collect(t, strings.NewReader("data:a\n\nid\ndata:b\n\n"), &sse.ReadOptions{LastEventID: "e.7"}))
	if diff := cmp.Diff([]string{"|a|e.7", "|b|"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Data belongs to the caller.
func TestReadDataIsTheCallers(t *testing.T) {
	big := strings.Repeat("y", 200_000)
	in := "data:aaa\n\ndata:bbb\n\ndata:" + big + "\n\ndata:ccc\n\ndata:" + big + "\n\n"
	events := collect(t, strings.NewReader(in), nil)
	for i, want := range []string{"aaa", "bbb", big, "ccc", big} {
		if string(events[i].Data) != want {
			t.Errorf("event %d was overwritten", i)
		}
	}
	if !bytes.Equal(events[2].Data, events[4].Data) {
		t.Error("the large events share memory")
	}
}
