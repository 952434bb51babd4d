package sse_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidewire/tidewire/sse"
)

// publish appends events with the numbers from to to-1 as data and returns
// their ids.
func publish(t *testing.T, l *sse.Log, from, to int) []string {
	t.Helper()
	var ids []string
	for i := from; i < to; i++ {
		id, err := l.Append(t.Context(), &sse.Event{Data: []byte(strconv.Itoa(i))})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// take reads n events of a followed log, as text; a gap is "gap reason missed".
func take(t *testing.T, l *sse.Log, cursor string, n int) []string {
	t.Helper()
	var got []string
	if n == 0 {
		return got
	}
	for e, err := range l.Follow(t.Context(), cursor) {
		if err != nil {
			t.Fatal(err)
		}
		if gap, ok := sse.ParseGap(e); ok {
			if gap.From != cursor || e.ID != gap.Now {
				t.Errorf("after %q: gap %+v with id %q", cursor, gap, e.ID)
			}
			got = append(got, fmt.Sprintf("gap %s %d", gap.Reason, gap.Missed))
		} else {
			got = append(got, string(e.Data))
		}
		if len(got) == n {
			break
		}
	}
	return got
}

// headOf returns the log's head.
func headOf(t *testing.T, l *sse.Log) string {
	t.Helper()
	id, err := l.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// logs are the kinds of log: in memory, and over a store that keeps all.
var logs = map[string]func(size int) *sse.Log{
	"memory": func(size int) *sse.Log { return sse.NewLog(&sse.LogOptions{Count: size}) },
	"store": func(size int) *sse.Log {
		return sse.NewLog(&sse.LogOptions{Count: size, Store: sse.NewLog(&sse.LogOptions{Count: -1})})
	},
	"store that trims too": func(size int) *sse.Log {
		return sse.NewLog(&sse.LogOptions{Count: size, Store: sse.NewLog(&sse.LogOptions{Count: size + 2})})
	},
}

// The model: after a cursor come exactly the events after it, and if some of
// them are gone, a gap that counts them and then all that is kept. Every size,
// every number of events, every cursor.
func TestLogReplaysExactlyWhatTheModelSays(t *testing.T) {
	for kind, newLog := range logs {
		t.Run(kind, func(t *testing.T) {
			for size := 1; size <= 6; size++ {
				kept := map[string]int{"memory": size, "store": 1000, "store that trims too": size + 2}[kind]
				for published := 0; published <= 14; published++ {
					l := newLog(size)
					cursors := append([]string{headOf(t, l)}, publish(t, l, 1, published+1)...)
					first := max(published-kept, 0) + 1 // the oldest that is kept
					for n, cursor := range cursors {
						var want []string
						from := n + 1
						if from < first {
							want = append(want, fmt.Sprintf("gap trimmed %d", first-from))
							from = first
						}
						for i := from; i <= published; i++ {
							want = append(want, strconv.Itoa(i))
						}
						name := fmt.Sprintf("size %d, %d published, cursor %d", size, published, n)
						if diff := cmp.Diff(want, take(t, l, cursor, len(want))); diff != "" {
							t.Fatalf("%s (-want +got)\n%s", name, diff)
						}
						if got := after(t, l, cursor); !cmp.Equal(got, want) {
							if n+1 >= first || len(got) != 1 || got[0] != want[0] { // After fails in place of a part
								t.Fatalf("%s: After gave %v", name, got)
							}
						}
					}
					var all []string
					for i := first; i <= published; i++ {
						all = append(all, strconv.Itoa(i))
					}
					if diff := cmp.Diff(all, take(t, l, sse.Start, len(all))); diff != "" {
						t.Fatalf("Start, size %d, %d published (-want +got)\n%s", size, published, diff)
					}
				}
			}
		})
	}
}

// after reads with After; a gap error is shown as a gap event is.
func after(t *testing.T, l *sse.Log, cursor string) []string {
	t.Helper()
	var got []string
	for e, err := range l.After(t.Context(), cursor) {
		if gap, ok := errors.AsType[*sse.Gap](err); ok {
			got = append(got, fmt.Sprintf("gap %s %d", gap.Reason, gap.Missed))
		} else if err != nil {
			t.Fatal(err)
		} else {
			got = append(got, string(e.Data))
		}
	}
	return got
}

func TestLogTellsForeignCursors(t *testing.T) {
	for kind, newLog := range logs {
		t.Run(kind, func(t *testing.T) {
			l, other := newLog(3), newLog(3)
			publish(t, l, 1, 3)
			foreign := publish(t, other, 1, 2)[0]
			epoch, _, _ := strings.Cut(headOf(t, l), ".")
			for cursor, reason := range map[string]string{
				foreign:                         "epoch",
				"9223372036854775807":           "epoch",
				"-1":                            "epoch",
				"x":                             "epoch",
				"\uFFFD":                        "epoch",
				epoch:                           "epoch",
				epoch + ".":                     "epoch",
				epoch + ".+1":                   "epoch",
				epoch + ".01":                   "epoch",
				epoch + ".-1":                   "epoch",
				epoch + ".1.1":                  "epoch",
				epoch + ".99999999999999999999": "epoch",
				epoch + ".3":                    "fork",
				epoch + ".18446744073709551615": "fork",
			} {
				want := []string{"gap " + reason + " -1", "1", "2"}
				if diff := cmp.Diff(want, take(t, l, cursor, 3)); diff != "" {
					t.Errorf("%q (-want +got)\n%s", cursor, diff)
				}
			}
		})
	}
}

func FuzzLogCursor(f *testing.F) {
	l := sse.NewLog(&sse.LogOptions{Count: 3})
	var ids []string
	for range 9 {
		id, err := l.Append(context.Background(), &sse.Event{})
		if err != nil {
			f.Fatal(err)
		}
		ids = append(ids, id)
		f.Add(id)
	}
	f.Add("-1")
	f.Add(ids[0] + "9999999999999999999")
	f.Fuzz(func(t *testing.T, cursor string) {
		n := 0
		for e, err := range l.After(t.Context(), cursor) {
			if n++; n > 3 {
				t.Fatalf("%q gave more than the log keeps", cursor)
			}
			if gap, ok := errors.AsType[*sse.Gap](err); ok && gap.From != cursor || !ok && e.ID == cursor {
				t.Fatalf("%q gave %v, %v", cursor, e, err)
			}
		}
	})
}

func TestLogAppend(t *testing.T) {
	l := sse.NewLog(nil)
	for name, e := range map[string]*sse.Event{
		"nil":      nil,
		"own id":   {ID: "1"},
		"bad name": {Name: "a\nb"},
		"bad data": {Data: []byte("\xff")},
		"reserved": {Name: "gap"},
	} {
		if _, err := l.Append(t.Context(), e); err == nil {
			t.Errorf("%s was appended", name)
		} else if _, ok := errors.AsType[*sse.FieldError](err); !ok {
			t.Errorf("%s: %v, want a FieldError", name, err)
		}
	}
	data := []byte("mine")
	id, err := l.Append(t.Context(), &sse.Event{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	copy(data, "XXXX") // the log has a copy
	if got := take(t, l, sse.Start, 1); got[0] != "mine" {
		t.Errorf("the log holds %q", got)
	}
	if strings.Trim(id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._-") != "" || len(id) > 64 {
		t.Errorf("id %q is not fit for a cross-origin header", id)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Append(canceled, &sse.Event{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Append with an ended context: %v", err)
	}
}

// After gives what there is when it is called, not what comes meanwhile.
func TestLogAfterEndsWhereTheLogWas(t *testing.T) {
	const n = 300 // more than a batch
	l := sse.NewLog(nil)
	publish(t, l, 0, n)
	got := 0
	for e, err := range l.After(t.Context(), sse.Start) {
		if err != nil || string(e.Data) != strconv.Itoa(got) {
			t.Fatalf("event %d: %v, error %v", got, e, err)
		}
		if got == 0 {
			publish(t, l, n, n+50)
		}
		got++
	}
	if got != n {
		t.Errorf("%d events, want %d", got, n)
	}
}

// What has nothing to dispatch without an id has not with the log's either.
func TestLogAppendWithoutData(t *testing.T) {
	l := sse.NewLog(nil)
	var want []string
	for frame, e := range map[string]*sse.Event{
		": c\nid: ID\n\n":          {Comment: "c"},
		"retry: 1000\nid: ID\n\n":  {Retry: time.Second},
		"id: ID\nevent: n\n\n":     {Name: "n", NoData: true},
		"id: ID\ndata: \n\n":       {},
		": c\nid: ID\ndata: x\n\n": {Comment: "c", Data: []byte("x")},
	} {
		id, err := l.Append(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, strings.Replace(frame, "ID", id, 1))
	}
	var got []string
	for e := range l.After(t.Context(), sse.Start) {
		frame, _ := sse.AppendEvent(nil, e)
		got = append(got, string(frame))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLogLimits(t *testing.T) {
	t.Run("bytes", func(t *testing.T) {
		l := sse.NewLog(&sse.LogOptions{Bytes: 1000, Count: -1})
		for i := range 100 {
			if _, err := l.Append(t.Context(), &sse.Event{Data: fmt.Appendf(nil, "%04d%s", i, strings.Repeat("x", 100-i))}); err != nil {
				t.Fatal(err)
			}
		}
		size, n := 0, 0
		for e := range l.After(t.Context(), sse.Start) {
			frame, _ := sse.AppendEvent(nil, e)
			size += len(frame)
			n++
		}
		if size > 1000 || size < 900 || n < 10 {
			t.Errorf("%d events of %d bytes are kept", n, size)
		}
		if _, err := l.Append(t.Context(), &sse.Event{Data: make([]byte, 5000)}); err != nil {
			t.Fatal(err)
		}
		if got := after(t, l, sse.Start); len(got) != 1 || len(got[0]) != 5000 {
			t.Errorf("%d events are kept, want the newest alone", len(got))
		}
	})
	t.Run("age", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := sse.NewLog(&sse.LogOptions{Age: time.Minute})
			zero := headOf(t, l)
			publish(t, l, 1, 4)
			time.Sleep(40 * time.Second)
			publish(t, l, 4, 6)
			time.Sleep(20 * time.Second)
			if got := after(t, l, zero); len(got) != 5 {
				t.Errorf("after a minute: %v", got)
			}
			time.Sleep(time.Nanosecond)
			if diff := cmp.Diff([]string{"gap trimmed 3", "4", "5"}, take(t, l, zero, 3)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			head := headOf(t, l)
			time.Sleep(time.Hour)
			if got := after(t, l, head); got != nil || headOf(t, l) != head {
				t.Errorf("the head moved: %v", got)
			}
		})
	})
}

// Publishing goes on while followers begin at every place: nothing is lost,
// nothing comes twice, all is in order.
func TestLogFollowHasNoSeam(t *testing.T) {
	for kind, newLog := range map[string]func() *sse.Log{
		"memory": func() *sse.Log { return sse.NewLog(&sse.LogOptions{Count: -1, Bytes: -1}) },
		"store": func() *sse.Log {
			return sse.NewLog(&sse.LogOptions{Count: 8, Store: sse.NewLog(&sse.LogOptions{Count: -1, Bytes: -1})})
		},
	} {
		t.Run(kind, func(t *testing.T) {
			const published, publishers, followers = 500, 4, 100
			l := newLog()
			zero := headOf(t, l)
			var wg sync.WaitGroup
			for range publishers {
				wg.Go(func() {
					for range published / publishers {
						if _, err := l.Append(t.Context(), &sse.Event{}); err != nil {
							t.Error(err)
						}
					}
				})
			}
			check := func(cursor string, n int) {
				var ids []string
				for e, err := range l.Follow(t.Context(), cursor) {
					if err != nil || e.Name == sse.GapEvent {
						t.Errorf("after %q: %v, %s", cursor, err, e.Data)
						return
					}
					ids = append(ids, e.ID)
					if _, number, _ := strings.Cut(e.ID, "."); number != strconv.Itoa(n+len(ids)) {
						t.Errorf("event %d after %d is %q", len(ids), n, e.ID)
						return
					}
					if n+len(ids) == published {
						return
					}
				}
			}
			for i := range followers {
				wg.Go(func() {
					if i%2 == 0 {
						check(zero, 0)
						return
					}
					head, err := l.Head(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					_, number, _ := strings.Cut(head, ".")
					if n, _ := strconv.Atoi(number); n < published {
						check(head, n)
					}
				})
			}
			wg.Wait()
		})
	}
}

// Live is a place, not a moment: what is appended after Follow was called is
// not missed, whatever the ring has dropped since.
func TestLogFollowLive(t *testing.T) {
	for kind, newLog := range logs {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLog(4)
				publish(t, l, 0, 3)
				var got []string
				done := make(chan struct{})
				go func() {
					defer close(done)
					got = take(t, l, sse.Live, 4)
				}()
				synctest.Wait()
				publish(t, l, 3, 7)
				<-done
				if diff := cmp.Diff([]string{"3", "4", "5", "6"}, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		})
	}
}

// A follower that falls behind is told of it in its place and goes on; with a
// store it gets everything.
func TestLogSlowFollower(t *testing.T) {
	for kind, want := range map[string][]string{
		"memory":               {"1", "gap trimmed 16", "18", "19", "20"},
		"store that trims too": {"1", "gap trimmed 14", "16", "17", "18", "19", "20"},
		"store":                {"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "20"},
	} {
		t.Run(kind, func(t *testing.T) {
			l := logs[kind](3)
			zero := headOf(t, l)
			publish(t, l, 1, 2)
			var got []string
			for e, err := range l.Follow(t.Context(), zero) {
				if err != nil {
					t.Fatal(err)
				}
				if gap, ok := sse.ParseGap(e); ok {
					got = append(got, fmt.Sprintf("gap %s %d", gap.Reason, gap.Missed))
				} else {
					got = append(got, string(e.Data))
				}
				if len(got) == 1 {
					publish(t, l, 2, 21) // meanwhile
				}
				if len(got) == len(want) {
					break
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestLogFollowEndsWithItsContext(t *testing.T) {
	for kind, newLog := range logs {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reason := errors.New("enough")
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Hour, func() { cancel(reason) })
				var errs []error
				for _, err := range newLog(3).Follow(ctx, sse.Start) {
					errs = append(errs, err)
				}
				if len(errs) != 1 || errs[0] != reason {
					t.Errorf("errors %v, want the cause alone", errs)
				}
			})
		})
	}
}

func TestParseGap(t *testing.T) {
	for name, e := range map[string]*sse.Event{
		"nil":        nil,
		"other name": {Name: "x", Data: []byte(`{"reason":"epoch"}`)},
		"no JSON":    {Name: "gap", Data: []byte("x")},
		"no reason":  {Name: "gap", Data: []byte("{}")},
	} {
		if gap, ok := sse.ParseGap(e); ok {
			t.Errorf("%s is %+v", name, gap)
		}
	}
}
