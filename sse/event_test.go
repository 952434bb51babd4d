package sse_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/tidewire/tidewire/sse"
)

func TestAppendEvent(t *testing.T) {
	for _, tt := range []struct {
		name  string
		event sse.Event
		want  string
	}{
		{"data", sse.Event{Data: []byte("hello")}, "data: hello\n\n"},
		{
			"all fields",
			sse.Event{Name: "n", ID: "1", Data: []byte("d"), Retry: time.Second, Comment: "c"},
			": c\nretry: 1000\nid: 1\nevent: n\ndata: d\n\n",
		},
		{"zero value is an empty message", sse.Event{}, "data: \n\n"},
		{"name alone is dispatched", sse.Event{Name: "n"}, "event: n\ndata: \n\n"},
		{"id alone is dispatched", sse.Event{ID: "1"}, "id: 1\ndata: \n\n"},
		{"id without data", sse.Event{ID: "1", NoData: true}, "id: 1\n\n"},
		{"comment alone", sse.Event{Comment: "hi"}, ": hi\n\n"},
		{"retry alone", sse.Event{Retry: 3 * time.Second}, "retry: 3000\n\n"},
		{"retry is rounded up", sse.Event{Retry: time.Microsecond}, "retry: 1\n\n"},
		{"retry of zero", sse.Event{Retry: -1}, "retry: 0\n\n"},
		{"leading space stays", sse.Event{Data: []byte(" x")}, "data:  x\n\n"},
		{"leading colon", sse.Event{Data: []byte(":x")}, "data: :x\n\n"},
		{"LF", sse.Event{Data: []byte("a\nb")}, "data: a\ndata: b\n\n"},
		{"CR", sse.Event{Data: []byte("a\rb")}, "data: a\ndata: b\n\n"},
		{"CRLF", sse.Event{Data: []byte("a\r\nb")}, "data: a\ndata: b\n\n"},
		{"CR CR LF LF", sse.Event{Data: []byte("a\r\r\n\nb")}, "data: a\ndata: \ndata: \ndata: b\n\n"},
		{"only LF", sse.Event{Data: []byte("\n")}, "data: \ndata: \n\n"},
		{"trailing LF", sse.Event{Data: []byte("x\n")}, "data: x\ndata: \n\n"},
		{"field in data", sse.Event{Data: []byte("x\n\nevent: evil\n")}, "data: x\ndata: \ndata: event: evil\ndata: \n\n"},
		{"field in comment", sse.Event{Comment: "x\rdata: evil\r\ny"}, ": x\n: data: evil\n: y\n\n"},
		{"NUL in data", sse.Event{Data: []byte("\x00")}, "data: \x00\n\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := sse.AppendEvent([]byte("before"), &tt.event)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff("before"+tt.want, string(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestAppendEventRefusesWhatBreaksOut(t *testing.T) {
	for _, bad := range []string{"a\nb", "a\rb", "a\r\nb", "\n", "a\x00", "\x00", "\xff", "a\xc3"} {
		for field, e := range map[string]*sse.Event{
			"id":    {ID: bad, Data: []byte("x"), Comment: "c"},
			"event": {Name: bad, Data: []byte("x"), Retry: 1},
		} {
			got, err := sse.AppendEvent([]byte("before"), e)
			fe, ok := errors.AsType[*sse.FieldError](err)
			if !ok || fe.Field != field {
				t.Errorf("%s %q: error %v, want a FieldError for it", field, bad, err)
			}
			if string(got) != "before" {
				t.Errorf("%s %q: left %q in the buffer", field, bad, got)
			}
		}
	}
	// What a header can't carry back, though a name may have it.
	for _, bad := range []string{"a\x01", "\x1f", "a\tb", "a\x7f", " a", "a ", " "} {
		_, err := sse.AppendEvent(nil, &sse.Event{ID: bad})
		if fe, ok := errors.AsType[*sse.FieldError](err); !ok || fe.Field != "id" {
			t.Errorf("id %q: error %v, want a FieldError for it", bad, err)
		}
		if _, err := sse.AppendEvent(nil, &sse.Event{Name: bad}); err != nil {
			t.Errorf("name %q: %v", bad, err)
		}
	}
	if _, err := sse.AppendEvent(nil, &sse.Event{ID: "a b"}); err != nil {
		t.Errorf("a space in an id: %v", err)
	}
	if _, err := sse.AppendEvent(nil, &sse.Event{Data: []byte("a\xff")}); err == nil {
		t.Error("data that is not UTF-8 was written")
	}
	if _, err := sse.AppendEvent(nil, nil); err == nil {
		t.Error("a nil event was written")
	}
}

// normalise is what a reader makes of line ends in data.
func normalise(data []byte) []byte {
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(data, []byte("\r"), []byte("\n"))
}

// FuzzAppendEvent checks that whatever an event holds, a parser of the
// standard gets exactly that one event back.
func FuzzAppendEvent(f *testing.F) {
	f.Add("", "", []byte(nil), int64(0), "", false)
	f.Add("n", "1", []byte("a\r\nb"), int64(1e9), "c", false)
	f.Add("n\n", "1\r", []byte("\r"), int64(-1), "c\rdata:x\n", false)
	f.Add("", "é…", []byte(" x\n\n:y\n"), int64(1), "\r\n\r\n", true)
	f.Add("\x00", "\xff", []byte("\xf0\x9f"), int64(5), "\xff", false)
	f.Fuzz(func(t *testing.T, name, id string, data []byte, retry int64, comment string, noData bool) {
		e := sse.Event{Name: name, ID: id, Data: data, Retry: time.Duration(retry), Comment: comment, NoData: noData}
		out, err := sse.AppendEvent(nil, &e)
		bad := strings.ContainsAny(name+id, "\r\n\x00") || !utf8.ValidString(name) || !utf8.ValidString(id) || !utf8.Valid(data) ||
			strings.ContainsFunc(id, func(c rune) bool { return c < ' ' || c == 0x7f }) || strings.Trim(id, " ") != id
		if bad != (err != nil) {
			t.Fatalf("error %v for %+v", err, e)
		}
		if err != nil {
			if len(out) != 0 {
				t.Fatalf("an error and %q", out)
			}
			return
		}
		// The event stands between two others, so that a field that leaks
		// would be seen.
		guard := []byte("data: guard\n\n")
		got := reference(bytes.Join([][]byte{guard, out, guard}, nil))
		want := []string{"guard", string(normalise(data)), "guard"}
		silent := noData || name == "" && id == "" && len(data) == 0 && (comment != "" || retry != 0)
		if silent {
			want = []string{"guard", "guard"}
		}
		var texts []string
		for _, e := range got.events {
			texts = append(texts, string(e.Data))
		}
		if diff := cmp.Diff(want, texts); diff != "" {
			t.Fatalf("%q (-want +got)\n%s", out, diff)
		}
		if got.lastID != id {
			t.Fatalf("%q: last event ID %q, want %q", out, got.lastID, id)
		}
		if !silent && got.events[1].Name != name {
			t.Fatalf("%q: name %q, want %q", out, got.events[1].Name, name)
		}
		if last := got.events[len(got.events)-1]; last.Name != "" || last.ID != id {
			t.Fatalf("%q: the next event became %+v", out, last)
		}
		if (retry != 0) != (got.retry >= 0) {
			t.Fatalf("%q: retry %d", out, got.retry)
		}
	})
}
